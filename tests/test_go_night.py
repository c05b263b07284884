"""A night from a person's side, in the engine: a suspicious trial accepted, the holdout scored, a clean Ctrl-C."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import walklab
from conftest import environment
from test_go import agreement, git, ledger, read_until, started

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab whose trainings take a moment. Copy it, do not change it."""
    return walklab.make(tmp_path_factory.mktemp("quick") / "lab", lingers=False)


@pytest.fixture
def lab(quick: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(quick, tmp_path / "lab"))


def with_agent(lab: Path, script: str, **more: str) -> None:
    """Give the lab a program that proposes, and a ratchet that is easily surprised."""
    settings = (lab / "runner.toml").read_text().replace("[ratchet]", "[ratchet]\nsuspicious_share = 0.01")
    for old, new in more.items():
        settings = settings.replace(old, new)
    (lab / "runner.toml").write_text(settings)
    (lab / "agent.py").write_text("import json, os, pathlib, sys, time\n" + script)
    subprocess.run(["git", "commit", "-qam", "another agent"], cwd=lab, check=True, env=environment(lab.parent))


LEARNS = """
p = pathlib.Path('train.py')
p.write_text(p.read_text().replace('K = 1\\n', 'K = 100\\n'))
pathlib.Path('note.txt').write_text('far less of the uniform distribution')
pathlib.Path('usage.json').write_text(json.dumps({'cost_usd': 0.25, 'tokens_in': 10, 'tokens_out': 20}))
"""


def test_a_jump_is_set_aside_then_accepted_kept_and_scored_on_the_holdout_once(
    lab: Path, tag: str, runner: Any, leftovers: Any
) -> None:
    with_agent(lab, LEARNS)
    first = runner(lab, "go", "--tag", tag, "--max-trials", "1")
    assert first.returncode == 0, first.stderr
    entry = ledger(lab, tag)[1]
    assert (entry["status"], bool(entry["suspicious"])) == ("discard", True)
    assert "runner diff 1" in first.stderr
    assert (lab / "runs" / tag / "results.tsv").read_text().splitlines()[2].split("\t")[3] == "discard"
    holdout = lab / "runs" / tag / "holdout.json"
    assert not holdout.exists(), "nothing was kept beside the baseline"
    assert "suspect" in runner(lab, "status").stdout
    assert runner(lab, "go", "--tag", tag, "--accept", "0").returncode == 2
    refused = runner(lab, "go", "--tag", tag, "--accept", "9", "--max-trials", "1")
    assert (refused.returncode, "not set aside" in refused.stderr) == (2, True)

    again = runner(lab, "go", "--tag", tag, "--max-trials", "1", "--accept", "1")
    assert again.returncode == 0, again.stderr
    kept = ledger(lab, tag)[2]
    assert (kept["status"], kept["agent"], kept["suspicious"]) == ("keep", "person", "")
    assert kept["proposal"] == entry["proposal"]
    agreement(lab, tag)
    found = json.loads(holdout.read_text())
    assert [look["trial"] for look in found["looks"]] == [2]
    assert found["looks"][0]["holdout_gain"] > 0.01
    assert abs(found["optimism"]) < 0.5 * found["looks"][0]["holdout_gain"], "both texts are of one kind"
    assert "looked at 1 time" in again.stdout
    shown = json.loads(runner(lab, "status", "--json").stdout)
    assert (shown["cost_usd"], shown["tokens_out"], shown["holdout"]["looks"]) == (0.25, 20, 1)

    before = holdout.read_bytes()
    runner(lab, "go", "--tag", tag, "--max-trials", "0")
    assert holdout.read_bytes() == before
    assert leftovers() == []


def agents_of(lab: Path) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        try:
            if str(lab / "agent.py") in one.cmdline():
                found.append(one)
        except psutil.Error:
            continue
    return found


def test_ctrl_c_while_the_next_is_asked_for_ahead_ends_agent_and_container(
    lab: Path, tag: str, leftovers: Any
) -> None:
    hangs = "if 'Being tried now' in pathlib.Path('history.md').read_text():\n    time.sleep(600)\n"
    with_agent(lab, hangs + LEARNS)
    train = lab / "train" / "train.py"
    train.write_text(train.read_text().replace("while False", "while True"))
    git(lab, "-c", "user.name=A", "-c", "user.email=a@localhost", "commit", "-qam", "trains to its deadline")
    process = started(lab, tag, "--max-trials", "9", "--ahead", "1", "--budget", "10")
    read_until(process, "trial 1: training")
    end = time.monotonic() + 20
    while not agents_of(lab) and time.monotonic() < end:
        time.sleep(0.05)
    assert agents_of(lab), "it is asked while trial 1 trains"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert agents_of(lab) == []
    assert leftovers() == []
    faults = [json.loads(line) for line in (lab / "runs" / tag / "faults.jsonl").read_text().splitlines()]
    # What trial 1 had cost is in no ledger, and the one asked for ahead had told no cost yet.
    assert [(fault["kind"], fault["trial"], fault["meta"].get("cost_usd")) for fault in faults] == [
        ("dropped", 1, 0.25),
        ("dropped", 2, None),
    ]
    assert git(lab, "status", "--porcelain") == ""


def test_faults_are_in_the_record_and_money_ends_the_run(lab: Path, tag: str, runner: Any) -> None:
    script = """
pathlib.Path('usage.json').write_text(json.dumps({'cost_usd': 2.0}))
if 'was not tried' not in pathlib.Path('history.md').read_text():
    print('Shall I?')
    sys.exit()
p = pathlib.Path('train.py')
p.write_text(p.read_text().replace('K = 1\\n', 'K = 2\\n'))
"""
    with_agent(lab, script)
    done = runner(lab, "go", "--tag", tag, "--max-cost", "4")
    assert done.returncode == 0, done.stderr
    assert len(ledger(lab, tag)) == 2
    shown = json.loads(runner(lab, "status", "--json").stdout)
    assert (shown["faults"], shown["cost_usd"]) == ({"asked": 1}, 4.0)
