"""The channel to a model container: what it writes to stdout as bytes, what it writes to stderr as a log.

A thread reads both all the time, so that a model that prints much cannot block the exchange; what has not
been asked for yet is bounded, and reading waits there.
"""

from __future__ import annotations

import threading
import time

from runner.sandbox.stream import Attached, BoundedLog
from runner.scoring.protocol import ChannelClosed, ChannelTimeout

AHEAD = 64 << 20  # bytes of answers that may wait here


class ContainerChannel:
    """`scoring.protocol.Channel` over an attached container. Deadlines are `time.monotonic()` seconds."""

    def __init__(self, attached: Attached, log_bytes: int) -> None:
        self.log = BoundedLog(log_bytes)
        self._attached = attached
        self._buffer = bytearray()
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True, name="channel-reader").start()

    def _read(self) -> None:
        try:
            while True:
                kind, data = self._attached.receive(None)
                if not data:
                    return
                with self._changed:
                    if kind != 1:
                        self.log.add(data)
                        continue
                    while len(self._buffer) > AHEAD and not self._ended:
                        self._changed.wait()
                    self._buffer += data
                    self._changed.notify_all()
        except (ChannelTimeout, ChannelClosed, ValueError):
            return
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def send(self, data: bytes, deadline: float) -> None:
        self._attached.send(data, deadline)

    def receive(self, count: int, deadline: float) -> bytes:
        """Exactly `count` bytes. Raises ChannelClosed at an early end, ChannelTimeout at the deadline."""
        parts = bytearray()
        with self._changed:
            while len(parts) < count:
                if self._buffer:
                    take = self._buffer[: count - len(parts)]
                    del self._buffer[: len(take)]
                    parts += take
                    self._changed.notify_all()
                    continue
                if self._ended:
                    raise ChannelClosed("the container ended in the middle of an answer")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ChannelTimeout("no answer before the deadline")
                self._changed.wait(left)
        return bytes(parts)

    def close(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._attached.close()
