"""The run's worktree: whatever a person does to it, nothing of his is lost and the run goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import recordlab
from recordlab import git, make_lab, snapshot

from runner.errors import InfraError, UsageError
from runner.record.plumbing import Git
from runner.record.repo import LabRepo
from runner.record.worktree import admin


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return make_lab(tmp_path / "lab")


@pytest.fixture
def repo(lab: Path) -> LabRepo:
    """With a run and its worktree."""
    repo = LabRepo(lab)
    repo.create_branch("nov23", repo.base)
    assert repo.ensure_worktree("nov23") == []
    return repo


@pytest.fixture
def worktree(repo: LabRepo) -> Path:
    return repo.worktree("nov23").path


def advance(repo: LabRepo, source: bytes = b"LR = 0.05\n", number: int = 1) -> list[str]:
    tip = repo.tip("nov23")
    assert tip is not None
    return repo.advance("nov23", repo.commit_trial("nov23", number, tip, source, "x"), tip)


def aside(worktree: Path) -> Path:
    (found,) = worktree.parent.glob("worktree-edits-*")
    return found


def clean(worktree: Path) -> bool:
    return git(worktree, "status", "--porcelain") == ""


def test_it_holds_the_branch(repo: LabRepo, worktree: Path) -> None:
    assert git(worktree, "symbolic-ref", "HEAD") == "refs/heads/autoresearch/nov23"
    assert sorted(p.name for p in worktree.iterdir()) == [
        ".git",
        ".gitignore",
        "prepare",
        "runner.toml",
        "train",
    ]
    assert clean(worktree)


def test_it_follows_the_branch(repo: LabRepo, worktree: Path) -> None:
    assert advance(repo) == []
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"
    assert clean(worktree)


def test_an_edit_of_train_py_is_moved_aside(repo: LabRepo, worktree: Path) -> None:
    (worktree / "train" / "train.py").write_text("mine\n")
    (message,) = advance(repo)
    assert (aside(worktree) / "train" / "train.py").read_text() == "mine\n"
    assert str(aside(worktree)) in message
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"


def test_staged_and_unstaged_edits_and_staged_new_files_are_moved_aside(repo: LabRepo, worktree: Path) -> None:
    (worktree / "runner.toml").write_text("staged\n")
    (worktree / "new ü.txt").write_text("new\n")
    git(worktree, "add", "-A")
    (worktree / "prepare" / "__init__.py").write_text("unstaged\n")
    advance(repo)
    moved = aside(worktree)
    assert (moved / "runner.toml").read_text() == "staged\n"
    assert (moved / "new ü.txt").read_text() == "new\n"
    assert (moved / "prepare" / "__init__.py").read_text() == "unstaged\n"
    assert clean(worktree)


def test_an_untracked_file_stays_where_it_is(repo: LabRepo, worktree: Path) -> None:
    (worktree / "notes.txt").write_text("mine\n")
    assert advance(repo) == []
    assert (worktree / "notes.txt").read_text() == "mine\n"


def test_a_file_taken_out_of_the_index_is_not_overwritten(repo: LabRepo, worktree: Path) -> None:
    git(worktree, "rm", "-q", "--cached", "runner.toml")
    (worktree / "runner.toml").write_text("mine\n")
    advance(repo)
    assert (aside(worktree) / "runner.toml").read_text() == "mine\n"


def test_a_file_in_place_of_a_folder_is_moved_aside(repo: LabRepo, worktree: Path) -> None:
    shutil.rmtree(worktree / "train")
    (worktree / "train").write_text("a file now\n")
    advance(repo)
    assert (aside(worktree) / "train").read_text() == "a file now\n"
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"


def test_a_folder_in_place_of_a_file_is_moved_aside(repo: LabRepo, worktree: Path) -> None:
    (worktree / "train" / "train.py").unlink()
    (worktree / "train" / "train.py").mkdir()
    (worktree / "train" / "train.py" / "mine.txt").write_text("mine\n")
    advance(repo)
    assert (aside(worktree) / "train" / "train.py" / "mine.txt").read_text() == "mine\n"
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"


def test_a_link_out_of_the_worktree_is_not_followed(repo: LabRepo, worktree: Path, lab: Path) -> None:
    before = snapshot(lab)
    shutil.rmtree(worktree / "train")
    (worktree / "train").symlink_to(lab / "train")
    (worktree / "runner.toml").unlink()
    (worktree / "runner.toml").symlink_to(lab / "runner.toml")
    advance(repo)
    assert (aside(worktree) / "train").is_symlink()
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"
    assert not (worktree / "runner.toml").is_symlink()
    assert snapshot(lab) == before


def test_deleted_files_come_back(repo: LabRepo, worktree: Path) -> None:
    shutil.rmtree(worktree / "train")
    (worktree / "runner.toml").unlink()
    assert advance(repo) == []
    assert clean(worktree)


def test_a_folder_deleted_by_hand_is_made_again(repo: LabRepo, worktree: Path) -> None:
    shutil.rmtree(worktree)
    assert advance(repo) == []
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"
    assert git(repo.root, "worktree", "list").count("worktree") == 1


def test_without_its_git_file_the_users_checkout_is_not_taken_for_it(
    repo: LabRepo, worktree: Path, lab: Path
) -> None:
    (worktree / ".git").unlink()
    (lab / "train" / "train.py").write_text("the user's own edit\n")
    before = snapshot(lab)
    (message,) = advance(repo)
    assert snapshot(lab) == before
    assert "no longer a worktree" in message
    assert (aside(worktree) / "runner.toml").exists()
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"


def test_a_git_that_lost_its_folder_does_not_fall_back_on_the_one_around_it(
    repo: LabRepo, worktree: Path
) -> None:
    place = admin(worktree, repo.common)
    assert place is not None
    own = Git.at(place, worktree)
    (worktree / ".git").unlink()
    assert own.text("rev-parse", "--absolute-git-dir") == str(place)
    shutil.rmtree(worktree)
    with pytest.raises(InfraError):
        own.text("rev-parse", "--absolute-git-dir")


def test_a_lab_that_was_moved_gets_a_new_worktree(repo: LabRepo, worktree: Path, lab: Path) -> None:
    (worktree / "train" / "train.py").write_text("mine\n")
    lab.rename(lab.parent / "moved")
    moved = LabRepo(lab.parent / "moved")
    moved.ensure_worktree("nov23")
    there = moved.worktree("nov23").path
    assert (aside(there) / "train" / "train.py").read_text() == "mine\n"
    assert clean(there)


def test_a_copied_lab_does_not_touch_the_original(repo: LabRepo, worktree: Path, lab: Path) -> None:
    shutil.copytree(lab, lab.parent / "copy", symlinks=True)
    copy = LabRepo(lab.parent / "copy")
    advance(copy)
    assert clean(copy.worktree("nov23").path)
    assert (worktree / "train" / "train.py").read_bytes() == recordlab.BASELINE
    assert clean(worktree)


def test_a_copied_run_does_not_share_the_originals_worktree(repo: LabRepo, worktree: Path) -> None:
    shutil.copytree(worktree.parent, worktree.parent.with_name("copy"), symlinks=True)
    repo.create_branch("copy", repo.base)
    repo.ensure_worktree("copy")
    assert git(repo.worktree("copy").path, "symbolic-ref", "HEAD") == "refs/heads/autoresearch/copy"
    assert git(worktree, "symbolic-ref", "HEAD") == "refs/heads/autoresearch/nov23"
    assert clean(worktree)


def test_the_train_py_of_an_earlier_trial_is_no_edit(repo: LabRepo, worktree: Path) -> None:
    for number in (1, 2, 3):
        advance(repo, b"LR = %d\n" % number, number)
    (worktree / "train" / "train.py").write_bytes(b"LR = 1\n")
    assert repo.ensure_worktree("nov23") == []
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 3\n"


def test_runs_may_be_a_link_to_another_disk(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (lab / "runs").symlink_to(tmp_path / "disk")
    repo = LabRepo(lab)
    repo.create_branch("nov23", repo.base)
    repo.ensure_worktree("nov23")
    assert advance(repo) == []
    assert clean(tmp_path / "disk" / "nov23" / "worktree")


def test_a_person_on_the_branch_elsewhere_is_told(repo: LabRepo, worktree: Path, lab: Path) -> None:
    repo.remove_run("nov23")
    repo.create_branch("nov23", repo.base)
    git(lab, "switch", "-q", "autoresearch/nov23")
    before = snapshot(lab)
    with pytest.raises(UsageError, match="checked out at") as caught:
        repo.ensure_worktree("nov23")
    assert f"git -C '{lab}' switch -" in caught.value.advice
    with pytest.raises(UsageError, match="checked out at"):
        advance(repo)
    assert snapshot(lab) == before


def test_a_person_who_went_to_another_branch_in_it_is_told(repo: LabRepo, worktree: Path) -> None:
    git(worktree, "switch", "-q", "-c", "mine")
    with pytest.raises(UsageError, match="is on mine, not on autoresearch/nov23"):
        repo.ensure_worktree("nov23")


def test_trouble_with_the_worktree_does_not_stop_the_branch(repo: LabRepo, worktree: Path) -> None:
    git(worktree, "switch", "-q", "--detach")
    (message,) = advance(repo)
    assert "the branch has moved" in message
    assert repo.source("autoresearch/nov23") == b"LR = 0.05\n"


def test_another_git_at_work_in_it_is_told(repo: LabRepo, worktree: Path) -> None:
    lock = Path(git(worktree, "rev-parse", "--absolute-git-dir")) / "index.lock"
    lock.touch()
    (message,) = advance(repo)
    assert "another git is at work" in message
    lock.unlink()
    assert repo.ensure_worktree("nov23") == []
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"


def test_removal_keeps_edits_and_new_files_outside_the_runs_folder(repo: LabRepo, worktree: Path) -> None:
    (worktree / "train" / "train.py").write_text("mine\n")
    (worktree / "notes.txt").write_text("mine too\n")
    (message,) = repo.remove_run("nov23")
    assert not worktree.exists()
    (kept,) = worktree.parent.parent.glob("nov23-edits-*")
    assert str(kept) in message
    assert (kept / "train" / "train.py").read_text() == "mine\n"
    assert (kept / "notes.txt").read_text() == "mine too\n"


def test_removal_of_an_untouched_worktree_keeps_nothing(repo: LabRepo, worktree: Path) -> None:
    assert repo.remove_run("nov23") == []
    assert list(worktree.parent.iterdir()) == []


def test_removal_after_the_branch_was_deleted_keeps_what_cannot_be_compared(
    repo: LabRepo, worktree: Path
) -> None:
    git(repo.root, "update-ref", "-d", "refs/heads/autoresearch/nov23")
    repo.remove_run("nov23")
    assert not worktree.exists()
    (kept,) = worktree.parent.parent.glob("nov23-edits-*")
    assert (kept / "train" / "train.py").read_bytes() == recordlab.BASELINE


def test_removal_after_the_folder_was_deleted_leaves_no_registration(repo: LabRepo, worktree: Path) -> None:
    shutil.rmtree(worktree)
    repo.remove_run("nov23")
    assert list((repo.common / "worktrees").glob("*")) == []


def test_worktrees_of_the_users_own_are_not_pruned(repo: LabRepo, worktree: Path, tmp_path: Path) -> None:
    git(repo.root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "unplugged"))
    shutil.move(tmp_path / "unplugged", tmp_path / "elsewhere")
    shutil.rmtree(worktree)
    advance(repo)
    repo.remove_run("nov23")
    shutil.move(tmp_path / "elsewhere", tmp_path / "unplugged")
    assert git(tmp_path / "unplugged", "status", "--porcelain") == ""
