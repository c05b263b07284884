"""Locks of the kernel on files (flock(2)): over processes and users, given back when whoever holds one dies.

Knows no names and no folders; imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


def everybodys(path: Path, *, make: bool = True) -> int:
    """A file in a folder that many users share, open to be locked. Raises OSError.

    Never a link that another user has put there, nor a pipe that waits for its other end. First without O_CREAT: in a
    sticky folder the kernel refuses that for a file of another user (fs.protected_regular, proc(5)), whatever its mode.
    """
    safe = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    while True:
        with contextlib.suppress(FileNotFoundError):
            try:
                return os.open(path, os.O_RDWR | safe)
            except PermissionError:
                return os.open(path, os.O_RDONLY | safe)  # enough to lock it
        if not make:
            raise FileNotFoundError(f"{path} is not there")
        with contextlib.suppress(FileExistsError):  # another made it just now
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | safe, 0o666)
            os.fchmod(made, 0o666)  # whatever the umask is
            return made


def locked(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Whether the lock is ours now, until the descriptor is closed."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def still_there(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one at `path`: someone may have deleted it in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
