"""Runs side by side: what each came to, as rows, and its best score over trials, hours or money, as steps.

Pure: entries in, numbers out. An arm is one run or several of the same kind; of several the median is taken at each
place, for as long as all of them lasted, and with it an interval (`intervals.py`). Scores compare only where
pins are the same: `differences` says where they are not. Scores in bits per byte, hours of training and scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import median
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from runner.record.faults import Faults
from runner.report import intervals, text
from runner.report.status import status
from runner.trial import Entry, Pins
from runner.usage import usage_of


@dataclass(frozen=True)
class Run:
    """One run. faults: of its proposer, which cost over and above its trials."""

    tag: str
    entries: Sequence[Entry]
    pins: Pins
    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True)
class Arm:
    """Runs of the same kind."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Curve:
    """The best so far of an arm: at each of `places` its run's, or the median of its runs, bits per byte.

    low, high: the interval about it; the same as `middle` where nothing is known of the noise. coverage: how surely it
    holds the value, None where there is no interval anywhere.
    """

    name: str
    places: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    runs: int
    coverage: float | None = None


def hours(entry: Entry) -> float:
    """What a trial took of the machine: training and scoring, not the proposer's thinking."""
    spent = (text.finite(entry.timings.get(part)) or 0.0 for part in ("training", "scoring"))
    return sum(spent) / 3600


def cost(entry: Entry) -> float:
    return usage_of(entry.meta).cost_usd or 0.0


def summary(run: Run) -> dict[str, Any]:
    """One run as a row, JSON-serialisable; None where something is not known."""
    found = status(run.tag, run.entries, faults=run.faults)
    time = sum(hours(entry) for entry in run.entries)
    dollars, gain = found["cost_usd"], found["gain_bpb"]
    return {
        "tag": run.tag,
        "agent": _agent(run.entries),
        "baseline_bpb": found["baseline_bpb"],
        "best_bpb": found["best_bpb"],
        "best_error_bpb": next(iter(intervals.errors(run.entries)[-1:]), None),
        "gain_bpb": gain,
        "proposals": found["proposals"],
        "kept": found["kept"],
        "kept_rate": found["kept"] / found["proposals"] if found["proposals"] else None,
        "crashed": found["crashed"],
        "trainings": sum(len(entry.attempts) for entry in run.entries),
        "hours": time,
        "cost_usd": dollars,
        "gain_per_hour": gain / time if gain is not None and time else None,
        "gain_per_usd": gain / dollars if gain is not None and dollars else None,
    }


def _agent(entries: Sequence[Entry]) -> str:
    """Who proposed most of it."""
    names = [entry.agent for entry in entries if entry.number > 0]
    return text.line(max(sorted(set(names)), key=names.count), 40) if names else ""


def differences(runs: Sequence[Run]) -> list[str]:
    """In which pins runs differ from the first, one sentence each; empty where all scores compare."""
    found = []
    for run in runs[1:]:
        first = runs[0]
        names = [f.name for f in fields(Pins) if getattr(run.pins, f.name) != getattr(first.pins, f.name)]
        if names:
            found.append(
                f"{run.tag} was run under another {', '.join(names)} than {first.tag}: their scores do not compare"
            )
    return found


def steps(run: Run, axis: str) -> list[tuple[float, float]]:
    """(place, best so far) after each trial from the baseline on; the place is 0 at the baseline for `trials`."""
    measure: Callable[[Entry], float] = {"trials": _one, "hours": hours, "cost": cost}[axis]
    place, found = 0.0, []
    for entry in run.entries:
        place += measure(entry)
        best = _best(entry)
        if best is not None:
            found.append((place, best))
    return found


def _best(entry: Entry) -> float | None:
    return text.finite(entry.best_bpb)


def _one(entry: Entry) -> float:
    return 1.0 if entry.number > 0 else 0.0


def curve(arm: Arm, axis: str) -> Curve:
    """The arm's best over `axis`. Empty where a run of it has no score."""
    each = [steps(run, axis) for run in arm.runs]
    if not all(each):
        return Curve(arm.name, (), (), (), (), len(each))
    begin, end = max(found[0][0] for found in each), min(found[-1][0] for found in each)
    if begin > end:  # one was over before another had begun
        begin = end
    places = sorted({place for found in each for place, _ in found if begin <= place <= end} | {begin, end})
    rows = [sorted(row) for row in zip(*(_at(found, places) for found in each), strict=True)]
    middle = [median(row) for row in rows]
    if len(each) == 1:
        low, high, coverage = _measured(arm.runs[0], axis, places, middle)
    else:
        rank, coverage = intervals.ranks(len(each))
        low, high = [row[rank - 1] for row in rows], [row[-rank] for row in rows]
    return Curve(arm.name, tuple(places), tuple(middle), tuple(low), tuple(high), len(each), coverage)


def _measured(
    run: Run, axis: str, places: Sequence[float], middle: Sequence[float]
) -> tuple[list[float], list[float], float | None]:
    """The interval of one run: how well its incumbent's value is known."""
    known = [error or 0.0 for error in intervals.errors(run.entries)]
    told = [error for entry, error in zip(run.entries, known, strict=True) if _best(entry) is not None]
    over = [(place, error) for (place, _), error in zip(steps(run, axis), told, strict=True)]
    half = list(_at(over, places))
    low = [value - error for value, error in zip(middle, half, strict=True)]
    high = [value + error for value, error in zip(middle, half, strict=True)]
    return low, high, intervals.LEVEL if any(half) else None


def _at(found: Sequence[tuple[float, float]], places: Sequence[float]) -> Iterator[float]:
    """The value of a step function at each place, which are sorted; its first value before its first step."""
    index = 0
    for place in places:
        while index + 1 < len(found) and found[index + 1][0] <= place:
            index += 1
        yield found[index][1]


_COLUMNS: tuple[tuple[str, str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("best", "best_bpb", lambda row: _with_error(row)),
    ("gain", "gain_bpb", lambda row: text.bpb(row["gain_bpb"])),
    ("trials", "proposals", lambda row: text.count(row["proposals"])),
    ("kept", "kept_rate", lambda row: "–" if row["kept_rate"] is None else f"{100 * row['kept_rate']:.0f} %"),
    ("trainings", "trainings", lambda row: text.count(row["trainings"])),
    ("hours", "hours", lambda row: f"{row['hours']:.2f}"),
    ("cost", "cost_usd", lambda row: "–" if row["cost_usd"] is None else f"${row['cost_usd']:.2f}"),
    ("gain/hour", "gain_per_hour", lambda row: text.bpb(row["gain_per_hour"])),
    ("gain/$", "gain_per_usd", lambda row: text.bpb(row["gain_per_usd"])),
)


def _with_error(row: Mapping[str, Any]) -> str:
    error = row["best_error_bpb"]
    return text.bpb(row["best_bpb"]) + ("" if error is None else f" ± {text.bpb(error)}")


class View:
    """The rows for a person, arm by arm; where there is little room each fact gets a line."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self.rows = [(arm, summary(run)) for arm in arms for run in arm.runs]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = [f"{arm.name}: {row['tag']}" if len(arm.runs) > 1 or arm.name != row["tag"] else row["tag"]
                 for arm, row in self.rows]  # fmt: skip
        table = [
            [title for title, _, _ in _COLUMNS],
            *([show(row) for *_, show in _COLUMNS] for _, row in self.rows),
        ]
        widths = [max(len(line[i]) for line in table) for i in range(len(_COLUMNS))]
        first = max(len(name) for name in ("run", *names))
        if first + sum(widths) + 2 * len(widths) < options.max_width:
            for name, line in zip(("run", *names), table, strict=True):
                cells = "".join(f"  {cell:>{width}}" for cell, width in zip(line, widths, strict=True))
                yield Text(f"{name:<{first}}{cells}", style="dim" if line is table[0] else "none", no_wrap=True)
            return
        for name, line in zip(names, table[1:], strict=True):
            yield Text(name, style="bold")
            for title, cell in zip(table[0], line, strict=True):
                yield Text(f"  {title:<10}{cell}")
