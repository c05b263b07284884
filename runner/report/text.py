"""Untrusted text made safe for a terminal, and numbers made readable.

Notes, logs, samples and diffs come from agents and from training programs: they may hold escape codes,
control and bidirectional characters, invalid UTF-8, or megabytes in one line. `clean` and `line` return
text that cannot move a cursor, change a colour or reorder what a person reads; `fit` cuts it to columns.
Nothing here interprets markup: put what comes out into `rich.text.Text`, never into a markup string.
Trusts nobody; knows no console.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime
from typing import Any

from rich.cells import cell_len

MISSING = "–"
_REPLACEMENT = "\ufffd"
_LIMIT = 1 << 20  # characters looked at in one text at most: a person reads less
_MARKS = 2

# ECMA-48: strings (DCS, SOS, OSC, PM, APC) up to their terminator or the line's end, then control
# sequences, then two-character escapes. 8-bit C1 forms count as much as the ESC forms.
_ESCAPES = re.compile(
    r"(?:\x1b[PX\]^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_ODD = re.compile(r"[^ -~\n\t]")
_SPACES = re.compile(r"\s+")
# One column for one column, so that what was laid out with our own signs stays laid out.
_ASCII = str.maketrans("→·−–—…±×σ✓✗●━╸─Δ▁▂▃▄▅▆▇█⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", ">|---.~xs+x*=--d_..--=##|/-\\|/-\\|/")


def _keep(found: re.Match[str]) -> str:
    """What is left of one character that is neither printable ASCII nor a line break."""
    character = found[0]
    kind = unicodedata.category(character)
    if kind in ("Zl", "Zp"):
        return "\n"
    if kind == "Zs":
        return " "
    if kind == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF:
        return ""  # bidirectional overrides, zero-width characters, tags, variation selectors
    return _REPLACEMENT if kind.startswith("C") else character


def _thin_marks(text: str) -> str:
    """`text` with at most `_MARKS` combining marks on a character: more smear over the lines around it."""
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)


def clean(raw: str | bytes, limit: int = _LIMIT) -> str:
    """`raw` without anything a terminal would obey; line breaks and (as spaces) tabs stay.

    limit: characters looked at; what lies beyond is dropped and said so. Bytes are decoded as UTF-8 with
    replacement. Never raises on any input of these two types.
    """
    cut = len(raw) > limit
    raw = raw[:limit]
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    if not (text.isascii() and text.isprintable()):
        text = _ESCAPES.sub("", text.replace("\r\n", "\n")).replace("\r", "\n").expandtabs(4)
        text = _ODD.sub(_keep, text)
        text = text if text.isascii() else _thin_marks(text)
    return f"{text}… (cut)" if cut else text


def line(raw: str | bytes, width: int | None = None) -> str:
    """`raw` cleaned and as one line: runs of white space become one space; at most `width` columns."""
    text = _SPACES.sub(" ", clean(raw, 4096)).strip()
    return text if width is None else fit(text, width)


def block(raw: str | bytes, lines: int, width: int = 500) -> list[str]:
    """The last `lines` lines of `raw`, cleaned, each at most `width` columns; blank ones at the end dropped.

    Only the tail is decoded, so a log of any size costs the same.
    """
    tail = raw[-(lines + 1) * 4 * width :] if lines > 0 else raw[:0]
    found = clean(tail).rstrip().split("\n")
    return [fit(text, width) for text in found[-lines:]] if lines > 0 else []


def fit(text: str, width: int) -> str:
    """`text` in at most `width` terminal columns, an ellipsis where it was cut; wide characters count 2."""
    if width <= 0:
        return ""
    text = text if len(text) <= 4 * width + 8 else text[: 4 * width + 8]
    if cell_len(text) <= width:
        return text
    used, kept = 0, []
    for character in text:
        used += cell_len(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def to_ascii(text: str) -> str:
    """Our own signs in ASCII, and `?` for whatever else a terminal without UTF-8 cannot show."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def finite(value: Any) -> float | None:
    """`value` as a float when it is a finite number, else None: readings and metadata are not trusted."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def bpb(value: float | None) -> str:
    """Bits per byte with four decimals."""
    number = finite(value)
    return MISSING if number is None else f"{number:.4f}" if abs(number) < 1e6 else f"{number:.3g}"


def delta(value: float | None) -> str:
    """A difference in bits per byte with its sign; a true minus, so that columns align."""
    number = finite(value)
    if number is None:
        return MISSING
    sign = "−" if number < 0 else "+"
    return sign + bpb(abs(number))


def percent(part: float | None, whole: float | None) -> str:
    """`part` of `whole` in percent with two figures that matter; empty where there is no whole."""
    if part is None or not whole:
        return ""
    share = 100 * part / whole
    shown = f"{share:.1f} %" if abs(share) >= 1 or share == 0 else f"{share:.2f} %"
    return shown.replace("-", "−")


def gain(baseline: float | None, best: float | None) -> str:
    """How far `best` lies under `baseline`: `0.0421 bpb (1.9 %)`."""
    if baseline is None or best is None:
        return MISSING
    return f"{bpb(baseline - best).replace('-', '−')} bpb ({percent(baseline - best, baseline) or '0 %'})"


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    number = finite(value)
    return MISSING if number is None else f"{number:,.0f}" if abs(number) < 1e15 else f"{number:.3g}"


def moment(stamp: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time; None for any other text."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: `0.4 s`, `54 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    number = finite(seconds)
    if number is None:
        return MISSING
    if number < 9.95:
        return f"{max(number, 0.0):.1f} s"
    whole = round(number)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(number / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(number / 3600)
    return f"{hours // 24:,} d {hours % 24} h" if hours < 1e9 else f"{hours / 24:.3g} d"


def roughly(seconds: float) -> str:
    """A duration as an estimate, no more exact than it is: in steps of 10 seconds, a minute, then 5 minutes."""
    if seconds < 90:
        return f"{max(10, round(seconds / 10) * 10)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else duration(round(seconds / 300) * 300)


def size(amount: float | None) -> str:
    """Bytes in decimal units: `812 MB`, `3.1 GB`."""
    number = finite(amount)
    if number is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(number) < 999.5 or unit == "TB":
            break
        number /= 1000
    return f"{number:.1f} {unit}" if abs(number) < 9.95 and unit != "B" else f"{number:,.0f} {unit}"


def megabytes(amount: float | None) -> str:
    """Like `size`, of an amount in units of 10^6 bytes as outcomes carry it."""
    number = finite(amount)
    return MISSING if number is None else size(number * 1e6)
