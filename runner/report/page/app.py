"""The page over HTTP: who may ask, for what, and the answers. Read-only: three addresses, no files, no writes.

Refused before anything is read: other methods than GET and HEAD, hosts that are not ours (a name that an attacker
points at this machine), and, where a token is set, whoever does not know it. No other site may read an answer: no CORS
headers, and policies that keep it out of foreign pages. Owns starlette. Trusts `Source` for the content and the
network for nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import ipaddress
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.errors import RunnerError
from runner.report.page import html

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
# Not a redirection by status: the browser would still count it as a visit from the site that had the link, and
# hold back the cookie that was just set.
_WELCOME = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=.">
<link rel="icon" href="data:,"><title>AutoResearch</title><p><a href=".">To the page</a></p></html>"""
_ASK = "This page asks for a token: open the link that `runner serve` printed.\n"


@dataclass(frozen=True)
class Answer:
    """Content as it is sent. tag: changes whenever the content does. packed: the same, compressed."""

    content: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes, tag: str) -> Answer:
        return cls(content, gzip.compress(content, 5), tag)


class Source(Protocol):
    """What is served. Called from many threads; raises RunnerError where the run cannot be read."""

    def page(self) -> Answer: ...

    def data(self, after: int) -> Answer: ...


@dataclass(frozen=True)
class Rules:
    """Who may ask. names: hosts besides IP addresses. token: empty for none. anywhere: listens beyond loopback.

    cookie: the name of the cookie that a browser gets for the token.
    """

    names: frozenset[str]
    token: str = ""
    anywhere: bool = False
    cookie: str = "runner"

    def host(self, header: str) -> bool:
        """Is this `Host` one of ours? An address is nobody's to redirect, a name is whoever's owns it."""
        name = header.rsplit(":", 1)[0] if header.count(":") == 1 or "]:" in header else header
        name = name.strip("[]").lower().rstrip(".")
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return self.anywhere or address.is_loopback

    def knows(self, given: str) -> bool:
        """Is it the token? Takes as long for a near miss as for any other."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode("utf-8", "replace"))

    @property
    def pass_(self) -> str:
        """What the cookie holds: proves the token, and does not tell it."""
        return hmac.new(self.token.encode("utf-8", "replace"), b"runner serve", hashlib.sha256).hexdigest()

    def allows(self, request: Request) -> bool:
        if not self.token:
            return True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.knows(given.strip()):
            return True
        return hmac.compare_digest(request.cookies.get(self.cookie, "").encode(), self.pass_.encode())


class Guard:
    """Everything passes here first, and leaves with the headers above."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD"):
            return _plain("This page is read-only.\n", 405, Allow="GET, HEAD")
        if len(request.headers.getlist("host")) != 1 or not self._rules.host(request.headers["host"]):
            return _plain("This host is not served here: runner serve --name HOST\n", 421)
        if request.url.path != "/login" and not self._rules.allows(request):
            return _plain(_ASK, 401, **{"WWW-Authenticate": "Bearer"})
        return None


def _plain(said: str, status: int, **headers: str) -> Response:
    return PlainTextResponse(said, status, {**SECURITY, **headers})


def _sent(request: Request, answer: Answer, kind: str, **headers: str) -> Response:
    """The answer, as little of it as the client asked for."""
    headers = {**SECURITY, "ETag": f'"{answer.tag}"', "Vary": "Accept-Encoding", **headers}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(None, 304, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(answer.packed, 200, {**headers, "Content-Encoding": "gzip"}, media_type=kind)
    return Response(answer.content, 200, headers, media_type=kind)


def make(source: Source, rules: Rules) -> ASGIApp:
    """The application for one run."""

    def page(request: Request) -> Response:
        policy = html.policy(served=True) + "; frame-ancestors 'none'"
        return _guarded(
            lambda: _sent(request, source.page(), "text/html", **{"Content-Security-Policy": policy})
        )

    def data(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) < 10):
            return _plain("`after` is the number of a trial.\n", 400)
        return _guarded(lambda: _sent(request, source.data(int(after)), "application/json"))

    def login(request: Request) -> Response:
        if not rules.token or not rules.knows(request.query_params.get("token", "")):
            return _plain(_ASK, 403)
        answer = Response(_WELCOME, 200, SECURITY, media_type="text/html")
        answer.set_cookie(rules.cookie, rules.pass_, httponly=True, samesite="strict", path="/")
        return answer

    routes = [Route("/", page), Route("/data.json", data), Route("/login", login)]
    return Guard(Starlette(routes=routes), rules)


def _guarded(answer: Callable[[], Response]) -> Response:
    try:
        return answer()
    except RunnerError as error:
        return _plain(f"{error.what}\n", 503)
    except Exception as error:
        print(f"runner: an answer failed: {type(error).__name__}: {error}", file=sys.stderr)
        return _plain("This page could not be made; the program that serves it says more.\n", 500)
