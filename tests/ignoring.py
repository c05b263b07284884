"""A relay in front of the engine, over TCP or a Unix socket; it may change what containers are asked to be.

An engine that ignores a flag answers as if it had taken it. This relay makes one of any engine: it rewrites the body
of `POST /containers/create` on its way and passes everything else on as it is, byte for byte.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHUNK = 1 << 16
Change = Callable[[dict[str, Any]], None]


class Relay:
    """Listens at `url` until closed. change: does to a create body what the engine is to ignore."""

    def __init__(self, engine_url: str, path: Path | None = None, change: Change | None = None) -> None:
        self._engine = urlsplit(engine_url).path
        self._change = change
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self.url = f"unix://{path}"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._listener.listen(32)
        self.created: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                threading.Thread(target=self._pass, args=(client, engine, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(engine, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if asking and data.startswith(b"POST /") and b"/containers/create" in data.split(b"\r\n", 1)[0]:
                    data = self._changed(self._whole(source, data))
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    @staticmethod
    def _whole(source: socket.socket, data: bytes) -> bytes:
        while b"\r\n\r\n" not in data:
            data += source.recv(CHUNK)
        head = data.split(b"\r\n\r\n", 1)[0]
        lengths = [
            line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        ]
        while len(data) < len(head) + 4 + int(lengths[0]):
            data += source.recv(CHUNK)
        return data

    def _changed(self, request: bytes) -> bytes:
        head, body = request.split(b"\r\n\r\n", 1)
        asked = json.loads(body)
        self.created.append(head.split(b"name=")[1].split(b" ")[0].decode())
        if self._change and asked["Cmd"][0] == "timeout":  # of payloads; keepers stay as they are
            self._change(asked)
        body = json.dumps(asked).encode()
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length:")]
        return b"\r\n".join([*kept, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
