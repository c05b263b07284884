"""Ends a trial's containers from another thread than the one that runs it, which then ends by itself.

It only kills: that thread sees the end of its container and removes what it made, on the paths that it takes after any
other end. What it has not made yet it is kept from making.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import docker.errors

from runner.errors import InfraError
from runner.sandbox import owner
from runner.sandbox.engine import Engine, faults
from runner.sandbox.spec import LABEL

BETWEEN = 0.1  # seconds between two looks for something to kill
ENOUGH = 20.0  # seconds after which it is given up


def stop(engine: Engine, slot: str, ended: Callable[[], bool]) -> None:
    """Kill this process's containers of the place `slot` until `ended`. Never raises for an engine that fails."""
    engine.stopping.set()
    deadline = time.monotonic() + ENOUGH
    while not ended() and time.monotonic() < deadline:
        with contextlib.suppress(InfraError):
            _kill(engine, slot)
        time.sleep(BETWEEN)


def _kill(engine: Engine, slot: str) -> None:
    with faults("looking for containers to end"):
        found = engine.api.containers(filters={"label": [f"{LABEL}.slot={slot}"]})
        for container in found:
            if owner.own(container.get("Labels") or {}):
                with contextlib.suppress(docker.errors.APIError):  # it ended by itself, or is being removed
                    engine.api.kill(container["Id"], "SIGKILL")
