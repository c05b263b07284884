"""GitLab's pipeline: which requests it takes, and its script lines by a shell, with a program in the runner's place.

Nothing here is the service: rules are read by a small evaluator of `==` and `&&`, scripts are run as it would hand them
to a shell, with the administrator's folder /opt/autoresearch-runner replaced by one of the test.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from action_host import ROOT, read
from recordlab import git, isolate, make_lab

FILE = ROOT / "ci" / "gitlab-ci.yml"
OPT = "/opt/autoresearch-runner"


def job(name: str) -> Any:
    return read(FILE)[name]


def filled(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: variables.get(found[1], ""), text)


def script(name: str, opt: Path) -> str:
    """The lines of a job, as one script; `opt` stands where the administrator installed the runner."""
    return "\n".join(job(name)["script"]).replace(OPT, str(opt))


def starts(name: str, variables: dict[str, str]) -> str:
    """When the job starts in a pipeline with these variables, by the first rule that fits; "" for never."""
    for rule in job(name)["rules"]:
        pairs = [part.split(" == ") for part in rule["if"].split(" && ")]
        if all(filled(a, variables) == filled(b, variables).strip('"') for a, b in pairs):
            return str(rule.get("when", "on_success"))
    return ""


REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event", "CI_DEFAULT_BRANCH": "main", "CI_PROJECT_ID": "7",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
}  # fmt: skip


def test_the_gate_takes_requests_for_the_default_branch_and_no_other() -> None:
    assert starts("gate", REQUEST) == "on_success"
    assert not starts("gate", {**REQUEST, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "weakened"})
    assert not starts("gate", {**REQUEST, "CI_PIPELINE_SOURCE": "push"})


@pytest.mark.parametrize("project", ["99", ""])  # "": the fork was deleted meanwhile
def test_a_request_of_a_fork_waits_for_somebody_and_is_not_green_until_then(project: str) -> None:
    fork = {**REQUEST, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": project}
    assert starts("gate", fork) == "manual"
    assert [rule["allow_failure"] for rule in job("gate")["rules"] if rule.get("when") == "manual"] == [False]
    assert not starts("gate", {**fork, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "weakened"})


@pytest.mark.parametrize("name", ["research", "publish"])
def test_the_night_is_of_the_default_branch_and_its_schedule(name: str) -> None:
    night = {"CI_PIPELINE_SOURCE": "schedule", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main"}
    assert starts(name, night)
    assert not starts(name, {**night, "CI_COMMIT_REF_NAME": "other"})
    assert not starts(name, {**night, "CI_PIPELINE_SOURCE": "web"})


def test_no_variable_names_a_program() -> None:
    jobs = [one for one in read(FILE).values() if isinstance(one, dict)]
    lines = [line for one in jobs for line in [*one.get("script", ()), *one.get("after_script", ())]]
    assert len(lines) == 7
    for line in lines:
        assert "$" not in line, line
    named = {name for one in [read(FILE), *jobs] for name in one.get("variables", {})}
    assert not named & {"RUNNER", "RUNNER_SCRIPTS", "FORGE"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A merge request's working tree, which brings files with the names of the gate's own."""
    isolate(tmp_path / "home", monkeypatch)
    tree = make_lab(tmp_path / "tree")
    (tree / "runner-ci").mkdir()
    for name in ("junit.xml", "report.html"):
        (tree / "runner-ci" / name).write_text("all is well")
    (tree / "runner").mkdir()
    (tree / "runner" / "__init__.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "theirs")
    return tree


def installed(opt: Path) -> Path:
    """The administrator's folder; where its Python has to be put."""
    python = opt / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (opt / "ci").symlink_to(ROOT / "ci")
    return python


def test_nothing_that_the_head_committed_is_uploaded_as_the_gates(checkout: Path, tmp_path: Path) -> None:
    python = installed(tmp_path / "opt")
    python.write_text('#!/bin/sh\necho "$$ $@"\nexit 2\n')
    python.chmod(0o755)
    file = tmp_path / "step.sh"  # not `bash -c`, which puts the last command in its own place by itself
    file.write_text(script("gate", tmp_path / "opt"))
    process = subprocess.Popen(["bash", "-e", str(file)], cwd=checkout, text=True, stdout=subprocess.PIPE)
    told = process.communicate(timeout=20)[0].split()
    assert process.returncode == 2
    assert told == [str(process.pid), "-I", "-m", "runner", "ci", "--out", "runner-ci"]  # in the shell's place
    assert not (checkout / "runner-ci").exists()


def test_the_gate_runs_no_package_of_the_working_tree(checkout: Path, tmp_path: Path) -> None:
    python = installed(tmp_path / "opt")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(["bash", "-e", "-c", script("gate", tmp_path / "opt")], cwd=checkout,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert (checkout / "runner-ci" / "result.json").exists(), done.stderr
    assert not (tmp_path / "canary").exists()
