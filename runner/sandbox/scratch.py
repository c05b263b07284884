"""/dev/shm and the like of a container, where the engine's own tmpfs cannot be bounded in files (`dialect.py`).

Volumes in memory, made for one container and removed with it. They carry its labels, so that what a killed program
leaves is found and removed with the rest. Does nothing on an engine whose tmpfs takes every bound.
"""

from __future__ import annotations

import contextlib

from runner.errors import InfraError
from runner.sandbox import volumes
from runner.sandbox.dialect import in_volumes, scratch_name
from runner.sandbox.engine import Engine
from runner.sandbox.gpu_words import COMPILE
from runner.sandbox.spec import FILES, ContainerSpec, own_folders


def make(engine: Engine, spec: ContainerSpec) -> None:
    """Raises InfraError, and leaves nothing then."""
    if not engine.needs_scratch:
        return
    try:
        folders = own_folders(spec.limits)
        for target in in_volumes(folders):
            name = scratch_name(spec.name, target)
            volumes.make_in_memory(
                engine,
                name,
                folders[target],
                FILES,
                spec.labels,
                owner=0,
                mode="1777",
                programs=target == COMPILE,
            )
    except InfraError:
        with contextlib.suppress(InfraError):
            remove(engine, spec)
        raise


def remove(engine: Engine, spec: ContainerSpec) -> None:
    """Once the container is gone. Raises InfraError."""
    if engine.needs_scratch:
        for target in in_volumes(own_folders(spec.limits)):
            volumes.remove_volume(engine, scratch_name(spec.name, target))
