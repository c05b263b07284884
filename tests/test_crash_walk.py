"""The crash walk: the real program is killed at steps of its journey and started again; nothing may disagree.

A spread of the steps runs always; with `--slow`, every request to the engine. `tests/bench_crash.py` also walks
every line of the program's own code. The journey of the host alone, with a bench of this file in the place of the
engine, is walked line by line below: a spread always, all of it with `--slow`.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import factories
import pytest
import recordlab
import walklab
from bench_crash import LEFT_OUT, Walk, left_out
from relay import Relay
from test_loop import Quiet

import runner
from runner import run as runs  # before lines are looked at: those of its import are no step of a journey
from runner.config import RatchetSettings
from runner.errors import UsageError
from runner.lab import open_lab
from runner.loop import Limits, Loop, Trial
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.trial import Attempt, History, Proposal, Role, Status

SPREAD = (
    ("create filler", "sent"), ("start keep", "sent"), ("put files into keep", "answered"), ("create train", "sent"),
    ("start train", "sent"), ("wait train", "sent"), ("start claims", "answered"), ("get files of keep", "sent"),
    ("remove keep", "sent"), ("start sample's sample", "answered"),
)  # fmt: skip


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, engine: Any, image: str) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("walk")
    relay = Relay(folder / "engine.sock", engine.url)
    walk = Walk(walklab.make(folder / "lab", lingers=False), engine, relay)
    walk.begin()
    yield walk
    print(walk.report())
    relay.close()
    walklab.clean(walk.lab, walk.tag, engine)


@pytest.mark.engine
@pytest.mark.parametrize(("request_", "when"), SPREAD, ids=lambda value: value.replace(" ", "-"))
def test_killed_at_a_request_to_the_engine_nothing_disagrees_and_nothing_is_left(
    walk: Walk, request_: str, when: str
) -> None:
    assert walk.kill_at_request(request_, when) == []
    assert walk.missed == [], "the program was not killed"


@pytest.mark.engine
@pytest.mark.slow
def test_killed_at_every_request_to_the_engine_nothing_disagrees_and_nothing_is_left(walk: Walk) -> None:
    requests = walk.requests()
    assert len(requests) > 60
    for request in requests:
        for when in ("before", "sent", "answered"):
            walk.kill_at_request(request, when)
    assert len(walk.missed) < 0.1 * len(walk.table)
    assert [(step, wrong) for step, wrong in walk.table if wrong] == []


@pytest.mark.engine
def test_killed_before_the_first_trial_is_recorded_the_run_begins_anew(walk: Walk) -> None:
    tag, walk.tag = walk.tag, f"{walk.tag}-new"
    missed = list(walk.missed)  # with --slow, by the walk above
    try:
        assert walk.kill_at_request("create audit", "answered") == []
        assert walk.missed == missed, "the program was not killed"
    finally:
        walk.tag = tag


# What is walked

COMES_TO = {  # some of it, by name: a walk that found no such module would say nothing of it
    "asking.py", "curve.py", "evaluate.py", "holdouts.py", "jobs/research.py", "loop.py", "machine/host.py",
    "machine/telemetry.py", "record/ledger.py", "record/repo.py", "report/plot.py", "run.py", "sandbox/box.py",
    "sandbox/container.py", "sandbox/evidence.py", "sandbox/scratch.py", "scoring/client.py", "scoring/phases.py",
    "trust.py",
}  # fmt: skip


@pytest.mark.engine
def test_the_walk_over_lines_is_of_every_module_that_a_trial_comes_to_but_those_left_out(walk: Walk) -> None:
    lines = walk.lines()
    modules = {line.rpartition(":")[0] for line in lines}
    assert COMES_TO - modules == set()
    assert not {name for name in modules if left_out(name)}
    assert len(lines) > 1500


PACKAGE = Path(runner.__file__).parent
ACTS = {"subprocess", "shutil", "socket", "tempfile", "docker", "requests", "git", "pynvml", "sqlite3"}
WRITES = {"write_text", "write_bytes", "unlink", "rename", "mkdir", "touch", "rmdir", "savefig", "api"}
HARMLESS = {"os.environ", "os.get_terminal_size", "os.devnull", "os.name"}


def acts(path: Path) -> set[str]:
    """Names of modules and methods in `path` by which a program changes something outside of itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & ACTS
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} & ACTS
        elif isinstance(node, ast.Attribute):
            of_os = isinstance(node.value, ast.Name) and node.value.id == "os"
            found |= {f"os.{node.attr}"} - HARMLESS if of_os else {node.attr} & WRITES
    return found


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_the_walk_leaves_out_changes_nothing_outside_of_the_program(name: str) -> None:
    paths = sorted((PACKAGE / name).glob("*.py")) if name.endswith("/") else [PACKAGE / name]
    assert paths
    assert {path.name: acts(path) for path in paths if acts(path)} == {}


# The host alone


class Bench:
    """`loop.Bench` without an engine: every longer K is better; it leaves what a training leaves."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        index = len(trial.attempts)
        place = self.folder.trial(trial.number) if index else self.folder.new_trial(trial.number)
        (place / f"attempt-{index}.log").write_text("a log\n")
        (place / "checkpoint.tar").write_bytes(b"a checkpoint")
        source = trial.incumbent if role is Role.INCUMBENT else trial.proposal.source
        better = len(source) if trial.number != 1 else -len(source)  # trial 1 is discarded
        return factories.attempt(3 - better / 100, index, role=role)


class Longer:
    """`loop.Proposer`."""

    name = "longer"

    def propose(self, history: History) -> Proposal:
        return Proposal(history.incumbent + b"# K\n" * len(history.entries), "a longer one", self.name)


def drive(lab: Path, trials: int) -> list[str]:
    """`runner go` from the opening of the run on, until it has a baseline and `trials` more; what it said."""
    opened, repo, folder = open_lab(lab), LabRepo(lab), RunFolder(lab, "nov23")
    watcher = Quiet()
    with folder.lock():
        run = runs.open_run(opened, repo, folder, factories.PINS, {}, watcher.message)
        loop = Loop(Longer(), Bench(folder), run, watcher, RatchetSettings(rule="greedy", calibrate_trials=1))
        left = max(0, trials + 1 - max(1, len(run.entries)))
        loop.run(Proposal(recordlab.BASELINE, "baseline", "baseline"), Limits(trials=left))
    return watcher.messages


TRIALS = 2
FILES = tuple(str(Path(runner.__file__).parent / name) for name in ("loop.py", "run.py"))


def lines_of(lab: Path, stop: tuple[str, int] | None = None) -> set[tuple[str, int]]:
    """The lines of the loop and of the run that a drive comes to; the process dies before the line `stop`."""
    seen: set[tuple[str, int]] = set()

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        here = (frame.f_code.co_filename, frame.f_lineno)
        if here == stop:
            os._exit(9)
        seen.add(here)
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        ours = frame.f_code.co_filename in FILES and frame.f_code.co_name != "<module>"
        return line if ours else None

    sys.settrace(call)
    try:
        drive(lab, TRIALS)
    finally:
        sys.settrace(None)
    return seen


@pytest.fixture
def host_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    lab = recordlab.make_lab(tmp_path / "lab")
    (lab / "program.md").write_text("Make it better.\n")
    recordlab.git(lab, "add", "-A")
    recordlab.git(lab, "commit", "-qm", "instructions")
    return lab


def walk_lines(lab: Path, template: Path, every: int) -> tuple[int, list[str]]:
    """Kills a drive at every so-manieth line, in a child of its own; what is wrong after the restart."""
    shutil.copytree(lab, template)
    lines = sorted(lines_of(lab))[::every]
    wrong = []
    for line in lines:
        shutil.rmtree(lab)
        shutil.copytree(template, lab)
        child = os.fork()
        if child == 0:
            try:
                lines_of(lab, line)
            finally:
                os._exit(0)
        died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        name = f"{Path(line[0]).name}:{line[1]}"
        if died != 9:
            wrong.append(f"{name} was not come to")
            continue
        try:
            folder = RunFolder(lab, "nov23")
            before = folder.ledger.read_bytes() if folder.ledger.exists() else b""
            drive(lab, TRIALS)
            if not folder.ledger.read_bytes().startswith(before[: before.rfind(b"\n") + 1]):
                wrong.append(f"{name}: the ledger's past changed")
            found = walklab.wrong(lab, "nov23")
            if [e.status for e in walklab.Ledger(folder.ledger).entries] != [
                Status.KEEP,
                Status.DISCARD,
                Status.KEEP,
            ]:
                found.append("the trials are not those of a run that was left alone")
            wrong += [f"{name}: {what}" for what in found]
        except (UsageError, AssertionError, OSError) as error:
            wrong.append(f"{name}: {error}")
    return len(lines), wrong


def test_killed_at_lines_of_the_loop_and_the_record_the_run_is_that_of_one_left_alone(
    host_lab: Path, tmp_path: Path
) -> None:
    count, wrong = walk_lines(host_lab, tmp_path / "template", every=29)
    assert count >= 5
    assert wrong == []


@pytest.mark.slow
def test_killed_at_every_line_of_the_loop_and_the_record_the_run_is_that_of_one_left_alone(
    host_lab: Path, tmp_path: Path
) -> None:
    count, wrong = walk_lines(host_lab, tmp_path / "template", every=1)
    print(f"killed at {count} lines of loop.py and run.py, {len(wrong)} disagreements after the restart")
    assert count > 100
    assert wrong == []
