"""The staircase as data: steps, dots, crashes, noise band and range, for the plot and the page alike.

Pure: entries in, numbers out. Scores were computed by the host; that they are finite is checked all the
same. It cleans no text: whoever draws a note does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from runner.ratchet.noise import sum_of_squares
from runner.report.text import finite
from runner.trial import Entry, Role, Status

_SPANS = 2.0  # how far above the best, in heights of the staircase, the range may reach for discarded trials
_REACH = 10.0  # the same where most trials lie higher than that
_MARGIN = 0.08  # of the range, above and below
_FLOOR = 0.004  # the least height of the range, as a share of the score: rounding never fills a plot


@dataclass(frozen=True)
class Level:
    """From trial `number` on the incumbent's value is `value`, bits per byte: it was replaced, or scored again."""

    number: int
    value: float


@dataclass(frozen=True)
class Step:
    """A kept trial and the value that it was kept with, bits per byte."""

    number: int
    value: float
    note: str


@dataclass(frozen=True)
class Dot:
    """A discarded trial and its score, bits per byte."""

    number: int
    value: float


@dataclass(frozen=True)
class Band:
    """From trial `number` on one seed's score lies within `low` to `high` in two of three trainings."""

    number: int
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """What a staircase is drawn from: `levels` is its line, `steps` are the points on it.

    last: the last trial's number, -1 for none. proposals: trials but the baseline. baseline, best: None until
    a trial was kept. low, high: the useful range in bits per byte; dots beyond it are to be drawn as arrows
    at its edge.
    """

    steps: tuple[Step, ...]
    levels: tuple[Level, ...]
    dots: tuple[Dot, ...]
    crashes: tuple[int, ...]
    band: tuple[Band, ...]
    last: int
    proposals: int
    baseline: float | None
    best: float | None
    low: float
    high: float


def sigma(entry: Entry) -> float | None:
    """The noise between seeds that this trial was judged by, bits per byte; None where none was noted."""
    value = finite(entry.verdict.numbers.get("sigma"))
    return value if value is not None and value > 0 else None


def spread(entry: Entry) -> tuple[float, int]:
    """The squares of a rerun version's scores about their mean, and how many are free; 0, 0 for one training."""
    squares, freedom = 0.0, 0
    if len(entry.attempts) < 2:
        return squares, freedom
    for again in (False, True):  # the proposal's own trainings, and those of the incumbent beside it
        found = (finite(a.val_bpb) for a in entry.attempts if (a.role is Role.INCUMBENT) is again)
        values = [value for value in found if value is not None]
        if len(values) > 1:
            squares += sum_of_squares(values)
            freedom += len(values) - 1
    return squares, freedom


def pooled(squares: float, freedom: int) -> float | None:
    """Their standard deviation; None where nothing is free."""
    return sqrt(squares / freedom) if freedom else None


def pooled_sigma(entries: Sequence[Entry]) -> float | None:
    """Standard deviation of a score between seeds, pooled over all versions trained more than once in a trial."""
    found = [spread(entry) for entry in entries]
    return pooled(sum(squares for squares, _ in found), sum(freedom for _, freedom in found))


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _range(levels: Sequence[Level], dots: Sequence[Dot], spread: float) -> tuple[float, float]:
    values = [dot.value for dot in dots]
    if not levels:
        low, high = (min(values), _quantile(values, 0.9)) if values else (0.0, 1.0)
    else:
        low, high = min(level.value for level in levels), max(level.value for level in levels)
        height = max(high - low, 4 * spread, _FLOOR * abs(low))
        if values:
            reach = max(_SPANS * height, min(_quantile(values, 0.5) + height - low, _REACH * height))
            high = max(high, min(_quantile(values, 0.9), low + reach))
            low = min(low, max(min(values), low - height / 2))
        low, high = min(low, levels[-1].value - spread), max(high, levels[0].value + spread)
    missing = max(0.0, _FLOOR * abs(low) - (high - low)) or (1e-9 if high <= low else 0.0)
    low, high = low - missing / 2, high + missing / 2
    margin = _MARGIN * (high - low)
    return low - margin, high + margin


def prepare(entries: Sequence[Entry]) -> Series:
    """The series of a run's entries, oldest first."""
    steps: list[Step] = []
    levels: list[Level] = []
    dots: list[Dot] = []
    crashes: list[int] = []
    band: list[Band] = []
    spread, baseline = 0.0, None
    for entry in entries:
        value = finite(entry.val_bpb)
        if value is None or entry.status is Status.CRASH:
            crashes.append(entry.number)
        elif entry.status is Status.KEEP:
            steps.append(Step(entry.number, value, entry.note))
            baseline = value if entry.number == 0 or baseline is None else baseline
        else:
            dots.append(Dot(entry.number, value))
        if not steps:
            continue
        level = finite(entry.best_bpb)
        level = steps[-1].value if level is None or entry.number == steps[-1].number else level
        if not levels or levels[-1].value != level:
            levels.append(Level(entry.number, level))
        spread = sigma(entry) or spread or pooled_sigma([entry]) or 0.0
        if spread:
            now = Band(entry.number, level - spread, level + spread)
            if not band or (band[-1].low, band[-1].high) != (now.low, now.high):
                band.append(now)
    low, high = _range(levels, dots, spread)
    return Series(
        steps=tuple(steps),
        levels=tuple(levels),
        dots=tuple(dots),
        crashes=tuple(crashes),
        band=tuple(band),
        last=entries[-1].number if entries else -1,
        proposals=sum(entry.number > 0 for entry in entries),
        baseline=baseline,
        best=levels[-1].value if levels else None,
        low=low,
        high=high,
    )
