"""What is taken back from an outside agent: the bytes of train.py and one line of note.txt, and nothing else.

The agent may have left anything under those names: a link to another file, a FIFO that blocks who opens it, a
folder, a device, gigabytes. Names are opened relative to a folder descriptor that was opened before the agent
started, without following links and without blocking; the type is asked of the open descriptor, so nothing can be
swapped in between. Trusts nobody. Compiles in another process (`parses.py`), executes nothing.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from runner.agents.fault import AgentFault, Fault
from runner.report import text
from runner.trial import History, digest

NOTE_COLUMNS = 200
NOTE_BYTES = 4096
NO_NOTE = "(no note)"

_PARSES = Path(__file__).with_name("parses.py")
_PARSE_SECONDS = 30.0


def read(folder: int, name: str, limit: int) -> bytes:
    """The content of the regular file `name` in the open folder `folder`, at most `limit` bytes.

    Raises AgentFault where there is no such file, it is anything but a regular file, or it is larger.
    """
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise AgentFault(Fault.NOT_A_FILE, f"{name} is gone") from None
    except OSError as error:
        raise AgentFault(Fault.NOT_A_FILE, f"{name} is not a file that can be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise AgentFault(Fault.NOT_A_FILE, f"{name} is not a regular file")
        content = bytearray()
        while len(content) <= limit and (more := os.read(handle, limit + 1 - len(content))):
            content += more
    except OSError as error:
        raise AgentFault(Fault.NOT_A_FILE, f"{name} cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)
    if len(content) > limit:
        raise AgentFault(Fault.TOO_LARGE, f"{name} has more than {limit:,} bytes")
    return bytes(content)


def note(folder: int, name: str = "note.txt") -> str:
    """The first line of the note that is not blank, without control characters, at most `NOTE_COLUMNS` wide.

    A note that is missing, no regular file, or empty is no fault: `NO_NOTE` stands in for it.
    """
    try:
        return note_in(read(folder, name, 1 << 20))
    except AgentFault:
        return NO_NOTE


def note_in(content: bytes) -> str:
    """The note in the content of a note.txt, as `note` gives it."""
    lines = (text.line(raw, NOTE_COLUMNS) for raw in content[:NOTE_BYTES].splitlines())
    return next((line for line in lines if line), NO_NOTE)


def tried(history: History) -> dict[str, int]:
    """Digests of the versions that were or are being tried, and their trials' numbers."""
    under_way = {proposal.digest: len(history.entries) + at for at, proposal in enumerate(history.under_way)}
    return under_way | {entry.proposal: entry.number for entry in history.entries}


def check(source: bytes, incumbent: bytes, tried: Mapping[str, int]) -> None:
    """Whether `source` is worth a trial. `tried`: the digests of the versions so far, and their trials' numbers.

    Raises AgentFault if it is the incumbent (but for comments and layout), was tried before, is not UTF-8, or
    does not compile.
    """
    if source == incumbent:
        raise AgentFault(Fault.UNCHANGED, "train.py was not changed")
    if digest(source) in tried:
        raise AgentFault(Fault.REPEATED, f"this version was trial {tried[digest(source)]}")
    if b"\0" in source:
        raise AgentFault(Fault.ENCODING, "train.py holds a NUL byte")
    try:
        source.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AgentFault(Fault.ENCODING, f"train.py is not UTF-8 at byte {error.start}") from None
    found = _parse(source, incumbent)
    if found["error"] is not None:
        raise AgentFault(Fault.SYNTAX, f"train.py does not compile: {text.line(str(found['error']), 200)}")
    if found["same"]:
        raise AgentFault(Fault.UNCHANGED, "only comments or layout of train.py were changed")


def form(source: bytes) -> str:
    """Digest of what comments and layout do not alter, as `check` compares it; of the bytes where it does not parse."""
    return str(_parse(source, source).get("form") or digest(source))


def _parse(source: bytes, incumbent: bytes) -> Mapping[str, object]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_PARSES)],
            input=b"%d\n" % len(incumbent) + incumbent + source,
            capture_output=True,
            timeout=_PARSE_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return {"error": "the parser gave up on it", "same": False}
    return found if isinstance(found, dict) else {"error": "the parser gave up on it", "same": False}
