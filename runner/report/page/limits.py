"""How much of each text a page holds: budgets in bytes as they stand in the document, shared out fairly.

Pure. A run of 500 trials must stay under 2 MB whatever its trials wrote, so sizes are those after escaping: a text of
nothing but `<` takes six times its length. Short texts stay whole; the long ones share what is left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from runner.report import text

LINE_COLUMNS = 240  # of one line of a diff or a log; more is no line that a person reads
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def escaped(found: str) -> str:
    """JSON text that no HTML parser can take for the end of its script element, or for markup at all."""
    return found.translate(_ESCAPES)


def size(found: str) -> int:
    """Bytes that a string takes in the page."""
    return len(escaped(json.dumps(found, ensure_ascii=False)).encode("utf-8", "replace"))


def share(sizes: Sequence[int], total: int) -> int:
    """The largest cap with which `sum(min(size, cap))` is at most `total`."""
    left = total
    for place, need in enumerate(sorted(sizes)):
        fair = left // (len(sizes) - place)
        if need > fair:
            return max(0, fair)
        left -= need
    return max(sizes, default=0)


@dataclass(frozen=True)
class Lines:
    """Cleaned lines of an untrusted text, ready to be cut. size: bytes of all of them in the page.

    tail: the end matters, not the beginning. more: there was more of it than was looked at.
    """

    lines: tuple[str, ...]
    size: int
    tail: bool = False
    more: bool = False

    @classmethod
    def of(cls, raw: str | bytes, characters: int, *, tail: bool = False, most: int | None = None) -> Lines:
        """characters (of bytes: bytes): looked at, from the beginning, or with `tail` from the end. most: of lines."""
        part = raw[-characters:] if tail else raw[:characters]
        found = [line for line in text.clean(part).rstrip().split("\n") if line.strip() or not tail]
        chosen = found[-most:] if most and tail else found[:most]
        shown = tuple(_fit(line) for line in chosen) if any(chosen) else ()
        return cls(shown, size("\n".join(shown)), tail, len(raw) > characters)

    def cut(self, cap: int) -> tuple[str, int]:
        """As many whole lines as take at most `cap` bytes in the page, and how many were left out."""
        used, kept = 2, 0  # the quotes
        for line in reversed(self.lines) if self.tail else self.lines:
            used += size(line) if kept else size(line) - 2
            if used > cap:
                break
            kept += 1
        chosen = self.lines[len(self.lines) - kept :] if self.tail else self.lines[:kept]
        return "\n".join(chosen), len(self.lines) - kept


def _fit(line: str) -> str:
    if line.isascii():  # what it mostly is; no need to measure every character
        return line if len(line) <= LINE_COLUMNS else line[: LINE_COLUMNS - 1] + "…"
    return text.fit(line, LINE_COLUMNS)


def fitted(said: str, cap: int) -> str:
    """`said` in at most `cap` bytes of the page, cut between words where there are any."""
    if size(said) <= cap:
        return said
    low, high = 0, min(len(said), cap)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(said[:middle]) <= cap - 4 else (low, middle - 1)
    part = said[:low]
    return (part[: part.rfind(" ")] if " " in part[-40:] else part) + " …"


def short(raw: str, cap: int) -> str:
    """One cleaned line in at most `cap` bytes of the page."""
    raw = raw[: 2 * cap]
    plain = raw.isascii() and raw.isprintable() and len(raw) <= cap and "  " not in raw
    return fitted(raw.strip() if plain else text.line(raw, cap), cap)
