"""Many files at once, with a line of progress; an interrupt or a failure stops all and keeps what is there."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from runner.errors import InfraError
from runner.fetch import http, one
from runner.fetch.http import Limits, Stopped
from runner.fetch.item import Got, Item
from runner.locks import locked

Progress = Callable[[str, float | None], None]
_TICK = 0.1
_STOP_SECONDS = 3.0  # that threads are given to notice; they are daemons, and hold nothing that must be closed


class Tally:
    """Bytes there and bytes wanted, from any thread, and what a person is told of them."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._have = dict.fromkeys((item.name for item in items), 0)
        self._size: dict[str, int | None] = {item.name: item.size or None for item in items}
        self._done = 0
        self._recent: collections.deque[tuple[float, int]] = collections.deque(maxlen=75)

    def tell(self, name: str, have: int, size: int | None) -> None:
        self._have[name] = have
        if size is not None:
            self._size[name] = size

    def finished(self) -> None:
        self._done += 1

    def line(self, now: float) -> tuple[str, float]:
        """`3 of 11 files, 0.31 of about 1.10 GB, 54 MB/s, 2 min left`, and the fraction."""
        have = sum(self._have.values())
        known = [size for size in self._size.values() if size is not None]
        whole = sum(known) * len(self._size) / len(known) if known else 0.0
        self._recent.append((now, have))
        then, had = self._recent[0]
        rate = max(have - had, 0) / (now - then) if now > then else 0.0
        about = "" if len(known) == len(self._size) else "about "
        text = f"{self._done} of {len(self._size)} files, {_bytes(have)} of {about}{_bytes(whole)}"
        if rate:
            text += f", {_bytes(rate)}/s, {_left((whole - have) / rate)} left"
        return text, min(have / whole, 1.0) if whole else 0.0


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def _left(seconds: float) -> str:
    seconds = max(seconds, 0)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def _alone(folder: Path, on_progress: Progress) -> Iterator[None]:
    """One program at a time in a folder of downloads; a kill releases it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InfraError(f"{folder} cannot be made: {error.strerror}", "Name another: data.downloads") from None
    try:
        if not locked(held):
            on_progress("waiting for another program that downloads this", None)
            locked(held, wait=True)
        yield
    finally:
        os.close(held)


def fetch_all(
    items: Sequence[Item],
    folder: Path,
    on_progress: Progress,
    *,
    pins: Mapping[str, str] | None = None,
    parallel: int = 4,
    limits: Limits | None = None,
) -> list[Got]:
    """The files of `items` in their order, downloaded to `folder` where they are not there.

    pins: digests by address, of files that were used before. Raises UsageError for a file that is not to be had or
    not what it should be, InfraError where the network or the disk failed; what arrived stays for the next start.
    """
    limits = limits or Limits()
    with _alone(folder, on_progress):
        tally, stop, pace = Tally(items), threading.Event(), one.Pace()
        todo: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        for pair in enumerate(items):
            todo.put(pair)
        got: dict[int, Got] = {}
        failed: list[BaseException] = []

        def work() -> None:
            with http.session(limits) as client, contextlib.suppress(queue.Empty, Stopped):
                while not stop.is_set():
                    index, item = todo.get_nowait()
                    tell = lambda have, size, name=item.name: tally.tell(name, have, size)  # noqa: E731
                    try:
                        got[index] = one.fetch(item, folder, pins or {}, client, limits, pace, stop, tell)
                        tally.finished()
                    except Stopped:
                        raise
                    except BaseException as error:
                        failed.append(error)
                        stop.set()

        threads = [threading.Thread(target=work, name=f"fetch-{i}", daemon=True) for i in range(parallel)]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and not stop.is_set():
                text, fraction = tally.line(time.monotonic())
                on_progress(f"downloading: {text}", fraction)
                stop.wait(_TICK)
        finally:
            stop.set()
            until = time.monotonic() + _STOP_SECONDS
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(until - time.monotonic(), 0.0))
        if failed:
            raise _explained(failed[0], folder)
        return [got[index] for index in range(len(items))]


def _explained(error: BaseException, folder: Path) -> BaseException:
    if isinstance(error, OSError):
        return InfraError(f"{folder} cannot be written: {error}", "Make room, or name another: data.downloads")
    return error
