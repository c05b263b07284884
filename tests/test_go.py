"""The main job, from a person's side: real engine, real git, real trainings of a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import environment, ledger

pytestmark = pytest.mark.engine


def git(lab: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=lab, check=True, capture_output=True, text=True
    ).stdout.strip()


def started(lab: Path, tag: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "runner", "--lab", str(lab), "go", "--tag", tag, *more]
    home = environment(lab.parent)
    return subprocess.Popen(command, env=home, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if words in line:
            return
    raise AssertionError(f"ended without {words!r}: {''.join(seen)}")


def agreement(lab: Path, tag: str) -> None:
    """Ledger, refs and branch tell the same story."""
    entries = ledger(lab, tag)
    refs = dict(
        line.split()[::-1]
        for line in git(lab, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    )
    for entry in entries:
        assert refs[f"refs/trials/{tag}/{entry['number']:04d}"] == entry["commit"]
    assert len([ref for ref in refs if ref.startswith(f"refs/trials/{tag}/")]) == len(entries)
    kept = [entry for entry in entries if entry["status"] == "keep"]
    assert refs[f"refs/heads/autoresearch/{tag}"] == kept[-1]["commit"]


def test_a_run_records_what_it_did_and_touches_nothing_of_the_users(
    lab: Path, tag: str, runner: Any, leftovers: Any
) -> None:
    before = git(lab, "rev-parse", "HEAD"), git(lab, "status", "--porcelain")
    done = runner(lab, "go", "--tag", tag, "--max-trials", "2")
    assert done.returncode == 0, done.stderr
    entries = ledger(lab, tag)
    assert [entry["number"] for entry in entries] == [0, 1, 2]
    assert entries[0]["status"] == "keep"
    assert all(entry["val_bpb"] is None or 1 < entry["val_bpb"] < 9 for entry in entries)
    agreement(lab, tag)
    assert (git(lab, "rev-parse", "HEAD"), git(lab, "status", "--porcelain")) == before
    folder = lab / "runs" / tag
    assert (folder / "progress.png").stat().st_size > 10_000
    assert (folder / "trials" / "0000" / "sample.txt").read_text().startswith("Once upon a time")
    assert (folder / "results.tsv").read_text().splitlines()[
        0
    ] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    assert leftovers() == []

    for command in (["status"], ["log"], ["show", "1"], ["diff", "1"], ["log", "--kept"]):
        shown = runner(lab, *command)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout
    assert "LR" in runner(lab, "diff", "1").stdout or "WIDTH" in runner(lab, "diff", "1").stdout
    drawn = runner(lab, "sample", "The old woman", "--length", "20")
    assert drawn.stdout.startswith("The old woman"), drawn.stderr

    removed = runner(lab, "clean", tag, "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not folder.exists()
    assert git(lab, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_kill_9_in_the_middle_of_a_trial_then_again_with_the_same_tag(
    lab: Path, tag: str, runner: Any, leftovers: Any
) -> None:
    process = started(lab, tag, "--max-trials", "3")
    read_until(process, "trial 1: training")
    time.sleep(2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert leftovers(), "there was a container under way"
    first = ledger(lab, tag)
    assert len(first) == 1
    again = runner(lab, "go", "--tag", tag, "--max-trials", "1")
    assert again.returncode == 0, again.stderr
    assert ledger(lab, tag)[:1] == first
    assert len(ledger(lab, tag)) == 2
    agreement(lab, tag)
    assert leftovers() == []


def test_ctrl_c_ends_the_container_records_nothing_false_and_exits_130(
    lab: Path, tag: str, leftovers: Any
) -> None:
    process = started(lab, tag, "--max-trials", "3")
    read_until(process, "trial 0: training")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert leftovers() == []
    assert not (lab / "runs" / tag / "ledger.jsonl").exists()


def test_a_second_go_on_the_same_tag_is_refused_and_the_first_goes_on(
    lab: Path, tag: str, runner: Any, leftovers: Any
) -> None:
    process = started(lab, tag, "--max-trials", "0")
    read_until(process, "trial 0: training")
    second = runner(lab, "go", "--tag", tag)
    assert second.returncode == 2
    assert str(process.pid) in second.stderr
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert leftovers() == []


def test_a_run_under_other_pins_is_refused_with_what_changed(lab: Path, tag: str, runner: Any) -> None:
    assert runner(lab, "go", "--tag", tag, "--max-trials", "0").returncode == 0
    (lab / "prepare" / "extra.py").write_text("# a change\n")
    refused = runner(lab, "go", "--tag", tag, "--budget", "19")
    assert refused.returncode == 2
    assert "prepare, settings" in refused.stderr
    assert "--new-tag" in refused.stderr


def test_a_baseline_that_does_not_train_is_a_clear_error(
    lab: Path, tag: str, runner: Any, leftovers: Any
) -> None:
    (lab / "train" / "train.py").write_text("raise SystemExit(3)\n")
    done = runner(lab, "go", "--tag", tag)
    assert done.returncode == 2
    assert "crash" in done.stderr
    assert "Traceback" not in done.stderr
    assert leftovers() == []


def test_a_command_of_the_users_own_proposes(lab: Path, tag: str, runner: Any) -> None:
    program = lab / "agent.py"
    program.write_text(
        "import pathlib, re\n"
        "p = pathlib.Path('train.py'); s = p.read_text()\n"
        "assert 'trial' in pathlib.Path('history.md').read_text()\n"
        "p.write_text(s.replace('LR = 0.03', 'LR = 0.0001'))\n"
        "pathlib.Path('note.txt').write_text('a far lower rate\\nsecond line')\n"
    )
    done = runner(
        lab, "go", "--tag", tag, "--max-trials", "1", "--agent", f"command:{sys.executable} {program}"
    )
    assert done.returncode == 0, done.stderr
    entry = ledger(lab, tag)[1]
    assert entry["note"] == "a far lower rate"
    assert entry["status"] == "discard"
    assert "LR = 0.0001" in git(lab, "show", f"refs/trials/{tag}/0001:train/train.py")


def test_trial_prints_one_json_object(lab: Path, runner: Any) -> None:
    done = runner(lab, "trial", "--seed", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"ending", "detail", "val_bpb", "train_seconds", "wall_seconds", "overrun_seconds",
                          "peak_memory_mb", "peak_vram_mb", "marks", "telemetry", "audit", "log"}  # fmt: skip
    assert found["ending"] == "ok"
    assert {"positions", "disagreements", "correction_bpb"} <= set(found["audit"])
    assert os.path.isfile(found["log"])


def test_trial_of_something_broken_exits_1(lab: Path, runner: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    done = runner(lab, "trial", "--train", str(broken), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["ending"], found["val_bpb"]) == ("crash", None)
    assert "ZeroDivisionError" in Path(found["log"]).read_text()
