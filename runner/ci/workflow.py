"""What GitHub's runner reads of a job: step outputs, the summary's file, annotations, and what it must not read.

Its log is parsed line by line, stdout and stderr alike: a line that begins with `::name` after white space, or holds
`##[name]` anywhere, is a command (src/Runner.Common/ActionCommand.cs of actions/runner). So untrusted text is printed
only through `Guarded`. Trusts the environment of the job; escapes as the toolkit does
(packages/core/src/command.ts of actions/toolkit).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from runner.errors import InfraError
from runner.report import text

_LEGACY = re.compile(r"##(?=\[)")
_BEGINS = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def neutral(raw: str) -> str:
    """`raw` so that no line of it is a workflow command: a sign that nobody sees among the colons or hashes."""
    clean = raw.replace("\r", "\n")
    return _LEGACY.sub("#\u2060#", _BEGINS.sub("\\1:\u2060", clean))


class Guarded:
    """A text stream in front of another: whole lines only, and each of them neutral. What a Screen writes to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rest = ""
        self.encoding = getattr(stream, "encoding", "utf-8")

    def write(self, raw: str) -> int:
        *lines, self._rest = (self._rest + raw).split("\n")
        if lines:
            self._stream.write(neutral("\n".join(lines)) + "\n")
        return len(raw)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False

    @property
    def closed(self) -> bool:
        return self._stream.closed


def stopped(raw: str) -> str:
    """`raw` between the commands that tell GitHub to read no command until a word that nobody can guess."""
    word = f"runner-{secrets.token_hex(16)}"
    return f"::stop-commands::{word}\n{neutral(raw).rstrip()}\n::{word}::"


def annotation(level: str, message: str, path: str = "", line: int = 0, title: str = "") -> str:
    """A workflow command that puts a line beside the diff. level: `error`, `warning`, `notice`."""
    told = {"file": path, "line": str(line) if line else "", "title": title}
    shown = ",".join(f"{key}={_property(value)}" for key, value in told.items() if value)
    return f"::{level}{' ' if shown else ''}{shown}::{_data(text.line(message, 1000))}"


def _data(raw: str) -> str:
    return raw.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(raw: str) -> str:
    return _data(raw).replace(":", "%3A").replace(",", "%2C")


def outputs(values: Mapping[str, str]) -> str:
    """Step outputs, each with a delimiter of its own that no value can hold."""
    parts = []
    for name, value in values.items():
        end = f"end-{secrets.token_hex(16)}"
        if not re.fullmatch(r"[a-z_]+", name) or end in value:
            raise ValueError(name)
        parts.append(f"{name}<<{end}\n{value}\n{end}\n")
    return "".join(parts)


def append(environment: Mapping[str, str], variable: str, content: str) -> None:
    """Add to the file that a variable of the job names; nothing where there is none. Raises InfraError."""
    if not (name := environment.get(variable)):
        return
    try:
        with Path(name).open("a", encoding="utf-8", errors="replace") as file:
            file.write(content)
    except OSError as error:
        raise InfraError(f"{variable} cannot be written: {error.strerror}") from None


def is_github(environment: Mapping[str, str]) -> bool:
    return environment.get("GITHUB_ACTIONS") == "true"
