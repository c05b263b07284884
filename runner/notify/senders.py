"""How a message leaves: a POST to an address, or a program that reads it. Each is bounded in time and in what is read.

Raises `Undelivered` with a reason that holds no secret: an address of a webhook is one, so only its host is named.
Redirects are refused, since a POST that follows one turns into something else elsewhere. The program gets the few
variables that programs need and those that `pass_env` names, and is killed with its children at its limit.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from runner.config import NotifySettings
from runner.errors import UsageError
from runner.notify import payload
from runner.report import text

POST_SECONDS = 5.0  # for each step of a POST: connecting, sending, the answer's head
COMMAND_SECONDS = 30.0
_USUAL: tuple[str, ...] = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_USUAL += ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")  # for what shows a message on the desktop


class Undelivered(Exception):
    """Why a message did not arrive, in a few words."""


class Sender(Protocol):
    """Brings one message out. Raises Undelivered."""

    def send(self, found: dict[str, Any]) -> None: ...

    def cancel(self) -> None:
        """End what is under way, from another thread; nothing of it is left running."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class Webhook:
    """A POST to `url`, through the proxies that the environment names."""

    def __init__(self, url: str, form: str, seconds: float = POST_SECONDS) -> None:
        self._url, self._form, self._seconds = url, form, seconds
        self._host = urlsplit(url).hostname or ""

    def send(self, found: dict[str, Any]) -> None:
        head = {**payload.headers(found, self._form), "User-Agent": "autoresearch-runner"}
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            request = urllib.request.Request(self._url, payload.body(found, self._form), head, method="POST")
            opener.open(request, timeout=self._seconds).close()
        except urllib.error.HTTPError as error:
            error.close()
            raise Undelivered(f"{self._host} answered {error.code}") from None
        except Exception as error:  # http.client's faults, names that do not resolve, time-outs: many classes
            reason = getattr(error, "reason", error)
            said = str(reason) if isinstance(reason, OSError) else type(error).__name__
            raise Undelivered(f"{self._host} could not be reached: {text.line(said, 80)}") from None

    def cancel(self) -> None:
        """A POST leaves nothing behind; its thread ends with the program."""


class Command:
    """A program with arguments, run in `folder`; the message is its standard input."""

    def __init__(
        self,
        words: Sequence[str],
        form: str,
        folder: Path,
        pass_env: str = "",
        seconds: float = COMMAND_SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._words, self._form, self._folder, self._seconds = list(words), form, folder, seconds
        source = os.environ if environment is None else environment
        names = (*_USUAL, *pass_env.replace(",", " ").split())
        self._environment = {name: source[name] for name in names if name in source}
        self._running: subprocess.Popen[bytes] | None = None

    def send(self, found: dict[str, Any]) -> None:
        name = text.line(self._words[0], 80)
        try:
            running = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise Undelivered(f"{name} could not be started: {said}") from None
        self._running = running
        try:
            running.communicate(payload.body(found, self._form), timeout=self._seconds)
        except BaseException as error:
            _kill(running)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise Undelivered(f"{name} took more than {self._seconds:.0f} s and was ended") from None
        finally:
            self._running = None
        if running.returncode:
            _kill(running)  # what it may have left
            raise Undelivered(f"{name} ended with {running.returncode}")

    def cancel(self) -> None:
        if (running := self._running) is not None:
            _kill(running)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The program and what it started in its own session."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)


def senders(
    settings: NotifySettings, folder: Path, environment: Mapping[str, str] | None = None
) -> list[Sender]:
    """As `[notify]` says; none where it says nothing. Raises UsageError where it cannot mean anything."""
    environment = os.environ if environment is None else environment
    found: list[Sender] = []
    url = settings.webhook
    if name := settings.webhook_env:
        url = environment.get(name, "").strip()
        if not url:
            raise UsageError(f"notify.webhook_env: the variable {name} is not set", f"export {name}=https://…")
    if url:
        found.append(Webhook(_checked(url), settings.format))
    if settings.command:
        words = settings.command
        try:
            words = tuple(shlex.split(words[0])) if len(words) == 1 else words
        except ValueError as error:
            raise UsageError(f"notify.command: {error}", "Close the quotation") from None
        found.append(Command(words, settings.format, folder, settings.pass_env, environment=environment))
    return found


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("notify.webhook is no http:// or https:// address", "Such as https://ntfy.sh/TOPIC")
    return url
