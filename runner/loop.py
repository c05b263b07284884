"""The journey of one trial, over and over: propose, train and score, decide, record, move the branch.

One screen of control flow. The parts are Protocols declared here and built in `cli.py`; this module knows
no engine, no git and no terminal. Faults of the machine (`InfraError`) pass through it and never become a
result. The ledger is written before the branch moves; `record` reconciles the two on the next start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from runner.trial import Attempt, Entry, History, Proposal


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
    rate: float | None = None  # learning-rate multiplier
    memory_mb: float | None = None


class Watcher(Protocol):
    """What a person sees. Implementations must never raise and never block for long."""

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
    """Who proposes: one new version of train.py each time it is asked."""

    name: str

    def propose(self, history: History) -> Proposal: ...
