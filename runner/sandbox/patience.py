"""After the engine failed in mid-trial: waits until it answers again, then removes what it kept of that trial.

A trial that is tried again must not share the machine with the container of the first try, and what a living process
made is no leftover to any other (`reaper.py`). Does not decide whether a trial is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from runner.errors import InfraError
from runner.sandbox.engine import Engine, faults
from runner.sandbox.reaper import remove_container
from runner.sandbox.spec import LABEL
from runner.sandbox.volumes import remove_volume

BETWEEN = 0.5  # seconds between two looks at an engine that does not answer


def recover(engine: Engine, names: Collection[str], seconds: float) -> None:
    """Waits at most `seconds` for an answer; removes containers and volumes whose name begins with one of `names`.

    Raises InfraError where the engine does not come back, or cannot remove them.
    """
    _wait(engine, time.monotonic() + seconds)
    wanted = {"label": [f"{LABEL}=trial"]}
    with faults("listing what it kept of a trial"):
        containers: list[dict[str, Any]] = engine.api.containers(all=True, filters=wanted)
        volumes: list[dict[str, Any]] = engine.api.volumes(filters=wanted).get("Volumes") or []
    for container in containers:
        if any(str(name).lstrip("/").startswith(tuple(names)) for name in container.get("Names") or []):
            remove_container(engine, container["Id"])
    for volume in volumes:
        if str(volume["Name"]).startswith(tuple(names)):
            remove_volume(engine, volume["Name"])


def _wait(engine: Engine, deadline: float) -> None:
    while True:
        try:
            with faults("being asked whether it is there"):
                engine.api.ping()
            return
        except InfraError:
            if time.monotonic() > deadline:
                raise
            time.sleep(BETWEEN)
