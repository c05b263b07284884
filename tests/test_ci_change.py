"""What a head may change: every kind of change to a lab is refused and named, in real repositories."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import ci_lab
import conftest
import pytest

from runner.ci import baselab, change, event, gate
from runner.errors import UsageError
from runner.record.change import Revisions


@pytest.fixture
def repository(tmp_path: Path) -> ci_lab.Repository:
    return ci_lab.Repository(tmp_path / "repository")


def refused(found: tuple[gate.Gate, bool]) -> list[tuple[str, str]]:
    result = found[0].result
    assert not found[1]
    assert (result.verdict, result.cause) == ("refused", "lab-changed")
    return list(result.refused)


def test_a_change_to_train_py_alone_passes(repository: ci_lab.Repository) -> None:
    found, to_train = repository.look(repository.head())
    assert to_train
    assert (found.base_source, found.head_source) == (ci_lab.BASE.encode(), ci_lab.BETTER.encode())


@pytest.mark.parametrize(
    "path",
    ["runner.toml", "program.md", "Dockerfile", "prepare/__init__.py", "images/trial.txt", "texts/a.txt"],
)
def test_a_changed_file_of_the_lab_is_refused(repository: ci_lab.Repository, path: str) -> None:
    repository.head()
    repository.write(path, "other\n")
    assert refused(repository.look(repository.commit("x"))) == [(path, "changed")]


@pytest.mark.parametrize(
    "path",
    [
        "prepare/new.py", "images/x", "train/other.py", "data/val.npy", "runs/calibration.json", "texts/b.txt",
        ".gitattributes", "train/.gitattributes", "Prepare/bits.py", "TRAIN/train.py", "train/Train.py",
        "RUNNER.TOML", "prepare./x.py", "pre\u200bpare/x.py", "prepare/a\nb`c`.py",
    ],
)  # fmt: skip
def test_a_file_added_to_the_lab_or_easily_taken_for_its_own_is_refused(
    repository: ci_lab.Repository, path: str
) -> None:
    repository.head()
    repository.write(path, "x")
    assert refused(repository.look(repository.commit("x"))) == [(path, "added")]


def test_a_path_that_is_no_utf8_is_named(repository: ci_lab.Repository) -> None:
    repository.head()
    (repository.top / os.fsdecode(b"prepare/\xff.py")).write_bytes(b"")
    assert refused(repository.look(repository.commit("x"))) == [("prepare/\\xff.py", "added")]


def test_a_deleted_file_is_refused(repository: ci_lab.Repository) -> None:
    repository.head()
    (repository.top / "program.md").unlink()
    assert refused(repository.look(repository.commit("x"))) == [("program.md", "deleted")]


def test_a_renamed_file_is_refused_under_both_names(repository: ci_lab.Repository) -> None:
    repository.head()
    (repository.top / "prepare/__init__.py").rename(repository.top / "prepare/other.py")
    found = refused(repository.look(repository.commit("x")))
    assert found == [("prepare/__init__.py", "deleted"), ("prepare/other.py", "added")]


def test_a_file_moved_out_of_the_lab_is_refused(repository: ci_lab.Repository) -> None:
    repository.head()
    (repository.top / "program.md").rename(repository.top / "elsewhere.md")
    assert refused(repository.look(repository.commit("x"))) == [("program.md", "deleted")]


def test_a_changed_mode_is_refused(repository: ci_lab.Repository) -> None:
    repository.head()
    (repository.top / "prepare/__init__.py").chmod(0o755)
    assert refused(repository.look(repository.commit("x"))) == [
        ("prepare/__init__.py", "mode 100644 to 100755")
    ]


def test_a_link_in_place_of_a_file_is_refused(repository: ci_lab.Repository) -> None:
    repository.head()
    (repository.top / "program.md").unlink()
    (repository.top / "program.md").symlink_to("/etc/passwd")
    assert refused(repository.look(repository.commit("x"))) == [("program.md", "type changed, a symbolic link")]


def test_a_link_in_place_of_a_folder_is_refused(repository: ci_lab.Repository) -> None:
    repository.head()
    repository.git("rm", "-rq", "prepare")
    (repository.top / "prepare").symlink_to("/etc")
    found = refused(repository.look(repository.commit("x")))
    assert ("prepare", "added, a symbolic link") in found


def test_a_submodule_in_the_lab_is_refused(repository: ci_lab.Repository) -> None:
    head = repository.head()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},prepare/sub")
    repository.git("commit", "-q", "-m", "x")
    found = refused(repository.look(repository.git("rev-parse", "HEAD")))
    assert found == [("prepare/sub", "added, a submodule")]


def test_a_file_in_place_of_the_labs_folder_is_refused(tmp_path: Path) -> None:
    repository = ci_lab.Repository(tmp_path / "repository", "some/lab/")
    repository.git("switch", "-q", "--detach", "main")
    repository.git("rm", "-rq", "some")
    repository.write("some", "x")
    head = repository.commit("x")
    repository.git("switch", "-q", "main")
    assert ("some", "added") in refused(repository.look(head))


@pytest.mark.parametrize("target", ["/etc/passwd", "../runner.toml"])
def test_a_train_py_that_is_a_link_is_refused(repository: ci_lab.Repository, target: str) -> None:
    repository.head(None)
    (repository.top / "train/train.py").unlink()
    (repository.top / "train/train.py").symlink_to(target)
    found, to_train = repository.look(repository.commit("x"))
    assert not to_train
    assert (found.result.verdict, found.result.cause) == ("refused", "no-train-py")
    assert found.head_source == b""


def test_a_head_without_train_py_is_refused(repository: ci_lab.Repository) -> None:
    repository.head(None)
    (repository.top / "train/train.py").unlink()
    found, _ = repository.look(repository.commit("x"))
    assert (found.result.verdict, found.result.cause) == ("refused", "no-train-py")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (b"def f(:\n", "not-python"),
        (b"\xff\xfe", "not-python"),
        (b"x\0", "not-python"),
        (b"#" * 300_000, "not-python"),
    ],
)
def test_a_train_py_that_is_no_program_is_refused(
    repository: ci_lab.Repository, source: bytes, cause: str
) -> None:
    repository.head(None)
    repository.write("train/train.py", source)
    found, to_train = repository.look(repository.commit("x"))
    assert not to_train
    assert (found.result.verdict, found.result.cause) == ("refused", cause)


@pytest.mark.parametrize("source", [ci_lab.BASE, ci_lab.BASE + "# a comment\n", None])
def test_a_head_that_changes_nothing_is_not_better_and_not_trained(
    repository: ci_lab.Repository, source: str | None
) -> None:
    found, to_train = repository.look(repository.head(source))
    assert not to_train
    assert (found.result.verdict, found.result.cause, found.result.exit_code) == ("not-better", "same", 1)


def test_what_lies_outside_of_the_lab_may_change_and_is_named(repository: ci_lab.Repository) -> None:
    repository.head()
    repository.write("README.md", "Other.\n")
    repository.write("prepared.md", "not prepare/\n")
    repository.write(".github/workflows/gate.yml", "on: push\n")
    found, to_train = repository.look(repository.commit("x"))
    assert to_train
    assert [path for path, _ in found.result.outside] == [
        ".github/workflows/gate.yml",
        "README.md",
        "prepared.md",
    ]
    assert [path for path, _ in found.result.gate] == [".github/workflows/gate.yml"]


def test_settings_are_the_bases_whatever_the_head_says(repository: ci_lab.Repository) -> None:
    repository.head()
    repository.write("runner.toml", "[trial]\nbudget_seconds = 9999\n")
    found, _ = repository.look(repository.commit("x"))
    assert found.settings.trial.budget_seconds == 300
    assert found.result.budget_seconds == 300


def test_a_head_is_held_against_where_it_left_the_base(repository: ci_lab.Repository) -> None:
    head = repository.head()
    repository.git("switch", "-q", "main")
    repository.write("prepare/__init__.py", "newer = 1\n")
    repository.commit("the lab moves on")
    found, to_train = repository.look(head)
    assert to_train
    assert found.result.merge_base == repository.base
    assert found.result.base.sha == repository.git("rev-parse", "main")


def test_a_head_whose_base_has_another_train_py_by_now_is_refused(repository: ci_lab.Repository) -> None:
    head = repository.head()
    repository.git("switch", "-q", "main")
    repository.write("train/train.py", "LR = 1\n")
    repository.commit("somebody was quicker")
    found, to_train = repository.look(head)
    assert not to_train
    assert (found.result.verdict, found.result.cause) == ("refused", "stale")


def test_no_filter_or_attribute_changes_the_bytes_that_are_judged(repository: ci_lab.Repository) -> None:
    repository.git("config", "filter.evil.smudge", "sed s/LR/XX/")
    repository.git("config", "filter.evil.clean", "cat")
    repository.git("config", "diff.evil.textconv", "touch ran;cat")
    (repository.top / ".git/info/attributes").write_text("train.py filter=evil diff=evil text eol=crlf ident\n")
    found, to_train = repository.look(repository.head())
    assert to_train
    assert found.head_source == ci_lab.BETTER.encode()
    assert not (repository.top / "ran").exists()


def test_no_hook_runs_and_nothing_is_checked_out(repository: ci_lab.Repository, tmp_path: Path) -> None:
    head = repository.head()
    repository.git("switch", "-q", "main")
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        hook = repository.top / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    (tmp_path / "ran").unlink(missing_ok=True)
    repository.look(head)
    assert not (tmp_path / "ran").exists()
    assert (repository.top / "train/train.py").read_text() == ci_lab.BASE


def test_a_lab_in_a_folder_of_the_repository_is_found_from_below_it(tmp_path: Path) -> None:
    repository = ci_lab.Repository(tmp_path / "repository", "some/lab/")
    head = repository.head()
    found, to_train = gate.look(repository.lab / "train", event.Asked(["main"], [head]), {}, {})
    assert to_train
    assert (found.prefix, found.result.train_path) == ("some/lab/", "some/lab/train/train.py")


def test_a_base_without_a_lab_is_wrong_usage(repository: ci_lab.Repository) -> None:
    repository.git("rm", "-q", "runner.toml")
    repository.commit("x")
    with pytest.raises(UsageError, match=r"no runner\.toml"):
        repository.look("HEAD")


def test_a_shallow_clone_says_how_to_get_the_history(repository: ci_lab.Repository, tmp_path: Path) -> None:
    repository.head()
    repository.git("branch", "topic")
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", "--branch=topic", f"file://{repository.top}", str(clone)],
        check=True,
    )
    for base in (repository.base, "main"):
        with pytest.raises(UsageError) as raised:
            gate.look(clone, event.Asked([base], ["HEAD"]), {}, {})
        assert "fetch-depth: 0" in raised.value.advice


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "-h", "a b", "HEAD\n", "", "@{-1}", "$(id)"])
def test_a_name_that_is_no_revision_is_wrong_usage(repository: ci_lab.Repository, name: str) -> None:
    with pytest.raises(UsageError):
        gate.look(repository.lab, event.Asked([name], ["HEAD"]), {}, {})


def test_histories_without_a_common_commit_are_wrong_usage(repository: ci_lab.Repository) -> None:
    repository.git("switch", "-q", "--orphan", "other")
    repository.write("train/train.py", ci_lab.BETTER)
    other = repository.commit("x")
    with pytest.raises(UsageError, match="no common history"):
        repository.look(other)


def test_the_lab_of_the_base_is_put_down_byte_for_byte(repository: ci_lab.Repository, tmp_path: Path) -> None:
    found, _ = repository.look(repository.head())
    lab = baselab.materialise(found.repo, repository.base, "", found.settings, tmp_path / "state", print)
    assert (lab.root / "texts/a.txt").read_text() == "Once upon a time.\n"
    assert not (lab.root / "train").exists()
    assert lab.prepare_files() == {"prepare/__init__.py": b""}


def test_a_lab_that_was_tampered_with_is_made_anew(repository: ci_lab.Repository, tmp_path: Path) -> None:
    found, _ = repository.look(repository.head())
    asked = found.repo, repository.base, "", found.settings, tmp_path / "state"
    lab = baselab.materialise(*asked, print)
    (lab.root / "prepare/evil.py").write_text("x")
    said: list[str] = []
    again = baselab.materialise(*asked, said.append)
    assert again.root == lab.root
    assert not (lab.root / "prepare/evil.py").exists()
    assert said


def test_a_lab_with_its_data_is_kept_for_the_next_job_and_for_another_train_py(
    repository: ci_lab.Repository, tmp_path: Path
) -> None:
    found, _ = repository.look(repository.head())
    first = baselab.materialise(found.repo, repository.base, "", found.settings, tmp_path, print)
    (first.root / "data").mkdir()
    (first.root / "data/x").write_text("data")
    head = repository.git("rev-parse", "HEAD")
    second = baselab.materialise(found.repo, head, "", found.settings, tmp_path, print)
    assert (second.root / "data/x").read_text() == "data"


def test_another_prepare_is_another_lab(repository: ci_lab.Repository, tmp_path: Path) -> None:
    found, _ = repository.look(repository.head())
    first = baselab.materialise(found.repo, repository.base, "", found.settings, tmp_path, print)
    repository.write("prepare/__init__.py", "x = 1\n")
    changed = repository.commit("x")
    assert baselab.materialise(found.repo, changed, "", found.settings, tmp_path, print).root != first.root


def test_a_link_in_the_bases_lab_is_wrong_usage(repository: ci_lab.Repository, tmp_path: Path) -> None:
    (repository.top / "prepare/link.py").symlink_to("/etc/passwd")
    base = repository.commit("x")
    repo = Revisions(repository.lab)
    with pytest.raises(UsageError, match=r"prepare/link\.py"):
        baselab.materialise(repo, base, "", baselab.settings_of(repo, base, ""), tmp_path, print)


def test_a_text_outside_of_the_repository_is_where_the_checkout_would_have_it(
    repository: ci_lab.Repository,
) -> None:
    repository.write("runner.toml", '[data]\nsource = "text:../shared/tales"\n')
    repo, base = Revisions(repository.lab), repository.commit("x")
    assert baselab.settings_of(repo, base, "").data.source == f"text:{repository.top.parent / 'shared/tales'}"


@pytest.mark.parametrize(
    ("diff", "line"),
    [
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n a\n b\n+c\n d\n", 3),
        ("@@ -10,3 +12,2 @@\n a\n-b\n c\n", 13),
        ("@@ -1 +1 @@\n-a\n+b\n", 1),
        ("", 1),
    ],
)
def test_the_first_changed_line_is_where_an_annotation_belongs(diff: str, line: int) -> None:
    assert change.first_changed_line(diff) == line


def crossed(repository: ci_lab.Repository) -> tuple[str, str]:
    """Two commits that main joins: one beside the lab, one that mends prepare/."""
    sides = []
    for path in ("README.md", "prepare/__init__.py"):
        repository.git("switch", "-q", "--detach", repository.base)
        repository.write(path, "mended = 1\n")
        sides.append(repository.commit("a side"))
    repository.git("switch", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "one", sides[0])
    repository.git("merge", "-q", "--no-ff", "-m", "both", sides[1])
    return sides[0], sides[1]


def test_a_head_that_threw_away_what_one_of_two_merge_bases_mended_is_refused(
    repository: ci_lab.Repository,
) -> None:
    one, other = crossed(repository)
    repository.git("switch", "-q", "--detach", one)
    repository.git("merge", "-q", "-s", "ours", "-m", "taken", other)
    repository.write("train/train.py", ci_lab.BETTER)
    found, to_train = repository.look(repository.commit("better"))
    assert not to_train
    assert (found.result.verdict, found.result.cause) == ("refused", "stale")
    assert "Bring the branch up to date" in found.result.reason


def test_a_head_made_from_a_base_that_joined_two_sides_is_judged(repository: ci_lab.Repository) -> None:
    crossed(repository)
    assert repository.look(repository.head())[1]


def test_no_diff_is_made_of_a_train_py_that_is_too_large(repository: ci_lab.Repository) -> None:
    found, _ = repository.look(repository.head("# much\n" * 60_000))
    assert (found.result.cause, found.result.diff) == ("not-python", "")


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/x.yml",
        ".gitlab-ci.yml",
        ".gitlab/x.yml",
        "action.yml",
        "ci/check.sh",
        "runner/loop.py",
    ],
)
def test_a_change_of_the_gate_itself_is_for_a_person_to_read(repository: ci_lab.Repository, path: str) -> None:
    repository.head()
    repository.write("circus/action.yml", "beside\n")
    repository.write(path, "other\n")
    found, _ = repository.look(repository.commit("x"))
    assert found.result.gate == ((path, "added"),)


def test_the_runners_own_files_are_read_by_few_gits(
    repository: ci_lab.Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        repository.write(f"runner/ci/of{number}.py", f"x = {number}\n")
    for path in (conftest.ROOT / "runner").rglob("*.py"):
        repository.write(f"runner/{path.relative_to(conftest.ROOT / 'runner')}", path.read_bytes())
    repository.commit("the runner beside the lab")
    counter = tmp_path / "bin/git"
    counter.parent.mkdir()
    real = subprocess.run(
        ["sh", "-c", "command -v git"], check=True, capture_output=True, text=True
    ).stdout.strip()
    counter.write_text(f'#!/bin/sh\necho >> {tmp_path}/count\nexec {real} "$@"\n')
    counter.chmod(0o755)
    monkeypatch.setenv("PATH", str(counter.parent), prepend=os.pathsep)
    judged = "gate.own_judge(Revisions(Path.cwd()), 'HEAD', {'CI': 'true'})"
    program = (
        f"from pathlib import Path; from runner.ci import gate; from runner.ci.gate import Revisions; {judged}"
    )
    subprocess.run([sys.executable, "-c", program], cwd=repository.top, check=True, timeout=60)
    assert 1 <= len((tmp_path / "count").read_text().splitlines()) <= 10


def test_a_pointer_of_git_lfs_in_the_bases_lab_is_wrong_usage(
    repository: ci_lab.Repository, tmp_path: Path
) -> None:
    repository.write("texts/b.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    repo, base = Revisions(repository.lab), repository.commit("x")
    with pytest.raises(UsageError, match=r"texts/b\.txt of the base is a pointer of Git LFS"):
        baselab.materialise(repo, base, "", baselab.settings_of(repo, base, ""), tmp_path / "state", print)


def labs(repository: ci_lab.Repository, state: Path, days: int) -> Path:
    """A state with five other labs, unused for so long, after a job; the folder of labs."""
    for number in range(5):
        made = state / f"labs/{number}"
        made.mkdir(parents=True)
        used = time.time() - days * 86_400 - 100 + number
        os.utime(made, (used, used))
    (state / "labs/.new-x/prepare").mkdir(parents=True)
    repo = Revisions(repository.lab)
    settings = baselab.settings_of(repo, repository.base, "")
    baselab.materialise(repo, repository.base, "", settings, state, print)
    return state / "labs"


@pytest.mark.parametrize(
    ("days", "kept"), [(baselab.KEPT_DAYS - 1, {"0", "1", "2", "3", "4"}), (baselab.KEPT_DAYS, {"3", "4"})]
)
def test_labs_that_nobody_used_for_long_go_but_for_the_newest(
    repository: ci_lab.Repository, tmp_path: Path, days: int, kept: set[str]
) -> None:
    found = {path.name for path in labs(repository, tmp_path / "state", days).iterdir()}
    assert {name for name in found if len(name) == 1} == kept
    assert len([name for name in found if len(name) == 32]) == 1


def test_what_a_killed_job_left_half_made_is_removed(repository: ci_lab.Repository, tmp_path: Path) -> None:
    assert list(labs(repository, tmp_path / "state", 1).glob(".new-*")) == []
