"""The grammar of the comment that annotates a constant: `range: LOW..HIGH [log]` or `choices: a, b, c`.

Text after ` — ` (or ` -- `, or `;`) is free. Knows nothing of files and positions; see `constants.py`.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = int | float | str | bool

_ANNOTATION = re.compile(r"#\s*(range|choices)\s*:\s*(.*?)\s*$", re.DOTALL)
_FREE_TEXT = re.compile(r"\s+(?:—|–|--)(?:\s|$)|\s*;")
_RANGE = re.compile(r"(\S+?)\s*\.\.\s*(\S+?)(\s+log)?$")
_CHOICE = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;"']+)\s*""")


@dataclass(frozen=True)
class Domain:
    """The values that a constant may take: `low..high` (both ends included), or `choices` in written order.

    `log`: searched by ratio. `outside`: the constant's own value was not among them, and has been added.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()
    outside: bool = False


def parse(comment: str, value: object) -> Domain | None:
    """The domain that `comment` gives to a constant with `value`; None if it is no annotation.

    Raises ValueError, saying what is wrong, for one that is malformed or does not fit the value.
    """
    match = _ANNOTATION.match(comment)
    if not match:
        return None
    if type(value) not in (int, float, str, bool):
        raise ValueError("the value must be a literal: an int, a float, a string, True or False")
    if not _moderate(value):
        raise ValueError("the value must be finite and moderate")
    if match[1] == "choices":
        choices = _choices(match[2])
        outside = not any(type(value) is type(choice) and value == choice for choice in choices)
        return Domain(choices=(*choices, value) if outside else choices, outside=outside)  # type: ignore[arg-type]
    if type(value) not in (int, float):
        raise ValueError(f"a range needs a number, not {value!r}; use choices:")
    return _range(_FREE_TEXT.split(match[2], maxsplit=1)[0].strip(), value)  # type: ignore[arg-type]


def _range(spec: str, value: int | float) -> Domain:
    match = _RANGE.match(spec)
    if not match:
        raise ValueError(f"range: must be LOW..HIGH or LOW..HIGH log, not {spec!r}")
    low, high = _number(match[1]), _number(match[2])
    if type(value) is int and (type(low), type(high)) != (int, int):
        raise ValueError(f"{value} is an int, so its range must be of ints (or write {value}.0)")
    if type(value) is float:
        low, high = float(low), float(high)
    if not low < high:
        raise ValueError(f"range: {match[1]} is not below {match[2]}")
    log = match[3] is not None
    if log and min(low, value) <= 0:
        raise ValueError("a log range must lie above 0")
    return Domain(min(low, value), max(high, value), log, outside=not low <= value <= high)


def _number(text: str) -> int | float:
    number = _literal(text)
    if isinstance(number, bool) or not isinstance(number, int | float) or not _moderate(number):
        raise ValueError(f"range: {text!r} is not a number")
    return number


def _choices(spec: str) -> tuple[Value, ...]:
    choices: list[Value] = []
    position = 0
    while match := _CHOICE.match(spec, position):
        choice = _literal(match[1])
        if not isinstance(choice, int | float | str):
            raise ValueError(f"choices: {match[1]} is no int, float, string, True or False")
        if choice in choices:
            raise ValueError(f"choices: {match[1]} equals another choice")
        choices.append(choice)
        position = match.end()
        if spec[position : position + 1] != ",":
            break
        position += 1
    else:
        raise ValueError("choices: must be literals with commas between them")
    rest = spec[position:]
    if rest and not rest.startswith(("—", "–", "--", ";")):
        raise ValueError(f"choices: {rest!r} is not understood; free text comes after ' — ' or ';'")
    if len(choices) < 2:
        raise ValueError("choices: needs two or more")
    return tuple(choices)


def _moderate(value: object) -> bool:
    """Whether a number survives the arithmetic of a search: finite, and an int exact as a float."""
    return not isinstance(value, int | float) or (
        abs(value) <= 2**53 if isinstance(value, int) else math.isfinite(value)
    )


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
