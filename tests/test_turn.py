"""Turns on a device: one at a time over processes, the waiting one next, given back by the kernel, told to people."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import recordlab
import walklab
from bench_kill import Events

from runner.errors import InfraError
from runner.turn import turn

PROGRAM = """
import sys, time
from pathlib import Path
from runner.turn import turn
for _ in range(int(sys.argv[3])):
    with turn("gpu-0", sys.argv[2], lambda text: print(text, flush=True), Path(sys.argv[1])):
        print("mine", time.monotonic(), flush=True)
        time.sleep(float(sys.argv[4]))
        print("over", time.monotonic(), flush=True)
"""


def taker(folder: Path, name: str, times: int = 1, seconds: float = 0.4) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), name, str(times), str(seconds)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def spans(out: str) -> list[tuple[float, float]]:
    times = [float(line.split()[1]) for line in out.splitlines() if line.startswith(("mine", "over"))]
    return list(zip(times[::2], times[1::2], strict=True))


def test_of_four_processes_one_has_the_device_at_a_time_and_all_get_it(tmp_path: Path) -> None:
    outs = [process.communicate(timeout=30)[0] for process in [taker(tmp_path, f"run {n}") for n in range(4)]]
    had = sorted(span for out in outs for span in spans(out))
    assert len(had) == 4
    assert all(before[1] <= after[0] for before, after in pairwise(had))
    assert sum("waiting for gpu-0" in out for out in outs) == 3


def test_who_waits_comes_before_who_had_it_last(tmp_path: Path) -> None:
    greedy = taker(tmp_path, "a night's run", times=5, seconds=0.5)
    assert greedy.stdout is not None
    greedy.stdout.readline()
    with turn("gpu-0", "me", lambda _: None, tmp_path):
        had = time.monotonic()
    rest = greedy.communicate(timeout=30)[0]
    ended = [end for _, end in spans("mine 0\n" + rest)]  # the line above was read already
    assert sum(end < had for end in ended) == 1, "after one of its five turns"


def test_who_has_it_is_told_once_to_the_one_who_waits(tmp_path: Path) -> None:
    other = taker(tmp_path, "the run of July\x1b[31m", seconds=0.6)
    assert other.stdout is not None
    other.stdout.readline()
    said: list[str] = []
    with turn("gpu-0", "me", said.append, tmp_path) as waited:
        assert 0.2 < waited < 2
    other.communicate(timeout=10)
    assert said == [f"waiting for gpu-0, which is in use by process {other.pid}, the run of July[31m"]


def test_a_killed_process_has_nothing_any_more(tmp_path: Path) -> None:
    other = taker(tmp_path, "me", seconds=60)
    assert other.stdout is not None
    other.stdout.readline()
    other.kill()
    other.communicate()
    with turn("gpu-0", "me", lambda text: pytest.fail(text), tmp_path) as waited:
        assert waited < 0.5


def test_another_device_is_another_turn(tmp_path: Path) -> None:
    with (
        turn("gpu-0", "a", lambda text: pytest.fail(text), tmp_path),
        turn("gpu-1", "b", lambda text: pytest.fail(text), tmp_path),
    ):
        assert len(list(tmp_path.iterdir())) == 4


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "autoresearch-gpu-0.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(InfraError, match="cannot be opened"), turn("gpu-0", "me", print, tmp_path):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("mode", [0o666, 0o644])
def test_another_users_file_can_be_locked_whatever_its_mode(mode: int) -> None:
    if os.getuid():
        pytest.skip("needs root, to become another user")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        with turn("gpu-0", "root", print, folder):
            pass
        for file in folder.iterdir():
            assert file.stat().st_mode & 0o777 == 0o666, "every user may tell that the device is theirs"
            file.chmod(mode)
        code = PROGRAM.replace("for _ in", "import os\nos.setuid(65534)\nfor _ in")
        arguments = [str(folder), "nobody", "1", "0"]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert "mine" in done.stdout, done.stderr
        told = (folder / "autoresearch-gpu-0.lock").read_text()
        assert told.endswith("nobody" if mode == 0o666 else "root")


@pytest.mark.engine
def test_two_runs_that_take_turns_train_one_after_the_other(
    tmp_path: Path, engine: Any, image: str, tag: str
) -> None:
    """With trial.alone = "always": the events of the engine tell when trainings ran."""
    lab = walklab.make(tmp_path / "lab", alone="always")
    tags = (tag, f"test-{secrets.token_hex(4)}")
    events = [Events(engine, one) for one in tags]
    runs = [walklab.runner(lab, "go", "--tag", one, "--max-trials", "1", "--no-holdout") for one in tags]
    told = [walklab.ended(run) for run in runs]
    assert [code for code, _, _ in told] == [0, 0], told
    assert any("waiting for cpu, which is in use by process" in err for _, _, err in told)
    had = [(of.times[one, "start"], of.times[one, "die"]) for of in events for one in of.started]
    had.sort()
    assert len(had) == 4
    assert all(before[1] < after[0] for before, after in pairwise(had))
    for one in tags:
        walklab.clean(lab, one, engine)


@pytest.mark.engine
def test_a_ci_job_and_a_persons_run_take_turns_on_one_lock(
    tmp_path: Path, engine: Any, image: str, tag: str
) -> None:
    """Two real processes, `runner ci` and `runner go`, with trial.alone = "always"; the lock is the machine's own."""
    lab = walklab.make(tmp_path / "lab", lingers=False, alone="always")
    base = recordlab.git(lab, "rev-parse", "HEAD")
    train = lab / "train" / "train.py"
    train.write_text(train.read_text().replace("K = 1\n", "K = 2\n"))
    recordlab.git(lab, "commit", "-qam", "better")
    head = recordlab.git(lab, "rev-parse", "HEAD")
    recordlab.git(lab, "reset", "-q", "--hard", base)
    events = Events(engine)
    places = ("--out", str(tmp_path / "out"), "--state", str(tmp_path / "state"))
    runs = [
        walklab.runner(lab, "ci", "--base", base, "--head", head, *places),
        walklab.runner(lab, "go", "--tag", tag, "--max-trials", "3", "--no-holdout"),
    ]
    told = [walklab.ended(run) for run in runs]
    assert [code for code, _, _ in told] == [0, 0], told
    assert '"verdict": "better"' in (tmp_path / "out" / "result.json").read_text()
    assert any("waiting for cpu, which is in use by process" in err for _, _, err in told)
    ci, go = (events.trainings(run.pid) for run in runs)
    assert (len(ci), len(go)) == (2, 4)  # base and head; the baseline and three trials
    assert all(before[1] < after[0] for before, after in pairwise(sorted(ci + go))), "no two at once"
    walklab.clean(lab, tag, engine)


def test_a_longer_name_from_before_leaves_nothing_behind_a_shorter_one(tmp_path: Path) -> None:
    for who in ("a run with a long name", "b"):
        with turn("gpu-0", who, print, tmp_path):
            pass
    assert (tmp_path / "autoresearch-gpu-0.lock").read_text() == f"process {os.getpid()}, b"
