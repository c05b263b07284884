"""What is known of the run under way, as the watcher's events tell it: the model behind the screen.

Holds numbers and cleaned text only; draws nothing, owns no thread and no lock (the screen does). Readings
come from an untrusted program: what is not a finite number is dropped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.parts import Noted, Reading
from runner.report import text
from runner.trial import Attempt, Entry, Role
from runner.usage import Usage, total, usage_of

_LOSSES = 512  # points of a sparkline's memory; halved when full
_RATE_SECONDS = 10.0  # over which tokens a second are taken
RECENT = 20  # trials whose mean duration makes the estimate


def wall(entry: Entry) -> float:
    """Seconds that a trial took in all, the agent's included; 0 where nothing was noted."""
    timed = [text.finite(value) or 0.0 for value in entry.timings.values()]
    return sum(timed) if timed else sum(attempt.wall_seconds for attempt in entry.attempts)


def mean_of(walls: Sequence[float]) -> float | None:
    """Mean seconds of the last trials, None before the first."""
    recent = [seconds for seconds in walls[-RECENT:] if seconds > 0]
    return sum(recent) / len(recent) if recent else None


@dataclass
class Training:
    """The attempt under way: what it was started with and what was read of it since."""

    attempt: int = 0  # 0 for the first training of a trial
    seed: int = 0
    budget: float = 0.0
    started: float = 0.0  # monotonic clock
    offset: float = 0.0  # clock minus the container's own seconds
    step: float | None = None
    loss: float | None = None
    memory_mb: float | None = None
    losses: list[float] = field(default_factory=list)
    tokens: list[tuple[float, float]] = field(default_factory=list)  # (seconds, tokens)

    def seconds(self, now: float) -> float:
        """Since the container's start, moving on between two readings, never past the budget."""
        return max(0.0, min(now - self.offset, self.budget or float("inf")))

    def rate(self) -> float | None:
        """Tokens a second over the last seconds; None before two readings."""
        if len(self.tokens) < 2:
            return None
        (then, before), (now, after) = self.tokens[0], self.tokens[-1]
        return (after - before) / (now - then) if now > then and after >= before else None

    def take(self, reading: Reading, now: float) -> None:
        seconds = text.finite(reading.seconds)
        if seconds is not None:
            self.offset = now - seconds
        self.step = text.finite(reading.step) if reading.step is not None else self.step
        self.memory_mb = text.finite(reading.memory_mb) or self.memory_mb
        loss, tokens = text.finite(reading.loss), text.finite(reading.tokens)
        if loss is not None:
            self.loss = loss
            self.losses.append(loss)
            if len(self.losses) >= _LOSSES:
                self.losses = [(a + b) / 2 for a, b in zip(self.losses[::2], self.losses[1::2], strict=False)]
        if tokens is not None and seconds is not None and (not self.tokens or seconds > self.tokens[-1][0]):
            fresh = [point for point in self.tokens if point[0] >= seconds - _RATE_SECONDS]
            self.tokens = [*(fresh or self.tokens[-1:]), (seconds, tokens)]


@dataclass
class Side:
    """What trains on one of several devices. `phase` is `training` or `scoring`."""

    number: int
    note: str
    training: Training
    phase: str = "training"
    scoring: tuple[str, int, int] = ("", 0, 0)


@dataclass
class Watched:
    """The run as far as the events told. `phase` is `idle`, `proposing`, `training` or `scoring`."""

    tag: str = ""
    left: int | None = (
        None  # trials to come, the one under way included, the baseline not; None: no end was set
    )
    phase: str = "idle"
    number: int | None = None
    agent: str = ""
    note: str = ""
    began: float = 0.0  # of the trial under way
    training: Training | None = None
    scoring: tuple[str, int, int] = ("", 0, 0)
    scores: list[str] = field(default_factory=list)  # of the trial's attempts so far
    baseline: float | None = None
    best: float | None = None
    best_number: int | None = None
    walls: list[float] = field(default_factory=list)
    asked: float | None = None  # when the proposer was asked, while it has not answered
    pause: tuple[str, float] = ("", 0.0)  # after a fault of it: its kind, and when it is asked again
    spent: Usage = field(default_factory=Usage)  # what the proposers took, faults included
    ends: float | None = None  # when the run stops by itself
    max_cost: float | None = None  # dollars
    devices: int = 1  # that train side by side
    sides: dict[str, Side] = field(default_factory=dict)  # where there are several: what trains, by device

    def resume(self, tag: str, left: int | None, entries: Sequence[Entry]) -> None:
        """Start from the ledger: `left` trials are still to come in this session."""
        self.tag, self.left = text.line(tag, 60), left
        self.baseline = self.best = self.best_number = None
        self.walls, self.spent = [], Usage()
        for entry in entries:
            self._count(entry)

    def proposing(self, number: int, agent: str, now: float) -> None:
        self.phase, self.number, self.agent, self.note = "proposing", number, text.line(agent, 40), ""
        self.began, self.training, self.scores = now, None, []

    def train(self, number: int, note: str, attempt: int, seed: int, budget: float, now: float) -> None:
        if number != self.number:
            self.began, self.scores = now, []
        self.phase, self.number, self.note = "training", number, text.line(note)
        self.training = Training(attempt, seed, text.finite(budget) or 0.0, now, now)

    def attend(self, number: int, note: str, now: float) -> None:
        """Of several devices: the trial that is decided next, whose trainings are among `sides`."""
        if number != self.number:
            self.began, self.scores = now, []
        self.phase, self.number, self.note, self.training = "training", number, text.line(note), None

    def side(self, device: str, number: int, note: str, training: Training) -> None:
        self.sides[device] = Side(number, text.line(note), training)
        self.devices = max(self.devices, len(self.sides))

    def read(self, reading: Reading, now: float) -> None:
        if self.training is not None:
            self.training.take(reading, now)

    def score(self, phase: str, done: int, total: int) -> None:
        self.phase, self.scoring = "scoring", (text.line(phase, 30), done, total)

    def scored(self, attempt: Attempt) -> None:
        said = str(attempt.ending) if attempt.val_bpb is None else text.bpb(attempt.val_bpb)
        self.scores.append(f"incumbent {said}" if attempt.role is Role.INCUMBENT else said)

    def fault(self, fault: Noted, now: float) -> None:
        """The proposer did something wrong, which cost something; it may have to wait."""
        self.spent = total([self.spent, usage_of(fault.meta)])
        pause = text.finite(fault.pause) or 0.0
        self.pause = (text.line(str(fault.kind), 30), now + pause)

    def decided(self, entry: Entry) -> None:
        self._count(entry)
        self.phase, self.training, self.scores = "idle", None, []
        if self.left is not None and entry.number > 0:
            self.left = max(0, self.left - 1)

    def seconds_left(self, now: float) -> float | None:
        """Trials still to come at the mean duration of the last ones; None where either is unknown."""
        if not self.walls or not self.left:
            return None
        mean = sum(self.walls[-RECENT:]) / len(self.walls[-RECENT:]) / self.devices
        under_way = min(now - self.began, mean) if self.phase != "idle" else 0.0
        return self.left * mean - under_way

    def _count(self, entry: Entry) -> None:
        self.spent = total([self.spent, usage_of(entry.meta)])
        seconds = wall(entry)
        if seconds > 0:
            self.walls.append(seconds)
        if entry.number == 0:
            self.baseline = entry.val_bpb
        if entry.status == "keep":
            self.best_number = entry.number
            self.best = entry.val_bpb
        if entry.best_bpb is not None:
            self.best = entry.best_bpb
