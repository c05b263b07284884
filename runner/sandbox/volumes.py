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

from runner.errors import InfraError
from runner.interrupts import held_back
from runner.sandbox.engine import Engine, faults, gone
from runner.sandbox.spec import PAYLOAD_UID


@contextmanager
def memory_volume(
    engine: Engine, name: str, megabytes: int, files: int, labels: Mapping[str, str], *, payload_owns: bool
) -> Iterator[str]:
    """A volume in memory, bounded in bytes and files; removed on leaving, when no container holds it."""
    with held_back():
        make_in_memory(engine, name, megabytes, files, labels, owner=PAYLOAD_UID if payload_owns else 0)
    try:
        yield name
    finally:
        with held_back():
            remove_volume(engine, name)


def make_in_memory(
    engine: Engine,
    name: str,
    megabytes: int,
    files: int,
    labels: Mapping[str, str],
    *,
    owner: int,
    mode: str = "0755",
    programs: bool = False,
) -> None:
    """A volume whose files are in memory while a container holds it, and gone with the last that does.

    programs: whether files in it may be run, or loaded as libraries.
    """
    # Podman takes `size` for a quota of its own on disk, which most file systems lack; the kernel's other
    # word for the same bound, in pages, it passes on.
    pages = (megabytes << 20) // os.sysconf("SC_PAGE_SIZE")
    size = f"nr_blocks={pages}" if engine.info.name == "podman" else f"size={megabytes}m"
    options = f"{size},nr_inodes={files},uid={owner},gid={owner},mode={mode},nosuid,nodev"
    options += "" if programs else ",noexec"
    with faults(f"creating the volume {name}"):
        engine.api.create_volume(
            name,
            driver="local",
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": options},
            labels=dict(labels),
        )


def require_volume(engine: Engine, name: str, holds: str = "the training data") -> None:
    """Raises InfraError where the volume is gone: the engine would make an empty one in its place, unasked."""
    with faults(f"looking for the volume {name}"):
        try:
            engine.api.inspect_volume(name)
        except docker.errors.NotFound:
            raise InfraError(
                f"the engine's volume {name}, which holds {holds}, is gone",
                "Start again: it is filled anew, and the run resumes where it was.",
            ) from None


def remove_volume(engine: Engine, name: str) -> None:
    with faults(f"removing the volume {name}"):
        try:
            engine.api.remove_volume(name, force=True)
        except docker.errors.APIError as error:
            if not gone(error):
                raise


def archive(
    files: Mapping[str, bytes | Path], folders: tuple[str, ...] = (), *, owner: int = 0, made: int = 0
) -> bytes:
    """A tar as `write_archive` makes it, in memory; for code, not for data."""
    buffer = io.BytesIO()
    write_archive(buffer, files, folders, owner=owner, made=made)
    return buffer.getvalue()


def write_archive(
    to: BinaryIO,
    files: Mapping[str, bytes | Path],
    folders: tuple[str, ...] = (),
    *,
    owner: int = 0,
    made: int = 0,
) -> None:
    """A tar of regular files and folders: same input, same bytes. Only `owner` may write them. made: their time."""
    with tarfile.open(fileobj=to, mode="w", format=tarfile.PAX_FORMAT) as tar:
        parents = {str(p) for name in files for p in Path(name).parents if str(p) != "."}
        for folder in sorted(parents | set(folders)):
            tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755, owner, made))
        for name, content in sorted(files.items()):
            if isinstance(content, bytes):
                tar.addfile(
                    _member(name, tarfile.REGTYPE, 0o644, owner, made, len(content)), io.BytesIO(content)
                )
            else:
                with content.open("rb") as source:
                    size = os.fstat(source.fileno()).st_size
                    tar.addfile(_member(name, tarfile.REGTYPE, 0o644, owner, made, size), source)


def _member(name: str, kind: bytes, mode: int, owner: int, made: int, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.mtime = kind, mode, size, made
    member.uid = member.gid = owner
    return member
