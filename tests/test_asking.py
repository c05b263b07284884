"""Asking for proposals: faults are named, paid for and borne; the loop neither sticks nor wastes a trial."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from test_loop import BASELINE, BETTER, WORSE, Listed, Memory, Quiet, Scripted

from runner import asking
from runner.agents.fault import AgentFault, Fault, Remedy
from runner.config import AgentSettings, RatchetSettings
from runner.errors import InfraError, UsageError
from runner.loop import Loop
from runner.parts import Limits, Noted, Trial
from runner.trial import Attempt, History, Proposal, Role, Status, digest


class Skips:
    """A Clock that passes only while someone waits or works."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, until: threading.Event) -> None:
        self.waits.append(seconds)
        self.time += seconds


class Notes:
    """A FaultLog in memory."""

    def __init__(self) -> None:
        self.noted: list[Noted] = []

    def note(self, fault: Noted) -> None:
        self.noted.append(fault)


class Night:
    """A loop with everything in it that a test looks at."""

    def __init__(self, proposer: Any, bench: Scripted | None = None, **agent: Any) -> None:
        self.clock, self.notes, self.watcher, self.memory = Skips(), Notes(), Quiet(), Memory()
        self.bench = bench or Scripted()
        self.loop = Loop(
            proposer, self.bench, self.memory, self.watcher, RatchetSettings(),
            agent=AgentSettings(**agent), faults=self.notes, clock=self.clock,
        )  # fmt: skip

    def run(self, **limits: Any) -> Night:
        self.limits = Limits(**limits, clock=self.clock)
        self.loop.run(BASELINE, self.limits)
        return self

    @property
    def kinds(self) -> list[str]:
        return [str(noted.kind) for noted in self.notes.noted]


def faults(kind: Fault, times: int, **more: Any) -> list[AgentFault]:
    return [AgentFault(kind, "as scripted", **more) for _ in range(times)]


def test_every_fault_is_noted_with_its_name_and_the_trial_it_was_meant_for() -> None:
    night = Night(Listed(*faults(Fault.SYNTAX, 1), *faults(Fault.RATE, 1), WORSE)).run(trials=1)
    assert night.kinds == ["syntax", "rate-limit"]
    assert [noted.trial for noted in night.notes.noted] == [1, 1]
    assert len(night.memory.entries) == 2


def test_a_bad_answer_is_followed_by_another_question_at_once() -> None:
    night = Night(Listed(*faults(Fault.UNCHANGED, asking.AT_ONCE), WORSE)).run(trials=1)
    assert night.clock.waits == []


def test_bad_answers_without_end_are_paused_for_and_then_end_the_run() -> None:
    night = Night(Listed(*faults(Fault.UNCHANGED, 99)))
    with pytest.raises(AgentFault, match="unchanged") as caught:
        night.run()
    assert len(night.notes.noted) == asking.IN_A_ROW[Remedy.AGAIN]
    assert night.clock.waits == sorted(night.clock.waits)
    assert len(night.clock.waits) == asking.IN_A_ROW[Remedy.AGAIN] - asking.AT_ONCE - 1
    assert "runner go goes on" in caught.value.advice


@pytest.mark.parametrize("kind", [Fault.RATE, Fault.SERVER, Fault.SILENT, Fault.EXIT])
def test_what_mends_itself_is_waited_for_with_growing_jittered_pauses_up_to_a_cap(kind: Fault) -> None:
    night = Night(Listed(*faults(kind, 14), WORSE)).run(trials=1)
    waits = night.clock.waits
    assert len(waits) == 14
    for index, pause in enumerate(waits):
        most = min(asking.LONGEST_PAUSE, asking.FIRST_PAUSE * 2**index)
        assert most / 2 <= pause <= most
    assert waits[-1] != waits[-2]
    assert night.memory.entries[1].number == 1


def test_patience_ends_the_run_however_temporary_the_fault_says_it_is() -> None:
    night = Night(Listed(*faults(Fault.SERVER, 999)), patience_minutes=60)
    with pytest.raises(AgentFault):
        night.run()
    assert 2700 < night.clock.time <= 3600


@pytest.mark.parametrize("kind", [Fault.AUTH, Fault.CREDIT])
def test_what_only_a_person_can_mend_ends_the_run_soon(kind: Fault) -> None:
    night = Night(Listed(*faults(kind, 99)))
    with pytest.raises(AgentFault, match=kind.value):
        night.run()
    assert night.clock.time < 60
    assert len(night.memory.entries) == 1


def test_an_api_that_says_when_to_come_back_is_believed_within_bounds() -> None:
    answers = (
        *faults(Fault.RATE, 1, retry_after=1234.0),
        *faults(Fault.RATE, 1, retry_after=float("nan")),
        WORSE,
    )
    night = Night(Listed(*answers)).run(trials=1)
    assert night.clock.waits[0] == 1234.0
    assert night.clock.waits[1] <= 2 * asking.FIRST_PAUSE
    night = Night(Listed(*faults(Fault.RATE, 1, retry_after=1e9), WORSE))
    with pytest.raises(AgentFault):  # longer than its patience: no use in waiting
        night.run(trials=1)
    assert night.clock.waits == []


def test_a_proposal_ends_the_row_of_faults() -> None:
    answers: list[Any] = []
    for length in range(4):
        answers += [*faults(Fault.UNCHANGED, 8), b"x = 0  # %d\n" % length]
    night = Night(Listed(*answers)).run(trials=4)
    assert len(night.memory.entries) == 5


def test_the_hours_are_kept_in_the_middle_of_a_pause() -> None:
    night = Night(Listed(*faults(Fault.RATE, 999))).run(hours=0.5)
    assert night.clock.time == pytest.approx(1800)
    assert len(night.memory.entries) == 1


def test_an_engine_that_hiccups_while_an_agent_is_asked_is_borne_and_one_that_is_dead_is_not() -> None:
    night = Night(Listed(InfraError("a hiccup"), WORSE)).run(trials=1)
    assert night.kinds == ["machine"]
    with pytest.raises(InfraError, match="dead"):
        Night(Listed(*[InfraError("dead")] * 9)).run(trials=1)


class Costly:
    """A Proposer whose every answer is worse, and costs what it is told to."""

    name = "costly"

    def __init__(self, *costs: Any) -> None:
        self.costs, self.asked = list(costs), 0

    def propose(self, history: History) -> Proposal:
        self.asked += 1
        meta = {"cost_usd": self.costs.pop(0)}
        if meta["cost_usd"] is Fault:
            raise AgentFault(Fault.UNCHANGED, "dear, and nothing", meta={"cost_usd": 3.0})
        return Proposal(b"x = 0  # longer %d\n" % self.asked, "", self.name, "", meta)


def test_money_ends_the_loop_and_counts_what_faults_have_cost() -> None:
    night = Night(Costly(1.0, Fault, 1.0, 9.0)).run(cost=5.0)
    assert night.limits.spent == 5.0
    assert [entry.number for entry in night.memory.entries] == [0, 1, 2]
    night = Night(Costly(1.0, Fault, 9.0)).run(cost=4.0)
    assert [entry.number for entry in night.memory.entries] == [0, 1]


@pytest.mark.parametrize("told", [-100.0, float("nan"), float("-inf"), True, "-5", None])
def test_no_report_of_an_agent_lowers_what_the_others_have_cost(told: Any) -> None:
    night = Night(Costly(2.0, told, 2.0, 2.0)).run(cost=4.0)
    assert night.limits.spent == 4.0
    assert len(night.memory.entries) == 4


def test_an_agent_that_does_not_tell_its_cost_is_told_of_once_where_money_is_limited() -> None:
    night = Night(Costly(None, None, None)).run(cost=1.0, trials=3)
    assert len([m for m in night.watcher.messages if "--max-cost" in m]) == 1
    assert not [m for m in Night(Costly(None)).run(trials=1).watcher.messages if "--max-cost" in m]


class Gated(Scripted):
    """A Bench that first calls `during` for each training of a proposal."""

    def __init__(self, during: Callable[[int], None]) -> None:
        super().__init__()
        self.during = during

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        if trial.number:
            self.during(trial.number)
        return super().attempt(trial, role)


class Derives:
    """A Proposer that remembers each history, and derives from what it is shown."""

    name = "derives"

    def __init__(self, *sources: Any) -> None:
        self.sources = list(sources)
        self.shown: list[History] = []
        self.asked = threading.Condition()
        self.cancelled = threading.Event()

    def propose(self, history: History) -> Proposal:
        with self.asked:
            self.shown.append(history)
            self.asked.notify_all()
        source = self.sources.pop(0)
        if source == "hang":
            assert self.cancelled.wait(20), "nobody cancelled it"
            raise AgentFault(Fault.DROPPED, "told to end", meta={"cost_usd": 0.5})
        if isinstance(source, Exception):
            raise source
        return Proposal(source, "", self.name, digest(history.incumbent), {"cost_usd": 1.0})

    def cancel(self) -> None:
        self.cancelled.set()

    def wait_for(self, count: int) -> None:
        with self.asked:
            assert self.asked.wait_for(lambda: len(self.shown) >= count, 20), "it was not asked"


def test_ahead_the_next_is_asked_for_while_a_trial_trains_and_shown_what_is_under_way() -> None:
    proposer = Derives(WORSE, b"x = 0  # other one\n")
    bench = Gated(lambda number: proposer.wait_for(2))  # a loop that asks only later never gets past this
    night = Night(proposer, bench, ahead=1).run(trials=2)
    assert [one.source for one in proposer.shown[1].under_way] == [WORSE]
    assert (proposer.shown[0].number, proposer.shown[1].number) == (1, 2)
    assert len(night.memory.entries) == 3


def test_without_ahead_nothing_is_asked_while_a_trial_trains() -> None:
    proposer = Derives(WORSE, b"x = 0  # other one\n")
    seen: list[tuple[int, int]] = []
    Night(proposer, Gated(lambda number: seen.append((number, len(proposer.shown))))).run(trials=2)
    assert {number for number, _ in seen} == {1, 2}
    assert all(number == asked for number, asked in seen)


def test_a_stale_proposal_is_measured_against_the_incumbent_of_its_trial_and_says_whence_it_came() -> None:
    proposer = Derives(BETTER, b"y = 0\n")
    night = Night(proposer, Gated(lambda number: proposer.wait_for(2)), ahead=1).run(trials=2)
    kept, stale = night.memory.entries[1:]
    assert kept.status is Status.KEEP
    assert stale.derived_from == digest(BASELINE.source)
    assert stale.incumbent_bpb == pytest.approx(kept.best_bpb or 0, abs=0.01)
    assert stale.status is Status.DISCARD


def test_a_proposal_that_meanwhile_became_a_trial_is_not_tried_twice() -> None:
    proposer = Derives(WORSE, WORSE, b"x = 0  # another\n")
    night = Night(proposer, Gated(lambda number: proposer.wait_for(2)), ahead=1).run(trials=2)
    assert night.kinds == ["repeated"]
    assert night.notes.noted[0].meta == {"cost_usd": 1.0}
    assert len({entry.proposal for entry in night.memory.entries}) == 3


def test_no_proposal_is_asked_for_that_the_limit_of_trials_would_drop() -> None:
    proposer = Derives(WORSE, b"x = 0  # other one\n")
    Night(proposer, ahead=1).run(trials=1)
    assert len(proposer.shown) == 1


def test_what_is_under_way_when_the_run_ends_is_ended_and_its_cost_counts() -> None:
    def interrupt(number: int) -> None:
        proposer.wait_for(2)
        raise KeyboardInterrupt

    proposer = Derives(WORSE, "hang")
    night = Night(proposer, Gated(interrupt), ahead=1)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        night.run()
    assert time.monotonic() - began < 5
    assert night.kinds == ["dropped", "dropped"], "the one whose trial was interrupted, and the one asked ahead"
    assert night.limits.spent == 1.5
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_an_answer_that_comes_too_late_for_the_run_is_dropped_and_noted() -> None:
    def interrupt(number: int) -> None:
        proposer.wait_for(2)
        for thread in threading.enumerate():
            if thread.name == "ahead":
                thread.join(20)
        raise KeyboardInterrupt

    proposer = Derives(WORSE, b"x = 0  # too late\n")
    night = Night(proposer, Gated(interrupt), ahead=1)
    with pytest.raises(KeyboardInterrupt):
        night.run()
    assert night.kinds == ["dropped", "dropped"], "the one whose trial was interrupted, and the one asked ahead"
    assert night.limits.spent == 2.0


def test_faults_of_the_thread_are_borne_there_and_the_trial_goes_on() -> None:
    proposer = Derives(WORSE, *faults(Fault.SYNTAX, 2), b"x = 0  # at last\n")
    night = Night(proposer, Gated(lambda number: proposer.wait_for(4)), ahead=1).run(trials=2)
    assert night.kinds == ["syntax", "syntax"]
    assert [noted.trial for noted in night.notes.noted] == [2, 2]
    assert len(night.memory.entries) == 3


def test_faults_in_the_thread_that_end_the_run_end_it_after_the_trial_is_recorded() -> None:
    proposer = Derives(WORSE, *faults(Fault.AUTH, 9))
    night = Night(proposer, Gated(lambda number: proposer.wait_for(4)), ahead=1)
    with pytest.raises(AgentFault, match="auth"):
        night.run()
    assert len(night.memory.entries) == 2


def test_a_pause_of_the_thread_is_not_waited_out_with_an_old_history() -> None:
    class Waits(Skips):
        """Waits in the thread for real, so that the trial ends within the pause."""

        def wait(self, seconds: float, until: threading.Event) -> None:
            if threading.current_thread() is threading.main_thread():
                super().wait(seconds, until)
            else:
                paused.set()
                assert until.wait(20), "nobody woke it"

    paused = threading.Event()
    proposer = Derives(BETTER, *faults(Fault.RATE, 1), b"y = 0\n")
    night = Night(proposer, Gated(lambda number: number > 1 or paused.wait(20)), ahead=1)
    night.clock = Waits()
    night.loop.clock = night.clock
    night.run(trials=2)
    assert proposer.shown[2].incumbent == BETTER
    assert night.clock.waits, "the pause is kept all the same"
    assert night.memory.entries[2].derived_from == digest(BETTER)


def test_ctrl_c_while_the_loop_waits_for_a_slow_agent_ends_it_at_once() -> None:
    proposer = Derives(WORSE, "hang")
    night = Night(proposer, Gated(lambda number: proposer.wait_for(2)), ahead=1)
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        night.run()
    timer.join()
    assert time.monotonic() - began < 6
    assert len(night.memory.entries) == 2, "the trial that had ended is recorded"
    assert night.kinds == ["dropped"]


def test_what_is_no_fault_but_a_wrong_setting_ends_the_run_as_it_is_even_from_the_thread() -> None:
    proposer = Derives(WORSE, UsageError("no such program"))
    night = Night(proposer, Gated(lambda number: proposer.wait_for(2)), ahead=1)
    with pytest.raises(UsageError, match="no such program"):
        night.run()
    assert night.kinds == []
