"""A lab in a real git repository, for the tests of the record. The environment is scrubbed of the user's own git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import factories
import pytest

from runner.record.ledger import Ledger
from runner.record.reconcile import reconcile, record
from runner.record.repo import LabRepo
from runner.record.run import Header, RunFolder
from runner.trial import Entry, Status, digest

BASELINE = b"LR = 0.04\n"
HOOKS = (
    "pre-commit",
    "post-commit",
    "post-checkout",
    "reference-transaction",
    "post-index-change",
    "post-merge",
)


def isolate(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration and no identity but what a test sets."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    home.mkdir(exist_ok=True)
    for name, value in {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))


def git(where: Path, *arguments: str) -> str:
    """What a person would type, with an identity given and nothing else changed."""
    identity = ["-c", "user.name=A Person", "-c", "user.email=person@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=where, capture_output=True, text=True)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.removesuffix("\n")


def make_lab(lab: Path, top: Path | None = None, source: bytes = BASELINE) -> Path:
    """A committed lab; the repository's top is `top`, or the lab itself."""
    (lab / "train").mkdir(parents=True)
    (lab / "prepare").mkdir()
    (lab / "train" / "train.py").write_bytes(source)
    (lab / "prepare" / "__init__.py").write_text("WINDOW = 256\n")
    (lab / "runner.toml").write_text("[trial]\n")
    (lab / ".gitignore").write_text("/runs/\n")
    git(top or lab, "init", "-q", "-b", "main")
    git(top or lab, "add", "-A")
    git(top or lab, "commit", "-qm", "the lab")
    return lab


def hooks_that_leave_a_mark(lab: Path) -> Path:
    """Install hooks of every kind that could fire; the file that they write."""
    mark = lab.parent / "hook-fired"
    for name in HOOKS:
        hook = lab / ".git" / "hooks" / name
        hook.write_text(f'#!/bin/sh\necho {name} >> "{mark}"\n')
        hook.chmod(0o755)
    return mark


def snapshot(lab: Path) -> dict[str, object]:
    """All that is the user's: HEAD, branch, index, files outside runs/, configuration, stashes."""
    files = {
        str(path.relative_to(lab)): path.read_bytes()
        for path in sorted(lab.rglob("*"))
        if path.is_file() and path.relative_to(lab).parts[0] not in (".git", "runs")
    }
    place = Path(git(lab, "rev-parse", "--absolute-git-dir"))
    head, index = (place / "HEAD").read_bytes(), (place / "index").read_bytes()
    return {"files": files, "head": head, "index": index, "config": (place / "config").read_bytes()}


def start(repo: LabRepo, tag: str = "nov23") -> tuple[RunFolder, Ledger]:
    """A new run, as `runner go` starts one."""
    folder = RunFolder(repo.lab, tag)
    folder.create(Header(tag, "2025-11-23T18:00:00Z", repo.base, factories.PINS, {"trial": {}}, 1))
    ledger = Ledger(folder.ledger)
    reconcile(repo, folder, ledger)
    return folder, ledger


def decided(repo: LabRepo, folder: RunFolder, ledger: Ledger, source: bytes, status: Status) -> Entry:
    """A trial that has been committed and decided, not yet recorded."""
    number, tip = len(ledger), repo.tip(folder.tag)
    assert tip is not None
    sha = repo.commit_trial(folder.tag, number, tip, source, f"Trial {number}")
    return factories.entry(number, status, commit=sha, parent_commit=tip, proposal=digest(source))


def one_trial(repo: LabRepo, folder: RunFolder, ledger: Ledger, source: bytes, status: Status) -> Entry:
    """A whole trial."""
    entry = decided(repo, folder, ledger, source, status)
    record(repo, folder, ledger, entry)
    return entry


def disagreements(lab: Path, tag: str = "nov23") -> list[str]:
    """Where ledger, branch, refs, worktree and files tell different stories, read by plain git and plain files."""
    folder = RunFolder(lab, tag)
    entries = Ledger(folder.ledger).entries
    kept = [entry.commit for entry in entries if entry.status is Status.KEEP] or [folder.header().base]
    tip = git(lab, "rev-parse", f"refs/heads/autoresearch/{tag}")
    refs = git(
        lab, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", f"refs/trials/{tag}/"
    ).splitlines()
    committed = subprocess.run(
        ["git", "show", f"{tip}:train/train.py"], cwd=lab, capture_output=True, check=True
    ).stdout
    wrong = []
    if tip != kept[-1]:
        wrong.append("branch")
    if refs != [f"{entry.number:04d} {entry.commit}" for entry in entries]:
        wrong.append("refs")
    if (folder.worktree / "train" / "train.py").read_bytes() != committed:
        wrong.append("worktree")
    if git(folder.worktree, "status", "--porcelain"):
        wrong.append("worktree is dirty")
    if len(folder.results.read_text().splitlines()) != 1 + len(entries):
        wrong.append("results.tsv")
    if any(int(path.name) >= len(entries) for path in folder.trials.iterdir()):
        wrong.append("trials")
    if list(folder.path.glob(".*.tmp")):
        wrong.append("temporary files")
    return wrong
