"""Bytes to and from a container over the engine's attach connection.

Without a terminal the engine sends frames: one byte for the stream (1 stdout, 2 stderr), three of zero, four
for the length, then the bytes (Docker Engine API, "Attach to a container", stream format). What is in them
comes from an untrusted program: it is bounded, and nothing is ever concluded from it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from runner.scoring.protocol import ChannelClosed, ChannelTimeout

CHUNK = 1 << 16
SMALL = 1 << 10


class Attached:
    """The attach connection: frames in, raw bytes out. One thread reads, one writes."""

    def __init__(self, attached: Any) -> None:
        # The HTTP response that the socket was taken out of, by docker-py's own reference. It is what has to be closed:
        # closed below it, the socket fails the response's own close when that is collected (seen from Python 3.13).
        self._keep = getattr(attached, "_response", attached)
        self._sock = getattr(attached, "_sock", attached)
        self._left = 0
        self._kind = 0

    def receive(self, deadline: float | None) -> tuple[int, bytes]:
        """The next (stream, bytes), at most CHUNK bytes; (0, b"") at the end. Raises ChannelTimeout."""
        while not self._left:
            header = self._exactly(8, deadline)
            if len(header) < 8:
                return 0, b""
            self._kind, self._left = header[0], int.from_bytes(header[4:], "big")
        data = self._some(min(self._left, CHUNK), deadline)
        self._left -= len(data)
        return (self._kind, data) if data else (0, b"")

    def _exactly(self, count: int, deadline: float | None) -> bytes:
        data = b""
        while len(data) < count:
            more = self._some(count - len(data), deadline)
            if not more:
                break
            data += more
        return data

    def _some(self, count: int, deadline: float | None) -> bytes:
        self._limit(deadline)
        try:
            return bytes(self._sock.recv(count))
        except TimeoutError:
            raise ChannelTimeout("no answer before the deadline") from None
        except OSError:
            return b""

    def send(self, data: bytes, deadline: float | None) -> None:
        """All of `data`. Raises ChannelTimeout, ChannelClosed."""
        view = memoryview(data)
        while view:
            self._limit(deadline)
            try:
                view = view[self._sock.send(view[:CHUNK]) :]
            except TimeoutError:
                raise ChannelTimeout("the container takes no more input before the deadline") from None
            except OSError as error:
                raise ChannelClosed(f"the container's input is closed: {error}") from None

    def _limit(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise ChannelTimeout("the deadline has passed")
        # A closed socket shows at the next read.
        with contextlib.suppress(OSError):
            self._sock.settimeout(left)

    def close(self) -> None:
        """Ends the connection; a thread blocked in it comes back."""
        for end in (lambda: self._sock.shutdown(socket.SHUT_RDWR), self._keep.close):
            with contextlib.suppress(OSError, ValueError):
                end()


class BoundedLog:
    """Keeps the first and the last `limit / 2` bytes of a stream of any length, and how much there was."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._lock = threading.Lock()  # read while its writer may still be at work
        self.total = 0

    def add(self, data: bytes) -> None:
        with self._lock:
            self.total += len(data)
            room = self._half - len(self._head)
            if room > 0:
                self._head += data[:room]
                data = data[room:]
            if data:
                self._keep(data)

    def _keep(self, data: bytes) -> None:
        if self._tail and len(self._tail[-1]) + len(data) <= SMALL:
            last = self._tail.pop()  # a million writes of one byte are no million objects
            self._tail_size -= len(last)
            data = last + data
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= self._half:
            self._tail_size -= len(self._tail.popleft())

    def value(self) -> bytes:
        with self._lock:
            tail = b"".join(self._tail)[-self._half :]
            lost = self.total - len(self._head) - len(tail)
            gap = f"\n[... {lost} bytes left out ...]\n".encode() if lost else b""
            return bytes(self._head) + gap + tail


class LogReader(threading.Thread):
    """Reads an attached container's output until it ends, into a BoundedLog and to `on_line`.

    `on_line` gets whole lines of at most `CHUNK` bytes, for display only, and must not raise.
    """

    def __init__(
        self,
        attached: Attached,
        limit: int,
        on_line: Callable[[bytes], None] | None = None,
        lines_of: int = 0,
    ) -> None:
        """lines_of: 1 or 2 for lines of stdout or stderr alone, 0 for both."""
        super().__init__(daemon=True, name="log-reader")
        self.log = BoundedLog(limit)
        self._attached = attached
        self._on_line = on_line
        self._lines_of = lines_of
        self._line = b""

    def run(self) -> None:
        while True:
            try:
                kind, data = self._attached.receive(None)
            except (ChannelTimeout, ChannelClosed, ValueError):
                return
            if not data:
                return
            self.log.add(data)
            if self._on_line and self._lines_of in (0, kind):
                self._lines(data, self._on_line)

    def _lines(self, data: bytes, on_line: Callable[[bytes], None]) -> None:
        *whole, rest = (self._line + data).split(b"\n")
        self._line = rest if len(rest) <= CHUNK else b""  # a line without an end is no reading
        for line in whole[-100:]:
            on_line(line)
