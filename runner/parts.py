"""What the loop is made of: Protocols of its parts, built in `jobs/`, and the nouns that pass between them.

They hold no logic but counting. A part that a test needs is a small class that satisfies the Protocol.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from runner import ratchet
from runner.trial import Attempt, Ending, Entry, History, Proposal, Role, Status, Verdict
from runner.usage import usage_of


@dataclass(frozen=True)
class Reading:
    """What can be seen of a training under way, for display only: no verdict depends on it.

    seconds: since the container's start. step, loss, tokens, rate: the last line that train.py reported
    through `prepare.report` (untrusted numbers), None before the first.
    """

    seconds: float
    step: int | None = None
    loss: float | None = None
    tokens: int | None = None
    rate: float | None = None  # tokens a second
    memory_mb: float | None = None


class Watcher(Protocol):
    """What a person sees. Implementations must never raise and never block for long.

    `message` may be called from another thread than the rest.
    """

    def step(self, what: str) -> AbstractContextManager[Callable[[str, float | None], None]]:
        """A long set-up step; the callable takes (detail, fraction done or None)."""

    def proposing(self, number: int, agent: str) -> None: ...

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None: ...

    def reading(self, reading: Reading) -> None: ...

    def scoring(self, phase: str, done: int, total: int) -> None: ...

    def scored(self, number: int, attempt: Attempt) -> None: ...

    def decided(self, entry: Entry) -> None: ...

    def message(self, text: str) -> None: ...


class Proposer(Protocol):
    """Who proposes: one new version of train.py each time it is asked. Raises AgentFault.

    Asked by one thread at a time, which need not be the main one.
    """

    name: str

    def propose(self, history: History) -> Proposal: ...


@runtime_checkable
class Cancellable(Protocol):
    """A proposer that can be told to give up, from another thread."""

    def cancel(self) -> None:
        """The `propose` under way, and any later one, raises AgentFault soon, and leaves nothing running."""


class Bench(Protocol):
    """Trains and scores one version once. Raises InfraError."""

    def attempt(self, trial: Trial, role: Role) -> Attempt: ...


@runtime_checkable
class Foresees(Protocol):
    """A bench that trains ahead, side by side, what it knows will be asked for. `attempt` then waits for it.

    What is trained is what `attempt` would train then, under the same seed, so nothing on record depends on it.
    `ahead` and `drop` may be called by another thread than the rest.
    """

    def ahead(self, number: int, proposal: Proposal) -> None:
        """`proposal` will be trial `number`, unless the run ends first."""

    def drop(self, number: int) -> float:
        """It will not. Ends what was begun of it; the seconds that this took of a device."""

    def coming(self, trial: Trial, roles: Sequence[Role]) -> None:
        """`trial` is next asked for trainings in these roles, unless one fails. Empty: for none of what was told."""


class Record(Protocol):
    """The run's memory: ledger, branch, files."""

    @property
    def entries(self) -> Sequence[Entry]: ...

    def history(self) -> History: ...

    def write(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        """Commits the proposal; writes the ledger, then the branch, then what is drawn from them."""


@dataclass(frozen=True)
class Noted:
    """A fault of a proposer, for the record. trial: the number that its answer was meant for.

    meta: tokens and cost, as far as known. pause: seconds until it is asked again.
    """

    trial: int
    agent: str
    kind: str
    detail: str
    seconds: float
    meta: Mapping[str, Any] = field(default_factory=dict)
    pause: float = 0.0


class FaultLog(Protocol):
    """Where faults of proposers are written. Called from one thread at a time."""

    def note(self, fault: Noted) -> None: ...


class Unrecorded:
    """A FaultLog that keeps nothing."""

    def note(self, fault: Noted) -> None: ...


class Clock(Protocol):
    """Time as the loop sees it."""

    def now(self) -> float:
        """Seconds, monotonic."""

    def wait(self, seconds: float, until: threading.Event) -> None:
        """Until so many seconds have passed, or `until` is set."""


class RealClock:
    """The machine's."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, until: threading.Event) -> None:
        until.wait(seconds)


@dataclass(frozen=True)
class Values:
    """In bits per byte: what the trial counts as, what it was measured against, and the best after it."""

    own: float | None
    incumbent: float | None
    best: float | None


@dataclass
class Trial:
    """The trial under way: a proposal and its trainings so far.

    suspicious: why it is set aside, if it is. basis: what its verdict rests on beside the scores, once it is decided.
    """

    number: int
    proposal: Proposal
    incumbent: bytes
    agent_seconds: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    suspicious: str = ""
    basis: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> Attempt:
        """The proposal's own training that says how it ended: the one that failed, else its last."""
        return self.failed or next(a for a in reversed(self.attempts) if a.role is not Role.INCUMBENT)

    @property
    def failed(self) -> Attempt | None:
        """The proposal's training that did not end ok, if there is one."""
        own = (a for a in self.attempts if a.role is not Role.INCUMBENT)
        return next((a for a in own if a.ending is not Ending.OK), None)

    def scores(self, role: Role) -> tuple[float, ...]:
        return ratchet.scores(self.attempts, role)


@dataclass
class Limits:
    """When to stop by itself. None: never. All but `until` count from the start of this invocation.

    trials; hours; until: once the incumbent's val_bpb is at or below this; cost: US dollars of the proposers: what
    their gateway counted, or what they tell where there is none.
    """

    trials: int | None = None
    hours: float | None = None
    until: float | None = None
    cost: float | None = None
    clock: Clock = field(default_factory=RealClock)
    spent: float = 0.0
    _done: int = 0

    def __post_init__(self) -> None:
        self._began = self.clock.now()

    def reached(self, entries: Sequence[Entry], coming: int = 0) -> bool:
        """Whether it is time to stop; with `coming`, whether it will be after so many more trials at the latest."""
        best = entries[-1].best_bpb if entries else None
        return (
            (self.trials is not None and self._done + coming >= self.trials)
            or self.seconds_left <= 0
            or (self.until is not None and best is not None and best <= self.until)
            or (self.cost is not None and self.spent >= self.cost)
        )

    @property
    def seconds_left(self) -> float:
        if self.hours is None:
            return float("inf")
        return 3600 * self.hours - (self.clock.now() - self._began)

    @property
    def cost_left(self) -> float | None:
        """US dollars that may still be spent; None where there is no limit."""
        return None if self.cost is None else max(0.0, self.cost - self.spent)

    def count(self) -> None:
        self._done += 1

    def spend(self, meta: Mapping[str, Any]) -> None:
        """Add what a proposal or a fault has cost, which may be unknown."""
        self.spent += usage_of(meta).cost_usd or 0.0
