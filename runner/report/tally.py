"""What a run came to so far, counted trial by trial: everything that `status` says and no single trial does.

Pure. A tally of the first N trials and the trials after them give what all trials give, to the last bit, so that a
tally that was kept (`tally_file.py`) saves making ten thousand entries to say how a run stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from runner.machine.marks import SAID as MARKS
from runner.report import doubts, text
from runner.report.series import pooled, sigma, spread
from runner.report.watched import RECENT, mean_of, wall
from runner.trial import Entry, Status
from runner.usage import Usage, total, usage_of


@dataclass
class Tally:
    """Counts leave the baseline out where they say proposals. walls: seconds of the last trials."""

    trials: int = 0
    proposals: int = 0
    statuses: dict[str, int] = field(default_factory=dict)  # of proposals
    endings: dict[str, int] = field(default_factory=dict)
    baseline: float | None = None
    best_trial: int | None = None
    best_commit: str | None = None
    best_note: str | None = None
    best_value: float | None = None  # that it was kept with
    best_bpb: float | None = None  # as the last trial left it
    last: int | None = None  # number of the last trial
    sigma: float | None = None  # that the last verdict which had one was judged by
    squares: float = 0.0  # of reruns about their means, and how many of them are free
    freedom: int = 0
    walls: list[float] = field(default_factory=list)
    seconds: float = 0.0
    first_time: str | None = None
    last_time: str | None = None
    suspicious: list[int] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    models: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Tally:
        made = cls()
        for entry in entries:
            made.take(entry)
        return made

    @classmethod
    def from_json(cls, raw: Any) -> Tally:
        """Raises ValueError where `raw` is not what a tally of this version holds."""
        fresh = cls()
        if not isinstance(raw, Mapping) or raw.keys() != {one.name for one in fields(cls)}:
            raise ValueError("it is no tally of this version")
        if not all(_fits(value, getattr(fresh, name)) for name, value in raw.items()):
            raise ValueError("a value in it is of another kind than it was written with")
        return cls(**raw)

    def take(self, entry: Entry) -> None:
        """Count the next trial."""
        if not self.trials:
            self.first_time = entry.time
            self.baseline = text.finite(entry.val_bpb) if entry.number == 0 else None
        self.trials += 1
        if entry.number > 0:
            self.proposals += 1
            _count(self.statuses, str(entry.status))
        _count(self.endings, str(entry.ending))
        self.last, self.last_time, self.best_bpb = entry.number, entry.time, text.finite(entry.best_bpb)
        if entry.status is Status.KEEP:
            self.best_trial, self.best_commit, self.best_note = entry.number, entry.commit, entry.note
            self.best_value = text.finite(entry.val_bpb)
        self._measure(entry)
        self._spend(entry)

    def _measure(self, entry: Entry) -> None:
        """What was seen of noise, time, and of what a person should look at."""
        if (noted := sigma(entry)) is not None:
            self.sigma = noted
        squares, freedom = spread(entry)
        self.squares, self.freedom = self.squares + squares, self.freedom + freedom
        seconds = wall(entry)
        self.seconds += seconds
        self.walls = [*self.walls[1 - RECENT :], seconds]
        if entry.suspicious:
            self.suspicious.append(entry.number)
        for mark, times in doubts.count([entry]).items():
            _count(self.marks, mark, times)

    def _spend(self, entry: Entry) -> None:
        used = usage_of(entry.meta)
        if used == Usage():
            return
        known = total([Usage(self.tokens_in, self.tokens_out, self.cost_usd), used])
        self.tokens_in, self.tokens_out, self.cost_usd = known.tokens_in, known.tokens_out, known.cost_usd
        if used.model and used.model not in self.models:
            self.models.append(used.model)

    @property
    def noise(self) -> float | None:
        """The noise between seeds as last judged by, else pooled from the reruns; bits per byte."""
        return self.sigma if self.sigma is not None else pooled(self.squares, self.freedom)

    @property
    def mean_wall(self) -> float | None:
        """Mean seconds of the last trials, None before the first."""
        return mean_of(self.walls)

    @property
    def marked(self) -> dict[str, int]:
        """As `doubts.count` of all entries."""
        return {mark: self.marks[mark] for mark in MARKS if self.marks.get(mark)}

    def spent(self, faults: Usage) -> Usage:
        """With what faults of proposers took."""
        before = Usage(self.tokens_in, self.tokens_out, self.cost_usd)
        return total([before, *(Usage(model=name) for name in self.models), faults])


def _count(counts: dict[str, int], what: str, times: int = 1) -> None:
    counts[what] = counts.get(what, 0) + times


def _fits(value: Any, like: Any) -> bool:
    """Whether a value that was read is of the kind that a tally has in its place; like: a new tally's."""
    if isinstance(like, dict):
        return isinstance(value, dict) and all(type(number) is int for number in value.values())
    if isinstance(like, list):
        return isinstance(value, list) and all(type(one) in (int, float, str) for one in value)
    if like is None:
        return value is None or type(value) in (int, float, str)
    return type(value) is type(like) or (type(like) is float and type(value) is int)
