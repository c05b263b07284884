"""The loop's control flow: what is trained, in which order, and what becomes of it. Parts are small real classes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import factories
import pytest

from runner import ratchet
from runner.agents.fault import AgentFault, Fault
from runner.config import RatchetSettings
from runner.errors import InfraError, UsageError
from runner.loop import Loop
from runner.parts import Limits, Trial, Values
from runner.relay import Silent
from runner.trial import Attempt, Ending, Entry, History, Proposal, Role, Status, Verdict

BASELINE = Proposal(b"x = 0\n", "the baseline", "baseline")


class Quiet(Silent):
    """A Watcher that only remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.entries: list[Entry] = []

    def decided(self, entry: Entry) -> None:
        self.entries.append(entry)

    def message(self, text: str) -> None:
        self.messages.append(text)


class Memory:
    """A Record in memory."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries: list[Entry] = list(entries)
        self.best = BASELINE.source

    def history(self) -> History:
        return History("t", tuple(self.entries), self.best, "", 1)

    def write(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        entry = factories.entry(
            trial.number, status, values.own, values.incumbent, values.best,
            attempts=tuple(trial.attempts), verdict=verdict, proposal=trial.proposal.digest,
            suspicious=trial.suspicious, derived_from=trial.proposal.parent, meta=trial.proposal.meta,
        )  # fmt: skip
        self.entries.append(entry)
        if status is Status.KEEP:
            self.best = trial.proposal.source
        return entry


class Scripted:
    """A Bench: the score of a source is 2 + its number of bytes / 100 plus noise; endings and faults by a script."""

    def __init__(self, sigma: float = 0.001, script: dict[int, list[Any]] | None = None) -> None:
        self.rng, self.sigma, self.script = random.Random(1), sigma, script or {}
        self.done: list[tuple[int, Role]] = []

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        planned = self.script.get(trial.number, [])
        self.done.append((trial.number, role))
        if planned:
            step = planned.pop(0)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Ending):
                return factories.attempt(None, 1, step, "as scripted", role)
        source = trial.incumbent if role is Role.INCUMBENT else trial.proposal.source
        return factories.attempt(2 + len(source) / 100 + self.rng.gauss(0, self.sigma), 1, role=role)


class Listed:
    """A Proposer that goes through a list; an exception in it is raised."""

    name = "listed"

    def __init__(self, *sources: Any) -> None:
        self.sources = list(sources)

    def propose(self, history: History) -> Proposal:
        source = self.sources.pop(0)
        if isinstance(source, Exception):
            raise source
        return Proposal(source, f"{len(source)} bytes", self.name)


def looped(
    proposer: Listed, bench: Scripted, trials: int, record: Memory | None = None
) -> tuple[Loop, Memory, Quiet]:
    watcher, memory = Quiet(), record or Memory()
    loop = Loop(proposer, bench, memory, watcher, RatchetSettings())
    loop.run(BASELINE, Limits(trials=trials))
    return loop, memory, watcher


BETTER, WORSE = b"x\n", b"x = 0  # longer\n"


def test_the_baseline_is_trial_0_trained_as_often_as_the_rule_asks() -> None:
    bench = Scripted()
    _, memory, _ = looped(Listed(), bench, 0)
    assert bench.done == [(0, Role.CANDIDATE)] * RatchetSettings().calibrate_trials
    assert memory.entries[0].status is Status.KEEP
    assert memory.entries[0].incumbent_bpb is None
    assert memory.entries[0].best_bpb == memory.entries[0].val_bpb


def test_something_better_is_kept_after_a_rerun_and_scored_afresh() -> None:
    bench = Scripted()
    _, memory, _ = looped(Listed(BETTER), bench, 1)
    kept = memory.entries[1]
    roles = [role for number, role in bench.done if number == 1]
    assert kept.status is Status.KEEP
    assert roles.count(Role.CANDIDATE) >= 2
    assert roles[-2:] == [Role.AFRESH, Role.AFRESH]
    fresh = ratchet.scores(kept.attempts, Role.AFRESH)
    assert kept.val_bpb == pytest.approx(sum(fresh) / len(fresh))
    assert kept.best_bpb == kept.val_bpb
    assert memory.best == BETTER


def test_something_plainly_worse_costs_one_training() -> None:
    bench = Scripted()
    _, memory, _ = looped(Listed(WORSE), bench, 1)
    assert [role for number, role in bench.done if number == 1] == [Role.CANDIDATE]
    assert memory.entries[1].status is Status.DISCARD
    assert memory.entries[1].best_bpb == pytest.approx(memory.entries[0].val_bpb)
    assert memory.best == BASELINE.source


@pytest.mark.parametrize("ending", [Ending.CRASH, Ending.OOM, Ending.TIMEOUT, Ending.INVALID, Ending.AUDIT])
def test_a_proposal_that_fails_is_not_retried_and_the_loop_goes_on(ending: Ending) -> None:
    bench = Scripted(script={1: [ending]})
    _, memory, _ = looped(Listed(BETTER, b"xx"), bench, 2)
    assert [entry.status for entry in memory.entries[:2]] == [Status.KEEP, Status.CRASH]
    assert memory.entries[1].val_bpb is None
    assert memory.entries[1].best_bpb == memory.entries[0].best_bpb
    assert str(ending) in memory.entries[1].verdict.reason
    assert len([1 for number, _ in bench.done if number == 1]) == 1
    assert len(memory.entries) == 3


def test_a_version_that_fails_when_it_is_scored_afresh_is_not_kept() -> None:
    class FailsLate(Scripted):
        def attempt(self, trial: Trial, role: Role) -> Attempt:
            if role is Role.AFRESH:
                return factories.attempt(None, 1, Ending.CRASH, "by chance", role)
            return super().attempt(trial, role)

    _, memory, _ = looped(Listed(BETTER), FailsLate(), 1)
    assert memory.entries[1].status is Status.CRASH
    assert memory.best == BASELINE.source


def test_a_fault_of_the_machine_is_tried_again_and_is_no_result() -> None:
    bench = Scripted(script={1: [InfraError("the engine hiccups")]})
    _, memory, watcher = looped(Listed(WORSE), bench, 1)
    assert memory.entries[1].status is Status.DISCARD
    assert len(memory.entries[1].attempts) == 1
    assert any("hiccups" in message for message in watcher.messages)


def test_a_machine_that_keeps_failing_ends_the_run_and_records_nothing() -> None:
    bench = Scripted(script={1: [InfraError("dead")] * 10})
    memory = Memory()
    with pytest.raises(InfraError, match="dead"):
        looped(Listed(WORSE), bench, 1, memory)
    assert len(memory.entries) == 1


def test_a_fault_of_the_proposer_costs_no_trial() -> None:
    fault = AgentFault(Fault.UNCHANGED, "did nothing")
    _, memory, _ = looped(Listed(fault, fault, WORSE), Scripted(), 1)
    assert [entry.number for entry in memory.entries] == [0, 1]


def test_a_score_below_the_floor_is_set_aside_after_one_training_and_told_to_a_person() -> None:
    bench, watcher, memory = Scripted(), Quiet(), Memory()
    rule = RatchetSettings(suspicious_share=1)
    Loop(Listed(BETTER), bench, memory, watcher, rule, floor=2.04).run(BASELINE, Limits(trials=1))
    entry = memory.entries[1]
    assert (entry.status, len(entry.attempts)) == (Status.DISCARD, 1)
    assert "below 2.0400" in entry.suspicious
    assert memory.best == BASELINE.source
    assert any("runner diff 1" in message and "--accept 1" in message for message in watcher.messages)


def test_a_score_that_is_first_believable_is_doubted_when_it_is_scored_afresh() -> None:
    class Escapes(Scripted):
        def attempt(self, trial: Trial, role: Role) -> Attempt:
            found = super().attempt(trial, role)
            return factories.attempt(0.01, 1, role=role) if role is Role.AFRESH else found

    memory = Memory()
    Loop(Listed(BETTER), Escapes(), memory, Quiet(), RatchetSettings(), floor=0.5).run(
        BASELINE, Limits(trials=1)
    )
    assert memory.entries[1].status is Status.DISCARD
    assert memory.entries[1].suspicious


def test_a_version_that_a_person_accepts_is_judged_like_any_other() -> None:
    memory = Memory()
    accepted = frozenset({Proposal(BETTER, "", "").digest})
    loop = Loop(Listed(BETTER), Scripted(), memory, Quiet(), RatchetSettings(), floor=2.04, accepted=accepted)
    loop.run(BASELINE, Limits(trials=1))
    assert (memory.entries[1].status, memory.entries[1].suspicious) == (Status.KEEP, "")


def test_a_run_goes_on_alike_whether_it_was_resumed_after_a_suspicious_trial_or_not() -> None:
    memory = Memory()
    loop = Loop(Listed(BETTER, WORSE), Scripted(), memory, Quiet(), RatchetSettings(), floor=2.04)
    loop.run(BASELINE, Limits(trials=2))
    assert memory.entries[1].suspicious
    assert ratchet.standing_of(memory.entries, RatchetSettings()) == loop.standing


def test_a_baseline_that_fails_is_a_clear_error() -> None:
    memory = Memory()
    with pytest.raises(UsageError, match="baseline"):
        looped(Listed(), Scripted(script={0: [Ending.CRASH]}), 1, memory)
    assert memory.entries == []


def test_a_resumed_run_stands_where_the_first_left_it() -> None:
    loop, memory, _ = looped(Listed(BETTER, WORSE, b"x = 1\n"), Scripted(), 3)
    resumed = Loop(Listed(), Scripted(), memory, Quiet(), RatchetSettings())
    resumed.run(BASELINE, Limits(trials=0))
    assert resumed.standing == loop.standing
    assert resumed.standing == ratchet.standing_of(memory.entries, RatchetSettings())


def test_it_stops_once_the_score_is_low_enough() -> None:
    watcher, memory = Quiet(), Memory()
    loop = Loop(Listed(WORSE, BETTER, WORSE, WORSE), Scripted(), memory, watcher, RatchetSettings())
    loop.run(BASELINE, Limits(until=2.03))
    assert [entry.status for entry in memory.entries] == [Status.KEEP, Status.DISCARD, Status.KEEP]


def test_it_stops_before_another_trial_when_the_hours_are_over() -> None:
    memory = Memory()
    Loop(Listed(), Scripted(), memory, Quiet(), RatchetSettings()).run(BASELINE, Limits(hours=0))
    assert len(memory.entries) == 1


class Slow(Scripted):
    """As long a scoring for each score as its source says in its first byte, in units of ten seconds."""

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        done = super().attempt(trial, role)
        source = trial.incumbent if role is Role.INCUMBENT else trial.proposal.source
        if done.score is None:
            return done
        return replace(done, score=replace(done.score, seconds=60.0 if source[:1] == b"y" else 20.0))


def test_a_gain_that_is_slow_to_score_is_discarded_and_limits_without_a_measure_are_told_once() -> None:
    rule = RatchetSettings(max_slowdown=2.0, max_vram_mb=100)
    watcher, memory = Quiet(), Memory()
    loop = Loop(Listed(b"y\n", b"x\n", b"y"), Slow(), memory, watcher, rule)
    loop.run(BASELINE, Limits(trials=3))
    assert [entry.status for entry in memory.entries[1:]] == [Status.DISCARD, Status.KEEP, Status.DISCARD]
    assert "60.0 s to score where 40.0 are allowed" in memory.entries[1].verdict.reason
    assert len([said for said in watcher.messages if "max_vram_mb limits nothing" in said]) == 1
    assert not any("max_slowdown limits nothing" in said for said in watcher.messages)
    assert loop.standing == ratchet.standing_of(memory.entries, rule)
    assert loop.standing.seconds == 20.0
