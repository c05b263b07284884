"""Files that are there whole or not at all, and a full disk said in words. Trusts the file system's rename."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from runner.errors import InfraError, RunnerError, UsageError


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stamp() -> str:
    """The time in UTC, fit for a file name: 20251123T184000Z."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def fresh(path: Path) -> Path:
    """`path`, or `path`-2, -3 …: the first that does not exist."""
    candidate, count = path, 1
    while os.path.lexists(candidate):
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate


def explain(error: OSError, path: Path) -> RunnerError:
    """An error of the file system as one that says what to do."""
    what = f"{error.filename or path}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return InfraError(what, "Make room on the disk and start again: nothing is lost.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return UsageError(what, f"It must be in a folder that you can write: ls -ld '{path.parent}'")
    return InfraError(what)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn any OSError within into the error that `explain` makes of it."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def sync_folder(path: Path) -> None:
    """Bring a folder's own entries (creations, renames) to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `data`: a reader, or a crash, sees the old bytes or the new ones, never a mixture.

    durable: on the disk on return; False where losing it to a power cut costs nothing. Raises UsageError or
    InfraError; the old file is untouched then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained(path):
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            sync_folder(path.parent)
