"""A lab whose trial takes three seconds, the real program started in it, and what must hold after it was killed.

The lab is small and real: its own `train.py`, model host and proposer (`tests/labs/quick`), its data, a git repository.
Every proposal is better than the one before and is kept, so that each trial walks the whole journey.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import conftest
import recordlab

from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.trial import Status

GO = ("go", "--no-holdout")
QUICK = Path(__file__).parent / "labs" / "quick"
SETTINGS = """
[data]
source = "text:tales.txt"
vocab_size = 400
window = 64
seed = {seed}

[trial]
budget_seconds = {budget}
memory_mb = 512
out_mb = 16
device = "cpu"
alone = "{alone}"

[score]
tokens = 4096
audit_positions = 16
timeout_seconds = 60
load_seconds = 5

[ratchet]
rule = "greedy"
calibrate_trials = 1

[agent]
name = "command:{python} agent.py"

[engine]
patience_seconds = 1
"""


def make(lab: Path, *, lingers: bool = True, alone: str = "gpu") -> Path:
    """The lab with its data made, committed. lingers: every training is ended by its deadline, three seconds on.

    alone: trial.alone; `always` makes the labs of a machine wait for each other.
    """
    seed = secrets.randbelow(1 << 30)  # a data volume that no other lab has: tests run side by side
    settings = SETTINGS.format(budget=3 if lingers else 20, python=sys.executable, seed=seed, alone=alone)
    conftest.make_lab(lab, QUICK / "train.py", settings, size=600_000)
    (lab / "prepare" / "model_host.py").rename(lab / "prepare" / "protocol_host.py")
    shutil.copy(QUICK / "model_host.py", lab / "prepare" / "model_host.py")
    if not lingers:
        train = lab / "train" / "train.py"
        train.write_text(train.read_text().replace("while True", "while False"))
    shutil.copy(QUICK / "agent.py", lab / "agent.py")
    conftest.make_data(lab)
    conftest.commit(lab)
    return lab


def runner(
    lab: Path, *arguments: str, url: str = "", program: tuple[str, ...] = ("-m", "runner")
) -> subprocess.Popen[str]:
    """The program, started on `lab`; `url` is the engine's, if not the usual one."""
    environment = conftest.environment(lab.parent) | ({"DOCKER_HOST": url} if url else {})
    return subprocess.Popen(
        [sys.executable, *program, "--lab", str(lab), *arguments], env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], timeout: float = 240) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"did not end within {timeout} s: {err}") from None
    return process.returncode, out, err


def lines(lab: Path, tag: str) -> list[bytes]:
    """The complete lines of the ledger."""
    path = RunFolder(lab, tag).ledger
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def owned_by(engine: Any, pid: int) -> list[str]:
    """Names of the containers and volumes that process `pid` made and that are still there."""
    mine = {"label": ["autoresearch=trial"]}
    found = engine.api.containers(all=True, filters=mine) + (
        engine.api.volumes(filters=mine).get("Volumes") or []
    )
    return sorted(  # an engine lists them in any order
        (thing.get("Names") or [thing.get("Name")])[0]
        for thing in found
        if (thing.get("Labels") or {}).get("autoresearch.owner", "").split(":")[-2:-1] == [str(pid)]
    )


def leftovers(engine: Any, tag: str, pid: int = 0) -> list[str]:
    """What is in the engine of run `tag`, or was made by process `pid`."""
    of_run = {"label": [f"autoresearch.run={tag}"]}
    found = [c["Names"][0] for c in engine.api.containers(all=True, filters=of_run)]
    found += [v["Name"] for v in engine.api.volumes(filters=of_run).get("Volumes") or []]
    return sorted({*found, *owned_by(engine, pid)})


def wrong(lab: Path, tag: str) -> list[str]:
    """What of a run does not agree with its ledger, read by plain git and plain files."""
    folder = RunFolder(lab, tag)
    entries = Ledger(folder.ledger).entries
    found = recordlab.disagreements(lab, tag)
    repo = LabRepo(lab)
    if [entry.number for entry in entries] != list(range(len(entries))):
        found.append("numbers of trials")
    if len({entry.commit for entry in entries}) != len(entries):
        found.append("a commit counted twice")
    for entry in entries:
        place = folder.trial(entry.number)
        if (place / "train.py").read_bytes() != repo.source(entry.commit):
            found.append(f"train.py of trial {entry.number}")
        if json.loads((place / "outcome.json").read_bytes())["commit"] != entry.commit:
            found.append(f"outcome.json of trial {entry.number}")
        if (place / "checkpoint.tar").exists() != (entry.status is Status.KEEP):
            found.append(f"checkpoint of trial {entry.number}")
    if list(folder.path.rglob("*.partial")) or list(folder.path.rglob(".*.tmp")):
        found.append("unfinished files")
    if subprocess.run(["git", "status", "--porcelain"], cwd=lab, capture_output=True).stdout:
        found.append("the user's checkout")
    if os.path.exists(folder.current_json):
        found.append("current.json")
    return found


def killed(
    lab: Path, tag: str, engine: Any, start: Callable[[], tuple[int, str, int]], url: str = ""
) -> tuple[list[str], bool]:
    """Lets `start` kill the program, then starts it again; what is wrong then, and whether it was killed at all.

    `start` gives exit code, stderr and pid. No trial is lost: every complete line of the ledger is still there, to the
    byte. None is counted twice: the restart adds none but a baseline.
    """
    before = lines(lab, tag)
    code, err, pid = start()
    after = lines(lab, tag)
    found = [] if code in (0, -9) else [f"ended with {code}: {err[-500:]}"]
    if after[: len(before)] != before or len(after) > len(before) + 1:
        found.append("the ledger's past changed")
    again, _, err = ended(runner(lab, *GO, "--tag", tag, "--max-trials", "0", url=url))
    if again != 0:
        return [*found, f"the restart ended with {again}: {err[-500:]}"], code == -9
    if lines(lab, tag) != after and (after or len(lines(lab, tag)) != 1):
        found.append("the restart changed the ledger")
    if left := leftovers(engine, tag, pid):
        found.append(f"left in the engine: {left}")
    return found + wrong(lab, tag), code == -9


def clean(lab: Path, tag: str, engine: Any) -> None:
    """Removes the lab's data volume, and what of `tag` a test that failed has left."""
    from runner.data import load
    from runner.sandbox.reaper import reap
    from runner.sandbox.volumes import remove_volume

    reap(engine, tag)
    remove_volume(engine, f"autoresearch-data-{load(lab).digest[:16]}")
