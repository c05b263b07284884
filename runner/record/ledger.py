"""The ledger: one line a trial with everything, appended and never changed, chained by hashes.

A line is the canonical JSON (sorted keys, no spaces, UTF-8, finite numbers) of an Entry and of `prev`, the hash of
the line before it (64 zeros for the first), and last its own `hash`: the SHA-256 of that canonical JSON. Whoever
edits the past must rewrite all that follows. A line is there when its newline is: what a crash left half-written is
no line. Reading changes nothing, so that another terminal can read while a run appends; `mend` and `append` belong
to the one who holds the run's lock. Trusts the disk's fsync.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from runner.errors import InfraError, UsageError
from runner.record.files import atomic_write, explain, explained, sync_folder
from runner.trial import Entry, entry_from_json, to_json

FIRST = "0" * 64
DAMAGE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)  # what reading a damaged line raises


def content(path: Path) -> bytes:
    """All of the file; empty where there is none. Raises UsageError or InfraError where it cannot be read."""
    with explained(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""


def damaged(path: Path, number: int, why: object) -> UsageError:
    """The error that says so of the line of trial `number`."""
    return UsageError(
        f"{path}, line {number + 1}: the record is damaged here: {why}",
        "Nothing was changed. Put the file back from a backup, or keep the run as it is and start a new one "
        "from its branch: runner go --tag ANOTHER",
    )


class Ledger:
    """The entries of `path`, oldest first; empty where there is no such file.

    entries: what was read and appended since. head: the last line's hash. torn: a half-written last line, not among
    the entries. Raises UsageError that names the line where one cannot be read or the chain is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []
        self.head = FIRST
        raw = content(path)
        *lines, self.torn = raw.split(b"\n")
        for line in lines:
            self._take(line)
        self._size = len(raw) - len(self.torn)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _take(self, line: bytes) -> None:
        """Add a complete line, checked against the chain so far."""
        try:
            entry, head = decode(line, self.head)
            if entry.number != len(self._entries):
                raise ValueError(f"it is trial {entry.number}, and trial {len(self._entries)} comes next")
        except DAMAGE as error:
            raise damaged(self.path, len(self._entries), error) from None
        self._entries.append(entry)
        self.head = head

    def mend(self) -> list[str]:
        """Cut off a half-written last line, kept beside as `ledger.torn-N`; messages. For the holder of the lock.

        A last line that lacks nothing but its newline is completed instead.
        """
        if not self.torn:
            return []
        with contextlib.suppress(*DAMAGE):
            if decode(self.torn, self.head)[0].number == len(self._entries):
                return self._complete()
        with explained(self.path):
            count = 1
            while (aside := self.path.with_name(f"ledger.torn-{count}")).exists():
                count += 1
            atomic_write(aside, self.torn)
            with open(self.path, "r+b") as file:
                file.truncate(self._size)
                os.fsync(file.fileno())
        size, self.torn = len(self.torn), b""
        return [f"{self.path}: a half-written last line ({size} bytes) was cut off and kept as {aside.name}"]

    def _complete(self) -> list[str]:
        line, self.torn = self.torn, b""
        with explained(self.path), open(self.path, "ab") as file:
            file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(line)
        self._size += len(line) + 1
        return [f"{self.path}: the newline of its last line was missing and was added"]

    def append(self, entry: Entry) -> Entry:
        """Write one entry and bring it to the disk; the entry as it will be read back.

        Raises ValueError for a number out of turn or one that is not finite; UsageError where the file was changed
        by another; InfraError where the disk is full. In each case the file is as it was.
        """
        if entry.number != len(self._entries) or self.torn:
            raise ValueError(
                f"trial {entry.number} cannot be appended to {len(self._entries)} trials, or mend first"
            )
        line, head = encode(entry, self.head)
        created = not self.path.exists()
        with explained(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._write(descriptor, line)
            finally:
                os.close(descriptor)
            if created:
                sync_folder(self.path.parent)
        self._entries.append(decode(line[:-1], self.head)[0])
        self.head = head
        self._size += len(line)
        return self._entries[-1]

    def _write(self, descriptor: int, line: bytes) -> None:
        """The line in one write, or nothing of it."""
        found = os.fstat(descriptor).st_size
        if found != self._size:
            raise UsageError(
                f"{self.path} has {found} bytes where this run left {self._size}: something else wrote to it",
                "Nothing was written. Start again: the record is checked then.",
            )
        try:
            written = os.write(descriptor, line)
            if written != len(line):
                raise InfraError(
                    f"{self.path}: the disk is full ({written} of {len(line)} bytes could be written)",
                    "Make room on the disk and start again: nothing is lost.",
                )
            os.fsync(descriptor)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size)
            if isinstance(error, OSError):
                raise explain(error, self.path) from error
            raise


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8; ValueError for NaN and infinities. Lone surrogates become `?`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace")


def encode(entry: Entry, prev: str) -> tuple[bytes, str]:
    """The line of an entry with its newline, and its hash."""
    body = canonical({**to_json(entry), "prev": prev})
    own = hashlib.sha256(body).hexdigest()
    return body[:-1] + b',"hash":"' + own.encode() + b'"}\n', own


TAIL = len(b',"hash":""}') + 64


def decode(line: bytes, prev: str) -> tuple[Entry, str]:
    """The entry of a line without its newline, and its hash. ValueError, TypeError or KeyError where it is none.

    The hash is taken over the very bytes, so nothing at all in a line can change unseen.
    """
    body, tail = line[:-TAIL] + b"}", line[-TAIL:]
    own = hashlib.sha256(body).hexdigest()
    if tail != b',"hash":"' + own.encode() + b'"}':
        raise ValueError("its hash is not that of its content")
    raw = _DECODER.decode(body.decode())
    if raw.pop("prev") != prev:
        raise ValueError("it does not follow the line before it (a line was changed, added or removed)")
    return entry_from_json(raw), own


@dataclass(frozen=True)
class Line:
    """A complete line as it stands, whatever the chain says. stated: its `hash`; real: the hash of its content.

    canonical: whether it is written as `encode` writes it, to the byte.
    """

    entry: Entry
    prev: str
    stated: str
    real: str
    canonical: bool


def parse(line: bytes) -> Line:
    """A line without its newline. Raises what `decode` raises where it holds no entry at all."""
    raw = _DECODER.decode(line.decode())
    stated, body = raw.pop("hash"), canonical(raw)
    prev = raw.pop("prev")
    if not (isinstance(stated, str) and isinstance(prev, str)):
        raise TypeError("its hashes are no text")
    tail = line[-TAIL:]
    framed = tail.startswith(b',"hash":"') and tail.endswith(b'"}')
    real = hashlib.sha256(line[:-TAIL] + b"}" if framed else body).hexdigest()
    written = body[:-1] + b',"hash":"' + stated.encode("utf-8", "replace") + b'"}'
    return Line(entry_from_json(raw), prev, stated, real, written == line)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
