"""The journey of one trial, over and over: propose, train and score, decide, record, move the branch.

One screen of control flow. The parts are Protocols declared here and built in `jobs/`; this module knows
no engine, no git and no terminal; the ratchet is pure and called directly. Faults of the machine
(InfraError) are retried and then raised; they never become a result. What `record` does is crash-safe by
itself: the ledger is written before the branch moves, and the two are reconciled on the next start.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from runner import ratchet
from runner.agents.fault import AgentFault
from runner.config import RatchetSettings
from runner.errors import InfraError, UsageError
from runner.ratchet import Standing
from runner.trial import Attempt, Ending, Entry, History, Proposal, Role, Status, Verdict

FAULTS_IN_A_ROW = 5  # of a proposer, after which a person should look
INFRA_RETRIES = 2  # of one training, before the run ends with exit code 4


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
    """Who proposes: one new version of train.py each time it is asked. Raises AgentFault."""

    name: str

    def propose(self, history: History) -> Proposal: ...


class Bench(Protocol):
    """Trains and scores one version once. Raises InfraError."""

    def attempt(self, trial: Trial, role: Role) -> Attempt: ...


class Record(Protocol):
    """The run's memory: ledger, branch, files."""

    @property
    def entries(self) -> Sequence[Entry]: ...

    def history(self) -> History: ...

    def write(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        """Commits the proposal; writes the ledger, then the branch, then what is drawn from them."""


@dataclass(frozen=True)
class Values:
    """In bits per byte: what the trial counts as, what it was measured against, and the best after it."""

    own: float | None
    incumbent: float | None
    best: float | None


@dataclass
class Trial:
    """The trial under way: a proposal and its trainings so far."""

    number: int
    proposal: Proposal
    incumbent: bytes
    agent_seconds: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def failed(self) -> Attempt | None:
        """The proposal's training that did not end ok, if there is one."""
        own = (a for a in self.attempts if a.role is not Role.INCUMBENT)
        return next((a for a in own if a.ending is not Ending.OK), None)

    def scores(self, role: Role) -> tuple[float, ...]:
        return ratchet.scores(self.attempts, role)


@dataclass
class Limits:
    """When to stop by itself. None: never. Hours count from the start of this invocation."""

    trials: int | None = None
    hours: float | None = None
    until: float | None = None  # stop once the incumbent's val_bpb is at or below this
    _began: float = field(default_factory=time.monotonic)
    _done: int = 0

    def reached(self, entries: Sequence[Entry]) -> bool:
        hours = (time.monotonic() - self._began) / 3600
        best = entries[-1].best_bpb if entries else None
        return (
            (self.trials is not None and self._done >= self.trials)
            or (self.hours is not None and hours >= self.hours)
            or (self.until is not None and best is not None and best <= self.until)
        )

    def count(self) -> None:
        self._done += 1


@dataclass
class Loop:
    """One run. Everything it does goes through its parts."""

    proposer: Proposer
    bench: Bench
    record: Record
    watcher: Watcher
    rule: RatchetSettings
    standing: Standing = field(default_factory=Standing)

    def run(self, baseline: Proposal, limits: Limits) -> None:
        """Until a limit is reached. Raises InfraError, AgentFault, UsageError for a baseline that fails."""
        self.standing = ratchet.standing_of(self.record.entries, self.rule)
        if not self.record.entries:
            self._baseline(baseline)
        while not limits.reached(self.record.entries):
            began = time.monotonic()
            proposal, history = self._propose()
            seconds = time.monotonic() - began
            self._candidate(Trial(len(history.entries), proposal, history.incumbent, seconds))
            limits.count()

    def _propose(self) -> tuple[Proposal, History]:
        for left in reversed(range(FAULTS_IN_A_ROW)):
            history = self.record.history()
            self.watcher.proposing(len(history.entries), self.proposer.name)
            try:
                return self.proposer.propose(history), history
            except AgentFault as fault:
                self.watcher.message(f"no proposal from {self.proposer.name}: {fault.what}")
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _baseline(self, baseline: Proposal) -> None:
        trial = Trial(0, baseline, baseline.source)
        self._train(trial, Role.CANDIDATE, ratchet.calibration_trials(self.rule))
        if trial.failed:
            raise UsageError(
                f"the baseline train.py ended with {trial.failed.ending}: {trial.failed.detail}",
                "Mend it first; see what it printed with: runner trial",
            )
        self._close(trial, Verdict("keep", "The baseline: what everything else is measured against."))

    def _candidate(self, trial: Trial) -> None:
        verdict = self._judge(trial)
        if verdict.action == "keep":  # the scores that chose it are lucky ones: score it afresh
            counted = ratchet.counted_after_keep(trial.scores(Role.CANDIDATE), self.rule)
            self._train(trial, Role.AFRESH, ratchet.incumbent_needs("keep", len(counted), 0, self.rule))
        elif not trial.failed:
            decided = self.standing.decided("discard", trial.scores(Role.CANDIDATE), self.rule)
            self._train(trial, Role.INCUMBENT, decided.needs("discard", self.rule))
        self._close(trial, verdict)

    def _judge(self, trial: Trial) -> Verdict:
        """Trains the proposal until the rule is sure."""
        while True:
            self._train(trial, Role.CANDIDATE, 1)
            scores = trial.scores(Role.CANDIDATE)
            if trial.failed:
                return Verdict("discard", "")
            standing = self.standing.trained(*trial.scores(Role.INCUMBENT))
            verdict = self._verdict(standing, scores, trial)
            if verdict.action != "rerun":
                return verdict
            self.watcher.message(verdict.reason)
            self._train(trial, Role.INCUMBENT, standing.needs("rerun", self.rule))

    def _verdict(self, standing: Standing, scores: Sequence[float], trial: Trial) -> Verdict:
        own = [a.outcome for a in trial.attempts if a.role is Role.CANDIDATE]
        tokens = (ratchet.count_tokens(trial.incumbent), ratchet.count_tokens(trial.proposal.source))
        return ratchet.decide(
            standing.incumbent,
            scores,
            standing.noise(scores),
            self.rule,
            tokens=tokens if self.rule.prefer_simpler else None,
            memory_mb=max((o.peak_memory_mb or 0.0 for o in own), default=None),
            vram_mb=max((o.peak_vram_mb or 0.0 for o in own), default=None),
        )

    def _train(self, trial: Trial, role: Role, times: int) -> None:
        for _ in range(times):
            attempt = self._attempt(trial, role)
            trial.attempts.append(attempt)
            self.watcher.scored(trial.number, attempt)
            if trial.failed:
                return

    def _attempt(self, trial: Trial, role: Role) -> Attempt:
        for left in reversed(range(INFRA_RETRIES + 1)):
            try:
                return self.bench.attempt(trial, role)
            except InfraError as error:
                if not left:
                    raise
                self.watcher.message(f"not the proposal's fault, trying again: {error.what}")
        raise AssertionError("unreachable")

    def _close(self, trial: Trial, verdict: Verdict) -> None:
        """Gives the trial its status and values, and records it."""
        if failed := trial.failed:
            verdict = Verdict("discard", f"Ended with {failed.ending}: {failed.detail}.", verdict.numbers)
        kept = verdict.action == "keep"
        status = Status.CRASH if trial.failed else Status.KEEP if kept else Status.DISCARD
        own = (kept and trial.scores(Role.AFRESH)) or trial.scores(Role.CANDIDATE)
        measured = self.standing.trained(*trial.scores(Role.INCUMBENT))
        against = measured.value if measured.incumbent else None
        value = statistics.fmean(own) if own and not trial.failed else None
        entry = self.record.write(trial, verdict, status, Values(value, against, value if kept else against))
        self.standing = ratchet.after(self.standing, entry, self.rule)
        self.watcher.decided(entry)
