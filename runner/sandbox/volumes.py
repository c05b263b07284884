"""Volumes of the engine: one in memory for each trial's /out and /lab, one on disk for the training data.

Memory volumes (`tmpfs` through the local driver) bound what a trial leaves in bytes and files; they live as
long as some container holds them. The data volume is named by the digest of what is in it, filled once by
the engine from an archive, and only ever mounted read-only.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import docker.errors

from runner.sandbox.engine import Engine, faults, gone
from runner.sandbox.spec import PAYLOAD_UID


@contextmanager
def memory_volume(
    engine: Engine, name: str, megabytes: int, files: int, labels: Mapping[str, str], *, payload_owns: bool
) -> Iterator[str]:
    """A volume in memory, bounded in bytes and files; removed on leaving, when no container holds it."""
    owner = PAYLOAD_UID if payload_owns else 0
    options = f"size={megabytes}m,nr_inodes={files},uid={owner},gid={owner},mode=0755,nosuid,nodev,noexec"
    with faults(f"creating the volume {name}"):
        engine.api.create_volume(
            name,
            driver="local",
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": options},
            labels=dict(labels),
        )
    try:
        yield name
    finally:
        remove_volume(engine, name)


def remove_volume(engine: Engine, name: str) -> None:
    with faults(f"removing the volume {name}"):
        try:
            engine.api.remove_volume(name, force=True)
        except docker.errors.APIError as error:
            if not gone(error):
                raise


def archive(files: Mapping[str, bytes | Path], folders: tuple[str, ...] = ()) -> bytes:
    """A tar as `write_archive` makes it, in memory; for code, not for data."""
    buffer = io.BytesIO()
    write_archive(buffer, files, folders)
    return buffer.getvalue()


def write_archive(to: BinaryIO, files: Mapping[str, bytes | Path], folders: tuple[str, ...] = ()) -> None:
    """A tar of regular files and folders, owned by root, unwritable, with no times: same input, same bytes."""
    with tarfile.open(fileobj=to, mode="w", format=tarfile.PAX_FORMAT) as tar:
        parents = {str(p) for name in files for p in Path(name).parents if str(p) != "."}
        for folder in sorted(parents | set(folders)):
            tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
        for name, content in sorted(files.items()):
            if isinstance(content, bytes):
                tar.addfile(_member(name, tarfile.REGTYPE, 0o644, len(content)), io.BytesIO(content))
            else:
                with content.open("rb") as source:
                    size = os.fstat(source.fileno()).st_size
                    tar.addfile(_member(name, tarfile.REGTYPE, 0o644, size), source)


def _member(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size = kind, mode, size
    return member
