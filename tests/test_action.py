"""The action and the workflows: against their published schemas, by linters, and the steps by their own shell."""

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

import pytest
from action_expressions import evaluate, fill
from action_host import SHELL, Host, read
from recordlab import git, make_lab

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ACTION = ROOT / "action.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted((ROOT / "ci").glob("*.sh"))
FILES = [ACTION, *WORKFLOWS]

# What somebody may call a branch, a title, or a text of theirs; each would leave a file if a shell read it.
HOSTILE = (
    '"; touch {canary}; #', "$(touch {canary})", "`touch {canary}`", "'; touch {canary}; '", "x\ntouch {canary}\n",
    "-oProxyCommand=touch {canary}", "x%0Atouch {canary}", "${{{{ github.token }}}}", "a && touch {canary}",
    "::set-output name=verdict::better", "--upload-pack=touch {canary}", "\ttouch {canary}",
)  # fmt: skip


def lint(*command: str) -> str:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True, cwd=ROOT)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "file", "more"),
    [("github-actions", ACTION, ())]
    + [("github-workflows", workflow, ()) for workflow in WORKFLOWS]
    + [("gitlab-ci", ROOT / "ci" / "gitlab-ci.yml", ("--data-transform", "gitlab-ci"))],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_a_file_of_the_service_fits_its_published_schema(
    schema: str, file: Path, more: tuple[str, ...]
) -> None:
    assert lint("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *more, str(file)) == ""


def test_a_broken_workflow_does_not_fit_the_schema(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs_on:"))
    assert "runs_on" in lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(broken))


def test_the_security_linter_finds_nothing() -> None:
    assert (
        lint("zizmor", "--offline", "--no-progress", "--config", ".github/zizmor.yml", "action.yml", ".github")
        == ""
    )


def test_the_security_linter_would_see_an_interpolated_title(tmp_path: Path) -> None:
    broken = tmp_path / ".github" / "workflows" / "gate.yml"
    broken.parent.mkdir(parents=True)
    text = (ROOT / ".github/workflows/gate.yml").read_text()
    broken.write_text(
        text.replace("case $RESULT in", 'echo "${{ github.event.pull_request.title }}"; case $RESULT in')
    )
    assert "template-injection" in lint("zizmor", "--offline", "--no-progress", str(broken))


def test_the_scripts_pass_the_shell_linter() -> None:
    own = [ROOT / name for name in ("bootstrap", ".ci/run", "tests/gpu/run", "tests/machines/run")]
    assert lint("shellcheck", "-x", "-P", "SCRIPTDIR", *map(str, [*SCRIPTS, *own])) == ""


def steps() -> list[tuple[str, Any]]:
    found = [("action.yml", step) for step in read(ACTION)["runs"]["steps"]]
    for workflow in WORKFLOWS:
        for job in read(workflow)["jobs"].values():
            found += [(workflow.name, step) for step in job["steps"]]
    return found


@pytest.mark.parametrize("at", range(len(steps())))
def test_a_script_in_a_step_passes_the_linter_and_holds_no_expression(at: int, tmp_path: Path) -> None:
    _, step = steps()[at]
    if "run" not in step:
        assert "uses" in step
        return
    script = tmp_path / "step.sh"
    script.write_text("#!/usr/bin/env bash\nset -eo pipefail\n" + step["run"])
    assert "${{" not in step["run"]
    assert step["shell"] == "bash"
    assert lint("shellcheck", str(script)) == ""


def test_no_workflow_runs_with_the_rights_of_the_base_on_code_of_the_head() -> None:
    for file in FILES:
        assert "pull_request_target" not in file.read_text(), file.name
        assert "workflow_run" not in file.read_text(), file.name


def test_every_action_is_pinned_by_a_commit_with_its_version() -> None:
    for file in FILES:
        for line in re.findall(r"uses: *(.*)", file.read_text()):
            assert re.fullmatch(
                r"\./(base)?|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line.rstrip("/")
            ) or line in (
                "./",
                "./base",
            ), f"{file.name}: {line}"


def test_workflows_may_only_read_but_for_the_one_job_that_publishes() -> None:
    writing = set()
    for file in WORKFLOWS:
        workflow = read(file)
        assert workflow["permissions"] == {"contents": "read"}, file.name
        for name, job in workflow["jobs"].items():
            assert "permissions" in job, f"{file.name}: {name}"
            if "write" in job["permissions"].values():
                writing.add((file.name, name))
                assert job["runs-on"] == "ubuntu-latest", "not on the machine where proposals are trained"
    assert writing == {("night.yml", "publish")}


def test_no_secret_is_near_a_job_that_trains_what_a_pull_request_brings() -> None:
    gate = (ROOT / ".github/workflows/gate.yml").read_text()
    assert "secrets" not in gate
    assert "token" not in gate.lower()


def test_only_the_job_that_publishes_is_given_a_token() -> None:
    night = read(ROOT / ".github/workflows/night.yml")
    assert "token" not in json.dumps(night["jobs"]["research"]).lower()
    assert "secrets" not in json.dumps(night["jobs"]["publish"])


def test_no_checkout_leaves_its_credentials_behind() -> None:
    checkouts = [step for _, step in steps() if "actions/checkout@" in step.get("uses", "")]
    assert len(checkouts) == 4
    for step in checkouts:
        assert step["with"]["persist-credentials"] is False
        assert step["with"]["fetch-depth"] == 0


def test_the_gate_runs_the_code_of_the_base_and_nothing_of_the_head() -> None:
    job = read(ROOT / ".github/workflows/gate.yml")["jobs"]["train"]
    base, head, gate = job["steps"]
    assert gate["uses"] == "./base" == f"./{base['with']['path']}"
    assert gate["with"]["lab"] == "base"
    assert "base.sha" in base["with"]["ref"]
    assert "head" not in base["with"]["ref"]
    assert head["with"]["path"] == "head" == gate["with"]["objects"]


def test_a_newer_push_cancels_the_gate_of_the_same_pull_request_only() -> None:
    concurrency = read(ROOT / ".github/workflows/gate.yml")["concurrency"]
    assert concurrency["cancel-in-progress"] is True
    groups = {
        fill(concurrency["group"], {"github": {"ref": "x", "event": {"pull_request": {"number": n}}}})
        for n in (1, 2)
    }
    assert groups == {"gate-1", "gate-2"}


# Events


def event(fork: bool, text: str = "Wider", branch: str = "wider") -> dict[str, Any]:
    """The payload of a pull request, of what we read in one."""
    head = {"ref": branch, "sha": "b" * 40, "label": f"them:{branch}",
            "repo": {"full_name": "them/lab" if fork else "us/lab", "fork": fork}}  # fmt: skip
    base = {
        "ref": "main",
        "sha": "a" * 40,
        "repo": {"full_name": "us/lab", "fork": False, "default_branch": "main"},
    }
    pull = {"number": 7, "title": text, "body": text, "user": {"login": "them"}, "head": head, "base": base}
    repository = {"full_name": "us/lab", "default_branch": "main", "fork": False}
    return {"action": "opened", "number": 7, "pull_request": pull, "repository": repository}


def train_job_runs(payload: dict[str, Any], name: str = "pull_request") -> bool:
    job = read(ROOT / ".github/workflows/gate.yml")["jobs"]["train"]
    context = {"github": {"event": payload, "event_name": name, "repository": "us/lab"}, "inputs": {}}
    return bool(evaluate(job["if"], context))


def test_a_pull_request_of_the_repository_itself_is_judged_at_once() -> None:
    assert train_job_runs(event(fork=False))


def test_a_pull_request_of_a_fork_waits_for_a_maintainer() -> None:
    assert not train_job_runs(event(fork=True))


def test_a_pull_request_whose_fork_was_deleted_waits_too() -> None:
    gone = event(fork=True)
    gone["pull_request"]["head"]["repo"] = None
    assert not train_job_runs(gone)


def test_a_maintainer_starts_the_gate_by_hand() -> None:
    assert train_job_runs({"inputs": {"pull_request": "7"}}, "workflow_dispatch")


def refs(github: dict[str, Any], inputs: dict[str, Any]) -> list[str]:
    """What the two checkouts of the gate are asked for."""
    steps = read(ROOT / ".github/workflows/gate.yml")["jobs"]["train"]["steps"]
    return [fill(step["with"]["ref"], {"github": github, "inputs": inputs}) for step in steps[:2]]


def test_each_event_names_its_base_and_its_head() -> None:
    repository = {"default_branch": "main"}
    queue = {"merge_group": {"base_sha": "c" * 40, "head_sha": "d" * 40}, "repository": repository}
    assert refs({"event": event(fork=False)}, {}) == ["a" * 40, "b" * 40]
    assert refs({"event": queue}, {}) == ["c" * 40, "d" * 40]
    assert refs({"event": {"repository": repository}}, {"pull_request": 7}) == ["main", "refs/pull/7/head"]


def commit_asked(name: str, inputs: dict[str, Any]) -> str:
    """The commit that the workflow tells the action that the head must be."""
    step = read(ROOT / ".github/workflows/gate.yml")["jobs"]["train"]["steps"][2]
    filled: str = fill(step["with"]["commit"], {"github": {"event_name": name}, "inputs": inputs})
    return filled


def test_who_starts_the_gate_by_hand_names_the_commit_that_they_have_read() -> None:
    asked = read(ROOT / ".github/workflows/gate.yml")["on"]["workflow_dispatch"]
    assert asked["inputs"]["commit"]["required"] is True
    assert commit_asked("workflow_dispatch", {"commit": "b" * 40}) == "b" * 40
    assert commit_asked("pull_request", {}) == commit_asked("merge_group", {}) == ""


def test_a_start_by_hand_without_a_commit_judges_nothing(bed: Bed) -> None:
    done = bed.run(commit=commit_asked("workflow_dispatch", {"commit": ""}), branch="wider")
    assert (done.steps["gate"], bed.told) == ("failure", [])
    assert "the full hash" in done.log


@pytest.mark.parametrize(
    ("result", "code"), [("success", 0), ("skipped", 1), ("failure", 1), ("cancelled", 1), ("", 1)]
)
def test_the_required_check_passes_only_where_the_gate_did(result: str, code: int, tmp_path: Path) -> None:
    job = read(ROOT / ".github/workflows/gate.yml")["jobs"]["verdict"]
    assert evaluate(job["if"], {}) is True
    script = tmp_path / "step.sh"
    script.write_text(job["steps"][0]["run"])
    done = subprocess.run(
        [*SHELL, str(script)], env={"RESULT": result, "VERDICT": "better", "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == code


# Steps of the action, by their shell

RECORDER = """#!{python}
import json, os, signal, sys, time
def note(what):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(what) + "\\n")
def told(number, frame):
    note({{"signal": number}})
    sys.exit(130)
signal.signal(signal.SIGINT, told)
signal.signal(signal.SIGTERM, told)
note({{"argv": sys.argv[1:], "pid": os.getpid(), "gpu": os.environ.get("AUTORESEARCH_GPU"), "env": dict(os.environ)}})
if os.environ.get("LINGER"):
    time.sleep(30)
sys.exit(int(os.environ.get("ENDS", "0")))
"""


class Bed:
    """A host with a lab in its workspace, and a program in the runner's place that notes what it is told."""

    def __init__(self, place: Path, payload: dict[str, Any] | None = None, **environment: str) -> None:
        self.record = place / "record.jsonl"
        self.canary = place / "canary"
        self.host = Host(place, payload, RECORD=str(self.record), **environment)
        self.lab = make_lab(self.host.workspace / "base", source=b"LR = 1\n")
        tools = place / "tools"
        tools.mkdir()
        self.program = tools / "runner"
        (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tools / "python").chmod(0o755)
        self.program.write_text(RECORDER.format(python=sys.executable))
        self.program.chmod(0o755)

    def run(self, **given: str) -> Any:
        return self.host.run(**{"runner": str(self.program), "lab": "base", "keep": "", **given})

    @property
    def told(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.record.read_text().splitlines()] if self.record.exists() else []
        )


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def test_the_gate_hands_its_inputs_to_the_runner(bed: Bed) -> None:
    done = bed.run(
        base="HEAD", head="HEAD", budget="20", rule="margin", gpu="H200", fresh="true", state="/var/state"
    )
    assert done.ok, done.log
    out = str(bed.host.temp / "autoresearch-gate")
    assert bed.told[0]["argv"] == [
        "--lab", "base", "ci", "--out", out, "--state", "/var/state", "--base", "HEAD", "--head", "HEAD",
        "--budget", "20", "--rule", "margin", "--fresh",
    ]  # fmt: skip
    assert bed.told[0]["gpu"] == "H200"
    assert done.used[0]["path"] == out


@pytest.mark.parametrize("code", [1, 2, 3, 4, 130])
def test_the_action_fails_as_the_runner_does_and_keeps_the_report(code: int, tmp_path: Path) -> None:
    bed = Bed(tmp_path, ENDS=str(code))
    done = bed.run()
    assert done.steps["gate"] == "failure"
    assert done.used[0]["name"] == "autoresearch"


def test_what_the_runner_says_becomes_the_outputs_of_the_action(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    bed.program.write_text(
        "#!/bin/sh\nprintf 'verdict<<E\\nbetter\\nE\\nval_bpb=1.5\\ndelta=-0.1\\n' >>\"$GITHUB_OUTPUT\"\n"
        'echo "report=/x/report.html" >>"$GITHUB_OUTPUT"\n'
        'echo "## better" >>"$GITHUB_STEP_SUMMARY"\n'
    )
    done = bed.run()
    assert done.outputs | {} == {
        "verdict": "better", "val_bpb": "1.5", "delta": "-0.1", "report": "/x/report.html",
        "tag": "", "base": "", "kept": "", "pull-request": "",
    }  # fmt: skip
    assert "## better" in done.summary


OF_GATE = {"lab", "base", "head", "branch", "commit", "objects", "paths", "fresh", "budget", "rule", "gpu", "state",
           "keep", "artifact", "retention-days", "python", "runner"}  # fmt: skip
OF_NIGHT = {"lab", "tag", "agent", "model", "max-hours", "max-trials", "max-cost", "budget", "rule", "gpu", "state",
            "keep", "artifact", "retention-days", "python", "runner"}  # fmt: skip
OF_PUBLISH = {"bundle", "target"}  # and lab, tag, base


def test_every_input_of_the_action_is_of_the_gate_the_night_or_the_publishing() -> None:
    assert OF_GATE | OF_NIGHT | OF_PUBLISH | {"command", "token"} == set(read(ACTION)["inputs"])


@pytest.mark.parametrize("name", sorted(OF_GATE))
def test_nothing_that_is_given_to_the_gate_is_executed(name: str, bed: Bed) -> None:
    for text in HOSTILE:
        said = text.format(canary=bed.canary)
        bed.run(**{"keep": "14d", name.replace("-", "_"): said})
        assert not bed.canary.exists(), text


@pytest.mark.parametrize("name", sorted(OF_NIGHT))
def test_nothing_that_is_given_to_the_night_is_executed(name: str, bed: Bed) -> None:
    for text in HOSTILE:
        said = text.format(canary=bed.canary)
        bed.run(**{"command": "night", "max_trials": "1", "keep": "14d", name.replace("-", "_"): said})
        assert not bed.canary.exists(), text


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_the_payload_of_a_pull_request_is_executed(text: str, tmp_path: Path) -> None:
    said = text.format(canary=tmp_path / "canary")
    bed = Bed(tmp_path, event(fork=True, text=said, branch=said), GITHUB_HEAD_REF=said.replace("\n", " "))
    done = bed.run()
    assert done.ok, done.log
    assert not bed.canary.exists()
    assert said not in json.dumps(bed.told[0]["argv"])


def test_an_input_with_a_line_break_is_refused(bed: Bed) -> None:
    for name in ("state", "lab", "base", "commit", "budget", "rule"):
        assert not bed.run(**{name: "x\nverdict=better"}).ok, name
    assert bed.told == []


def test_an_output_cannot_be_forged_by_a_line_break(tmp_path: Path) -> None:
    script = f'source {ROOT}/ci/common.sh; output report "$VALUE"'
    told = {"VALUE": "x\nverdict=better", "GITHUB_OUTPUT": str(tmp_path / "output"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=told, capture_output=True, text=True)
    assert done.returncode == 2
    assert not (tmp_path / "output").exists()
    assert done.stdout.startswith("::error ")


def test_the_program_that_trains_has_no_token_in_its_environment(bed: Bed) -> None:
    assert bed.run().ok
    assert "job-token" not in json.dumps(bed.told[0]["env"])


def test_no_variable_of_the_job_says_where_the_program_finds_its_modules(tmp_path: Path) -> None:
    bed = Bed(tmp_path, PYTHONPATH="head", PYTHONSTARTUP="head/x.py")
    assert bed.run().ok
    assert [name for name in bed.told[0]["env"] if name.startswith("PYTHON")] == []


def test_a_cancelled_job_reaches_the_runner_and_no_shell_in_between(tmp_path: Path) -> None:
    bed = Bed(tmp_path, LINGER="1")
    step = next(s for s in read(ACTION)["runs"]["steps"] if s.get("id") == "gate")
    given = {"RUNNER": str(bed.program), "INPUT_LAB": "base", "INPUT_STATE": str(tmp_path / "state")}
    process = bed.host.shell(step["run"], {**given, "GITHUB_OUTPUT": str(tmp_path / "output")})
    deadline = time.monotonic() + 20
    while not bed.told and time.monotonic() < deadline:
        time.sleep(0.05)
    assert bed.told[0]["pid"] == process.pid  # the step's entry process, to which the service sends its signals
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert bed.told[1] == {"signal": signal.SIGINT}


def test_a_change_outside_of_the_lab_passes_without_training(bed: Bed) -> None:
    (bed.lab / "notes.md").write_text("x")
    git(bed.lab, "add", "-A")
    git(bed.lab, "commit", "-qm", "notes")
    done = bed.run(base="HEAD~", head="HEAD", paths="train")
    assert (done.ok, done.outputs["verdict"], bed.told) == (True, "unchanged", [])
    assert "## Unchanged" in done.summary


@pytest.mark.parametrize(
    "path",
    ["prepare/__init__.py", "Prepare/__init__.py", "train/train.py", "TRAIN/x.py", "runner.toml", "docs/x"],
)
def test_a_change_of_the_lab_or_the_paths_is_judged_whatever_its_letters(path: str, bed: Bed) -> None:
    (bed.lab / path).parent.mkdir(exist_ok=True)
    (bed.lab / path).write_text("x = 1\n")
    git(bed.lab, "add", "-A")
    git(bed.lab, "commit", "-qm", "change")
    assert bed.run(base="HEAD~", head="HEAD", paths="docs\nother").ok
    assert len(bed.told) == 1


def test_the_head_of_a_fork_is_taken_from_another_checkout_as_objects_only(bed: Bed) -> None:
    git(bed.host.workspace, "clone", "-q", "base", "head")
    head = bed.host.workspace / "head"
    (head / "train" / "train.py").write_text("LR = 2\n")
    (head / "evil.sh").write_text("touch canary\n")
    git(head, "add", "-A")
    git(head, "commit", "-qm", "theirs")
    assert bed.run(base="HEAD", head="refs/autoresearch/ci/head", objects="head", paths="train").ok
    assert git(bed.lab, "rev-parse", "refs/autoresearch/ci/head") == git(head, "rev-parse", "HEAD")
    assert not (bed.lab / "evil.sh").exists()
    assert (bed.lab / "train" / "train.py").read_text() == "LR = 1\n"


def pushed(bed: Bed, name: str, size: int = 0) -> str:
    """A commit that the head's checkout `head` is put on, of its own root; its hash. size: of a file of junk in it."""
    head = bed.host.workspace / "head"
    if not head.exists():
        git(bed.host.workspace, "clone", "-q", "base", "head")
    git(head, "switch", "-q", "--detach", "origin/main")
    (head / name).write_bytes(os.urandom(size))
    git(head, "add", "-A")
    git(head, "commit", "-qm", name)
    return git(head, "rev-parse", "HEAD")


def gate_by_hand(bed: Bed, **given: str) -> Any:
    told = {"base": "HEAD", "head": "refs/autoresearch/ci/head", "objects": "head", "branch": "wider", **given}
    return bed.run(**told)


def test_the_head_that_was_read_is_judged(bed: Bed) -> None:
    assert gate_by_hand(bed, commit=pushed(bed, "read")).ok
    assert len(bed.told) == 1


def test_a_head_that_was_pushed_after_the_reading_is_not_judged(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    read_, now = pushed(bed, "read"), pushed(bed, "pushed-meanwhile")
    done = gate_by_hand(bed, commit=read_)
    assert (done.steps["gate"], bed.told) == ("failure", [])
    assert f"the head is {now} now, not the commit {read_}" in done.log
    step = next(s for s in read(ACTION)["runs"]["steps"] if s.get("id") == "gate")
    given = {"RUNNER": str(bed.program), "INPUT_LAB": "base", "INPUT_HEAD": now, "INPUT_COMMIT": read_,
             "INPUT_BRANCH": "wider"}  # fmt: skip
    assert bed.host.shell(step["run"], given).wait(timeout=20) == 2


def test_a_commit_is_of_no_use_without_a_head_to_compare(bed: Bed) -> None:
    # The event's head would be judged, and another revision compared.
    done = bed.run(base="HEAD", commit=git(bed.lab, "rev-parse", "HEAD"))
    assert (done.steps["gate"], bed.told) == ("failure", [])
    assert "commit needs head" in done.log


def test_a_start_by_hand_without_a_branch_judges_nothing(bed: Bed) -> None:
    done = gate_by_hand(bed, commit=pushed(bed, "read"), branch="")
    assert (done.steps["gate"], bed.told) == ("failure", [])
    assert "commit needs branch" in done.log


def branch_asked(head_ref: str, inputs: dict[str, Any]) -> str:
    """The branch that the workflow tells the action."""
    step = read(ROOT / ".github/workflows/gate.yml")["jobs"]["train"]["steps"][2]
    filled: str = fill(step["with"]["branch"], {"github": {"head_ref": head_ref}, "inputs": inputs})
    return filled


def test_the_branch_is_the_events_and_by_hand_the_one_that_was_given() -> None:
    asked = read(ROOT / ".github/workflows/gate.yml")["on"]["workflow_dispatch"]
    assert asked["inputs"]["branch"]["required"] is True
    assert branch_asked("wider", {}) == "wider"
    assert branch_asked("", {"branch": "autoresearch/nov23"}) == "autoresearch/nov23"


@pytest.mark.parametrize("branch", ["autoresearch/nov23", "autoresearch/$(touch canary)", "autoresearch/-x"])
def test_the_branch_of_a_run_reaches_the_program_as_one_word(branch: str, bed: Bed) -> None:
    git(bed.lab, "remote", "add", "origin", str(bed.lab))
    assert bed.run(branch=branch).ok
    assert bed.told[0]["argv"][-1] == f"--branch={branch}"
    assert not (bed.host.workspace / "canary").exists()


def test_a_commit_that_is_not_a_full_hash_is_refused(bed: Bed) -> None:
    for commit in ("HEAD", pushed(bed, "read")[:12], "main"):
        assert not gate_by_hand(bed, commit=commit).ok, commit
    assert bed.told == []


def test_what_heads_brought_is_gone_from_both_checkouts_after_the_jobs(bed: Bed) -> None:
    size = 5 << 20
    pushed(bed, "junk", size)
    blob = git(bed.host.workspace / "head", "rev-parse", "HEAD:junk")
    assert gate_by_hand(
        bed, keep="14d"
    ).ok  # the junk is what is judged: only the other checkout needs it still
    at = subprocess.run(["git", "-C", bed.lab, "cat-file", "-e", blob], capture_output=True)
    assert at.returncode != 0
    assert git(bed.lab, "for-each-ref", "refs/autoresearch/") == ""
    pushed(bed, "small")
    assert gate_by_hand(bed, keep="14d").ok
    for folder in ("base", "head"):
        files = [path for path in (bed.host.workspace / folder / ".git").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < size / 5, folder


def test_a_repository_that_cannot_be_collected_fails_no_job(bed: Bed) -> None:
    pushed(bed, "read")
    # As of a job that was killed: its lock. It names this very process, which lives.
    lock = bed.lab / ".git" / "gc.pid"
    lock.write_text(f"{os.getpid()} {os.uname().nodename}")
    done = gate_by_hand(bed, keep="14d")
    assert done.steps["Keep the disk free"] == "success"
    assert "git gc failed" in done.log
    assert bed.told[-1]["argv"][2] == "clean"


def test_a_lab_that_no_head_was_fetched_into_is_not_collected(bed: Bed) -> None:
    (bed.lab / "loose").write_text("somebody's")
    blob = git(bed.lab, "hash-object", "-w", "loose")
    assert bed.run(keep="14d").ok
    git(bed.lab, "cat-file", "-e", blob)


@pytest.mark.parametrize("kept", ["theirs", "ours"])
def test_a_change_since_two_merge_bases_never_passes_without_training(kept: str, bed: Bed) -> None:
    # Base and head both merge the two branches; the head throws away what one of them did.
    git(bed.lab, "switch", "-qc", "theirs")
    (bed.lab / "train" / "train.py").write_text("LR = 2\n")
    git(bed.lab, "commit", "-qam", "theirs")
    git(bed.lab, "switch", "-qc", "ours", "main")
    (bed.lab / "notes.md").write_text("ours")
    git(bed.lab, "add", "-A")
    git(bed.lab, "commit", "-qm", "ours")
    git(bed.lab, "switch", "-q", "--detach", "ours")
    git(bed.lab, "merge", "-q", "--no-ff", "theirs", "-m", "base")
    tree = f"{kept}^{{tree}}"
    head = git(bed.lab, "commit-tree", tree, "-p", "theirs", "-p", "ours", "-m", "head")
    assert len(git(bed.lab, "merge-base", "--all", "HEAD", head).splitlines()) == 2
    done = bed.run(base="HEAD", head=head, paths="train")
    assert (done.outputs["verdict"], len(bed.told)) == ("", 1)


def test_the_night_hands_its_inputs_to_the_runner_in_a_run_of_its_own(tmp_path: Path) -> None:
    bed = Bed(tmp_path, GITHUB_RUN_NUMBER="12", GITHUB_RUN_ATTEMPT="2")
    done = bed.run(command="night", agent="claude-code", max_hours="9.5", max_cost="20")
    assert done.ok, done.log
    lab, tag, *rest = bed.told[0]["argv"][1], bed.told[0]["argv"][4], *bed.told[0]["argv"][5:]
    assert re.fullmatch(rf"{bed.host.place}/home/\.cache/autoresearch-ci/nights/[0-9a-f]{{16}}/", lab)
    assert re.fullmatch(r"night-\d{8}-12-2", tag)
    assert rest == ["--new-tag", "--agent=claude-code", "--max-hours=9.5", "--max-cost=20"]
    assert (done.outputs["tag"], done.outputs["kept"]) == (tag, "0")


def test_a_night_without_an_end_is_refused(bed: Bed) -> None:
    done = bed.run(command="night")
    assert not done.ok
    assert bed.told == []


def test_an_unusable_tag_is_refused(bed: Bed) -> None:
    for tag in ("../main", "-x", "a..b", "a.lock", "A", "a b", "x" * 65):
        assert not bed.run(command="night", max_hours="1", tag=tag).ok, tag
    assert bed.told == []


def test_the_disk_is_kept_after_a_gate_and_its_faults_fail_no_job(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    bed.program.write_text('#!/bin/sh\necho "$@" >>"$RECORD"\ncase "$*" in *clean*) exit 4 ;; esac\n')
    done = bed.run(keep="14d 40GB", state="/var/state")
    assert done.ok
    assert (
        bed.record.read_text().splitlines()[1] == "--lab base clean --state /var/state --keep=14d --keep=40GB"
    )


def test_installing_imports_nothing_from_the_workspace(tmp_path: Path) -> None:
    host = Host(tmp_path, PYTHONPATH=".")
    for name in ("venv", "ensurepip", "sitecustomize", "usercustomize", "subprocess", "logging"):
        (host.workspace / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    python = tmp_path / "python"  # ends with 7 once the environment is there: what pip does is for another test
    python.write_text(f'#!/bin/sh\n"{sys.executable}" "$@" || exit\ncase "$*" in *"-m venv"*) exit 7 ;; esac\n')
    python.chmod(0o755)
    done = host.run(python=str(python), state=str(tmp_path / "state"))
    assert done.steps["install"] == "failure"
    assert list((tmp_path / "state" / "tools").glob("*/venv/pyvenv.cfg")), done.log
    assert not (tmp_path / "canary").exists()


def test_a_python_in_the_workspace_is_not_run(tmp_path: Path) -> None:
    host = Host(tmp_path)
    python = host.workspace / "python3"
    python.write_text(f'#!/bin/sh\ntouch "{tmp_path}/canary"\n')
    python.chmod(0o755)
    for environment in ({"PATH": f".:{host.environment['PATH']}"}, {}):
        host.environment |= environment
        done = host.run(python="python3" if environment else "./python3", state=str(tmp_path / "state"))
        assert done.steps["install"] == "failure"
    assert not (tmp_path / "canary").exists()


def test_no_script_starts_a_python_that_looks_around_itself() -> None:
    for script in SCRIPTS:
        for line in script.read_text().splitlines():
            for started in re.findall(r'(?:"\$python"|/python"?) +(\S+)', line.partition(" #")[0]):
                assert started == "-I" or "fail" in line, f"{script.name}: {line}"


@pytest.mark.slow
def test_the_action_installs_the_runner_from_its_own_folder_once(tmp_path: Path) -> None:
    host = Host(tmp_path)
    shutil.copytree(make_lab(tmp_path / "lab"), host.workspace / "base")
    for took in ("installing the runner", ""):
        done = host.run(timeout=600, lab="base", base="HEAD", head="HEAD", paths="train", keep="",
                        state=str(tmp_path / "state"), python=sys.executable)  # fmt: skip
        assert done.ok, done.log
        assert ("installing" in done.log) is bool(took)
    (tool,) = [path for path in (tmp_path / "state" / "tools").iterdir() if path.is_dir()]
    version = subprocess.run([tool / "venv" / "bin" / "runner", "--version"], capture_output=True, text=True)
    assert version.stdout.startswith("runner")
    assert not list(host.workspace.rglob("*.egg-info"))
