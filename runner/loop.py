"""The journey of one trial, over and over: propose, train and score, decide, record, move the branch.

One screen of control flow. The parts are the Protocols of `parts.py`, built in `jobs/`; this module knows no engine,
no git and no terminal; the ratchet is pure and called directly. Faults of the machine (InfraError) are retried and
then raised; they never become a result. Faults of the proposer are `asking.py`'s. What `record` does is crash-safe by
itself: the ledger is written before the branch moves, and the two are reconciled on the next start.

Trials are decided one after the other, in the order of their numbers, whatever the bench does side by side: a bench of
several devices (`parts.Foresees`) is only told what will be asked for.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from runner import ratchet
from runner.asking import Asking
from runner.config import AgentSettings, RatchetSettings
from runner.errors import InfraError, UsageError
from runner.parts import (
    Bench,
    Clock,
    FaultLog,
    Foresees,
    Limits,
    Proposer,
    RealClock,
    Record,
    Trial,
    Unrecorded,
    Values,
    Watcher,
)
from runner.ratchet import Standing
from runner.ratchet.suspicious import suspicion
from runner.trial import Attempt, Proposal, Role, Status, Verdict

INFRA_RETRIES = 2  # of one training, before the run ends with exit code 4


@dataclass
class Loop:
    """One run. Everything it does goes through its parts.

    floor: bits per byte below which no score is believed, 0 for none. accepted: digests of versions that a person has
    looked at, whose scores are believed whatever they are.
    """

    proposer: Proposer
    bench: Bench
    record: Record
    watcher: Watcher
    rule: RatchetSettings
    standing: Standing = field(default_factory=Standing)
    agent: AgentSettings = field(default_factory=AgentSettings)
    faults: FaultLog = field(default_factory=Unrecorded)
    clock: Clock = field(default_factory=RealClock)
    floor: float = 0.0
    accepted: frozenset[str] = frozenset()
    known: ratchet.Noise = ratchet.UNKNOWN  # measured beside the run, by `runner calibrate`
    devices: int = 1  # that the bench trains on side by side
    unheld: set[str] = field(default_factory=set)  # limits that were told of as such

    def run(self, baseline: Proposal, limits: Limits) -> None:
        """Until a limit is reached. Raises InfraError, AgentFault, UsageError for a baseline that fails."""
        self.standing = ratchet.standing_of(self.record.entries, self.rule, self.known)
        if not self.record.entries:
            self._baseline(baseline)
        patience = 60 * self.agent.patience_minutes
        asked = self.proposer, self.record, self.watcher, limits, self.faults, self.clock, patience
        ahead = max(self.agent.ahead, self.devices - 1)
        with Asking(*asked, ahead, self.bench if isinstance(self.bench, Foresees) else None) as asking:
            while not limits.reached(self.record.entries):
                began = self.clock.now()
                if (proposal := asking.next()) is None:
                    return
                # The incumbent may be another by now than the one that was shown to the proposer.
                history = self.record.history()
                seconds = self.clock.now() - began
                asking.ahead(history, proposal)
                try:
                    self._candidate(Trial(len(history.entries), proposal, history.incumbent, seconds))
                except BaseException:  # Ctrl-C, the machine: it is not tried, and what it cost is spent
                    asking.interrupted(proposal)
                    raise
                limits.count()

    def one(self, trial: Trial) -> None:
        """One trial from its first training to the record, against `standing`. Raises as `run`."""
        if trial.number:
            self._candidate(trial)
        else:
            self._baseline(trial.proposal)

    def _baseline(self, baseline: Proposal) -> None:
        trial = Trial(0, baseline, baseline.source)
        self._train(trial, [Role.CANDIDATE] * ratchet.calibration_trials(self.rule))
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
            due = ratchet.incumbent_needs("keep", len(counted), 0, self.rule)
            self._train(trial, [Role.AFRESH] * due)
            verdict = self._doubt(trial) or verdict
        else:
            decided = self.standing.decided("discard", trial.scores(Role.CANDIDATE), self.rule)
            self._train(trial, [Role.INCUMBENT] * decided.needs("discard", self.rule))
        self._close(trial, verdict)

    def _judge(self, trial: Trial) -> Verdict:
        """Trains the proposal until the rule is sure, and before each further training of it the incumbent if due."""
        due: list[Role] = []
        while True:
            self._train(trial, [*due, Role.CANDIDATE])
            scores = trial.scores(Role.CANDIDATE)
            if trial.failed:
                return Verdict("discard", "")
            if doubt := self._doubt(trial):
                return doubt
            standing = self.standing.trained(*trial.scores(Role.INCUMBENT))
            verdict = self._verdict(standing, scores, trial)
            if verdict.action != "rerun":
                return verdict
            self.watcher.message(verdict.reason)
            due = [Role.INCUMBENT] * standing.needs("rerun", self.rule)

    def _verdict(self, standing: Standing, scores: Sequence[float], trial: Trial) -> Verdict:
        own = [a for a in trial.attempts if a.role is Role.CANDIDATE]
        theirs = [a for a in trial.attempts if a.role is Role.INCUMBENT]
        taken = ratchet.taken(own, ratchet.fastest(theirs, standing.seconds))
        self._tell_unheld(taken)
        tokens = (ratchet.count_tokens(trial.incumbent), ratchet.count_tokens(trial.proposal.source))
        return ratchet.decide(
            standing.incumbent,
            scores,
            standing.noise(scores),
            self.rule,
            tokens=tokens if self.rule.prefer_simpler else None,
            taken=taken,
            errors=[a.score.stderr_bpb for a in own if a.score],
        )

    def _tell_unheld(self, taken: ratchet.Taken) -> None:
        """Once, of each limit that is set and limits nothing, because the measure of it is missing."""
        for setting in ratchet.unheld(taken, self.rule):
            if setting not in self.unheld:
                self.unheld.add(setting)
                self.watcher.message(
                    f"ratchet.{setting} limits nothing: what a version takes of it is not known here"
                )

    def _doubt(self, trial: Trial) -> Verdict | None:
        """The verdict on a version whose scores are too good to be believed; None for all others."""
        if trial.failed or trial.proposal.digest in self.accepted:
            return None
        standing = self.standing.trained(*trial.scores(Role.INCUMBENT))
        noise = standing.noise()
        sigma = noise.sigma if noise.known else 0.0
        own = trial.scores(Role.CANDIDATE) + trial.scores(Role.AFRESH)
        trial.suspicious = suspicion(own, standing.value, sigma, self.floor, self.rule, standing.kept)
        if not trial.suspicious:
            return None
        numbers = {"candidate": min(own), "incumbent": standing.value, "sigma": sigma, "floor": self.floor}
        told = f"Set aside as suspicious, look at it with runner diff {trial.number}: {trial.suspicious}."
        self.watcher.message(
            f"trial {trial.number} is suspicious and not kept: {trial.suspicious}. Look at it: "
            f"runner diff {trial.number}; to have it judged all the same: runner go --accept {trial.number}"
        )
        return Verdict("discard", told, numbers)

    def _train(self, trial: Trial, roles: Sequence[Role]) -> None:
        """One training for each of `roles`, until one of the proposal's own fails; on record in their order."""
        self._foretell(trial, roles)
        for role in roles:
            attempt = self._attempt(trial, role)
            trial.attempts.append(attempt)
            self.watcher.scored(trial.number, attempt)
            if trial.failed:
                self._foretell(trial, ())
                return

    def _foretell(self, trial: Trial, roles: Sequence[Role]) -> None:
        if isinstance(self.bench, Foresees):
            self.bench.coming(trial, roles)

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
        trial.suspicious = "" if trial.failed else trial.suspicious
        accepted = trial.proposal.digest in self.accepted
        trial.basis = ratchet.Basis(self.rule, self.known, self.floor, accepted).plain()
        entry = self.record.write(trial, verdict, status, Values(value, against, value if kept else against))
        self.standing = ratchet.after(self.standing, entry, self.rule)
        self.watcher.decided(entry)
