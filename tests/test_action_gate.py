"""From a pull request's event to a summary: the action's steps, the real runner, and in one test the real engine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import walklab
from action_host import Host
from ci_lab import Repository
from recordlab import git, isolate
from test_action import HOSTILE, event

RUNNER = str(Path(sys.executable).parent / "runner")


class Gate:
    """Base and head as the workflow checks them out, side by side, of one repository."""

    def __init__(self, place: Path, payload: dict[str, Any], origin: Path, base: str, head: str) -> None:
        payload["pull_request"]["base"]["sha"], payload["pull_request"]["head"]["sha"] = base, head
        self.host = Host(place / "job", payload, GITHUB_REPOSITORY="us/lab")
        for name, revision in (("base", base), ("head", head)):
            git(place, "clone", "-q", str(origin), str(self.host.workspace / name))
            git(self.host.workspace / name, "checkout", "-q", "--detach", revision)
        self.place = place

    def run(self, **given: str) -> Any:
        told = {"lab": "base", "objects": "head", "base": "HEAD", "head": "refs/autoresearch/ci/head"}
        state = str(self.place / "state")
        return self.host.run(timeout=300, runner=RUNNER, state=state, keep="", paths="train", **told, **given)

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.host.temp / "autoresearch-gate" / "result.json").read_text())
        return found


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate(tmp_path / "home", monkeypatch)
    return Repository(tmp_path / "repository")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fork_with_a_changed_evaluator_is_refused_whatever_it_is_called(
    text: str, repository: Repository, tmp_path: Path
) -> None:
    repository.git("switch", "-q", "--detach", "main")
    repository.write("prepare/__init__.py", "cheat = True\n")
    head = repository.head(since="HEAD")
    said = text.format(canary=tmp_path / "canary")
    gate = Gate(tmp_path, event(fork=True, text=said, branch=said), repository.top, repository.base, head)
    done = gate.run()
    assert (done.steps["gate"], done.outputs["verdict"]) == ("failure", "refused")
    assert (gate.result()["cause"], gate.result()["refused"][0]["path"]) == (
        "lab-changed",
        "prepare/__init__.py",
    )
    assert "prepare/__init__.py" in done.summary
    assert not (tmp_path / "canary").exists()
    lines = [line for line in done.log.replace("\r", "\n").splitlines() if line.lstrip().startswith("::")]
    assert all(line.startswith(("::stop-commands::runner-", "::runner-", "::error ")) for line in lines), lines
    assert done.used[0]["path"] == str(gate.host.temp / "autoresearch-gate")


def test_a_change_of_the_documents_passes_and_trains_nothing(repository: Repository, tmp_path: Path) -> None:
    repository.write("README.md", "Better words.\n")
    head = repository.head(train=None)
    done = Gate(tmp_path, event(fork=False), repository.top, repository.base, head).run()
    assert (done.ok, done.outputs["verdict"]) == (True, "unchanged"), done.log


@pytest.mark.parametrize(
    "path", [".gitattributes", "texts/a.txt", "Dockerfile", "data/x", "PREPARE/__init__.py"]
)
def test_a_change_of_anything_of_the_lab_is_no_change_of_the_documents(
    path: str, repository: Repository, tmp_path: Path
) -> None:
    repository.write(path, "changed\n")
    head = repository.head(train=None)
    done = Gate(tmp_path, event(fork=False), repository.top, repository.base, head).run()
    assert (done.ok, done.outputs["verdict"]) == (False, "refused"), done.log


@pytest.mark.engine
def test_a_better_train_py_passes_with_a_summary(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(tmp_path / "home", monkeypatch)
    origin = walklab.make(tmp_path / "origin", lingers=False)
    base = git(origin, "rev-parse", "HEAD")
    train = origin / "train" / "train.py"
    train.write_text(train.read_text().replace("K = 1\n", "K = 2\n"))
    git(origin, "commit", "-qam", "Wider")
    head = git(origin, "rev-parse", "HEAD")
    git(origin, "reset", "-q", "--hard", base)
    git(origin, "branch", "wider", head)
    gate = Gate(tmp_path, event(fork=False, text="Wider @everyone"), origin, base, head)
    done = gate.run()
    assert (done.ok, done.outputs["verdict"]) == (True, "better"), done.log
    assert float(done.outputs["delta"]) < 0
    assert "+K = 2" in done.summary
    assert "::notice file=train/train.py" in done.log
    out = gate.host.temp / "autoresearch-gate"
    assert {"summary.md", "result.json", "junit.xml", "diff.patch"} <= {path.name for path in out.iterdir()}
