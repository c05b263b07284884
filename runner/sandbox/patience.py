"""After the engine failed in mid-trial: waits until it answers again, then removes what it kept of that trial.

A trial that is tried again must not share the machine with the container of the first try, and what a living process
made is no leftover to any other (`reaper.py`). Does not decide whether a trial is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from runner.errors import InfraError
from runner.sandbox import reaper
from runner.sandbox.engine import Engine, faults
from runner.sandbox.spec import LABEL

BETWEEN = 0.5  # seconds between two looks at an engine that does not answer


def recover(engine: Engine, names: Collection[str], seconds: float) -> None:
    """Waits at most `seconds` for an answer; removes containers and volumes whose name begins with one of `names`.

    Raises InfraError where the engine does not come back, or cannot remove them.
    """
    _wait(engine, time.monotonic() + seconds)
    reaper.clear(engine, f"{LABEL}=trial", lambda name, _: name.startswith(tuple(names)))


def _wait(engine: Engine, deadline: float) -> None:
    while True:
        try:
            with faults("being asked whether it is there"):
                engine.api.ping()
            return
        except InfraError:
            if time.monotonic() > deadline or engine.stopping.is_set():
                raise
            time.sleep(BETWEEN)
