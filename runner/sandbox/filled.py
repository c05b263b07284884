"""Volumes that are filled once, by the engine itself from an archive, and from then on only ever mounted read-only.

Each is named by a digest of what decides its content. A marker written last tells a filled one from one whose filling
was cut short. One process of a machine fills at a time; two machines that share an engine are not kept apart.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable
from typing import BinaryIO

from runner.errors import InfraError
from runner.sandbox import owner, used, volumes
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine, faults
from runner.sandbox.spec import LABEL, ContainerSpec, Limits, Mount
from runner.turn import turn

COMPLETE = ".complete"


def filled(
    engine: Engine,
    image: str,
    kind: str,
    digest: str,
    write: Callable[[BinaryIO], str],
    say: Callable[[str], None],
) -> str:
    """The name of the volume of `kind` for a digest, in hexadecimal; "" where it is empty and cannot be filled.

    write: writes a tar archive of the content and says why it could not, "" where it could; not called where the volume
    is filled. say: told of a wait. Raises InfraError.
    """
    name = used.hold(f"autoresearch-{kind}-{digest[:16]}")
    with faults(f"creating the volume {name}"):
        engine.api.create_volume(name, labels={LABEL: "data"})  # does nothing if it is there
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    mounts = (Mount(name, "/filled", read_only=False),)
    # The next start removes the filler of a program that was killed; an hour is for one that this machine cannot see.
    mine = owner.labels(kind, "filler", 3600)
    filler = f"{name}-{secrets.token_hex(3)}"
    spec = ContainerSpec(filler, image, ("true",), mounts, limits, 60, mine, payload=False)
    # The container is never started; it holds the volume, which can be removed only after it.
    with contextlib.ExitStack() as undo, Container(engine, spec) as container:
        if container.exists(f"/filled/{COMPLETE}"):
            return name
        with turn(f"{kind}-volume", name, say, stopped=engine.stopping.is_set):
            if container.exists(f"/filled/{COMPLETE}"):
                return name
            undo.callback(_remove, engine, name)
            with tempfile.TemporaryFile(dir=used.roomy()) as archive:  # without a name: a kill leaves nothing
                if not write(archive):
                    archive.seek(0)
                    container.put("/filled", archive)
                    container.put("/filled", volumes.archive({COMPLETE: digest.encode()}))
                    undo.pop_all()
                    return name
    return ""


def _remove(engine: Engine, name: str) -> None:
    with contextlib.suppress(InfraError):  # another process may be about to try the same
        volumes.remove_volume(engine, name)
