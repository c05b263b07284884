"""One request for one file: what of it arrives goes to the end of its `.part`, in order, bounded in time and bytes.

Asks for what is missing alone (Range), and only of the file that was begun (If-Range with its ETag or date). Raises
`Again` for what may go better next time and `Refused` for what will not. Decides nothing about tries and pauses.
"""

from __future__ import annotations

import email.utils
import errno
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from runner.errors import InfraError, RunnerError, UsageError
from runner.fetch.item import Item

BLOCK = 1 << 18
AGENT = "autoresearch-runner (a program; it fetches what its user named, once)"
TRANSIENT = (408, 425, 500, 502, 504)
BUSY = (429, 503)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes. A connection slower than `slow` bytes a second over `slow_seconds` is given up."""

    connect: float = 15.0
    idle: float = 30.0
    slow: float = 1024.0
    slow_seconds: float = 60.0
    largest: int = 64 << 30
    redirects: int = 5
    tries: int = 8  # in a row without a mebibyte between them
    pause: float = 1.0  # after the first failure, doubled up to `longest_pause`
    longest_pause: float = 60.0
    longest_wait: float = 600.0  # that a server may ask for


class Again(Exception):
    """This try failed; another may not. wait: seconds that the server asked for, if it did."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Stopped(Exception):
    """Nobody wants the file any more."""


@dataclass(frozen=True)
class Begun:
    """What is known of a `.part`: of which file it is the beginning. validator: ETag or date, "" if there is none."""

    url: str
    validator: str
    total: int | None


def begun(part: Path) -> Begun | None:
    try:
        raw = json.loads(part.with_name(part.name + ".json").read_text(encoding="utf-8"))
        return Begun(
            str(raw["url"]), str(raw["validator"]), None if raw["total"] is None else int(raw["total"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(part: Path) -> None:
    """The `.part` and what is known of it go."""
    part.with_name(part.name + ".json").unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def session(limits: Limits) -> requests.Session:
    made = requests.Session()
    made.max_redirects = limits.redirects
    made.headers.update({"User-Agent": AGENT, "Accept-Encoding": "identity"})
    return made


def receive(
    client: requests.Session,
    item: Item,
    part: Path,
    limits: Limits,
    stop: threading.Event,
    tell: Callable[[int, int | None], None],
    *,
    verifiable: bool,
) -> None:
    """Brings `part` to the file's end. tell: called with the bytes there and the file's size, if it is known.

    verifiable: its digest is known, so a beginning may be continued even where nothing else identifies the file.
    Raises Again, UsageError, InfraError, Stopped.
    """
    known = begun(part)
    have = part.stat().st_size if known and known.url == item.url and part.exists() else 0
    if known and not (known.validator or verifiable):
        have = 0
    if known and have and known.total == have:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    if known and have and known.validator:
        headers["If-Range"] = known.validator
    try:
        with client.get(
            item.url, stream=True, timeout=(limits.connect, limits.idle), headers=headers
        ) as answer:
            have, total = _begin(answer, item, part, have, known, limits)
            tell(have, total)
            _copy(answer, item, part, have, total, limits, stop, tell)
    except requests.TooManyRedirects:
        raise UsageError(f"{item.url} redirects more than {limits.redirects} times", _WHERE) from None
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    ) as error:
        raise UsageError(f"{item.url} leads to no usable address: {error}", _WHERE) from None
    except requests.exceptions.SSLError as error:
        raise InfraError(f"{item.url}: the server's certificate is not accepted: {_short(error)}",
                         "A proxy's own certificate: name its file in REQUESTS_CA_BUNDLE") from None  # fmt: skip
    except requests.RequestException as error:
        raise Again(_short(error)) from None


_WHERE = "The addresses: data.source and data.base_url in runner.toml"


def _short(error: BaseException) -> str:
    """The innermost reason, which the libraries wrap several times."""
    inner: Any = error
    while getattr(inner, "reason", None) or (inner.args and isinstance(inner.args[0], BaseException)):
        inner = getattr(inner, "reason", None) or inner.args[0]
        if not isinstance(inner, BaseException):
            break
    return " ".join(str(inner).split())[:200] or type(error).__name__


def _begin(
    answer: requests.Response, item: Item, part: Path, have: int, known: Begun | None, limits: Limits
) -> tuple[int, int | None]:
    """Checks the answer's head; returns the offset that its body begins at, and the file's size if it is told."""
    _check_status(answer, item, part)
    if item.url.startswith("https:") and not answer.url.startswith("https:"):
        raise UsageError(f"{item.url} redirects to an address without encryption", _WHERE)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Again(
            f"{item.name} comes encoded as {answer.headers['Content-Encoding']}, which was not asked for"
        )
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    if answer.status_code == 206:
        total = _continues(answer, part, have, known)
    else:
        have = 0
    wanted = item.size
    if wanted and total is not None and total != wanted:
        forget(part)
        raise UsageError(f"{item.name} has {total} bytes at {item.url}, and {wanted} were expected", _WHERE)
    _check_room(item, part, have, total, limits)
    if not have:
        tag = answer.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        part.unlink(missing_ok=True)
        about = {"url": item.url, "validator": validator, "total": total}
        part.with_name(part.name + ".json").write_text(json.dumps(about), encoding="utf-8")
    return have, total


def _check_status(answer: requests.Response, item: Item, part: Path) -> None:
    status = answer.status_code
    if status in (200, 206):
        return
    if status == 416:
        forget(part)
        raise Again("the server holds less of the file than was there already")
    if status in (404, 410):
        raise UsageError(f"{item.name} is not there: {item.url} answers {status}", _WHERE)
    if status in (401, 403, 407):
        raise UsageError(f"{item.name} is not given out: {item.url} answers {status}",
                         "A name and a password for a host may stand in ~/.netrc")  # fmt: skip
    if status in BUSY:
        raise Again(f"the server is busy ({status})", _retry_after(answer.headers.get("Retry-After", "")))
    if status in TRANSIENT or status >= 500:
        raise Again(f"the server answers {status}")
    raise UsageError(f"{item.name}: {item.url} answers {status}", _WHERE)


def _retry_after(said: str) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3)."""
    if said.strip().isdigit():
        return float(said)
    try:
        return max(email.utils.parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError):
        return None


def _continues(answer: requests.Response, part: Path, have: int, known: Begun | None) -> int | None:
    """The file's size by a 206, which must continue what is there. Raises Again after forgetting what is there."""
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    tag = answer.headers.get("ETag", "")
    total = int(match[3]) if match and match[3] != "*" else None
    changed = known is not None and (
        (known.total is not None and total is not None and total != known.total)
        or (known.validator.startswith('"') and tag and tag != known.validator)
    )
    if not have or not match or int(match[1]) != have or changed:
        forget(part)
        raise Again("the server continues another file than the one that was begun")
    return total if total is not None or known is None else known.total


def _check_room(item: Item, part: Path, have: int, total: int | None, limits: Limits) -> None:
    if total is not None and total > limits.largest:
        raise UsageError(f"{item.name} has {total} bytes, more than the {limits.largest} that are accepted")
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - have > free:
        raise _full(item, part, f"{(total - have - free) / 1e9:.1f} GB more are needed")


def _full(item: Item, part: Path, what: str) -> RunnerError:
    return InfraError(f"no room for {item.name} in {part.parent}: {what}",
                      "Make room, or name another folder in data.downloads; what is there is kept")  # fmt: skip


def _copy(
    answer: requests.Response,
    item: Item,
    part: Path,
    have: int,
    total: int | None,
    limits: Limits,
    stop: threading.Event,
    tell: Callable[[int, int | None], None],
) -> None:
    since, at_then = time.monotonic(), have
    bound = min(limits.largest, total if total is not None else item.size or limits.largest)
    try:
        with part.open("ab", buffering=0) as file:
            for block in _blocks(answer):
                if stop.is_set():
                    raise Stopped
                if have + len(block) > bound:
                    forget(part)
                    raise Again(f"more than the {bound} bytes arrive that were announced")
                file.write(block)
                have += len(block)
                tell(have, total)
                now = time.monotonic()
                if now - since >= limits.slow_seconds:
                    if have - at_then < limits.slow * (now - since):
                        raise Again(f"under {limits.slow:g} bytes a second arrive")
                    since, at_then = now, have
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(item, part, str(error.strerror)) from None
        if isinstance(error, requests.RequestException):
            raise
        raise Again(str(error)) from None
    if total is not None and have < total:
        raise Again(f"the answer ended after {have} of {total} bytes")


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    """The body as it arrives: a block is never waited for until it is full. Raises what `requests` raises."""
    import urllib3.exceptions

    read = getattr(answer.raw, "read1", None)
    if read is None:  # urllib3 before 2.1
        yield from answer.iter_content(1 << 13)
        return
    try:
        while block := read(BLOCK, decode_content=False):
            yield block
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ConnectionError(error) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None
