"""When an image or a volume of ours was used last, and whether a living process uses it: engines tell neither.

A file for each in a folder that survives a restart and that all users of a machine share. Its time is the last use; a
process that uses the thing holds a shared lock on it until it ends, however it ends. So what a run needs between two
trials, when no container holds it, is seen. Another machine that uses the same engine is not.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.locks import everybodys, locked, still_there

_held: dict[str, int] = {}  # of this process, until it ends


def folder() -> Path:
    """Where the marks are."""
    lasting = Path("/var/tmp")
    return lasting if os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())


def roomy() -> Path:
    """A folder for gigabytes of a moment: on a disk, for /tmp is memory on many machines; TMPDIR names another."""
    return Path(tempfile.gettempdir()) if os.environ.get("TMPDIR") else folder()


def hold(name: str) -> str:
    """Mark `name` as used now, and as in use until this process ends; `name` itself. Never a fault of its own."""
    with contextlib.suppress(OSError):
        while name not in _held:
            mark = everybodys(_mark(name))
            # Whoever removes the thing holds the lock alone, for a moment, and takes the mark away with it.
            if locked(mark, shared=True, wait=True) and still_there(mark, _mark(name)):
                _held[name] = mark
            else:
                os.close(mark)
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
        descriptor = _looked_at(_mark(name))
    except OSError:
        yield False
        return
    try:
        yield locked(descriptor)
    finally:
        os.close(descriptor)


def _looked_at(mark: Path) -> int:
    """The mark, open; one that was never there says that it was never used."""
    try:
        return everybodys(mark, make=False)
    except FileNotFoundError:
        descriptor = everybodys(mark)
        os.utime(descriptor, (0, 0))
        return descriptor


def unmark(name: str) -> None:
    """The thing is gone, its mark goes too."""
    with contextlib.suppress(OSError):
        _mark(name).unlink()


def _mark(name: str) -> Path:
    return folder() / f"autoresearch-used-{re.sub(r'[^A-Za-z0-9.-]', '_', name)[:150]}"
