"""A server of files over real sockets, with the faults that downloads meet, each by the path that asks for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop:
    """What the server holds and how it behaves.

    files: content by path. faults: by path, what happens at each request in turn, then nothing; see `_Handler`.
    asked: requests so far, each as (path, Range header).
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.at: list[float] = []
        self.lock = threading.Lock()
        self.url = ""
        self.let_go = threading.Event()
        self.busy = self.most_busy = 0

    def count(self) -> Counter[str]:
        return Counter(path for path, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: Shop

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        shop = self.shop
        with shop.lock:
            shop.asked.append((self.path, self.headers.get("Range", "")))
            shop.at.append(time.monotonic())
            faults = shop.faults.get(self.path, [])
            fault = faults.pop(0) if faults else ""
            shop.busy += 1
            shop.most_busy = max(shop.most_busy, shop.busy)
        try:
            self._answer(fault)
        finally:
            with shop.lock:
                shop.busy -= 1

    def _answer(self, fault: str) -> None:
        kind, _, detail = fault.partition(" ")
        if kind.isdigit():
            self.send_response(int(kind))
            if detail:
                self.send_header("Location" if kind.startswith("3") else "Retry-After", detail)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if kind == "change":  # the file becomes another one, midway
            old = self.shop.files[self.path]
            self.shop.files[self.path] = old[:4] + old[4:-4][::-1] + old[-4:]
        content = self.shop.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if kind == "wrong":
            content = bytes([content[0]]) + b"\0" * (len(content) - 2) + content[-1:]
        tag = f'"{hash(content)}"'
        start = self._start(kind, tag, content)
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if kind not in ("untagged", "drop-untagged"):
            self.send_header("ETag", tag)
        if kind == "huge":
            self.send_header("Content-Length", str(1 << 50))
        elif kind != "unsized":
            self.send_header("Content-Length", str(len(body)))
        if kind == "unsized":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if kind in ("drop", "early", "drop-untagged", "full"):
            body = body[: int(detail)]
            self.close_connection = True
        if kind == "stall":
            self.wfile.write(body[: int(detail)])
            self.wfile.flush()
            self.shop.let_go.wait(20)
            self.close_connection = True
            return
        if kind == "slow":
            for at in range(0, len(body), 1 << 14):
                self.wfile.write(body[at : at + (1 << 14)])
                self.wfile.flush()
                if self.shop.let_go.wait(float(detail)):
                    return
            return
        self.wfile.write(body)
        if kind == "drop":  # a reset, and not a proper end
            import socket
            import struct

            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _start(self, kind: str, tag: str, content: bytes) -> int:
        asked = self.headers.get("Range", "")
        if not asked or kind == "ignore-range" or self.headers.get("If-Range", tag) != tag:
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))


@contextmanager
def serving() -> Iterator[Shop]:
    shop = Shop()
    handler = type("Handler", (_Handler,), {"shop": shop})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that go away are expected here
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield shop
    finally:
        shop.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
