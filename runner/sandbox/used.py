"""When an image or a volume of ours was used last, and whether a living process uses it: engines tell neither.

A file for each in a folder that survives a restart and that all users of a machine share. Its time is the last use; a
process that uses the thing holds a shared lock on it until it ends, however it ends. So what a run needs between two
trials, when no container holds it, is seen. Another machine that uses the same engine is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: dict[str, int] = {}  # of this process, until it ends


def folder() -> Path:
    """Where the marks are."""
    lasting = Path("/var/tmp")
    return lasting if os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())


def hold(name: str) -> str:
    """Mark `name` as used now, and as in use until this process ends; `name` itself. Never a fault of its own."""
    with contextlib.suppress(OSError):
        if name not in _held:
            _held[name] = _opened(_mark(name), make=True)
            fcntl.flock(_held[name], fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.utime(_held[name])
    return name


def last_use(name: str) -> float:
    """When it was marked last, seconds since the epoch; 0 where it never was."""
    try:
        return os.lstat(_mark(name)).st_mtime
    except OSError:
        return 0.0


@contextmanager
def free(name: str) -> Iterator[bool]:
    """Whether no living process uses `name`; if so, none says so before the block ends."""
    try:
        descriptor = _opened(_mark(name), make=False)
    except FileNotFoundError:
        yield True
        return
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def unmark(name: str) -> None:
    """The thing is gone, its mark goes too."""
    with contextlib.suppress(OSError):
        _mark(name).unlink()


def _mark(name: str) -> Path:
    return folder() / f"autoresearch-used-{re.sub(r'[^A-Za-z0-9.-]', '_', name)[:150]}"


def _opened(path: Path, *, make: bool) -> int:
    """Never a link that another user has put there; first without O_CREAT, which a sticky folder may refuse."""
    safe = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # nor wait for the other end of a pipe
    try:
        return os.open(path, os.O_RDWR | safe)
    except PermissionError:
        return os.open(path, os.O_RDONLY | safe)  # enough to lock it
    except FileNotFoundError:
        if not make:
            raise
    made = os.open(path, os.O_RDWR | os.O_CREAT | safe, 0o666)
    with contextlib.suppress(OSError):
        os.fchmod(made, 0o666)  # whatever the umask is
    return made
