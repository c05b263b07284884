"""A small HTTP server that plays the model's API for real coding agents, by a script.

    with ScriptedApi(lambda n: proposal("/task", "LR = 1", "LR = 2", "LR twice as high"), key="secret") as api:
        ...  # api.url, api.requests

Every answer states its usage, so that what an agent reports can be compared with `api.sent()`. Requests are kept
with their headers. `faults` says which request is answered with which error. Standard library only, so that the
folder can be copied into a container: `python -m scripted_api --help`.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .dialects import DIALECTS, Usage, sample, wanted_json
from .script import Say, Step, Use, blocks, call

BODY_LIMIT = 64 << 20
Script = Callable[[int], Sequence[Step]]


@dataclass(frozen=True)
class Trouble:
    """An answer that is none. kind: `status`, `hang` (no byte for `seconds`), `drop` (cut in mid-stream), `garbage`."""

    kind: str
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 600.0


def status(code: int, **headers: str) -> Trouble:
    """An HTTP error; `status(429, retry_after="1")`."""
    return Trouble("status", code, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


@dataclass
class Request:
    """One request as it came. `usage`: what its answer stated, None where it stated none."""

    method: str
    path: str
    headers: dict[str, str]
    size: int
    time: float
    answer: str = ""
    tools: list[str] = field(default_factory=list)
    model: str = ""
    usage: Usage | None = None
    body: Any = None


class ScriptedApi:
    """The server, on a free port of `host` unless one is given. Used as a context manager."""

    def __init__(
        self,
        script: Script,
        *,
        key: str = "",
        faults: Callable[[int], Trouble | None] = lambda number: None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep_bodies: bool = False,
    ) -> None:
        """script: the steps of the n-th proposal. key: refused with 401 without it, in whichever header.

        faults: trouble for the n-th request of a model, both counted from 0.
        """
        self.script, self.key, self.faults, self.keep_bodies = script, key, faults, keep_bodies
        self.requests: list[Request] = []
        self.proposals = 0  # scripts that were played to their end
        self.asked = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"api": self})
        self.http = ThreadingHTTPServer((host, port), handler)
        self.http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://{self.http.server_address[0]}:{self.http.server_address[1]}"

    def sent(self) -> Usage:
        """The sum of all usage stated so far."""
        stated = [request.usage for request in self.requests if request.usage]
        return Usage(
            sum(u.tokens_in for u in stated), sum(u.cached for u in stated), sum(u.tokens_out for u in stated)
        )

    def __enter__(self) -> ScriptedApi:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()


def turn(api: ScriptedApi, dialect: Any, body: dict[str, Any]) -> tuple[Use | Say, int]:
    """What the model does next, and how many tool results it has seen."""
    steps, tools, seen = list(api.script(api.proposals)), dialect.tools(body), dialect.results(body)
    schema = wanted_json(body)
    if schema is not None:
        return Say(json.dumps(sample(schema))), seen
    if not tools:
        edits_by_text = "SEARCH/REPLACE" in json.dumps(body)
        return Say(blocks(steps) if edits_by_text else "A proposal"), seen
    step = steps[seen] if seen < len(steps) else Say("Done.")
    return call(step, tools), seen


class _Handler(BaseHTTPRequestHandler):
    api: ScriptedApi
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self._body()
        path = self.path.split("?")[0]
        body = _json(raw)
        request = self._note(len(raw), body)
        dialect = next((d for d in DIALECTS if d.matches(path)), None)
        if not self._paid():
            request.answer = "401"
            return self._send(401, {"error": {"type": "authentication_error", "message": "wrong key"}})
        if path.endswith(("count_tokens", ":countTokens")):
            request.answer = "count"
            return self._send(200, {"input_tokens": 1000, "totalTokens": 1000})
        if dialect is None:
            request.answer = "404"
            return self._send(404, {"error": {"type": "not_found_error", "message": f"no {path}"}})
        return self._model(request, dialect, path, body)

    def do_GET(self) -> None:
        request = self._note(0, None)
        if self.path.split("?")[0].endswith("/models"):
            request.answer = "models"
            return self._send(200, {"object": "list", "data": []})
        request.answer = "404"
        return self._send(404, {"error": {"type": "not_found_error", "message": f"no {self.path}"}})

    do_HEAD = do_GET
    do_PUT = do_POST

    def _model(self, request: Request, dialect: Any, path: str, body: Any) -> None:
        api = self.api
        with api.lock:
            number, api.asked = api.asked, api.asked + 1
        trouble = api.faults(number)
        if not isinstance(body, dict):
            request.answer = "400"
            return self._send(400, {"error": {"type": "invalid_request_error", "message": "not JSON"}})
        request.tools, request.model = [tool.name for tool in dialect.tools(body)], str(body.get("model", ""))
        if trouble and trouble.kind != "drop":
            request.answer = trouble.kind
            return self._trouble(trouble)
        what, seen = turn(api, dialect, body)
        usage = Usage(1000 + 100 * seen, 200, 10 + seen)
        request.answer = what.name if isinstance(what, Use) else "say"
        if not trouble:
            request.usage = usage
        if isinstance(what, Say) and (request.tools or "<<<<<<<" in what.text):
            with api.lock:
                api.proposals += 1
        if not dialect.streams(path, body):
            return self._send(200, dialect.whole(body, what, number, usage))
        return self._stream(list(dialect.events(body, what, number, usage)), drop=bool(trouble))

    def _trouble(self, trouble: Trouble) -> None:
        if trouble.kind == "hang":
            self.api.closing.wait(trouble.seconds)
            self.close_connection = True
            return None
        if trouble.kind == "garbage":
            return self._raw(200, b"\x00\xff<html>not what you asked for" * 400, "text/event-stream")
        error = {"type": "api_error", "message": f"scripted {trouble.status}", "code": trouble.status}
        return self._send(trouble.status, {"type": "error", "error": error}, trouble.headers)

    def _stream(self, events: list[tuple[str, Any]], *, drop: bool) -> None:
        """The events, the connection's end being their end; with `drop` the first alone, and that cut in two."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, data in events[:1] if drop else events:
            text = data if isinstance(data, str) else json.dumps(data)
            chunk = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
            self.wfile.write(chunk[: len(chunk) // 2].encode() if drop else chunk.encode())
            self.wfile.flush()

    def _note(self, size: int, body: Any) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        kept = body if self.api.keep_bodies else None
        request = Request(self.command, self.path, headers, size, time.monotonic(), body=kept)
        with self.api.lock:
            self.api.requests.append(request)
        return request

    def _paid(self) -> bool:
        key = self.api.key
        shown = [self.headers.get("x-api-key"), self.headers.get("x-goog-api-key")]
        shown.append((self.headers.get("authorization") or "").removeprefix("Bearer "))
        return not key or key in shown

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("transfer-encoding") or ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            raw = b"".join(parts)
        else:
            raw = self.rfile.read(min(int(self.headers.get("content-length") or 0), BODY_LIMIT))
        return gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw

    def _send(self, code: int, content: Any, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._raw(code, json.dumps(content).encode(), "application/json", headers)

    def _raw(self, code: int, body: bytes, kind: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
