"""A run of one proposal for the loop: the base is its baseline, the head its only candidate, and nothing is in git.

The judging is the loop's and the ratchet's; this gives them a Record in memory, a Proposer that proposes once, and a
Bench that takes the base's trainings from the cache where it can and puts new ones there. What the head's own scores
may count for later is decided in `worth_keeping`.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from runner import ratchet
from runner.ci.cache import Scores
from runner.config import RatchetSettings
from runner.evaluate import Job
from runner.parts import Trial, Values, Watcher
from runner.record.files import now
from runner.trial import Attempt, Ending, Entry, History, Pins, Proposal, Role, Status, Verdict, digest

BASE_NOTE, HEAD_NOTE = "the base", "the head"


class Trainer(Protocol):
    """What trains and scores: `evaluate.Evaluator`."""

    def attempt(self, job: Job) -> Attempt: ...

    def floor(self) -> float: ...

    def sample(
        self,
        tag: str,
        source: bytes,
        checkpoint: Path,
        prompts: Sequence[str],
        count: int,
        temperature: float,
        seed: int,
    ) -> list[str]: ...


@dataclass(frozen=True)
class Version:
    """One side: its commit and the bytes of its train.py."""

    sha: str
    source: bytes
    note: str

    @property
    def digest(self) -> str:
        return digest(self.source)

    @property
    def proposal(self) -> Proposal:
        return Proposal(self.source, self.note, "ci")


class Once:
    """A Proposer of one version."""

    name = "ci"

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal

    def propose(self, history: History) -> Proposal:
        return self._proposal


@dataclass
class Memory:
    """A Record that keeps its entries."""

    base: Version
    head: Version
    pins: Pins
    machine: Mapping[str, Any]
    rule: RatchetSettings
    entries: list[Entry] = field(default_factory=list)

    def history(self) -> History:
        return History("ci", tuple(self.entries), self.base.source, "", 0)

    def write(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        side = self.head if trial.number else self.base
        entry = Entry(
            number=trial.number,
            time=now(),
            commit=side.sha,
            parent_commit=self.base.sha,
            proposal=trial.proposal.digest,
            note=side.note,
            agent="ci",
            status=status,
            ending=trial.last.ending,
            detail=trial.last.detail,
            val_bpb=values.own,
            incumbent_bpb=values.incumbent,
            best_bpb=values.best,
            attempts=tuple(trial.attempts),
            verdict=verdict,
            pins=self.pins,
            machine=self.machine,
            suspicious=trial.suspicious,
            basis=trial.basis,
        )
        self.entries.append(entry)
        return entry

    def known_base(self, attempts: Sequence[Attempt]) -> None:
        """The baseline from trainings of before, as the loop would have written it."""
        own = [replace(one, role=Role.CANDIDATE) for one in attempts]
        mean = statistics.fmean(one.score.val_bpb for one in own if one.score)
        trial = Trial(0, self.base.proposal, self.base.source, attempts=own)
        verdict = Verdict("keep", "The base, from trainings of earlier jobs.")
        self.write(trial, verdict, Status.KEEP, Values(mean, None, mean))


def usable(known: Sequence[Attempt], rule: RatchetSettings) -> list[Attempt]:
    """Of the base's known trainings the newest, so few that a rule that reruns also trains the base once more.

    For a base that was measured in a noisy hour would make every head look better.
    """
    most = max(ratchet.calibration_trials(rule), rule.incumbent_trials - 1)
    return list(known[-most:])


@dataclass
class CachedBench:
    """A Bench. known: trainings of the base that are still to be handed out. folder: for logs and curves.

    begun: trainings of the head from a job that did not end. pair: the name under which the head's, and the seed of the
    one under way, are remembered until they are judged. checkpoints: where to keep what trainings left, by side
    (`base`, `head`).
    """

    trainer: Trainer
    scores: Scores
    base: Version
    head: Version
    watcher: Watcher
    tag: str
    budget: float
    folder: Path
    checkpoints: Path
    pair: str
    known: list[Attempt] = field(default_factory=list)
    begun: list[Attempt] = field(default_factory=list)
    trained: list[tuple[str, Attempt]] = field(default_factory=list)
    _seed: int | None = None  # of the head's training that this job has started, for when the machine fails

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        """One training of either side, or one of an earlier job. Raises InfraError."""
        of_base = trial.number == 0 or role is Role.INCUMBENT
        if trial.number == 0 and self.known:
            return replace(self.known.pop(0), role=role)
        if not of_base and (before := next((one for one in self.begun if one.role is role), None)):
            self.begun.remove(before)
            return before
        side, version = ("base", self.base) if of_base else ("head", self.head)
        seed = secrets.randbelow(1 << 31) if of_base else self._heads_seed()
        index = sum(name == side for name, _ in self.trained)
        self.watcher.training(trial.number, version.note, index, seed, self.budget)
        keep = self.checkpoints / f"{side}.tar"
        job = Job(self.tag, trial.number, index, version.source, seed, self.folder / side, keep)
        attempt = replace(self.trainer.attempt(job), role=role)
        self.trained.append((side, attempt))
        # At once: a job that is cancelled later has not trained in vain.
        if of_base and attempt.ending is Ending.OK:
            self.scores.add(self.base.digest, [replace(attempt, role=Role.CANDIDATE)], base=True)
        if not of_base:
            self.scores.ended(self.pair, attempt)
            self._seed = None
        return attempt

    def _heads_seed(self) -> int:
        """Kept before it is used. A training that the loop tries again keeps it too, and is one start of this job."""
        if self._seed is None:
            self._seed = self.scores.start(self.pair)
        return self._seed

    def checkpoint(self, side: str) -> Path | None:
        path = self.checkpoints / f"{side}.tar"
        return path if path.is_file() else None


def worth_keeping(entry: Entry) -> list[Attempt]:
    """Of the head's trainings those that may speak for it once it is merged: made after it was chosen."""
    if entry.status is not Status.KEEP:
        return []
    return [replace(a, role=Role.CANDIDATE) for a in entry.attempts if a.role is Role.AFRESH and a.score]
