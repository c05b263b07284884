"""Commits, branches and refs in real repositories, and all that must not happen to the user's own."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import recordlab
from recordlab import BASELINE, git, make_lab, snapshot

from runner.errors import MissingError, UsageError
from runner.record.repo import LabRepo
from runner.record.tags import check_tag, default_tag


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return make_lab(tmp_path / "lab")


def started(lab: Path, tag: str = "nov23") -> LabRepo:
    repo = LabRepo(lab)
    repo.create_branch(tag, repo.base)
    return repo


def changed(repo: LabRepo, sha: str) -> list[str]:
    return git(repo.root, "-c", "core.quotePath=false", "diff", "--name-only", sha + "^", sha).splitlines()


def test_a_trial_replaces_train_py_and_nothing_else(lab: Path) -> None:
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"LR = 0.05\n", "LR up")
    assert changed(repo, sha) == ["train/train.py"]
    assert git(lab, "rev-parse", sha + "^") == repo.base
    assert git(lab, "log", "-1", "--format=%B", sha).strip() == "LR up"
    assert git(lab, "fsck", "--strict") == ""


def test_a_trials_ref_is_its_commit(lab: Path) -> None:
    repo = started(lab)
    sha = repo.commit_trial("nov23", 7, repo.base, b"x\n", "x")
    assert git(lab, "rev-parse", "refs/trials/nov23/0007") == sha == repo.trial_sha("nov23", 7)
    assert repo.trials("nov23") == {7: sha}
    assert repo.trial_sha("nov23", 8) is None


def test_a_retried_trial_replaces_its_ref(lab: Path) -> None:
    repo = started(lab)
    repo.commit_trial("nov23", 1, repo.base, b"first\n", "first")
    second = repo.commit_trial("nov23", 1, repo.base, b"second\n", "second")
    assert repo.trials("nov23") == {1: second}


def test_the_unchanged_baseline_is_the_base_itself(lab: Path) -> None:
    repo = started(lab)
    assert repo.commit_trial("nov23", 0, repo.base, BASELINE, "baseline") == repo.base
    assert repo.trial_sha("nov23", 0) == repo.base


def test_a_baseline_that_differs_from_head_is_a_commit_of_its_own(lab: Path) -> None:
    repo = started(lab)
    sha = repo.commit_trial("nov23", 0, repo.base, b"LR = 1\n", "baseline")
    assert sha != repo.base
    assert repo.source(sha) == b"LR = 1\n"


@pytest.mark.parametrize(
    "source", [b"", b"no newline", b"a\r\nb\r\n", b"\xff\x00\n", "naïve → 0.1\n".encode(), b"\n"]
)
def test_bytes_come_back_as_they_were(lab: Path, source: bytes) -> None:
    repo = started(lab)
    assert repo.source(repo.commit_trial("nov23", 1, repo.base, source, "x")) == source


@pytest.mark.parametrize(
    "note", ["", "\0", "a\nb\tc", "lone \udc80 surrogate", "--amend", "# a comment", "é → ü"]
)
def test_any_note_can_be_a_message(lab: Path, note: str) -> None:
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", note)
    assert repo.has_commit(sha)


def test_a_lab_in_a_subfolder_with_spaces_and_unicode(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "my répo" / "a b" / "lab [ü]*", top=tmp_path / "my répo")
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"LR = 0.05\n", "x")
    assert changed(repo, sha) == ["a b/lab [ü]*/train/train.py"]
    assert repo.diff(repo.base, sha).splitlines()[-2:] == ["-LR = 0.04", "+LR = 0.05"]
    repo.advance("nov23", sha, repo.base)
    worktree = lab / "runs" / "nov23" / "worktree" / "a b" / "lab [ü]*"
    assert (worktree / "train" / "train.py").read_bytes() == b"LR = 0.05\n"


def test_an_executable_train_py_becomes_a_plain_one(lab: Path) -> None:
    (lab / "train" / "train.py").chmod(0o755)
    git(lab, "commit", "-qam", "executable")
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    assert git(lab, "ls-tree", sha, "train/train.py").startswith("100644 blob")


def test_the_diff_is_plain_whatever_the_user_configured(lab: Path) -> None:
    git(lab, "config", "diff.external", "false")
    git(lab, "config", "color.ui", "always")
    git(lab, "config", "diff.noprefix", "true")
    git(lab, "config", "diff.upper.textconv", "tr a-z A-Z <")
    (lab / ".gitattributes").write_text("*.py diff=upper\n")
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"LR = 0.05  # higher\n", "x")
    shown = repo.diff(repo.base, sha).splitlines()
    assert shown[0] == "diff --git a/train/train.py b/train/train.py"
    assert shown[-2:] == ["-LR = 0.04", "+LR = 0.05  # higher"]
    assert repo.diff(sha, sha) == ""


def test_the_diff_shows_a_file_marked_binary_as_text(lab: Path) -> None:
    (lab / ".gitattributes").write_text("*.py binary\n")
    repo = started(lab)
    assert "+x" in repo.diff(repo.base, repo.commit_trial("nov23", 1, repo.base, b"x\n", "x"))


def test_the_author_is_the_user(lab: Path) -> None:
    git(lab, "config", "user.name", "Ada")
    git(lab, "config", "user.email", "ada@example.org")
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    assert git(lab, "log", "-1", "--format=%an %ae %cn", sha) == "Ada ada@example.org Ada"


def test_without_an_identity_the_author_is_the_runner(lab: Path) -> None:
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    assert git(lab, "log", "-1", "--format=%an <%ae>", sha) == "AutoResearch runner <runner@localhost>"


def whole_life(lab: Path) -> None:
    """Everything that writes."""
    repo = started(lab)
    repo.ensure_worktree("nov23")
    sha = repo.commit_trial("nov23", 1, repo.base, b"LR = 0.05\n", "x")
    repo.advance("nov23", sha, repo.base)
    repo.dirty(["train", "prepare"])
    repo.remove_run("nov23")


def test_the_users_checkout_index_and_head_stay_as_they_were(lab: Path) -> None:
    (lab / "prepare" / "__init__.py").write_text("WINDOW = 512\n")
    git(lab, "add", "prepare")
    (lab / "train" / "train.py").write_text("LR = 'unstaged'\n")
    (lab / "untracked.txt").write_text("mine\n")
    before = snapshot(lab)
    whole_life(lab)
    assert snapshot(lab) == before


def test_no_hook_of_the_users_fires(lab: Path) -> None:
    mark = recordlab.hooks_that_leave_a_mark(lab)
    git(lab, "commit", "-q", "--allow-empty", "-m", "the hooks work")
    assert "reference-transaction" in mark.read_text()
    mark.unlink()
    whole_life(lab)
    assert not mark.exists()


def test_no_hook_fires_that_the_configuration_points_to(lab: Path) -> None:
    mark = recordlab.hooks_that_leave_a_mark(lab)
    shutil.move(lab / ".git" / "hooks", lab.parent / "hooks")
    git(lab, "config", "core.hooksPath", str(lab.parent / "hooks"))
    git(lab, "config", "core.fsmonitor", str(lab.parent / "hooks" / "post-commit"))
    whole_life(lab)
    assert not mark.exists()


def test_nothing_is_signed(lab: Path) -> None:
    git(lab, "config", "commit.gpgsign", "true")
    git(lab, "config", "gpg.program", "false")
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    assert "gpgsig" not in git(lab, "cat-file", "commit", sha)


@pytest.mark.parametrize("attributes", ["* text=auto\n", "*.py text eol=crlf\n", "*.py filter=upper ident\n"])
def test_no_conversion_changes_a_byte(lab: Path, attributes: str) -> None:
    git(lab, "config", "core.autocrlf", "true")
    git(lab, "config", "filter.upper.clean", "tr a-z A-Z")
    git(lab, "config", "filter.upper.smudge", "tr A-Z a-z")
    git(lab, "config", "filter.upper.required", "true")
    (lab / ".gitattributes").write_text(attributes)
    git(lab, "add", ".gitattributes")
    git(lab, "commit", "-qm", "attributes")
    repo = started(lab)
    source = b"Mixed Case $Id$\r\nand\n both ends\r\n"
    sha = repo.commit_trial("nov23", 1, repo.base, source, "x")
    assert repo.source(sha) == source
    assert repo.advance("nov23", sha, repo.base) == []
    assert (lab / "runs" / "nov23" / "worktree" / "train" / "train.py").read_bytes() == source
    assert repo.ensure_worktree("nov23") == []


def test_a_required_filter_that_fails_is_not_run(lab: Path) -> None:
    (lab / ".gitattributes").write_text("*.toml filter=broken\n")
    git(lab, "add", ".gitattributes")
    git(lab, "commit", "-qm", "attributes")
    git(lab, "config", "filter.broken.smudge", "false")
    git(lab, "config", "filter.broken.process", "false")
    git(lab, "config", "filter.broken.required", "true")
    repo = started(lab)
    repo.ensure_worktree("nov23")
    assert (lab / "runs" / "nov23" / "worktree" / "runner.toml").read_text() == "[trial]\n"


def test_a_redirecting_environment_is_ignored(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_lab(tmp_path / "other")
    before = snapshot(other)
    for name, value in {
        "DIR": ".git",
        "WORK_TREE": "",
        "INDEX_FILE": ".git/index",
        "OBJECT_DIRECTORY": "x",
    }.items():
        monkeypatch.setenv(f"GIT_{name}", str(other / value))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    repo = started(lab)
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    assert git(lab, "log", "-1", "--format=%an", sha) == "AutoResearch runner"
    assert snapshot(other) == before
    assert git(other, "for-each-ref", "refs/trials") == ""


def test_a_detached_head_will_do(lab: Path) -> None:
    git(lab, "checkout", "-q", "--detach")
    before = snapshot(lab)
    whole_life(lab)
    assert snapshot(lab) == before


def test_a_shallow_clone_will_do(lab: Path, tmp_path: Path) -> None:
    git(lab, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{lab}", "shallow")
    assert git(tmp_path / "shallow", "rev-parse", "--is-shallow-repository") == "true"
    whole_life(tmp_path / "shallow")


def test_a_linked_worktree_of_the_users_will_do(lab: Path, tmp_path: Path) -> None:
    git(lab, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    repo = started(tmp_path / "side")
    sha = repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    repo.advance("nov23", sha, repo.base)
    assert git(lab, "rev-parse", "autoresearch/nov23") == sha


def test_a_worktree_of_a_bare_repository_will_do(lab: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(lab), "bare.git")
    git(tmp_path / "bare.git", "worktree", "add", "-q", str(tmp_path / "wt"), "main")
    whole_life(tmp_path / "wt")


def test_no_repository_is_missing_with_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no git repository") as caught:
        LabRepo(tmp_path)
    assert "git init && git add -A && git commit" in caught.value.advice


def test_a_repository_without_a_commit_is_missing_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(MissingError, match="no commit yet"):
        LabRepo(tmp_path)


def test_a_bare_repository_is_refused(lab: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(lab), "bare.git")
    with pytest.raises(UsageError, match="bare"):
        LabRepo(tmp_path / "bare.git")


def test_an_uncommitted_train_py_is_refused(lab: Path) -> None:
    git(lab, "rm", "-q", "--cached", "train/train.py")
    git(lab, "commit", "-qm", "forgotten")
    with pytest.raises(UsageError, match="not committed as a regular file"):
        LabRepo(lab)


def test_a_train_py_that_is_a_link_is_refused(lab: Path) -> None:
    (lab / "train" / "train.py").unlink()
    (lab / "train" / "train.py").symlink_to("/etc/passwd")
    git(lab, "commit", "-qam", "link")
    with pytest.raises(UsageError, match="regular file"):
        LabRepo(lab)


def test_a_repository_of_another_user_is_missing_a_permission(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    subprocess.run(["chown", "-R", "12345", str(lab)], check=True)
    with pytest.raises(MissingError, match="another user") as caught:
        LabRepo(lab)
    assert "safe.directory" in caught.value.advice


def test_dirty_names_changed_files_of_the_lab_alone(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "top" / "lab", top=tmp_path / "top")
    (tmp_path / "top" / "outside.txt").write_text("x")
    (lab / "runner.toml").write_text("changed\n")
    (lab / "prepare" / "__init__.py").write_text("changed and staged\n")
    git(lab, "add", "prepare")
    (lab / "prepare" / "new.py").write_text("untracked\n")
    assert LabRepo(lab).dirty(["runner.toml", "prepare", "train"]) == ["prepare/__init__.py", "runner.toml"]


def test_a_touched_file_is_not_dirty(lab: Path) -> None:
    os.utime(lab / "runner.toml", (1, 1))
    before = snapshot(lab)
    assert LabRepo(lab).dirty(["runner.toml"]) == []
    assert snapshot(lab) == before  # git would write what it learnt to the index


def test_a_lab_whose_name_is_a_pattern_is_not_taken_for_one(tmp_path: Path) -> None:
    make_lab(tmp_path / "top" / "lab-2", top=tmp_path / "top")
    lab = make_lab(tmp_path / "top" / "lab*", top=tmp_path / "top")
    (tmp_path / "top" / "lab-2" / "runner.toml").write_text("changed\n")
    assert LabRepo(lab).dirty(["runner.toml"]) == []


def test_creating_a_branch_twice_at_one_commit_is_nothing(lab: Path) -> None:
    repo = started(lab)
    repo.create_branch("nov23", repo.base)
    assert repo.tip("nov23") == repo.base


def test_a_branch_that_is_elsewhere_is_not_taken_over(lab: Path) -> None:
    repo = started(lab)
    git(lab, "commit", "-q", "--allow-empty", "-m", "second")
    with pytest.raises(UsageError, match="exists already"):
        repo.create_branch("nov23", LabRepo(lab).base)


def test_a_branch_in_the_way_of_all_runs_is_said(lab: Path) -> None:
    git(lab, "branch", "autoresearch")
    with pytest.raises(UsageError, match=r"cannot be made.*autoresearch"):
        started(lab)


def test_a_branch_advances_only_from_where_it_should_be(lab: Path) -> None:
    repo = started(lab)
    one = repo.commit_trial("nov23", 1, repo.base, b"1\n", "1")
    two = repo.commit_trial("nov23", 2, repo.base, b"2\n", "2")
    repo.advance("nov23", one, repo.base)
    with pytest.raises(UsageError, match="moved while"):
        repo.advance("nov23", two, repo.base)
    assert repo.tip("nov23") == one


def test_tags_are_those_with_a_branch_or_a_trial(lab: Path) -> None:
    repo = started(lab, "a")
    repo.commit_trial("b.c", 1, repo.base, b"x\n", "x")
    git(lab, "branch", "unrelated")
    assert repo.tags() == ["a", "b.c"]


def test_removing_a_run_leaves_the_others_and_nothing_of_itself(lab: Path) -> None:
    repo = started(lab, "nov23")
    repo.create_branch("nov23-2", repo.base)
    repo.commit_trial("nov23-2", 1, repo.base, b"x\n", "x")
    repo.ensure_worktree("nov23")
    repo.commit_trial("nov23", 1, repo.base, b"x\n", "x")
    repo.remove_run("nov23")
    assert repo.tags() == ["nov23-2"]
    assert not (lab / "runs" / "nov23" / "worktree").exists()
    assert git(lab, "worktree", "list").count("\n") == 0
    repo.remove_run("nov23")


TAGS = ["nov23", "nov23-2", "a", "0", "a.b_c-d", "a" * 64]
NO_TAGS = [
    "",
    "A",
    "a/b",
    "a..b",
    "a.",
    "a.lock",
    ".a",
    "-a",
    "a b",
    "a~1",
    "a^",
    "a:b",
    "a\n",
    "é",
    "a" * 65,
    "a@{",
]


@pytest.mark.parametrize("tag", TAGS + NO_TAGS)
def test_what_passes_as_a_tag_is_a_branch_name_to_git(lab: Path, tag: str) -> None:
    try:
        passes = bool(check_tag(tag))
    except UsageError:
        passes = False
    assert passes == (tag in TAGS)
    if passes:
        git(lab, "check-ref-format", f"refs/heads/autoresearch/{tag}")


def test_the_default_tag_is_todays_and_free() -> None:
    day = datetime.date(2025, 11, 23)
    assert default_tag([], day) == "nov23"
    assert default_tag(["nov23", "nov23-2", "dec1"], day) == "nov23-3"
