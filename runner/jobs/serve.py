"""`runner serve`: the page of a run on an address of this machine, with news while trials run. Reads, never writes.

However many look, the run's files are read once for each change of them. Owns uvicorn; who may ask for what is in
`report/page/app.py`. Trusts the person who starts it to choose the address.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import click
import uvicorn

from runner import lab as labs
from runner.errors import UsageError
from runner.jobs.report import Pages
from runner.jobs.views import run_folder
from runner.record.ledger import Ledger
from runner.record.run import RunFolder
from runner.report.page import app, html
from runner.trial import Entry, Status

FRESH_SECONDS = 0.5  # for so long the files are taken to be as they were
TOKEN_CHARACTERS = 16  # of a token that is given, at least
ANSWERS = 8  # kept for the clients that ask for the same
CLIENTS = 256  # connections at a time; more are turned away


class Live:
    """`app.Source` of a run: made anew when its files change, by one thread while the others wait for it."""

    def __init__(self, root: Path, folder: RunFolder) -> None:
        self._folder = folder
        self._pages = Pages(root, folder)
        self._lock = threading.Lock()
        self._entries: tuple[Entry, ...] = ()
        self._ledger = self._record = self._state = (
            ""  # what files were like: the ledger; samples too; current.json too
        )
        self._looked = -FRESH_SECONDS
        self._page: app.Answer | None = None
        self._data: dict[int, app.Answer] = {}

    def page(self) -> app.Answer:
        """The page as of the last verdict; what is under way it asks for itself."""
        with self._lock:
            self._look()
            if self._page is None:
                content = html.document(self._pages.data(self._entries), served=True)
                self._page = app.Answer.of(content, self._record)
            return self._page

    def data(self, after: int) -> app.Answer:
        """The page's data with the trials from number `after` on."""
        with self._lock:
            self._look()
            after = min(after, len(self._entries))
            if after not in self._data:
                if len(self._data) >= ANSWERS:
                    self._data.clear()
                content = html.embed(self._pages.data(self._entries, after=after)).encode("utf-8", "replace")
                self._data[after] = app.Answer.of(content, f"{self._state}-{after}")
            return self._data[after]

    def _look(self) -> None:
        """See whether anything has changed, and forget what was made of what is no longer so."""
        if time.monotonic() - self._looked < FRESH_SECONDS:
            return
        ledger = _like(self._folder.ledger)
        if ledger != self._ledger:
            self._entries = Ledger(self._folder.ledger).entries
        kept = [entry.number for entry in self._entries if entry.status is Status.KEEP][-1:]
        # A sample is drawn after its trial was recorded: it makes its folder new.
        beside = [self._folder.holdout, self._folder.faults, *map(self._folder.trial, kept)]
        record = _like(self._folder.ledger, *beside)
        if record != self._record:
            self._page = None
        state = _like(self._folder.ledger, *beside, self._folder.current_json) + (
            "1" if self._folder.holder() else "0"
        )
        if state != self._state:
            self._data.clear()
        self._ledger, self._record, self._state, self._looked = ledger, record, state, time.monotonic()


def _like(*paths: Path) -> str:
    """What files are like from outside: another string when one of them was changed or replaced."""
    found = []
    for path in paths:
        try:
            seen = os.stat(path)
            found.append((seen.st_ino, seen.st_size, seen.st_mtime_ns))
        except OSError:
            found.append((0, 0, 0))
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def serve(lab: Path, tag: str, *, host: str, port: int, token: str | None, names: Sequence[str]) -> None:
    """Serve until interrupted. Raises UsageError where the address or the port cannot be had."""
    root = labs.open_lab(lab).root
    folder = run_folder(root, tag)
    with _listening(host, port) as listener:
        address, port = listener.getsockname()[:2]
        rules = _rules(host, address, port, token, names)
        _announce(folder.tag, host, address, port, rules, made=rules.token != (token or ""))
        settings = uvicorn.Config(
            app.make(Live(root, folder), rules),
            log_level="warning",
            access_log=False,  # the login link has the token in it
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            limit_concurrency=CLIENTS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16_384,
        )
        uvicorn.Server(settings).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UsageError that says what is in the way."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            f"{host} is no address to listen at: {error}", "Leave --host out for this machine alone"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            advice = "Take another, or any that is free: runner serve --port 0"
            raise UsageError(f"port {port} of {host} is in use", advice) from None
        what = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"cannot listen at {host} port {port}: {what}", "Choose with --host and --port"
        ) from None
    return listener


def _rules(host: str, address: str, port: int, token: str | None, names: Sequence[str]) -> app.Rules:
    """Who may ask. Raises UsageError for a token that could be guessed."""
    anywhere = not ipaddress.ip_address(address.split("%")[0]).is_loopback
    if token is not None and len(token) < TOKEN_CHARACTERS:
        advice = "Leave --token out and one is made up, where it is needed"
        raise UsageError(f"a token needs at least {TOKEN_CHARACTERS} characters", advice)
    if anywhere and token is None:
        token = secrets.token_urlsafe(24)
    own = {"localhost", *names, host, *([socket.gethostname()] if anywhere else [])}
    return app.Rules(
        frozenset(name.lower().rstrip(".") for name in own), token or "", anywhere, f"runner-{port}"
    )


def _announce(tag: str, host: str, address: str, port: int, rules: app.Rules, *, made: bool) -> None:
    """The link on stdout, the rest on stderr."""
    wild = ipaddress.ip_address(address.split("%")[0]).is_unspecified
    name = socket.gethostname() if wild else f"[{address}]" if ":" in address else host
    where = f"http://{name}:{port}/"
    click.echo(f"{where}login?token={quote(rules.token)}" if made else where)
    if rules.token and not made:
        click.echo(f"{where}login?token=… with the token that was given opens it in a browser", err=True)
    if rules.anywhere:
        click.echo("Whoever has the token can read this run; it travels unencrypted.", err=True)
    click.echo(f"serving {tag}, read-only. Ctrl-C ends it.", err=True)
