"""Ctrl-C, SIGTERM, a closed terminal: each raises KeyboardInterrupt, but not while the engine makes or removes a thing.

A request to create that is broken off is carried out by the engine all the same, and nobody knows the container.
So such requests are finished first: `held_back` keeps a signal for the end of its block. The third signal is raised
at once, for an engine that hangs. Signals reach Python's main thread only; in any other the block does nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORCED = 3  # signals in one block after which it is given up
_blocks = 0
_kept = 0


def install() -> None:
    """From here on the signals that end a program end it tidily. One that is ignored (nohup, &) stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _arrived)


def over() -> None:
    """The program has tidied up and is about to exit: a signal now would only spoil its exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _arrived(*_: object) -> None:
    global _kept
    if _blocks:
        _kept += 1
        if _kept < FORCED:
            return
    raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[None]:
    """KeyboardInterrupt is raised when the outermost such block ends, not within."""
    global _blocks, _kept
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        if not _blocks and _kept:
            _kept = 0
            raise KeyboardInterrupt
