"""The hash chain, read to its end: every broken line is named, and reading goes on behind it.

Pure: bytes in, trials and findings out. Which of two lines was changed follows from who refers to whom; the ledger's
own reader (`ledger.py`) stops at the first damage, as one must who wants to go on writing.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from runner.record import ledger
from runner.record.ledger import FIRST, Line
from runner.record.verify_report import Finder
from runner.trial import Attempt, Entry, Outcome, Pins, Score, Verdict

LINES, UNREADABLE = 1_000_000, 1000  # of a ledger: more is none
BAD = (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError)


@dataclass(frozen=True)
class Chain:
    """entries: the trials that could be read, in the file's order. lost: numbers of those that could not.

    head: the hash of the last line that could be read.
    """

    entries: tuple[Entry, ...] = ()
    lost: frozenset[int] = frozenset()
    head: str = ""


def read(raw: bytes, found: Finder) -> Chain:
    """All of a ledger's lines, and what is wrong with them."""
    *complete, torn = raw.split(b"\n", LINES)
    if torn:
        said = (
            f"{len(torn)} bytes without a line's end; the next start of the run cuts them off or completes them"
        )
        found.add("ledger-torn", f"ledger line {len(complete) + 1}", said)
    lines: list[Line | None] = []
    unreadable = 0
    for index, line in enumerate(complete):
        lines.append(_read(index, line, found))
        unreadable += lines[-1] is None
        if unreadable > UNREADABLE:
            said = f"it and {UNREADABLE} before it cannot be read: the rest is not looked at"
            found.add("line-unreadable", f"ledger line {index + 1}", said)
            break
    entries = _distinct(lines, found)
    _links(lines, found)
    _numbers(lines, found)
    found.counts["lines"] = len(complete)
    read_ones = [line for line in lines if line is not None]
    lost = frozenset(_expected(lines, index) for index, line in enumerate(lines) if line is None)
    return Chain(entries, lost - {entry.number for entry in entries}, read_ones[-1].stated if read_ones else "")


def _read(index: int, raw: bytes, found: Finder) -> Line | None:
    where = f"ledger line {index + 1}"
    try:
        line = ledger.parse(raw)
        _fit(line.entry)
    except BAD as error:
        found.add("line-unreadable", where, f"it is no trial: {error}")
        return None
    if line.stated != line.real:
        said = f"its hash says {line.stated[:12]}, and its content gives {line.real[:12]}"
        found.add("line-edited", f"{where}, trial {line.entry.number}", said)
    elif not line.canonical:
        said = "it is not written as this program writes it (keys sorted, each once, no spaces)"
        found.add("line-edited", f"{where}, trial {line.entry.number}", said)
    return line


def _distinct(lines: Sequence[Line | None], found: Finder) -> tuple[Entry, ...]:
    """The trials, a repeated line counted once."""
    seen: dict[str, int] = {}
    entries = []
    for index, line in enumerate(lines):
        if line is None:
            continue
        first = seen.setdefault(line.real, index)
        if first == index:
            entries.append(line.entry)
            continue
        found.add("line-duplicated", _where(index, line), f"it is line {first + 1} again")
    return tuple(entries)


def _links(lines: Sequence[Line | None], found: Finder) -> None:
    """Each line against the one before it. Who is referred to from nowhere, and to whom, says what was done."""
    known = {line.stated: index for index, line in reversed(list(enumerate(lines))) if line}
    wanted = {line.prev for line in lines if line}
    for index, line in enumerate(lines):
        before = lines[index - 1] if index else None
        expected = before.stated if before else FIRST
        if line is None or (index and before is None) or line.prev == expected:
            continue
        if known[line.stated] != index:
            continue  # a duplicate, named already
        at = known.get(line.prev, -1 if line.prev == FIRST else None)
        follows = f"it follows the hash {line.prev[:12]}"
        if at is None and before is None:
            kind = "line-removed" if line.entry.number else "line-rewritten"
            found.add(kind, _where(index, line), f"it is the first, and {follows}, which is not there")
        elif at is None and before is not None and line.entry.number == before.entry.number + 1:
            said = f"the line after it {follows[3:]}, and this one has {before.stated[:12]}"
            found.add("line-rewritten", _where(index - 1, before), said)
        elif at is None:
            gone = f"the trial before it ({line.entry.number - 1}) is not there"
            found.add("line-removed", _where(index, line), f"{follows}, which no line has: {gone}")
        elif before is not None and before.stated not in wanted and at == index - 2:
            said = f"line {index + 1} follows line {at + 1}, and not this one"
            found.add("line-inserted", _where(index - 1, before), said)
        elif before is not None and known[before.stated] != index - 1 and at == known[before.stated]:
            continue  # behind a duplicate: it follows the first of the two
        else:
            found.add(
                "line-moved", _where(index, line), f"it follows line {at + 1}, and stands behind line {index}"
            )


def _numbers(lines: Sequence[Line | None], found: Finder) -> None:
    """Numbers out of turn where the chain itself holds; where it does not, that has been said."""
    for index, line in enumerate(lines):
        before = lines[index - 1] if index else None
        linked = line is not None and line.prev == (before.stated if before else FIRST)
        expected = before.entry.number + 1 if before else 0
        if line is not None and linked and line.entry.number != expected:
            said = f"it is trial {line.entry.number}, and trial {expected} comes next"
            found.add("number-out-of-turn", f"ledger line {index + 1}", said)


def _expected(lines: Sequence[Line | None], index: int) -> int:
    """The number that the unreadable line `index` should have."""
    back = next((i for i in range(index, -1, -1) if lines[i]), None)
    line = lines[back] if back is not None else None
    return index if line is None or back is None else line.entry.number + index - back


def _where(index: int, line: Line) -> str:
    return f"ledger line {index + 1}, trial {line.entry.number}"


# Types: a damaged record may hold anything anywhere, and what follows does arithmetic


_HINTS = {noun: get_type_hints(noun) for noun in (Entry, Attempt, Outcome, Score, Verdict, Pins)}


def _fit(noun: Any) -> None:
    """Raises TypeError that names the first field of a dataclass that holds something of another type."""
    hints = _HINTS[type(noun)]
    for name in (each.name for each in fields(noun)):
        if not _fits(getattr(noun, name), hints[name]):
            raise TypeError(f"its {name} is of another kind than a trial's")


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, get_args(hint)[0]) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        keys, values = get_args(hint)
        return isinstance(value, dict) and all(_fits(k, keys) and _fits(v, values) for k, v in value.items())
    if hint is float:
        return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
    if is_dataclass(hint):
        if not isinstance(value, hint):  # type: ignore[arg-type]
            return False
        _fit(value)
        return True
    if isinstance(hint, type) and issubclass(hint, Enum):
        return isinstance(value, hint)
    return type(value) is (type(None) if hint is None else hint)
