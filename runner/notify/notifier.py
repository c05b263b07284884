"""Hears what happens in a run and has it told outside. A Watcher around a Watcher, and a context manager around a run.

A run never waits for a message and never fails with one: a thread of its own sends them, at most `WAITING` are kept,
and the end waits `CLOSE_SECONDS`. What could not be delivered is said once, until something arrives again.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Any

from runner.errors import RunnerError
from runner.notify import payload
from runner.notify.senders import Sender, Undelivered
from runner.parts import Watcher
from runner.record.faults import Faults
from runner.relay import Relay
from runner.trial import Entry, Status

WAITING = 32  # messages; more are no news
CLOSE_SECONDS = 2.0  # how long the end of a run waits for what is still to be sent


class Post:
    """The thread that sends, and its letter box. say: where faults are told, from that thread."""

    def __init__(self, senders: Sequence[Sender], say: Callable[[str], None]) -> None:
        self._senders, self._say = senders, say
        self._box: queue.Queue[dict[str, Any] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._faulty: set[int] = set()
        self._closing = False

    def put(self, found: dict[str, Any]) -> None:
        """Never waits: where the box is full the oldest message makes room."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
            self._thread.start()
        self._drop_in(found)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send what waits, for so long at most; then nothing of it is left running."""
        if self._thread is None:
            return
        self._drop_in(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._closing = True
            for sender in self._senders:
                sender.cancel()
            self._say(f"the last notification was not delivered within {seconds:.0f} s")

    def _drop_in(self, found: dict[str, Any] | None) -> None:
        while True:
            try:
                return self._box.put_nowait(found)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._box.get_nowait()

    def _work(self) -> None:
        while not self._closing and (found := self._box.get()) is not None:
            for index, sender in enumerate(self._senders):
                if self._closing:
                    return
                self._send(index, sender, found)

    def _send(self, index: int, sender: Sender, found: dict[str, Any]) -> None:
        try:
            sender.send(found)
            self._faulty.discard(index)
        except Exception as error:
            known = isinstance(error, Undelivered)
            if index not in self._faulty and not self._closing:
                self._faulty.add(index)
                why = str(error) if known else type(error).__name__
                self._say(f"a notification could not be delivered: {why}; the run goes on")


class Notifier(Relay):
    """`loop.Watcher`. events: which of `improvement`, `trouble` and `end` to tell; entries, faults: the run's."""

    def __init__(
        self,
        watcher: Watcher,
        post: Post,
        tag: str,
        events: Collection[str],
        entries: Callable[[], Sequence[Entry]],
        faults: Callable[[], Faults] = Faults,
    ) -> None:
        super().__init__(watcher)
        self._post, self._tag, self._events = post, tag, events
        self._entries, self._faults = entries, faults

    def __enter__(self) -> Notifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell how the run ended, and wait a little for it to be told."""
        failed = isinstance(error, Exception)
        outcome = "failed" if failed else "done" if error is None else "interrupted"
        detail = "" if not failed else error.what if isinstance(error, RunnerError) else type(error).__name__
        # An end in trouble is one message, not two.
        event = payload.TROUBLE if failed and payload.TROUBLE in self._events else payload.END
        self._tell(
            event, lambda: payload.of_end(event, self._tag, outcome, detail, self._entries(), self._faults())
        )
        self._post.close()

    def decided(self, entry: Entry) -> None:
        super().decided(entry)
        if entry.suspicious:
            event = payload.TROUBLE
        elif entry.status is Status.KEEP and entry.number > 0:
            event = payload.IMPROVEMENT
        else:
            return
        self._tell(event, lambda: payload.of_trial(event, self._tag, entry, self._entries(), self._faults()))

    def _tell(self, event: str, make: Callable[[], dict[str, Any]]) -> None:
        if event in self._events:
            with contextlib.suppress(Exception):  # a message: whatever is wrong with it, the run goes on
                self._post.put(make())
