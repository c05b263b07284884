"""A socket in front of the engine's: it counts what the program asks, acts at a named request, or goes away.

The program under test is the real one; all it is told is `DOCKER_HOST`. A request is named by what it is for
(`create train`, `start train`, `remove keep #2`), so that a walk over the requests finds its steps by itself.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

CHUNK = 1 << 16
_BOX = re.compile(r"autoresearch-.+-(\d{4}-\d+|\w+)-[0-9a-f]{6}-(\w+)$")
_VERBS = {("GET", "json"): "inspect", ("DELETE", ""): "remove", ("PUT", "archive"): "put files into",
          ("GET", "archive"): "get files of"}  # fmt: skip


def _stage(name: str) -> str:
    """`train`, `audit`, `keep`, `sample's claims` … of a container's or a volume's name."""
    if name.startswith("autoresearch-data-"):
        return "filler"
    found = _BOX.search(name)
    if found is None:
        return name
    return found[2] if found[1][0].isdigit() else f"{found[1]}'s {found[2]}"


class Relay:
    """Listens at `url`. `requests`: the names of what was asked since `forget`, in order."""

    def __init__(self, path: Path, engine_url: str) -> None:
        self.path, self.url = path, f"unix://{path}"
        self._engine = urlsplit(engine_url)
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}  # of containers and execs by their id
        self._open: set[socket.socket] = set()
        self.forget()
        self._listen()

    def forget(self) -> None:
        """Begin to count anew; nothing is armed."""
        with self._lock:
            self.requests: list[str] = []
            self._count: Counter[str] = Counter()
            self._at: tuple[str, str] | None = None
            self._act: Callable[[], None] = lambda: None
            self.reached = False

    def arm(self, request: str, when: str, act: Callable[[], None]) -> None:
        """Call `act` at the request so named: `before` it is passed on, once it is `sent`, when it is `answered`."""
        assert when in ("before", "sent", "answered")
        self.forget()
        self._at, self._act = (request, when), act

    def _fire(self, name: str, when: str) -> bool:
        with self._lock:
            if self._at != (name, when):
                return False
            self._at, self.reached = None, True
        self._act()
        return True

    # Connections

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _upstream(self) -> socket.socket:
        if self._engine.scheme == "unix":
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._engine.path)
            return engine
        return socket.create_connection((self._engine.hostname, self._engine.port or 2375))

    def _serve(self, client: socket.socket) -> None:
        engine = self._upstream()
        with self._lock:
            self._open |= {client, engine}
        under_way: list[str] = []  # the request that waits for its answer
        threading.Thread(target=self._down, args=(engine, client, under_way), daemon=True).start()
        with contextlib.suppress(OSError, EOFError):
            self._up(client, engine, under_way)
        self._hang_up(client, engine)

    def _hang_up(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _up(self, client: socket.socket, engine: socket.socket, under_way: list[str]) -> None:
        stream = client.makefile("rb")
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline()
                if not line:
                    return
                head += line
            name = self._name(head)
            if self._fire(name, "before"):
                return
            under_way[:] = [name]
            engine.sendall(head)
            lower = head.lower()
            if b"upgrade:" in lower:
                self._fire(name, "sent")
                while data := stream.read1(CHUNK):
                    engine.sendall(data)
                with contextlib.suppress(OSError):
                    engine.shutdown(socket.SHUT_WR)
                return
            self._body(stream, engine, lower)
            self._fire(name, "sent")

    def _body(self, stream: object, engine: socket.socket, head: bytes) -> None:
        read, line = stream.read, stream.readline  # type: ignore[attr-defined]
        if b"transfer-encoding: chunked" in head:
            while True:
                size = line()
                engine.sendall(size)
                engine.sendall(read(int(size, 16) + 2))
                if int(size, 16) == 0:
                    return
        found = re.search(rb"content-length: (\d+)", head)
        left = int(found[1]) if found else 0
        while left:
            data = read(min(left, CHUNK))
            if not data:
                raise EOFError
            left -= len(data)
            engine.sendall(data)

    def _down(self, engine: socket.socket, client: socket.socket, under_way: list[str]) -> None:
        with contextlib.suppress(OSError):
            while data := engine.recv(CHUNK):
                if under_way:
                    name = under_way.pop()
                    self._learn(name, data)
                    if self._fire(name, "answered"):
                        return
                client.sendall(data)
        self._hang_up(client, engine)

    # Names

    def _name(self, head: bytes) -> str:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        url = urlsplit(target)
        parts = [unquote(part) for part in re.sub(r"^/v1\.\d+", "", url.path).strip("/").split("/")]
        what = " ".join([method.lower(), *parts])
        if parts[:2] == ["containers", "create"]:
            what = f"create {_stage(parse_qs(url.query)['name'][0])}"
        elif (
            parts[0] in ("containers", "exec", "volumes")
            and len(parts) > 1
            and parts[1] not in ("json", "create")
        ):
            action = parts[2] if len(parts) > 2 else ""
            verb = _VERBS.get((method, action), action)
            known = self._names.get(parts[1], _stage(parts[1]))
            what = f"{verb} {'volume ' if parts[0] == 'volumes' else ''}{known}"
        elif parts[0] == "images":
            what = f"{method.lower()} image"
        with self._lock:
            self._count[what] += 1
            name = what if self._count[what] == 1 else f"{what} #{self._count[what]}"
            self.requests.append(name)
        return name

    def _learn(self, name: str, answer: bytes) -> None:
        verb, _, what = name.split(" #")[0].partition(" ")
        found = re.search(rb'"Id":\s*"([0-9a-f]{64})"', answer)
        if found and verb in ("create", "exec"):
            self._names[found[1].decode()] = f"exec in {what}" if verb == "exec" else what

    # The engine vanishes

    def cut(self) -> None:
        """As if the engine had died: every connection breaks, and none can be made."""
        self._listener.close()
        self.path.unlink(missing_ok=True)
        with self._lock:
            ends = list(self._open)
        self._hang_up(*ends)

    def restore(self) -> None:
        self._listen()

    def close(self) -> None:
        self.cut()
