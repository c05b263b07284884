"""The volume with the training tokens and the tokenizer, filled once for each version of the lab's data.

What is put in is the list that `runner.data.public_files` gives; validation and holdout are never in it.
A marker written last tells a filled volume from one whose filling was cut short.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.sandbox import owner, used, volumes
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine, faults
from runner.sandbox.spec import LABEL, ContainerSpec, Limits, Mount

COMPLETE = ".complete"


def data_volume(engine: Engine, image: str, digest: str, files: Sequence[Path]) -> str:
    """The name of the volume that holds `files`, made and filled if need be. Raises InfraError."""
    name = used.hold(f"autoresearch-data-{digest[:16]}")
    labels = {LABEL: "data"}
    with faults("creating the data volume"):
        engine.api.create_volume(name, labels=labels)  # does nothing if it is there
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    mounts = (Mount(name, "/data", read_only=False),)
    filler = f"{name}-{secrets.token_hex(3)}"
    # The next start removes the filler of a program that was killed.
    mine = owner.labels("data", "filler", 60)
    spec = ContainerSpec(filler, image, ("true",), mounts, limits, 60, mine, payload=False)
    with Container(engine, spec) as container:  # never started: the engine itself writes
        if not container.exists(f"/data/{COMPLETE}"):
            with tempfile.TemporaryFile() as archive:
                volumes.write_archive(archive, {path.name: path for path in files})
                archive.seek(0)
                container.put("/data", archive)
            container.put("/data", volumes.archive({COMPLETE: digest.encode()}))
    return name


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
