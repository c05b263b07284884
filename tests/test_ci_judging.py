"""What is trained, remembered and said, by the real loop and rule, with a trainer that needs no engine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ci_lab
import factories
import pytest

from runner.agents import takeback
from runner.ci import cache, judging
from runner.ci import result as results
from runner.ci.cache import Begun, Scores
from runner.ci.gate import Gate
from runner.ci.judging import Judgement, Places
from runner.config import RatchetSettings
from runner.errors import InfraError, RunnerError
from runner.trial import Attempt, Ending, Pins, Role, Status, Verdict, digest

BASE, BETTER, WORSE, CRASHES = (
    one.encode() for one in (ci_lab.BASE, ci_lab.BETTER, ci_lab.WORSE, ci_lab.CRASHES)
)


def pair(source: bytes) -> str:
    return cache.pair(takeback.form(BASE), takeback.form(source), RatchetSettings())


class Desk:
    """One state, and jobs on it."""

    def __init__(self, top: Path) -> None:
        self.repository = ci_lab.Repository(top / "repository")
        self.state, self._top = top / "state", top
        self.said: list[str] = []
        self.jobs = 0

    def gate(self, source: bytes, rule: str = "confirm") -> Gate:
        found, to_train = self.repository.look(self.repository.head(source.decode()))
        assert to_train
        rules = replace(found.settings.ratchet, rule=rule)
        return replace(found, settings=replace(found.settings, ratchet=rules))

    def judge(
        self, source: bytes, trainer: ci_lab.Lengths, rule: str = "confirm", *, fresh: bool = False
    ) -> Judgement:
        self.jobs += 1
        work = self._top / f"work-{self.jobs}"
        work.mkdir()
        places = Places(self._top / "out", self.state, work)
        parts = (
            self.gate(source, rule),
            trainer,
            ci_lab.PINS,
            ci_lab.MACHINE,
            places,
            ci_lab.Quiet(),
            self.said.append,
        )
        return judging.decide(*parts, fresh=fresh)

    def known(self, source: bytes) -> Sequence[Attempt]:
        return self.scores().known(digest(source)).attempts

    def begun(self, source: bytes) -> Begun:
        return self.scores().begun(pair(source))

    def scores(self) -> Scores:
        return Scores(self.state, cache.key(ci_lab.PINS, ci_lab.MACHINE), self.said.append)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_better_head_is_better_after_reruns_and_fresh_trainings(desk: Desk) -> None:
    trainer = ci_lab.Lengths()
    found = desk.judge(BETTER, trainer).result
    assert (found.verdict, found.cause, found.exit_code) == ("better", "better", 0)
    roles = [one.attempt.role for one in found.trainings if one.of == "head"]
    assert roles.count(Role.CANDIDATE) >= 2
    assert roles.count(Role.AFRESH) == 2
    assert found.delta is not None
    assert found.interval is not None
    assert found.delta == pytest.approx((len(BETTER) - len(BASE)) / 100, abs=0.003)
    assert found.interval[0] < found.delta < found.interval[1] < 0


def test_only_the_trainings_after_it_was_chosen_count_for_a_better_head(desk: Desk) -> None:
    found = desk.judge(BETTER, ci_lab.Lengths()).result
    heads = [one for one in found.trainings if one.of == "head"]
    assert [one.counts for one in heads] == [one.attempt.role is Role.AFRESH for one in heads]


def test_a_worse_head_is_not_better_after_one_training(desk: Desk) -> None:
    trainer = ci_lab.Lengths()
    found = desk.judge(WORSE, trainer).result
    assert (found.verdict, found.cause, found.exit_code) == ("not-better", "worse", 1)
    assert trainer.trained.count(WORSE) == 1


def test_a_head_that_fails_is_not_better(desk: Desk) -> None:
    found = desk.judge(CRASHES, ci_lab.Lengths()).result
    assert (found.verdict, found.cause) == ("not-better", "failed")
    assert "exit code 3" in found.reason
    assert found.delta is None


class Cheats(ci_lab.Lengths):
    def attempt(self, job: Any) -> Attempt:
        if job.source == BASE:
            return super().attempt(job)
        return factories.attempt(None, job.seed, Ending.AUDIT, "3 of 512 positions differ")


class Wonders(ci_lab.Lengths):
    def attempt(self, job: Any) -> Attempt:
        return super().attempt(job) if job.source == BASE else factories.attempt(0.6, job.seed)


@pytest.mark.parametrize(("trainer", "cause"), [(Cheats(), "audit"), (Wonders(), "suspicious")])
def test_a_score_that_is_not_believed_is_a_refusal(desk: Desk, trainer: ci_lab.Lengths, cause: str) -> None:
    found = desk.judge(BETTER, trainer).result
    assert (found.verdict, found.cause, found.exit_code) == ("refused", cause, 1)
    assert desk.known(BETTER) == ()


def test_a_base_that_is_known_is_not_trained_again(desk: Desk) -> None:
    desk.judge(WORSE, ci_lab.Lengths())
    trainer = ci_lab.Lengths(seed=2)
    found = desk.judge(WORSE + b"# longer\nX = 1\n", trainer).result
    assert BASE not in trainer.trained
    assert all(one.known for one in found.trainings if one.of == "base")


def test_no_head_passes_without_a_training_of_the_base_in_the_same_job(desk: Desk) -> None:
    desk.judge(WORSE, ci_lab.Lengths())
    for number in range(12):  # of a base that has been trained often
        extra = [factories.attempt(2 + len(BASE) / 100 + 0.0005 * (number % 3), 100 + number)]
        desk.scores().add(digest(BASE), extra, base=True)
    trainer = ci_lab.Lengths(seed=3)
    assert desk.judge(BETTER, trainer).result.verdict == "better"
    assert BASE in trainer.trained


def test_every_training_of_the_base_is_remembered(desk: Desk) -> None:
    trainer = ci_lab.Lengths()
    desk.judge(BETTER, trainer)
    assert len(desk.known(BASE)) == trainer.trained.count(BASE)


def test_of_a_better_head_the_scores_that_did_not_choose_it_are_remembered_for_its_time_as_a_base(
    desk: Desk,
) -> None:
    found = desk.judge(BETTER, ci_lab.Lengths())
    afresh = [a.val_bpb for a in found.entries[1].attempts if a.role is Role.AFRESH]
    assert [a.val_bpb for a in desk.known(BETTER)] == afresh
    assert not desk.scores().known(digest(BETTER)).base


def test_a_merged_head_is_trained_only_as_often_as_is_missing(desk: Desk) -> None:
    desk.judge(BETTER, ci_lab.Lengths())
    desk.repository.git("switch", "-q", "main")
    desk.repository.write("train/train.py", ci_lab.BETTER)
    desk.repository.commit("merged")
    trainer = ci_lab.Lengths(seed=4)
    desk.judge(BETTER + b"MORE = 'of it'\n", trainer)
    assert trainer.trained.count(BETTER) == RatchetSettings().calibrate_trials - 2


def test_the_same_pair_is_judged_once(desk: Desk) -> None:
    first = desk.judge(BETTER, ci_lab.Lengths()).result
    trainer = ci_lab.Lengths(seed=9)
    again = desk.judge(BETTER, trainer).result
    assert trainer.trained == []
    assert (again.verdict, again.val_bpb, again.delta) == (first.verdict, first.val_bpb, first.delta)
    assert again.remembered
    assert again.samples == first.samples


def test_another_rule_judges_the_same_pair_anew(desk: Desk) -> None:
    desk.judge(BETTER, ci_lab.Lengths())
    trainer = ci_lab.Lengths()
    assert not desk.judge(BETTER, trainer, "greedy").result.remembered
    assert trainer.trained == [BETTER]


def test_fresh_forgets_the_verdict_and_the_base(desk: Desk) -> None:
    desk.judge(BETTER, ci_lab.Lengths())
    trainer = ci_lab.Lengths(seed=5)
    found = desk.judge(BETTER, trainer, fresh=True).result
    assert not found.remembered
    assert trainer.trained.count(BASE) >= RatchetSettings().calibrate_trials
    assert not any(one.known for one in found.trainings)


def test_of_two_jobs_at_once_the_first_verdict_holds_for_both(desk: Desk) -> None:
    class Overtaken(ci_lab.Lengths):
        def sample(self, *_: Any) -> list[str]:
            if desk.jobs == 1:
                other.append(desk.judge(BETTER, ci_lab.Lengths(seed=2)))
            return ["x"] * 3

    other: list[Judgement] = []
    found = desk.judge(BETTER, Overtaken())
    assert not other[0].result.remembered
    assert found.result.remembered
    assert tuple(found.entries) == tuple(other[0].entries)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InfraError("the engine is gone")])
def test_a_job_that_is_broken_off_keeps_what_the_head_has_scored(desk: Desk, error: BaseException) -> None:
    with pytest.raises(type(error)):
        desk.judge(BETTER, ci_lab.Lengths(stop=(5, error)))
    [before] = desk.begun(BETTER).attempts
    found = desk.judge(BETTER, ci_lab.Lengths(seed=6)).result
    heads = [one for one in found.trainings if one.of == "head"]
    assert heads[0].attempt == before
    assert heads[0].known
    assert not heads[1].known
    assert desk.begun(BETTER) == Begun()


class Choosy(ci_lab.Lengths):
    """Notes the seeds of the head, and is cancelled in so many of its first trainings."""

    def __init__(self, aborted: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        super().__init__()
        self.seeds: list[int] = []
        self._aborted, self._error = aborted, error

    def attempt(self, job: Any) -> Attempt:
        if job.source != BASE:
            self.seeds.append(job.seed)
            if len(self.seeds) <= self._aborted:
                raise self._error("")
        return super().attempt(job)


def cancelled(desk: Desk, source: bytes) -> int:
    """A job that is cancelled while it trains the head; the head's seed."""
    trainer = Choosy(1)
    with pytest.raises(KeyboardInterrupt):
        desk.judge(source, trainer)
    return trainer.seeds[0]


def test_a_head_whose_job_is_cancelled_in_its_training_gets_the_same_seed_again(desk: Desk) -> None:
    seed = cancelled(desk, WORSE)
    trainer = Choosy(0)
    found = desk.judge(WORSE, trainer).result
    assert trainer.seeds == [seed]
    assert [one.attempt.seed for one in found.trainings if one.of == "head"] == [seed]
    assert (found.verdict, found.unfinished) == ("not-better", 1)
    assert desk.judge(WORSE, Choosy(0)).result.unfinished == 1


def test_a_seed_is_used_for_one_training_of_a_head(desk: Desk) -> None:
    cancelled(desk, BETTER)
    trainer = Choosy(0)
    desk.judge(BETTER, trainer)
    assert len(trainer.seeds) == len(set(trainer.seeds)) > 1


def test_a_comment_or_a_blank_line_is_no_new_head(desk: Desk) -> None:
    first = desk.judge(WORSE, ci_lab.Lengths()).result
    trainer = ci_lab.Lengths(seed=9)
    again = desk.judge(b"# again\n" + WORSE.replace(b"\nMORE", b"\n\nMORE"), trainer).result
    assert trainer.trained == []
    assert again.remembered
    assert again.val_bpb == first.val_bpb
    assert any("comments or layout" in one for one in desk.said)


def test_a_comment_brings_no_new_seed_after_a_job_that_was_cancelled(desk: Desk) -> None:
    seed = cancelled(desk, WORSE)
    trainer = Choosy(0)
    desk.judge(WORSE + b"# again\n", trainer)
    assert trainer.seeds == [seed]


def test_of_a_head_that_was_started_too_often_nothing_is_said_until_a_maintainer_has_it_judged_anew(
    desk: Desk,
) -> None:
    assert len({cancelled(desk, BETTER) for _ in range(judging.STARTS)}) == 1
    trainer = Choosy(0)
    with pytest.raises(judging.Restarted, match=f"{judging.STARTS} times"):
        desk.judge(BETTER, trainer)
    assert trainer.trained == []
    found = desk.judge(BETTER, Choosy(0), fresh=True).result
    assert (found.verdict, found.unfinished) == ("better", 0)


def test_a_training_that_one_job_tries_again_is_one_start_with_one_seed(desk: Desk) -> None:
    trainer = Choosy(9, InfraError)
    with pytest.raises(InfraError):
        desk.judge(BETTER, trainer)
    assert len(trainer.seeds) == 3
    assert desk.begun(BETTER) == Begun((), trainer.seeds[0], 1)
    assert len(set(trainer.seeds)) == 1


def test_of_two_jobs_at_once_neither_forgets_what_the_other_trained(desk: Desk) -> None:
    scores = desk.scores()
    seed = scores.start("p")
    assert scores.start("p") == seed
    scores.ended("p", factories.attempt(2.5, seed))
    other = scores.start("p")
    scores.ended("p", factories.attempt(2.5, seed))
    assert scores.begun("p").seed == other
    assert [one.seed for one in scores.begun("p").attempts] == [seed]
    scores.ended("p", factories.attempt(2.4, other))
    assert [one.seed for one in scores.begun("p").attempts] == [seed, other]


def test_a_file_that_cannot_be_removed_is_told_as_what_it_is(desk: Desk) -> None:
    scores = desk.scores()
    (scores.path / f"{digest(BASE)}.json").mkdir(parents=True)  # as good as one of another user
    with pytest.raises(RunnerError):
        scores.forget(digest(BASE))


def test_fresh_forgets_how_other_versions_scattered(desk: Desk) -> None:
    desk.scores().add("1" * 64, [factories.attempt(2.5 + 0.001 * i, i) for i in range(9)], base=True)
    known = desk.judge(WORSE, ci_lab.Lengths()).result.numbers["df"]
    anew = desk.judge(WORSE, ci_lab.Lengths(), fresh=True).result.numbers["df"]
    assert known == anew + 8


def test_an_interval_holds_the_errors_of_both_audits() -> None:
    def scored(value: float, stderr: float, seed: int) -> Attempt:
        return replace(factories.attempt(value, seed), score=factories.score(value, stderr_bpb=stderr))

    base = factories.entry(0, Status.KEEP, attempts=tuple(scored(2.5, 0.008, seed) for seed in range(4)))
    verdict = Verdict("discard", "Worse.", {"sigma": 0.0, "df": 4.0})
    head = factories.entry(1, Status.DISCARD, 2.6, 2.5, attempts=(scored(2.6, 0.003, 9),), verdict=verdict)
    # Student's t of 4 degrees at 97.5 % is 2.776445; the audits' errors are 0.003 and 0.008 / sqrt(4), together 0.005.
    reach = 2.776445 * 0.005
    assert results.judged((base, head), ())["interval"] == pytest.approx((0.1 - reach, 0.1 + reach), abs=1e-6)


def test_a_fault_of_the_machine_is_no_verdict_and_is_not_remembered(desk: Desk) -> None:
    with pytest.raises(InfraError):
        desk.judge(BETTER, ci_lab.Lengths(stop=(3, InfraError("the engine is gone"))))
    assert desk.judge(BETTER, ci_lab.Lengths()).result.verdict == "better"


def test_a_base_that_fails_is_not_the_heads_fault(desk: Desk) -> None:
    desk.repository.git("switch", "-q", "main")
    desk.repository.write("train/train.py", ci_lab.CRASHES)
    desk.repository.commit("broken")
    with pytest.raises(judging.BaseFailed, match="nothing is said about the change"):
        desk.judge(BETTER, ci_lab.Lengths())


@pytest.mark.parametrize("shift", [-0.1, 0.1])
def test_a_base_that_scores_otherwise_than_it_did_ends_the_job_without_a_verdict(
    desk: Desk, shift: float
) -> None:
    for number in range(4):
        scored = factories.attempt(2 + shift + len(BASE) / 100 + 0.0005 * (number % 3), 100 + number)
        desk.scores().add(digest(BASE), [scored], base=True)
    # In truth worse than the base by 0.04, and better than what is known of it by 0.06; or truly better.
    source = BASE + b"X=1\n" if shift > 0 else BETTER
    with pytest.raises(judging.Drifted):
        desk.judge(source, ci_lab.Lengths())
    assert desk.known(BASE) == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"version": 2}', b"\xff", b"[" * 99_999,
                                     b'{"version": 1, "base": true, "attempts": [{}], "samples": []}'])  # fmt: skip
def test_a_damaged_file_of_scores_is_told_of_and_counts_as_absent(desk: Desk, content: bytes) -> None:
    desk.judge(WORSE, ci_lab.Lengths())
    path = desk.scores().path / f"{digest(BASE)}.json"
    path.write_bytes(content)
    trainer = ci_lab.Lengths(seed=2)
    found = desk.judge(BETTER, trainer).result
    assert found.verdict == "better"
    assert trainer.trained[:3] == [BASE] * 3
    assert any(str(path) in one for one in desk.said)


def test_a_damaged_verdict_is_given_anew(desk: Desk) -> None:
    desk.judge(BETTER, ci_lab.Lengths())
    [path] = (desk.scores().path / "verdicts").iterdir()
    path.write_bytes(path.read_bytes()[:-50])
    trainer = ci_lab.Lengths()
    assert not desk.judge(BETTER, trainer).result.remembered
    assert trainer.trained


CHANGES: dict[str, Callable[[], tuple[Pins, dict[str, Any]]]] = {
    "prepare": lambda: (replace(ci_lab.PINS, prepare="f" * 64), ci_lab.MACHINE),
    "data": lambda: (replace(ci_lab.PINS, data="f" * 64), ci_lab.MACHINE),
    "image": lambda: (replace(ci_lab.PINS, image="f" * 64), ci_lab.MACHINE),
    "scoring": lambda: (replace(ci_lab.PINS, scoring="f" * 64), ci_lab.MACHINE),
    "settings": lambda: (replace(ci_lab.PINS, settings="f" * 64), ci_lab.MACHINE),
    "GPU model": lambda: (ci_lab.PINS, {**ci_lab.MACHINE, "gpu": {**ci_lab.MACHINE["gpu"], "name": "A100"}}),
    "driver": lambda: (ci_lab.PINS, {**ci_lab.MACHINE, "gpu": {**ci_lab.MACHINE["gpu"], "driver": "560"}}),
    "no GPU": lambda: (ci_lab.PINS, {**ci_lab.MACHINE, "gpu": None}),
    "processor": lambda: (ci_lab.PINS, {**ci_lab.MACHINE, "cpu": "Another"}),
    "cores": lambda: (ci_lab.PINS, {**ci_lab.MACHINE, "cores": 8}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_scores_under_other_pins_or_on_another_machine_are_not_taken(desk: Desk, what: str) -> None:
    desk.scores().add(digest(BASE), [factories.attempt(2.5)], base=True)
    other = Scores(desk.state, cache.key(*CHANGES[what]()), desk.said.append)
    assert other.known(digest(BASE)).attempts == ()
    assert len(desk.known(BASE)) == 1


@pytest.mark.parametrize(("key", "value"), [("engine", "podman"), ("python", "3.13")])
def test_what_does_not_touch_a_score_does_not_lose_it(desk: Desk, key: str, value: str) -> None:
    desk.scores().add(digest(BASE), [factories.attempt(2.5)], base=True)
    other = Scores(desk.state, cache.key(ci_lab.PINS, {**ci_lab.MACHINE, key: value}), desk.said.append)
    assert len(other.known(digest(BASE)).attempts) == 1


def test_the_noise_of_versions_that_were_a_base_is_known_and_of_others_not(desk: Desk) -> None:
    desk.scores().add("1" * 64, [factories.attempt(2.5 + 0.01 * i, i) for i in range(3)], base=True)
    desk.scores().add("2" * 64, [factories.attempt(2.5 + 0.5 * i, i) for i in range(3)], base=False)
    assert desk.scores().noise("0" * 64, RatchetSettings()).sigma == pytest.approx(0.01)
    assert not desk.scores().noise("1" * 64, RatchetSettings()).known


def test_two_jobs_that_write_at_once_lose_nothing(desk: Desk) -> None:
    children = []
    for number in range(8):
        if not (child := os.fork()):
            try:
                for i in range(5):
                    desk.scores().add(digest(BASE), [factories.attempt(2.5, 10 * number + i)], base=True)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert {a.seed for a in desk.known(BASE)} == {10 * n + i for n in range(8) for i in range(5)}


def test_only_so_many_trainings_of_a_version_are_kept_and_the_newest(desk: Desk) -> None:
    many = [factories.attempt(2.5, seed) for seed in range(cache.KEPT + 9)]
    desk.scores().add(digest(BASE), many, base=True)
    assert [a.seed for a in desk.known(BASE)] == list(range(9, cache.KEPT + 9))


def test_samples_of_both_sides_are_from_the_same_prompts_and_a_known_bases_are_remembered(desk: Desk) -> None:
    desk.judge(WORSE, ci_lab.Lengths())
    found = desk.judge(WORSE + b"# longer\nX = 1\n", ci_lab.Lengths()).result
    assert all({"prompt", "base", "head"} == set(one) for one in found.samples)
    assert digest(BASE)[:8] in found.samples[0]["base"]


def test_a_sample_that_cannot_be_drawn_costs_no_verdict(desk: Desk) -> None:
    class Mute(ci_lab.Lengths):
        def sample(self, *_: Any) -> list[str]:
            raise InfraError("the engine is gone")

    assert desk.judge(BETTER, Mute()).result.verdict == "better"
    assert any("no sample" in one for one in desk.said)


def test_a_verdict_that_is_read_back_says_what_it_said(desk: Desk) -> None:
    found = desk.judge(BETTER, ci_lab.Lengths())
    back = desk.scores().judged(pair(BETTER))
    assert back
    seeds = [one.attempt.seed for one in found.result.trainings]
    said, again = results.judged(found.entries, seeds), results.judged(back.entries, seeds)
    assert json.dumps(said["numbers"]) == json.dumps(again["numbers"])
    assert said["trainings"] == again["trainings"]
    assert said["interval"] == again["interval"]
