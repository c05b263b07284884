"""One at a time: a trial on a device, a build of an image, over all runs, jobs and users of a machine. They take turns.

Two locks of the kernel (flock) on files in a folder that all may write. Whoever waits holds the `next` lock, so that
a run that has just finished a trial cannot take the device again before the one that waited. The kernel gives both
back when a process dies. What is written in the file is for people; nothing depends on it. It keeps no program away
that does not take part.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import InfraError
from runner.locks import everybodys, locked

LOOK = 0.1  # seconds between two tries
SHARED = (Path("/run/lock"), Path(tempfile.gettempdir()))  # the first that all may write


@contextmanager
def turn(
    device: str,
    who: str,
    say: Callable[[str], None],
    folder: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[float]:
    """Have `device` (a GPU's UUID, `cpu`, or a work's name) alone; the seconds that were waited for it.

    who: one line about this process for those who wait. say: told once, if there is anything to wait for. stopped:
    asked while waiting, whether to give up. Raises InfraError then, and where no lock can be had at all.
    """
    folder = folder or next((f for f in SHARED if _for_all(f)), SHARED[-1])
    began = time.monotonic()
    told = False
    with _file(folder / f"autoresearch-{device}.lock") as mine:
        with _file(folder / f"autoresearch-{device}.next.lock") as after:
            for lock in (after, mine):
                while not locked(lock):
                    if not told:
                        say(f"waiting for {device}, which is in use by {_read(mine) or 'another process'}")
                        told = True
                    if stopped():
                        raise InfraError(f"gave up waiting for {device}")
                    time.sleep(LOOK)
        with contextlib.suppress(OSError):  # another user's file, that may be read
            os.ftruncate(mine, 0)
            os.pwrite(mine, f"process {os.getpid()}, {who}".encode()[:500], 0)
        yield time.monotonic() - began


def _for_all(folder: Path) -> bool:
    """Whether every user may write there: all must come to the same one."""
    return folder.is_dir() and bool(folder.stat().st_mode & 0o002)


@contextmanager
def _file(path: Path) -> Iterator[int]:
    """Everybody's file, open; made if need be. Never a link that another user has put there."""
    try:
        descriptor = everybodys(path)
    except OSError as error:
        raise InfraError(
            f"{path}, by which the programs of a machine take turns, cannot be opened: {os.strerror(error.errno or 0)}",
            'See who made it; for a device that nobody else uses, trial.alone = "never" in runner.toml does without',
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> str:
    text = os.pread(descriptor, 500, 0).decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable())
