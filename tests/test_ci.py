"""`runner ci` as a CI job runs it: real git, a real engine, the service's environment files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import conftest
import pytest
from test_ci_event import pull_request
from test_ci_files import commands, read_outputs

TRAINING = re.compile(r"trial \d: training, .*seed \d+, .* s: (the base|the head)$", re.MULTILINE)


class Job:
    """Jobs on one lab and one state, as GitHub's runner would start them."""

    def __init__(self, lab: Path, top: Path) -> None:
        self.lab, self.top, self.state = lab, top, top / "state"
        self.source = (lab / "train/train.py").read_text()

    def git(self, *arguments: str) -> str:
        environment = conftest.environment(self.top)
        done = subprocess.run(
            ["git", *arguments], cwd=self.lab, check=True, env=environment, capture_output=True, text=True
        )
        return done.stdout.strip()

    def head(self, source: str, path: str = "train/train.py") -> str:
        """A commit that changes one file; main stays checked out."""
        self.git("switch", "-q", "--detach", "main")
        (self.lab / path).write_text(source)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a change")
        head = self.git("rev-parse", "HEAD")
        self.git("switch", "-q", "main")
        return head

    def environment(self, head: str, payload: dict[str, Any] | None = None, **more: str) -> dict[str, str]:
        payload = payload or pull_request(title="Wider @all <b>`x`", branch="topic")
        payload["pull_request"]["base"]["sha"] = self.git("rev-parse", "main")
        payload["pull_request"]["head"]["sha"] = head
        (self.top / "event.json").write_text(json.dumps(payload))
        for name in ("output", "summary"):
            (self.top / name).write_text("")
        return {
            **conftest.environment(self.top),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(self.top / "event.json"),
            "GITHUB_OUTPUT": str(self.top / "output"),
            "GITHUB_STEP_SUMMARY": str(self.top / "summary"),
            **more,
        }

    def arguments(self, *more: str) -> list[str]:
        places = ["--out", str(self.top / "out"), "--state", str(self.state)]
        return [sys.executable, "-m", "runner", "--lab", str(self.lab), "ci", *places, *more]

    def run(
        self, head: str, *more: str, payload: dict[str, Any] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(*more), env=self.environment(head, payload, **environment),
            cwd=self.top, capture_output=True, text=True, timeout=1200 if payload else 300,
        )  # fmt: skip

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.top / "out/result.json").read_text())
        return found

    @property
    def outputs(self) -> dict[str, str]:
        return read_outputs((self.top / "output").read_text())

    def junit(self) -> list[str]:
        return [
            child.tag
            for case in ElementTree.parse(self.top / "out/junit.xml").iter("testcase")
            for child in case
        ]


@pytest.fixture
def job(lab: Path, tmp_path: Path) -> Job:
    """With a base that learns slowly in few steps, so that a busy machine cannot turn a verdict."""
    source = (lab / "train/train.py").read_text().replace("LR = 0.03", "LR = 0.001").replace("== 40", "== 12")
    (lab / "train/train.py").write_text(source)
    with (lab / "runner.toml").open("a") as file:
        file.write("suspicious_share = 0.9\n")
    made = Job(lab, tmp_path)
    made.git("commit", "-qam", "slow")
    return made


def left(engine: Any) -> list[str]:
    """Containers and volumes of jobs of this kind."""
    found = engine.api.containers(all=True, filters={"label": ["autoresearch.run"]})
    return [name for one in found for name in one["Names"] if name.startswith("/autoresearch-ci-")]


def trained(process: subprocess.CompletedProcess[str]) -> list[str]:
    """Which side each training was of, in order."""
    return TRAINING.findall(process.stderr)


def test_from_a_pull_request_to_a_verdict_and_the_next_one_pays_for_its_head_only(
    job: Job, image: str, engine: Any
) -> None:
    better = job.head(job.source.replace("LR = 0.001", "LR = 0.03"))
    first = job.run(better, "--rule", "greedy")
    assert first.returncode == 0, first.stderr
    assert trained(first) == ["the base", "the head"]
    assert job.outputs["verdict"] == job.result["verdict"] == "better"
    assert float(job.outputs["delta"]) == pytest.approx(job.result["delta"], abs=1e-6)
    assert float(job.outputs["delta"]) < 0
    assert job.junit() == []
    summary = (job.top / "summary").read_text()
    assert summary == (job.top / "out/summary.md").read_text()
    assert "`Wider @all <b>`" not in summary
    assert "+LR = 0.03" in summary
    assert "Once upon a time" in summary
    assert commands(first.stdout) == ["notice"]
    assert commands(first.stderr) == []
    files = {path.name for path in (job.top / "out").iterdir()}
    assert files == {
        "base",
        "head",
        "diff.patch",
        "junit.xml",
        "plot.png",
        "report.html",
        "result.json",
        "summary.md",
    }
    assert job.outputs["report"] == str(job.top / "out/report.html")

    second = job.run(job.head("raise SystemExit('::error::x')\n"), "--rule", "greedy")
    assert second.returncode == 1
    assert trained(second) == ["the head"]
    assert job.outputs["verdict"] == "not-better"
    assert job.result["cause"] == "failed"
    assert commands(second.stdout) == ["error"]
    assert commands(second.stderr) == []
    assert job.junit() == ["failure", "skipped"]

    third = job.run(better, "--rule", "greedy")
    assert third.returncode == 0
    assert trained(third) == []
    assert job.result["remembered"]
    assert left(engine) == []


def test_by_the_labs_own_rule_a_worse_head_is_not_better(job: Job, image: str) -> None:
    done = job.run(job.head(job.source.replace("LR = 0.001", "LR = 1.0")))
    assert done.returncode == 1, done.stderr
    assert trained(done) == ["the base", "the base", "the head"]
    assert (job.result["rule"], job.result["cause"]) == ("confirm", "worse")
    assert job.result["interval"][0] > 0


@pytest.mark.parametrize("path", ["runner.toml", "prepare/bits.py"])
def test_a_head_that_changes_the_lab_is_refused_without_an_engine(job: Job, path: str) -> None:
    head = job.head(
        (job.lab / path).read_text() + "\n# and more\n" if (job.lab / path).exists() else "x = 1\n", path
    )
    done = job.run(head, DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode == 1, done.stderr
    assert (job.outputs["verdict"], job.result["cause"]) == ("refused", "lab-changed")
    assert [one["path"] for one in job.result["refused"]] == [path]
    assert job.junit() == ["failure", "skipped", "skipped"]


def test_a_head_that_changes_nothing_needs_no_engine(job: Job) -> None:
    done = job.run(job.git("rev-parse", "main"), DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode == 1
    assert (job.outputs["verdict"], job.result["cause"]) == ("not-better", "same")


def test_an_engine_that_is_not_there_is_no_verdict(job: Job) -> None:
    done = job.run(job.head(job.source.replace("step == 12", "step == 50")), DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode in (3, 4)
    assert (job.outputs["verdict"], job.result["verdict"]) == ("error", "error")
    assert job.result["exit_code"] == done.returncode
    assert job.outputs["val_bpb"] == job.outputs["delta"] == ""
    assert job.junit() == ["error"]
    assert "Nothing is said about the change" in (job.top / "summary").read_text()
    assert "Traceback" not in done.stderr


def test_a_base_that_fails_is_an_error_of_the_base(job: Job, image: str) -> None:
    (job.lab / "train/train.py").write_text("raise SystemExit(3)\n")
    job.git("commit", "-qam", "broken")
    done = job.run(job.head(job.source))
    assert done.returncode == 4
    assert (job.outputs["verdict"], job.result["cause"]) == ("error", "base-failed")


def test_a_cancelled_job_says_so_and_leaves_no_container(job: Job, image: str, engine: Any) -> None:
    head = job.head(job.source.replace("step == 12", "step == 40000"))
    process = subprocess.Popen(
        job.arguments("--rule", "greedy"), env=job.environment(head), cwd=job.top,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr
    for line in process.stderr:
        if TRAINING.search(line):
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert (job.outputs["verdict"], job.result["cause"]) == ("error", "cancelled")
    assert job.junit() == ["error"]
    assert left(engine) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--base", "nowhere"], "is not in this clone"),
        (["--state", "lab/state"], "lies in the checkout"),
        (["--out", "lab/train"], "holds other files"),
        (["--out", "lab/runs/x"], "is part of the lab"),
        (["--event", "lab/runner.toml"], "cannot be read as an event"),
        (["--budget", "0"], "must lie between"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2_and_is_no_verdict(
    job: Job, arguments: list[str], said: str
) -> None:
    done = job.run(job.head(job.source.replace("12", "13")), *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert job.outputs.get("verdict", "error") == "error"


def test_an_event_with_secrets_for_strangers_ends_before_anything_is_read(job: Job) -> None:
    done = job.run(job.head(job.source.replace("12", "13")), GITHUB_EVENT_NAME="pull_request_target")
    assert done.returncode == 2
    assert "pull_request_target" in done.stderr


def test_a_runner_that_lies_in_a_checkout_of_the_head_does_not_judge(job: Job) -> None:
    shutil.copytree(conftest.ROOT / "runner", job.lab / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    job.git("add", "-A")
    job.git("commit", "-q", "-m", "the runner beside the lab")
    head = job.head(job.source.replace("12", "13"))
    with (job.lab / "runner/loop.py").open("a") as file:
        file.write("# the head's\n")
    done = subprocess.run(
        job.arguments(), env=job.environment(head), cwd=job.lab, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 2
    assert "is not the base's" in done.stderr


def test_without_a_service_the_summary_is_what_is_printed(job: Job) -> None:
    environment = conftest.environment(job.top)
    environment = {key: value for key, value in environment.items() if not key.startswith(("GITHUB_", "CI"))}
    done = subprocess.run(
        job.arguments(), env=environment, cwd=job.top, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert done.stdout == (job.top / "out/summary.md").read_text()
    assert os.listdir(job.top / "out") != []


def test_outputs_say_error_where_there_is_no_folder_for_files(job: Job) -> None:
    (job.top / "other").mkdir()
    (job.top / "other/result.json").write_text('{"verdict": "better"}')
    done = job.run(job.head(job.source.replace("12", "13")), "--out", str(job.top / "other"))
    assert done.returncode == 2
    assert job.outputs["verdict"] == "error"
