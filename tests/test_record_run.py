"""The folder of a run: one at work at a time, headers and states whole or absent, nothing of it in git."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import factories
import pytest
import recordlab
from recordlab import git, make_lab

from runner.errors import InfraError, UsageError
from runner.record.files import explain
from runner.record.run import Header, RunFolder, atomic_write, existing

HEADER = Header(
    "nov23", "2025-11-23T18:00:00Z", "a" * 40, factories.PINS, {"trial": {"cpus": 0.0}}, 7, {"gpu": None}
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, "nov23")


def test_looking_at_a_run_makes_nothing(folder: RunFolder, tmp_path: Path) -> None:
    assert not folder.exists()
    assert folder.holder() is None
    assert folder.current() is None
    assert list(tmp_path.iterdir()) == []


def test_the_header_comes_back_as_it_was(folder: RunFolder) -> None:
    folder.create(HEADER)
    assert folder.exists()
    assert folder.header() == HEADER


def test_a_run_is_started_once(folder: RunFolder) -> None:
    folder.create(HEADER)
    with pytest.raises(UsageError, match="started already"):
        folder.create(HEADER)


def test_an_unknown_run_is_told_with_those_there_are(folder: RunFolder, tmp_path: Path) -> None:
    folder.create(HEADER)
    with pytest.raises(UsageError, match="no run other") as caught:
        RunFolder(tmp_path, "other").header()
    assert "nov23" in caught.value.advice
    assert existing(tmp_path) == ["nov23"]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b"\xff", b'{"pins": 1}'])
def test_a_damaged_header_is_told(folder: RunFolder, content: bytes) -> None:
    folder.create(HEADER)
    folder.run_json.write_bytes(content)
    with pytest.raises(UsageError, match=r"run\.json cannot be read"):
        folder.header()


def test_runs_never_enter_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    lab = make_lab(tmp_path / "lab")
    (lab / ".gitignore").unlink()
    git(lab, "commit", "-qam", "nothing is ignored")
    RunFolder(lab, "nov23").create(HEADER)
    git(lab, "add", "-A")
    assert git(lab, "status", "--porcelain") == ""


def hold(lab: Path, ready: object, go: object) -> None:
    with RunFolder(lab, "nov23").lock():
        ready.set()  # type: ignore[attr-defined]
        go.wait(30)  # type: ignore[attr-defined]


def held_elsewhere(lab: Path) -> tuple[multiprocessing.Process, object]:
    """Another process that holds the lock until it is told to let go."""
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    process = context.Process(target=hold, args=(lab, ready, go))
    process.start()
    assert ready.wait(10)
    return process, go  # type: ignore[return-value]


def test_the_second_on_a_tag_is_refused_and_told_who_is_first(folder: RunFolder, tmp_path: Path) -> None:
    process, go = held_elsewhere(tmp_path)
    try:
        with pytest.raises(UsageError, match=f"process {process.pid} on"), folder.lock():
            pytest.fail("both are at work")
        holder = folder.holder()
        assert holder is not None
        assert holder["pid"] == process.pid
    finally:
        go.set()  # type: ignore[attr-defined]
        process.join()
    with folder.lock():
        pass


def test_the_lock_of_a_killed_process_is_free(folder: RunFolder, tmp_path: Path) -> None:
    process, _ = held_elsewhere(tmp_path)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert folder.holder() is None
    with folder.lock():
        assert folder.lock_file.read_text().count(str(os.getpid())) == 1


def test_a_program_started_under_the_lock_does_not_inherit_it(folder: RunFolder) -> None:
    with folder.lock():
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with folder.lock():
            pass
    finally:
        child.communicate(b"\n")


def test_looking_whether_a_run_lives_does_not_stop_one_from_starting(folder: RunFolder) -> None:
    folder.ensure()
    looker = subprocess.Popen(
        [sys.executable, "-c", LOOK, str(folder.lock_file)], stdout=subprocess.PIPE, text=True
    )
    assert looker.stdout
    assert looker.stdout.readline() == "looking\n"
    with folder.lock():
        pass
    looker.wait()


LOOK = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_SH)
print("looking", flush=True)
time.sleep(0.2)
"""


def test_two_tags_are_two_locks(folder: RunFolder, tmp_path: Path) -> None:
    with folder.lock(), RunFolder(tmp_path, "nov23-2").lock():
        pass


def test_the_state_of_the_moment_can_be_read_and_cleared(folder: RunFolder) -> None:
    folder.create(HEADER)
    folder.set_current({"number": 3, "note": "é → ü"})
    assert folder.current() == {"number": 3, "note": "é → ü"}
    folder.set_current(None)
    assert folder.current() is None


def test_a_trials_folder_is_made_empty(folder: RunFolder) -> None:
    (folder.new_trial(7) / "log.txt").write_text("of a retry\n")
    assert list(folder.new_trial(7).iterdir()) == []
    assert folder.trial(7).name == "0007"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    atomic_write(target, b"old")
    with pytest.raises(TypeError):
        atomic_write(target, "text")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_runs_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(UsageError, match="runs"):
        RunFolder(tmp_path, "nov23").ensure()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_runs_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o555)
    with pytest.raises(UsageError, match="Permission denied"):
        RunFolder(tmp_path, "nov23").ensure()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EROFS])
def test_every_refusal_of_the_disk_is_one_of_the_runners_errors(code: int) -> None:
    error = explain(OSError(code, os.strerror(code), "runs/x"), Path("runs/x"))
    assert isinstance(error, UsageError if code in (errno.EACCES, errno.EROFS) else InfraError)
    assert os.strerror(code) in error.what
