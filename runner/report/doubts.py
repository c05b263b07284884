"""What was seen of the machine during a training, and the marks that it got from it, in words for people.

Pure, and tolerant: a record may come from elsewhere. Marks are only shown where this program knows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runner.machine.marks import SAID as MARKS  # in the order in which one of them stands for all
from runner.report import text
from runner.trial import Attempt, Entry

_SHOWN = 4


def marks(entry: Entry) -> list[str]:
    """The marks of all its trainings, each once."""
    found = {mark for attempt in entry.attempts for mark in attempt.outcome.marks}
    return [mark for mark in MARKS if mark in found]


def word(entry: Entry) -> str:
    """One of them, "" where there is none."""
    return next(iter(marks(entry)), "")


def noted(entry: Entry, note: str) -> str:
    """The trial's note, behind its mark."""
    return f"[{mark}] {note}" if (mark := word(entry)) else note


def count(entries: Sequence[Entry]) -> dict[str, int]:
    """Trainings by mark."""
    found = Counter(m for e in entries for a in e.attempts for m in set(a.outcome.marks) if m in MARKS)
    return {mark: found[mark] for mark in MARKS if found[mark]}


def thrown(attempt: Attempt) -> int:
    """Trainings that were thrown away before this one."""
    again = attempt.outcome.telemetry.get("again")
    return len(again) if isinstance(again, list) else 0


def sentence(attempt: Attempt) -> str:
    """Its marks, and what they mean; "" without one."""
    told = [f"{mark}: {MARKS[mark]}" for mark in MARKS if mark in attempt.outcome.marks]
    if times := thrown(attempt):
        told.append(f"done again, {times} of it thrown away")
    return "; ".join(told)


def gpu(attempt: Attempt) -> str:
    """Such as `GPU 97 % busy, 640 W, 71 °C, 1,755 MHz, 0.18 MJ, power cap 100 %`; "" without one."""
    found = _part(attempt, "gpu")
    shown = [
        (f"{value:.{digits}f} {unit}")
        for key, digits, unit in _GPU
        if (value := text.finite(found.get(key))) is not None
    ]
    clocks = found.get("clocks")
    if isinstance(clocks, Mapping):
        pairs = (
            (text.line(str(name), 30), text.finite(share)) for name, share in list(clocks.items())[:_SHOWN]
        )
        shown += [f"{name} {100 * share:.0f} %" for name, share in pairs if share is not None]
    shown += _others(found)
    return f"GPU {', '.join(shown)}" if shown else ""


_GPU = (
    ("busy_mean", 0, "% busy"),
    ("watts_mean", 0, "W"),
    ("kilojoules", 1, "kJ"),
    ("celsius", 0, "°C at most"),
    ("sm_mhz_mean", 0, "MHz"),
    ("ecc", 0, "errors of memory"),
    ("retired", 0, "parts of memory retired"),
)
_HOST = (
    ("load", 1, "load"),
    ("free_memory_mb", 0, "MB of memory free"),
    ("free_disk_mb", 0, "MB of disk free"),
)


def _others(found: Mapping[str, Any]) -> list[str]:
    shown = []
    if isinstance(xids := found.get("xids"), list) and xids:
        shown.append(f"Xid {' '.join(text.count(number) for number in xids[:_SHOWN])}")
    others = found.get("others")
    named = [other for other in others if isinstance(other, Mapping)] if isinstance(others, list) else []
    shown += [f"beside process {other.get('pid')} {other.get('name', '')}".strip() for other in named[:_SHOWN]]
    return [text.line(one, 60) for one in shown]


def host(attempt: Attempt) -> str:
    """Such as `load 2.1, 41 % of the CPU taken by others, 3,100 MB of memory free at least`; "" where not told."""
    found = _part(attempt, "host")
    shown = []
    for key, digits, unit in _HOST:
        if (value := text.finite(found.get(key))) is not None:
            shown.append(f"{unit} {value:.{digits}f}" if key == "load" else f"{value:,.{digits}f} {unit}")
    if (share := text.finite(found.get("cpu_others"))) is not None:
        shown.append(f"{100 * share:.0f} % of the CPUs taken by others")
    return ", ".join(shown)


def _part(attempt: Attempt, name: str) -> Mapping[str, Any]:
    found = attempt.outcome.telemetry.get(name)
    return found if isinstance(found, Mapping) else {}


def totals(entries: Sequence[Entry]) -> dict[str, float]:
    """Of all trainings: how busy the GPU was, its power, the most heat, what it took; how many have a mark."""
    seen = [(a.outcome.train_seconds, _part(a, "gpu")) for e in entries for a in e.attempts]
    found: dict[str, float] = {}
    for name, key in (("busy_percent", "busy_mean"), ("watts", "watts_mean")):
        weighed = [(s, value) for s, part in seen if (value := text.finite(part.get(key))) is not None]
        if whole := sum(seconds for seconds, _ in weighed):
            found[name] = sum(seconds * value for seconds, value in weighed) / whole
    heat = [value for _, part in seen if (value := text.finite(part.get("celsius"))) is not None]
    spent = [value for _, part in seen if (value := text.finite(part.get("kilojoules"))) is not None]
    if heat:
        found["celsius"] = max(heat)
    if spent:
        found["kilowatt_hours"] = sum(spent) / 3600
    if marked := sum(bool(set(a.outcome.marks) & MARKS.keys()) for e in entries for a in e.attempts):
        found["marked_trainings"] = marked
    return found
