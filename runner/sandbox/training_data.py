"""The volume with the training tokens and the tokenizer, one for each version of the lab's data.

What is put in is the list that `runner.data.public_files` gives; validation and holdout are never in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from runner.sandbox import owner, volumes
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine, faults
from runner.sandbox.filled import filled
from runner.sandbox.spec import ContainerSpec, Limits, Mount


def data_volume(
    engine: Engine, image: str, digest: str, files: Sequence[Path], say: Callable[[str], None] = lambda _: None
) -> str:
    """The name of the volume that holds `files`, made and filled if need be. Raises InfraError.

    digest: of the data, in hexadecimal. say: told of a wait for another process that fills one.
    """

    def write(archive: BinaryIO) -> str:
        volumes.write_archive(archive, {path.name: path for path in files})
        return ""

    return filled(engine, image, "data", digest, write, say)


@contextmanager
def exported(engine: Engine, image: str, volume: str) -> Iterator[Iterator[bytes]]:
    """The bytes of a data volume as the engine gives them out: chunks of a tar archive. Raises InfraError."""
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    mine = owner.labels("data", "reader", 3600)
    name = f"{volume}-{secrets.token_hex(3)}"
    spec = ContainerSpec(name, image, ("true",), (Mount(volume, "/data"),), limits, 60, mine, payload=False)
    with Container(engine, spec) as container, faults("reading the data volume"):
        chunks, _ = engine.api.get_archive(container.id, "/data", chunk_size=1 << 20)
        yield chunks
