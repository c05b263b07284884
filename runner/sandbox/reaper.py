"""Removes things of ours from the engine: containers first, then their volumes. Only what has our label.

What a dead owner left (`owner.py`), at a start: two runs on one machine leave each other alone. And what this very
process may still own, at its end: nothing, unless it was interrupted in a moment that no block of its own covers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker.errors

from runner.errors import InfraError
from runner.interrupts import held_back
from runner.sandbox import owner
from runner.sandbox.engine import Engine, faults, gone
from runner.sandbox.spec import LABEL
from runner.sandbox.volumes import remove_volume

Doomed = Callable[[str, Mapping[str, str]], bool]  # by its name and its labels


def reap(engine: Engine, tag: str = "") -> list[str]:
    """Removes leftovers, of one run if `tag` is given; returns the names of what was removed."""
    wanted = f"{LABEL}.run={tag}" if tag else f"{LABEL}=trial"
    return clear(engine, wanted, lambda _, labels: owner.leftover(labels, engine_is_local=engine.local))


def leftovers(engine: Engine) -> list[str]:
    """The names of what `reap` would remove."""
    found = []

    def note(name: str, labels: Mapping[str, str]) -> bool:
        if owner.leftover(labels, engine_is_local=engine.local):
            found.append(name)
        return False

    clear(engine, f"{LABEL}=trial", note)
    return found


@contextmanager
def swept(engine: Engine) -> Iterator[Engine]:
    """The engine for the time of a command; closed in the end, and nothing that this process made is left there."""
    try:
        yield engine
    finally:
        with held_back():
            with contextlib.suppress(InfraError):  # an engine that is gone: the next start sees to it
                clear(engine, f"{LABEL}=trial", lambda _, labels: owner.own(labels))
            engine.close()


def clear(engine: Engine, label: str, doomed: Doomed) -> list[str]:
    """Removes the containers and volumes with `label` that are `doomed`; their names. Raises InfraError."""
    wanted = {"label": [label]}
    removed = []
    with faults("listing containers"):
        containers: list[dict[str, Any]] = engine.api.containers(all=True, filters=wanted)
    for container in containers:
        name = str((container.get("Names") or [container["Id"]])[0]).lstrip("/")
        if doomed(name, container.get("Labels") or {}) and remove_container(engine, container["Id"]):
            removed.append(name)
    with faults("listing volumes"):
        volumes: list[dict[str, Any]] = engine.api.volumes(filters=wanted).get("Volumes") or []
    for volume in volumes:
        name = str(volume["Name"])
        if doomed(name, volume.get("Labels") or {}):
            remove_volume(engine, name)
            removed.append(name)
    return removed


def remove_container(engine: Engine, container_id: str) -> bool:
    """Ends and removes a container; False where it was gone already."""
    with faults("removing a leftover container"):
        try:
            engine.api.remove_container(container_id, force=True, v=True)
        except docker.errors.APIError as error:
            if not gone(error):
                raise
            return False  # Docker may list such a one as being removed until it is restarted
    return True
