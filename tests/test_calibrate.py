"""`runner calibrate` and `runner replay`: what is trained, written down and concluded; really trained at the end."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
from conftest import environment
from test_go import git, read_until

from runner.config import RatchetSettings
from runner.errors import UsageError
from runner.jobs.calibrate import NAME, Store, measured, seeds
from runner.jobs.replay import judge, noise_without, recorded
from runner.ratchet import Noise, Standing, standing_of
from runner.ratchet.calibration import Training, calibrate, independent, sentences
from runner.ratchet.noise import UNKNOWN
from runner.record.run import RunFolder
from runner.trial import Attempt, Ending, Entry, Role, Status

RULE = RatchetSettings()
PINS = factories.PINS
MACHINE = {
    "engine": {"url": "unix:///run/docker.sock"},
    "gpu": None,
    "cpu": "a processor",
    "cores": 8,
    "python": "3.13",
}


def trainings(count: int, sigma: float = 0.01, chance: int = 1) -> list[Training]:
    rng = random.Random(chance)
    return [Training(number, 2.0 + rng.gauss(0, sigma), 60.0 * number) for number in range(count)]


# ------------------------------------------------------------------------------------------ what is trained


def test_one_training_in_three_takes_a_seed_again_and_every_other_a_fresh_one() -> None:
    planned = list(seeds([], 9, same=False))
    assert [planned[2], planned[5], planned[8]] == [planned[0], planned[1], planned[3]]
    assert len(set(planned)) == 6


def test_with_same_seed_all_trainings_take_the_first_one() -> None:
    assert list(seeds([7, 8], 5, same=True)) == [7, 7, 7]
    first = list(seeds([], 4, same=True))
    assert len(set(first)) == 1


def test_what_is_known_is_not_trained_again() -> None:
    assert list(seeds([1, 2, 1, 3], 4, same=False)) == []
    assert len(list(seeds([1, 2, 1, 3], 6, same=False))) == 2


# ---------------------------------------------------------------------------------------- what is written


def test_a_training_is_on_the_disk_as_soon_as_it_is_known(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs" / NAME, PINS, MACHINE)
    store.add("a" * 64, Training(1, 2.0, 10.0))
    store.add("a" * 64, Training(2, 2.1, 20.0))
    again = Store.open(tmp_path / "runs" / NAME, PINS, MACHINE)
    assert again.trainings == {"a" * 64: [Training(1, 2.0, 10.0), Training(2, 2.1, 20.0)]}


@pytest.mark.parametrize(
    "changed", [{"cpu": "another"}, {"cores": 64}, {"gpu": {"name": "one"}}, {"shares": 2}]
)
def test_trainings_on_another_machine_say_nothing(tmp_path: Path, changed: dict[str, Any]) -> None:
    folder = RunFolder(tmp_path, "t")
    store = Store.open(folder.path / NAME, PINS, MACHINE)
    for training in trainings(4):
        store.add("a" * 64, training)
    assert measured(folder, PINS, {**MACHINE, "python": "another"}).df == 3
    assert measured(folder, PINS, {**MACHINE, **changed}) == UNKNOWN


@pytest.mark.parametrize("pin", ["prepare", "data", "image", "scoring", "settings"])
def test_trainings_under_other_pins_say_nothing(tmp_path: Path, pin: str) -> None:
    folder = RunFolder(tmp_path, "t")
    store = Store.open(folder.path / NAME, PINS, MACHINE)
    for training in trainings(4):
        store.add("a" * 64, training)
    assert measured(folder, PINS, MACHINE).df == 3
    assert measured(folder, replace(PINS, **{pin: "other"}), MACHINE) == UNKNOWN


def test_a_damaged_file_is_an_error_for_a_person_and_nothing_to_a_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "t")
    folder.path.mkdir(parents=True)
    (folder.path / NAME).write_text('{"pins": 3}')
    with pytest.raises(UsageError, match="cannot be read"):
        Store.open(folder.path / NAME, PINS, MACHINE)
    assert measured(folder, PINS, MACHINE) == UNKNOWN


def test_a_lab_measured_before_its_run_is_known_to_the_run(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs" / NAME, PINS, MACHINE)
    for training in trainings(5):
        store.add("a" * 64, training)
    assert measured(RunFolder(tmp_path, "new"), PINS, MACHINE).df == 4


def test_a_run_stands_on_a_measured_noise_from_its_start() -> None:
    entries = [factories.entry(0, Status.KEEP, 2.0, None, 2.0, attempts=attempts(2.0, 2.01))]
    known = Noise(0.02, 9, 0.01, 0.04, 10)
    assert standing_of(entries, RULE, known).noise().df == 10
    assert standing_of(entries, RULE) == standing_of(entries, RULE, UNKNOWN)
    assert Standing(past=known).noise().sigma == pytest.approx(known.sigma)


# --------------------------------------------------------------------------------------- what is concluded


def test_repeats_of_a_seed_do_not_make_sigma_smaller() -> None:
    different = trainings(6)
    repeats = [replace(t, began=t.began + 1000, val_bpb=t.val_bpb + 1e-6) for t in different]
    assert independent(different + repeats) == independent(different)
    assert calibrate(different + repeats, RULE).noise == calibrate(different, RULE).noise


def test_the_smallest_gains_fall_with_trainings_and_are_at_the_rules_level_and_power() -> None:
    found = calibrate(trainings(8), RULE)
    assert (found.alpha, found.power) == (RULE.alpha, 1 - RULE.futility)
    one, two, four = found.gains
    assert one is not None
    assert two is not None
    assert four is not None
    assert one > two > four > 0


def test_a_gain_as_small_as_stated_is_found_as_often_as_stated() -> None:
    """With sigma known well: 2,000 tests of two against seven trainings at the stated gain."""
    rng = random.Random(2)
    known = calibrate(trainings(400, 0.01), RULE)
    gain, sigma = known.gains[1], known.noise.sigma
    assert gain is not None
    line = 2.0537 * sigma * math.sqrt(1 / 2 + 1 / 7)  # z at 0.02
    found = 0
    for _ in range(2000):
        ours = [2.0 - gain + rng.gauss(0, 0.01) for _ in range(2)]
        theirs = [2.0 + rng.gauss(0, 0.01) for _ in range(7)]
        found += sum(theirs) / 7 - sum(ours) / 2 > line
    assert found / 2000 == pytest.approx(known.power, abs=0.04)


def test_one_training_leaves_everything_unknown_and_says_so() -> None:
    found = calibrate(trainings(1), RULE)
    assert found.gains == (None, None, None)
    said = "\n".join(sentences(found))
    assert "unknown" in said
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["noise"]["sigma"] is None


def test_no_training_is_refused() -> None:
    with pytest.raises(ValueError, match="no trainings"):
        calibrate([], RULE)


def test_few_trainings_say_that_the_source_cannot_be_told_and_many_tell_it() -> None:
    rng = random.Random(3)

    def paired(count: int, seed_sigma: float, clock_sigma: float) -> list[Training]:
        made = []
        for number in range(count):
            centre = 2.0 + rng.gauss(0, seed_sigma)
            made += [
                Training(number, centre + rng.gauss(0, clock_sigma), 60.0 * (2 * number + k)) for k in (0, 1)
            ]
        return made

    assert any("cannot be told" in line for line in sentences(calibrate(paired(3, 0.01, 0.01), RULE)))
    assert any("mostly the seed" in line for line in sentences(calibrate(paired(40, 0.02, 0.002), RULE)))
    assert any("mostly the wall-clock" in line for line in sentences(calibrate(paired(60, 0.001, 0.02), RULE)))


def test_a_machine_that_slows_down_is_seen() -> None:
    slow = [replace(t, val_bpb=t.val_bpb + 0.01 * n) for n, t in enumerate(trainings(12))]
    assert any("drifts" in line for line in sentences(calibrate(slow, RULE)))
    assert any("none seen" in line for line in sentences(calibrate(trainings(12), RULE)))


# ------------------------------------------------------------------------------------------------- replay


def attempts(*scores: float, role: Role = Role.CANDIDATE) -> tuple[Attempt, ...]:
    return tuple(factories.attempt(score, 100 + number, role=role) for number, score in enumerate(scores))


def run_of_three() -> list[Entry]:
    """A baseline; a version kept by 1.90 and 1.91, scored afresh at 1.95, 1.96; a discard with the incumbent again."""
    kept = attempts(1.90, 1.91) + attempts(1.95, 1.96, role=Role.AFRESH)
    later = attempts(1.97, 1.99) + attempts(1.955, role=Role.INCUMBENT)
    return [
        factories.entry(0, Status.KEEP, 2.0, None, 2.0, attempts=attempts(2.0, 2.01, 2.005)),
        factories.entry(1, Status.KEEP, 1.955, 2.0, 1.955, attempts=kept),
        factories.entry(2, Status.DISCARD, 1.98, 1.955, 1.955, attempts=later),
    ]


def scores(given: list[Attempt]) -> list[float | None]:
    return [attempt.val_bpb for attempt in given]


def test_the_scores_that_got_a_version_kept_do_not_speak_for_it() -> None:
    entries = run_of_three()
    assert scores(recorded(entries, 1)) == [1.95, 1.96, 1.955]
    assert scores(recorded(entries, 0)) == [2.0, 2.01, 2.005]
    assert scores(recorded(entries, 2)) == [1.97, 1.99]


def test_the_noise_that_a_replay_is_held_against_is_that_of_the_other_versions() -> None:
    entries = run_of_three()
    assert (
        noise_without(entries, 2).df == 2 + 2
    )  # the baseline's and the kept version's; its one rerun adds nothing
    assert noise_without(entries, 0).df == 2


def test_what_scores_as_recorded_reproduces_and_what_does_not_does_not() -> None:
    noise = Noise(0.01, 20, 0.005, 0.02, 21)
    assert judge(attempts(2.0, 2.01), attempts(2.012, 1.995), noise).same is True
    assert judge(attempts(2.0, 2.01), attempts(2.09, 2.08), noise).same is False
    assert judge(attempts(2.0, 2.01), attempts(1.9, 1.91), noise).same is False


def test_a_replay_without_any_noise_known_cannot_be_told() -> None:
    answer = judge(attempts(2.0), attempts(2.5), UNKNOWN)
    assert answer.same is None
    assert "cannot be told" in answer.sentence


def test_a_failure_reproduces_by_the_same_ending_only() -> None:
    crash = (factories.attempt(None, 1, Ending.CRASH, "boom"),)
    late = (factories.attempt(None, 1, Ending.TIMEOUT, "no checkpoint"),)
    assert judge(crash, crash, UNKNOWN).same is True
    assert judge(crash, late, UNKNOWN).same is False
    assert judge(attempts(2.0), crash, UNKNOWN).same is False
    assert judge(crash, attempts(2.0), UNKNOWN).same is False


def test_of_versions_that_are_what_they_were_one_in_a_hundred_is_said_not_to_reproduce() -> None:
    rng = random.Random(5)
    missed = 0
    for _ in range(3000):
        old, new = ([rng.gauss(2, 0.01) for _ in range(3)] for _ in range(2))
        missed += judge(attempts(*old), attempts(*new), UNKNOWN).same is False
    assert missed / 3000 == pytest.approx(0.01, abs=0.006)


# ------------------------------------------------------------------------------------------- really trained


def patient(lab: Path) -> Path:
    """With a budget that no busy machine uses up, and a baseline trained once."""
    path = lab / "runner.toml"
    settings = path.read_text().replace("budget_seconds = 20", "budget_seconds = 120")
    path.write_text(settings.replace("calibrate_trials = 2", "calibrate_trials = 1"))
    return lab


@pytest.mark.engine
def test_calibrate_then_go_then_replay_leave_the_record_as_it_was(lab: Path, tag: str, runner: Any) -> None:
    first = runner(patient(lab), "calibrate", "--trials", "3", "--json")
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert (found["tag"], found["done"], found["noise"]["df"], found["failed"]) == (None, 3, 1, [])
    assert found["sources"]["clock_df"] == 1
    done = runner(lab, "go", "--tag", tag, "--max-trials", "0")
    assert done.returncode == 0, done.stderr
    assert "calibration" in done.stderr
    ledger = (lab / "runs" / tag / "ledger.jsonl").read_bytes()
    refs = git(lab, "for-each-ref")

    replayed = runner(lab, "replay", "0", "--trials", "1", "--same-seeds", "--json")
    assert replayed.returncode in (0, 1), replayed.stderr
    facts = json.loads(replayed.stdout)
    assert facts["reproduces"] is (replayed.returncode == 0)
    assert facts["test"]["df"] == 1
    assert [a["seed"] for a in facts["again"]] == [a["seed"] for a in facts["recorded"]]
    assert (lab / "runs" / tag / "ledger.jsonl").read_bytes() == ledger
    assert git(lab, "for-each-ref") == refs

    file = lab / "runs" / NAME
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "machine": {**told["machine"], "cores": 4096}}))
    elsewhere = runner(lab, "go", "--tag", tag, "--max-trials", "0")
    assert (elsewhere.returncode, "calibration" in elsewhere.stderr) == (0, False), elsewhere.stderr

    (lab / "prepare" / "extra.py").write_text("# a change\n")
    for command in (["replay", "0"], ["calibrate"]):
        refused = runner(lab, *command)
        assert refused.returncode == 2, refused.stderr
        assert "another prepare" in refused.stderr
    assert runner(lab, "replay", "5").returncode == 2


@pytest.mark.engine
def test_an_interrupted_calibration_prints_what_it_has_and_goes_on_from_there(
    lab: Path, tmp_path: Path, runner: Any
) -> None:
    command = [sys.executable, "-m", "runner", "--lab", str(patient(lab)), "calibrate", "--trials", "3"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=environment(tmp_path), **pipes)
    read_until(process, "val_bpb, seed")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "over 1 training with 1 seed" in printed
    again = runner(lab, "calibrate", "--trials", "2", "--json")
    assert again.returncode == 0, again.stderr
    assert "1 trainings of" in again.stderr
    assert json.loads(again.stdout)["done"] == 2
