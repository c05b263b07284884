"""The crash walk: the program dies at every step of a run; what is started again agrees with itself and goes on.

The fast walk kills at every step that `record` names. The slow one (`--slow`) kills at every line of the package that
a run reaches, from its start to its last trial. Then what no crash can have done: a person's hand, which is told.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import factories
import pytest
import recordlab
from recordlab import BASELINE, decided, disagreements, git, make_lab, one_trial, start

import runner.record
from runner.errors import UsageError
from runner.record.ledger import Ledger
from runner.record.reconcile import reconcile, record
from runner.record.repo import LabRepo
from runner.record.run import Header, RunFolder
from runner.trial import Status

KEEP, DISCARD = Status.KEEP, Status.DISCARD
PLAN = ((BASELINE, KEEP), (b"LR = 0.9\n", DISCARD), (b"LR = 0.05\n", KEEP))
STEPS = 5 + 3 + 5  # of the plan; a discarded trial moves no branch and no worktree
KILLED = 9


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return make_lab(tmp_path / "lab")


def drive(lab: Path, hook: Callable[[str], None] = lambda step: None) -> list[str]:
    """`runner go` without the training: starts or resumes the run and carries out what is left of the plan."""
    repo, folder = LabRepo(lab), RunFolder(lab, "nov23")
    with folder.lock():
        if not folder.exists():
            folder.create(Header("nov23", "2025-11-23T18:00:00Z", repo.base, factories.PINS, {}, 1))
        ledger = Ledger(folder.ledger)
        messages = reconcile(repo, folder, ledger)
        while len(ledger) < len(PLAN):
            source, status = PLAN[len(ledger)]
            (folder.new_trial(len(ledger)) / "train.py").write_bytes(source)
            folder.set_current({"number": len(ledger)})
            record(repo, folder, ledger, decided(repo, folder, ledger, source, status), hook)
        folder.set_current(None)
    return messages


def killed(work: Callable[[], object]) -> int:
    """The exit status of `work` in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def agrees_and_finishes(lab: Path) -> None:
    """Started again: everything agrees before anything new is done, and in the end every trial is there once."""
    repo, folder = LabRepo(lab), RunFolder(lab, "nov23")
    if folder.exists():
        reconcile(repo, folder, Ledger(folder.ledger))
        assert disagreements(lab) == []
        assert reconcile(repo, folder, Ledger(folder.ledger)) == []
    drive(lab)
    assert disagreements(lab) == []
    entries = Ledger(folder.ledger).entries
    assert [(repo.source(entry.commit), entry.status) for entry in entries] == list(PLAN)
    assert git(lab, "status", "--porcelain") == ""
    assert list(folder.path.glob("worktree-edits-*")) == []


def die_at(count: int) -> Callable[[str], None]:
    left = [count]

    def hook(step: str) -> None:
        left[0] -= 1
        if not left[0]:
            os._exit(KILLED)

    return hook


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_before_any_step_the_run_agrees_and_goes_on(lab: Path, step: int) -> None:
    assert killed(lambda: drive(lab, die_at(step))) == KILLED
    agrees_and_finishes(lab)


def test_those_are_all_the_steps(lab: Path) -> None:
    assert killed(lambda: drive(lab, die_at(STEPS + 1))) == 0


def lines_of(lab: Path, stop: tuple[str, int] | None = None) -> set[tuple[str, int]]:
    """Drive, noting each line of the package that is reached; the process dies before the line `stop`."""
    package, seen = str(Path(runner.record.__file__).parent), set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(package):
            return None
        if event == "line":
            line = (frame.f_code.co_filename, frame.f_lineno)
            if line == stop:
                os._exit(KILLED)
            seen.add(line)
        return trace

    sys.settrace(trace)
    try:
        drive(lab)
    finally:
        sys.settrace(None)
    return seen


@pytest.mark.slow
def test_killed_before_any_line_the_run_agrees_and_goes_on(lab: Path, tmp_path: Path) -> None:
    template = tmp_path / "template"
    shutil.copytree(lab, template)
    lines = sorted(lines_of(lab))
    wrong = []
    for line in lines:
        shutil.rmtree(lab)
        shutil.copytree(template, lab)
        assert killed(lambda line=line: lines_of(lab, line)) == KILLED, line  # type: ignore[misc]
        try:
            agrees_and_finishes(lab)
        except BaseException as error:
            wrong.append(f"{line}: {error}")
    print(f"killed at {len(lines)} lines, {len(wrong)} disagreements after the restart")
    assert len(lines) > 200
    assert wrong == []


def test_a_run_that_was_not_killed_has_nothing_to_mend(lab: Path) -> None:
    drive(lab)
    assert disagreements(lab) == []
    assert drive(lab) == []


def test_a_torn_line_costs_the_trial_under_way_and_no_other(lab: Path) -> None:
    assert (
        killed(lambda: drive(lab, die_at(STEPS - 3))) == KILLED
    )  # the last line is written, the branch not moved
    ledger = lab / "runs" / "nov23" / "ledger.jsonl"
    assert len(Ledger(ledger)) == len(PLAN)
    ledger.write_bytes(ledger.read_bytes()[:-50])
    torn = Ledger(ledger)
    assert len(torn) == len(PLAN) - 1
    messages = reconcile(LabRepo(lab), RunFolder(lab, "nov23"), torn)
    assert any("ledger.torn-1" in message for message in messages)
    agrees_and_finishes(lab)


def opened(lab: Path) -> tuple[LabRepo, RunFolder, Ledger]:
    """A run with a baseline, a discarded and two kept trials."""
    repo = LabRepo(lab)
    folder, ledger = start(repo)
    for source, status in (*PLAN, (b"LR = 0.06\n", KEEP)):
        one_trial(repo, folder, ledger, source, status)
    return repo, folder, ledger


def test_a_branch_with_a_persons_commit_on_top_is_left_alone(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    git(folder.worktree, "commit", "-q", "--allow-empty", "-m", "mine")
    mine = repo.tip("nov23")
    with pytest.raises(UsageError, match=r"1 commit\(s\) ahead of the last kept") as caught:
        reconcile(repo, folder, ledger)
    assert repo.tip("nov23") == mine
    for command in caught.value.advice.split(": ", 1)[1].split(" && "):
        git(lab, *command.split()[1:])
    reconcile(repo, folder, ledger)
    assert disagreements(lab) == []
    assert git(lab, "rev-parse", "my-nov23") == mine


def test_a_branch_beside_the_kept_commits_is_left_alone(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    discarded = repo.trial_sha("nov23", 1)
    git(lab, "update-ref", "refs/heads/autoresearch/nov23", str(discarded))
    with pytest.raises(UsageError, match=r"1 commit.* ahead and 2 behind"):
        reconcile(repo, folder, ledger)
    assert repo.tip("nov23") == discarded


def test_a_branch_before_the_start_of_the_run_is_left_alone(lab: Path) -> None:
    git(lab, "commit", "-q", "--allow-empty", "-m", "second")
    repo, folder, ledger = opened(lab)
    git(lab, "update-ref", "refs/heads/autoresearch/nov23", "main^")
    with pytest.raises(UsageError, match="3 behind"):
        reconcile(repo, folder, ledger)


def test_a_branch_that_lags_is_moved_up_and_said(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    git(lab, "update-ref", "refs/heads/autoresearch/nov23", repo.base)
    (message,) = reconcile(repo, folder, ledger)
    assert "2 kept trial(s) behind" in message
    assert disagreements(lab) == []


def test_a_deleted_branch_is_made_again_and_said(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    git(lab, "update-ref", "-d", "refs/heads/autoresearch/nov23")
    (message,) = reconcile(repo, folder, ledger)
    assert "was missing" in message
    assert disagreements(lab) == []


def test_refs_deleted_or_moved_by_hand_are_put_back_and_said(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    git(lab, "update-ref", "-d", "refs/trials/nov23/0001")
    git(lab, "update-ref", "refs/trials/nov23/0002", repo.base)
    messages = reconcile(repo, folder, ledger)
    assert len(messages) == 2
    assert disagreements(lab) == []


def test_a_ledger_that_lost_whole_lines_is_told_and_no_ref_is_dropped(lab: Path) -> None:
    repo, folder, _ = opened(lab)
    lines = folder.ledger.read_bytes().splitlines(keepends=True)
    folder.ledger.write_bytes(b"".join(lines[:2]))
    before = repo.trials("nov23")
    with pytest.raises(UsageError, match="lines of it were lost"):
        reconcile(repo, folder, Ledger(folder.ledger))
    assert repo.trials("nov23") == before


def test_a_folder_deleted_by_hand_does_not_restart_over_the_old_run(lab: Path) -> None:
    repo, folder, _ = opened(lab)
    before = repo.trials("nov23"), repo.tip("nov23")
    shutil.rmtree(folder.path)
    with pytest.raises(UsageError, match="lost"):
        start(repo)
    assert (repo.trials("nov23"), repo.tip("nov23")) == before
    repo.remove_run("nov23")
    shutil.rmtree(folder.path)
    start(repo)


def test_a_kept_commit_with_another_train_py_than_recorded_is_told(lab: Path) -> None:
    repo = LabRepo(lab)
    folder, ledger = start(repo)
    entry = decided(repo, folder, ledger, BASELINE, KEEP)
    record(repo, folder, ledger, dataclasses.replace(entry, proposal="0" * 64))
    with pytest.raises(UsageError, match=r"does not hold the train\.py"):
        reconcile(repo, folder, ledger)


def test_what_an_interrupted_trial_left_is_kept_aside(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    (folder.new_trial(4) / "log.txt").write_text("as far as it came\n")
    (message,) = reconcile(repo, folder, ledger)
    assert (folder.path / "abandoned" / "0004" / "log.txt").exists()
    assert "trial 4" in message


def test_what_a_crash_cut_short_is_in_no_folder_of_a_trial_afterwards(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    for place in (folder.trial(len(ledger) - 1), folder.new_trial(len(ledger))):  # recorded, and under way
        place.mkdir(parents=True, exist_ok=True)
        for name in ("checkpoint.tar.partial", ".sample.json.77.tmp", "log.txt"):
            (place / name).write_bytes(b"x")
    reconcile(repo, folder, ledger)
    assert [path for name in ("*.partial", ".*.tmp") for path in folder.path.rglob(name)] == []
    assert len(list(folder.path.rglob("log.txt"))) == 2


def test_results_edited_by_hand_are_written_again(lab: Path) -> None:
    repo, folder, ledger = opened(lab)
    good = folder.results.read_bytes()
    folder.results.write_bytes(good.replace(b"discard", b"keep"))
    (message,) = reconcile(repo, folder, ledger)
    assert "results.tsv" in message
    assert folder.results.read_bytes() == good


def test_two_runs_in_one_repository_do_not_see_each_other(lab: Path) -> None:
    repo = LabRepo(lab)
    one, first = start(repo, "one")
    two, second = start(repo, "two")
    one_trial(repo, one, first, BASELINE, KEEP)
    one_trial(repo, two, second, b"LR = 2\n", KEEP)
    assert reconcile(repo, one, first) == reconcile(repo, two, second) == []
    assert disagreements(lab, "one") == disagreements(lab, "two") == []
