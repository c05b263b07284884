"""One file, to the end: tries and pauses, what is known of its bytes, and its name only when it is whole and right.

    NAME            whole, looked at, of the digest that was given or pinned
    NAME.json       its address, size, time and digest, so that the next start need not read it
    NAME.part       the beginning of one, with NAME.part.json about it

A digest comes from the list, or from the data that were made before (pinned); where there is none the first
download's is the one. A file that a person put there by hand counts as downloaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from runner.errors import InfraError, UsageError
from runner.fetch import http, look
from runner.fetch.http import Again, Limits, Stopped
from runner.fetch.item import Got, Item

Tell = Callable[[int, int | None], None]


class Pace:
    """When the next request may be made: a server that says it is busy is left alone by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def wait(self, stop: threading.Event) -> None:
        """Raises Stopped."""
        while (left := self._until - time.monotonic()) > 0:
            if stop.wait(min(left, 1.0)):
                raise Stopped
        if stop.is_set():
            raise Stopped


def fetch(
    item: Item,
    folder: Path,
    pins: Mapping[str, str],
    client: requests.Session,
    limits: Limits,
    pace: Pace,
    stop: threading.Event,
    tell: Tell,
) -> Got:
    """The file, downloaded unless it is there. pins: digests by address, of data made before.

    tell: bytes that are there, and the file's size if known. Raises UsageError, InfraError, Stopped.
    """
    wanted = item.sha256 or pins.get(item.url, "")
    if (got := there(item, folder, wanted)) is not None:
        tell(got.bytes, got.bytes)
        return got
    part = folder / (item.name + ".part")
    failures = wrong = 0
    while True:
        pace.wait(stop)
        before = part.stat().st_size if part.exists() else 0
        try:
            http.receive(client, item, part, limits, stop, tell, verifiable=bool(wanted))
            return _accept(item, folder, part, wanted)
        except WrongBytes as error:
            http.forget(part)
            tell(0, None)
            wrong += 1
            if wrong > 1:
                raise UsageError(str(error), error.advice) from None
        except Again as error:
            after = part.stat().st_size if part.exists() else 0
            failures = 1 if after - before >= 1 << 20 else failures + 1
            _pause(error, failures, item, limits, pace, stop)


def _pause(error: Again, failures: int, item: Item, limits: Limits, pace: Pace, stop: threading.Event) -> None:
    """Waits before the next try; raises InfraError where there is to be none."""
    kept = "What has arrived is kept: start again, and it goes on from there"
    if error.wait is not None and error.wait > limits.longest_wait:
        raise InfraError(f"{item.url}: {error}, and asks to come back in {error.wait / 60:.0f} minutes", kept)
    if failures >= limits.tries:
        raise InfraError(f"{item.name} could not be fetched in {failures} tries: {error} ({item.url})", kept)
    if error.wait is not None:
        pace.hold(error.wait)
    else:
        longest = min(limits.pause * 2 ** (failures - 1), limits.longest_pause)
        if stop.wait(longest * random.uniform(0.5, 1.0)):
            raise Stopped


class WrongBytes(Exception):
    """What arrived is not what was asked for."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def there(item: Item, folder: Path, wanted: str) -> Got | None:
    """The file if it is in the folder and right; one that is wrong is removed."""
    path = folder / item.name
    try:
        stat = path.stat()
    except OSError:
        return None
    digest = ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads((folder / (item.name + ".json")).read_text(encoding="utf-8"))
        if (about["bytes"], about["mtime_ns"], about["url"]) == (stat.st_size, stat.st_mtime_ns, item.url):
            digest = str(about["sha256"])
    digest = digest or _digest(path)
    if (wanted and digest != wanted) or (item.size and stat.st_size != item.size) or look.wrong(item, path):
        path.unlink()
        return None
    _describe(item, path, digest)
    return Got(item, path, digest, stat.st_size, pinned=not item.sha256)


def _describe(item: Item, path: Path, digest: str) -> None:
    stat = path.stat()
    about = {"url": item.url, "sha256": digest, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    path.with_name(path.name + ".json").write_text(json.dumps(about) + "\n", encoding="utf-8")


def _accept(item: Item, folder: Path, part: Path, wanted: str) -> Got:
    """The finished `.part` under its name. Raises WrongBytes."""
    digest = _digest(part)
    if wanted and digest != wanted:
        why = "its list gives" if item.sha256 else "it had when the lab's data were made"
        advice = "" if item.sha256 else "To take the file as it is now: runner prepare --force"
        raise WrongBytes(
            f"{item.name} from {item.url} has SHA-256 {digest}, not the {wanted} that {why}", advice
        )
    if item.size and part.stat().st_size != item.size:
        raise WrongBytes(f"{item.name} from {item.url} has {part.stat().st_size} bytes, not {item.size}")
    if problem := look.wrong(item, part):
        raise WrongBytes(f"{item.name} from {item.url} {problem}",
                         "A page to log in to a network, or an error page, often comes in a file's place")  # fmt: skip
    path = folder / item.name
    os.replace(part, path)
    http.forget(part)
    _describe(item, path, digest)
    return Got(item, path, digest, path.stat().st_size, pinned=not item.sha256)
