"""Several devices, one ratchet: the record does not depend on how many there are nor on which training ends first."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tamperlab import source
from test_asking import Notes
from yard import Blind, Night, Yard, files, lab_at, story, versions

from runner.agents.fault import AgentFault, Fault
from runner.config import RatchetSettings
from runner.errors import InfraError, UsageError
from runner.lab import Lab, open_lab
from runner.pool import FAULTS
from runner.record.verify import verify_run
from runner.seeds import seed_for
from runner.trial import History, Proposal, Role, Status, digest

RULES = ("confirm", "confirm", "margin", "greedy")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lab_at(tmp_path_factory.mktemp("abreast") / "lab").root


@pytest.fixture
def labs(untouched: Path, tmp_path: Path) -> Any:
    """Makes as many labs as a test asks for, all the same."""
    made: list[Lab] = []

    def make() -> Lab:
        made.append(open_lab(shutil.copytree(untouched, tmp_path / f"lab-{len(made)}")))
        return made[-1]

    return make


def ragged(seed: int) -> Any:
    """How long each training lasts: as chance has it, so that they end in any order."""
    return lambda number, place: random.Random(f"{seed}/{number}/{place}").choice([0, 0, 0.002, 0.01, 0.03])


def both(labs: Any, seed: int, *, light: bool) -> tuple[Night, Night]:
    """The same night on one device and on several; failures, faults of the machine and the order of ends by chance."""
    chance = random.Random(seed)
    tried, devices = versions(7, chance), chance.choice([2, 3, 3, 5])
    keys = [(number, place) for number in range(8) for place in range(4)]
    faults = {key: chance.choice([1, 2]) for key in chance.sample(keys, 5)}
    unlucky, rule = chance.choice([0, 0, 13]), RatchetSettings(rule=chance.choice(RULES), refresh_every=2)
    found, ended = [], []
    for count in (1, devices):
        yard = Yard(ragged(seed), faults, lambda drawn: bool(unlucky) and drawn % unlucky == 0)
        found.append(Night(labs(), count, yard, Blind(tried), seed=seed, light=light))
        try:
            found[-1].go(rule, trials=len(tried))
            ended.append("done")
        except UsageError as error:  # the baseline crashed
            ended.append(error.what)
    one, several = found
    assert ended[0] == ended[1]
    assert len(one.run.entries) == (8 if ended[0] == "done" else 0)
    assert story(several.run) == story(one.run)
    assert files(several.folder) == files(one.folder)
    assert not several.folder.ahead.exists()
    return one, several


@pytest.mark.parametrize("seeds", [range(15), range(15, 30), range(30, 45)], ids=str)
def test_the_ledger_of_several_devices_is_that_of_one_whatever_ends_first_and_fails(
    labs: Any, seeds: range
) -> None:
    statuses = set()
    for seed in seeds:
        one, _ = both(labs, seed, light=True)
        statuses |= {entry.status for entry in one.run.entries[1:]}
    assert statuses == set(Status), "or this shows little"


@pytest.mark.parametrize("seed", [101, 102, 104])
def test_the_record_of_several_devices_verifies(labs: Any, seed: int) -> None:
    _, several = both(labs, seed, light=False)
    found = verify_run(several.repo, several.folder)
    assert several.run.entries
    assert not found.findings, found.findings


def test_devices_train_at_once_and_one_by_one_where_there_is_one(labs: Any) -> None:
    tried = [source(2.1 + n / 1000) for n in range(6)]
    for devices in (1, 3):
        yard = Yard(lambda number, place: 0.05)
        Night(labs(), devices, yard, Blind(tried)).go(trials=6)
        assert yard.most == devices


def test_trials_are_decided_in_their_order_though_a_later_one_is_trained_first(labs: Any) -> None:
    slow = Yard(lambda number, place: 0.5 if number == 1 else 0.0)
    tried = [source(2.1 + n / 1000) for n in range(3)]
    run = Night(labs(), 3, slow, Blind(tried)).go(trials=3)
    assert slow.ended.index((2, 0)) < slow.ended.index((1, 0))
    assert slow.ended.index((3, 0)) < slow.ended.index((1, 0))
    assert [entry.number for entry in run.entries] == [0, 1, 2, 3]
    assert [entry.proposal for entry in run.entries[1:]] == [digest(one) for one in tried]


def test_each_is_asked_for_with_what_is_under_way_and_measured_against_the_incumbent_of_its_turn(
    labs: Any,
) -> None:
    better, next_ = source(1.8), source(1.81)
    proposer = Blind([better, next_, source(2.2)])
    run = Night(labs(), 3, Yard(lambda number, place: 0.05), proposer).go(trials=3)
    assert [len(history.under_way) for history in proposer.shown] == [0, 1, 2]
    assert [history.number for history in proposer.shown] == [1, 2, 3]
    kept, stale = run.entries[1:3]
    assert kept.status is Status.KEEP
    assert stale.incumbent_bpb == kept.best_bpb, (
        "not the baseline, which was the incumbent when it was asked for"
    )
    assert stale.status is Status.DISCARD


def test_candidate_and_incumbent_of_a_rerun_train_together_and_stand_one_after_the_other(labs: Any) -> None:
    yard = Yard(lambda number, place: 0.2 if number else 0.0)
    run = Night(labs(), 2, yard, Blind([source(1.9)])).go(RatchetSettings(), trials=1)
    attempts = run.entries[1].attempts
    assert [a.role for a in attempts[:3]] == [Role.CANDIDATE, Role.INCUMBENT, Role.CANDIDATE]
    places = [key for key in yard.begun if key[0] == 1]
    assert yard.most == 2
    assert set(places[:3]) == {(1, 0), (1, 1), (1, 2)}
    assert set(yard.ended[-len(places) :][1:3]) == {(1, 1), (1, 2)}


def test_trainings_that_a_failure_makes_needless_are_not_recorded_and_leave_no_file(labs: Any) -> None:
    # A kept version is scored afresh by two trainings, at once; the first crashes.
    crashed: list[int] = []

    class FailsAfresh(Yard):
        def attempt(self, job: Any, stopped: Any = None) -> Any:
            if job.number == 1 and job.seed in crashed:
                self.unlucky = lambda seed: seed in crashed
            return super().attempt(job, stopped)

    one = Night(labs(), 1, Yard(), Blind([source(1.8)]), seed=5).go(trials=1)
    first = next(at for at, a in enumerate(one.entries[1].attempts) if a.role is Role.AFRESH)
    crashed.append(seed_for(5, 1, first))
    night = Night(labs(), 3, FailsAfresh(lambda number, place: 0.05 * place), Blind([source(1.8)]), seed=5)
    run = night.go(trials=1)
    assert run.entries[1].status is Status.CRASH
    assert len(run.entries[1].attempts) == first + 1
    assert (1, first + 1) in night.yard.begun, "it was under way, or this test shows nothing"
    assert f"0001/attempt-{first + 1}.log" not in files(night.folder)
    assert not night.folder.ahead.exists()


def test_a_fault_of_the_machine_ahead_of_time_is_raised_when_its_turn_comes_and_tried_again_elsewhere(
    labs: Any,
) -> None:
    yard = Yard(lambda number, place: 0.02, faults={(2, 0): 1})
    night = Night(labs(), 3, yard, Blind([source(2.1), source(2.2)]))
    run = night.go(trials=2)
    assert yard.begun.count((2, 0)) == 2
    assert [m for m in night.watcher.messages if "trying again" in m] == [
        "not the proposal's fault, trying again: the engine hiccups"
    ]
    assert [len(entry.attempts) for entry in run.entries[1:]] == [1, 1]


def test_one_dead_device_of_three_is_left_out_and_the_run_goes_on(labs: Any) -> None:
    class OneDead(Yard):
        failed = 0

        def attempt(self, job: Any, stopped: Any = None) -> Any:
            with self.lock:
                if threading.current_thread().name == "gpu 1":
                    self.failed += 1
                    self.lock.notify_all()
                    raise InfraError("it has fallen off the bus")
                # The others stay busy meanwhile, or they might take all the work before the dead one wakes.
                so_far = self.failed
                self.lock.wait_for(lambda: self.failed > so_far or self.failed == FAULTS, 0.05)
            return super().attempt(job, stopped)

    tried = [source(2.1 + n / 1000) for n in range(20)]
    yard = OneDead()
    night = Night(labs(), 3, yard, Blind(tried))
    run = night.go(trials=20)
    assert len(run.entries) == 21
    assert yard.failed == FAULTS, "left out, it is given no more"
    assert [m for m in night.watcher.messages if "gpu 1 failed 3 times in a row and is left out" in m]


def test_a_machine_on_which_everything_fails_ends_the_run_and_records_nothing(labs: Any) -> None:
    night = Night(labs(), 3, Yard(faults={(1, 0): 99}), Blind([source(2.1), source(2.2), source(2.3)]))
    with pytest.raises(InfraError, match="hiccups"):
        night.go(trials=3)
    assert [entry.number for entry in night.run.entries] == [0]
    assert sorted(path.name for path in night.folder.trials.iterdir()) == ["0000"]
    assert not night.folder.ahead.exists()


def test_what_waits_when_the_run_ends_is_ended_noted_with_its_cost_and_uses_up_no_number(labs: Any) -> None:
    notes, lab = Notes(), labs()
    yard = Yard(lambda number, place: 0.0 if number == 0 else 60.0)
    night = Night(lab, 3, yard, Blind([source(2.1), source(2.2), source(2.3)]), faults=notes)

    def interrupt() -> None:
        yard.wait_for(lambda: {(1, 0), (2, 0), (3, 0)} <= set(yard.begun))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        night.go()
    assert time.monotonic() - began < 10
    assert [(noted.trial, str(noted.kind), noted.meta) for noted in notes.noted] == [
        (1, "dropped", {"cost_usd": 1.0}),
        (2, "dropped", {"cost_usd": 1.0}),
        (3, "dropped", {"cost_usd": 1.0}),
    ]
    assert notes.noted[1].seconds > 0, "a device worked for it"
    assert not night.folder.ahead.exists()
    assert not [t for t in threading.enumerate() if t.name.startswith(("gpu ", "ahead"))]
    again = Night(lab, 2, Yard(), Blind([source(2.4)])).go(trials=1)
    assert [entry.number for entry in again.entries] == [0, 1]


def test_what_a_killed_run_had_begun_is_gone_after_the_next_start_on_one_device(labs: Any) -> None:
    lab = labs()
    night = Night(lab, 3, Yard(), Blind([source(2.1)]))
    night.go(trials=1)
    (night.folder.ahead / "0002-0-7" / "0002").mkdir(parents=True)
    Night(lab, 1, Yard(), Blind([])).go(trials=0)
    assert not night.folder.ahead.exists()


def test_a_version_that_repeats_one_under_way_is_dropped_and_the_numbers_stay_whole(labs: Any) -> None:
    twice = source(2.1)
    notes = Notes()
    night = Night(
        labs(), 3, Yard(lambda n, p: 0.05), Blind([twice, twice, source(2.2), source(2.3)]), faults=notes
    )
    run = night.go(trials=3)
    assert [str(noted.kind) for noted in notes.noted] == ["repeated"]
    assert [entry.number for entry in run.entries] == [0, 1, 2, 3]
    assert len({entry.proposal for entry in run.entries}) == 4


def test_an_agent_that_repeats_itself_while_it_cannot_know_better_is_asked_again_when_it_can(labs: Any) -> None:
    class Repeats(Blind):
        def propose(self, history: History) -> Proposal:
            if history.under_way:
                raise AgentFault(Fault.REPEATED, "this version is under way", meta={"cost_usd": 0.5})
            return super().propose(history)

    notes = Notes()
    tried = [source(2.1 + n / 1000) for n in range(14)]
    night = Night(labs(), 4, Yard(lambda n, p: 0.01), Repeats(tried), faults=notes)
    run = night.go(trials=14)  # twelve faults in a row would have ended the run
    assert len(run.entries) == 15
    assert {noted.kind for noted in notes.noted} == {Fault.REPEATED}
    assert len(notes.noted) <= 14


def test_no_more_is_begun_than_the_limit_of_trials_lets_be_tried(labs: Any) -> None:
    proposer = Blind([source(2.1 + n / 1000) for n in range(9)])
    night = Night(labs(), 5, Yard(lambda n, p: 0.01), proposer)
    night.go(trials=3)
    assert len(proposer.shown) == 3
    assert {number for number, _ in night.yard.begun} == {0, 1, 2, 3}


def test_proposals_that_wait_are_tried_before_a_fault_that_came_after_them_ends_the_run(labs: Any) -> None:
    answers = [source(2.1), source(2.2), UsageError("nothing is left to try")]
    night = Night(labs(), 4, Yard(lambda n, p: 0.02), Blind(answers))
    with pytest.raises(UsageError, match="nothing is left"):
        night.go()
    assert [entry.number for entry in night.run.entries] == [0, 1, 2]


def test_a_later_trials_first_training_never_keeps_an_earlier_ones_rerun_waiting(labs: Any) -> None:
    # Two devices; trial 1 needs a rerun while trial 2 waits to begin: what the loop waits for goes first.
    yard = Yard(lambda number, place: 0.05)
    night = Night(labs(), 2, yard, Blind([source(1.9), source(2.2), source(2.3)]))
    night.go(RatchetSettings(), trials=3)
    own = [key for key in yard.begun if key[0] == 1]
    assert len(own) > 2
    third = yard.begun.index((3, 0))
    assert all(yard.begun.index(key) < third for key in own)
