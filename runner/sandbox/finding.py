"""One line of what was found on looking: a name, what was expected, what is there, what to do about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

OK, DIFFERS, NOTE, MISSING = "ok", "differs", "note", "missing"


@dataclass(frozen=True)
class Finding:
    """state: `ok`; `differs`, a wall is missing or weaker; `missing`, nothing can run; `note`, worth knowing."""

    name: str
    state: str
    expected: str
    found: str
    advice: str = ""


def finding(name: str, state: str, expected: str, found: str, advice: str = "") -> Finding:
    return Finding(name, state, expected, found, "" if state == OK else advice)


def check(name: str, good: bool, expected: str, found: str, advice: str) -> Finding:
    return finding(name, OK if good else DIFFERS, expected, found, advice)
