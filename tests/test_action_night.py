"""What a night hands over, and what the job that may write makes of it: real git, a real record, a bare repository.

`gh` is a small program that notes what it is told: nothing here speaks to the service.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import factories
import pytest
import tamperlab
from action_host import ROOT, Host
from recordlab import git, isolate
from test_action import event
from test_action_gitlab import filled, job, script

from runner.trial import Status

RUNNER = str(Path(sys.executable).parent / "runner")
TAG = tamperlab.TAG
KEPT = (2.05, 1.95, "crash", 1.90)
GH = """#!{python}
import json, os, pathlib, sys
body = pathlib.Path(sys.argv[sys.argv.index("--body-file") + 1]).read_text()
with open(os.environ["RECORD"], "w") as file:
    json.dump({{"argv": sys.argv[1:], "body": body}}, file)
print("https://example.org/us/lab/pull/8")
"""


class Night:
    """Two machines: `gpu`, where the research was done, and `hosted`, a fresh clone of the same repository."""

    def __init__(self, place: Path, made: Path) -> None:
        """made: where `research` was done before."""
        self.place = place
        self.gpu = Host(place / "gpu", GITHUB_RUN_NUMBER="1")
        self.lab = self.gpu.workspace / "lab"
        self.origin = place / "origin.git"
        shutil.copytree(made / "lab", self.lab, symlinks=True)
        shutil.copytree(made / "origin.git", self.origin)
        self.base = git(self.lab, "rev-parse", "HEAD")
        tools = place / "bin"
        tools.mkdir()
        (tools / "gh").write_text(GH.format(python=sys.executable))
        (tools / "gh").chmod(0o755)
        self.record = place / "gh.json"
        path = f"{tools}:{self.gpu.environment['PATH']}"
        self.hosted = Host(place / "hosted", PATH=path, RECORD=str(self.record))
        git(place, "clone", "-q", str(self.origin), str(self.hosted.workspace / "lab"))

    def pack(self, ends: int = 0) -> dict[str, str]:
        """The last step of the research job."""
        output = self.place / "packed"
        given = {"RUNNER": RUNNER, "INPUT_LAB": "lab", "NIGHT_TAG": TAG, "NIGHT_BASE": self.base}
        step = 'exec bash "$GITHUB_ACTION_PATH/ci/pack.sh"'
        process = self.gpu.shell(step, {**given, "GITHUB_OUTPUT": str(output)})
        self.log = process.communicate(timeout=60)[0]
        assert process.returncode == ends, self.log
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    @property
    def bundle(self) -> Path:
        return self.gpu.temp / "autoresearch-night" / "run.bundle"

    def publish(self, **given: str) -> Any:
        """The other job: all it gets is the bundle, in the folder of the artifact."""
        shutil.copytree(self.bundle.parent, self.hosted.workspace / "night", dirs_exist_ok=True)
        told = {"runner": RUNNER, "lab": "lab", "tag": TAG, "base": self.base, "bundle": "night/run.bundle"}
        return self.hosted.run(command="publish", token="secret-token", **{**told, **given})

    def refs(self) -> list[str]:
        return git(self.origin, "for-each-ref", "--format=%(refname)").splitlines()

    def refused(self, why: str, **given: str) -> bool:
        before = self.refs()
        done = self.publish(**given)
        assert why in done.log, done.log
        return not done.ok and self.refs() == before and not self.record.exists()


def research(place: Path, script: Any = KEPT) -> Path:
    """A lab, its repository as others have it, and a run that only the lab has."""
    lab = tamperlab.make(place / "lab")
    git(place, "clone", "-q", "--bare", str(lab.root), str(place / "origin.git"))
    tamperlab.go(lab, script)
    return place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("night")
        isolate(place / "home", patch)
        yield research(place)


@pytest.fixture
def night(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    isolate(tmp_path / "home", monkeypatch)
    return Night(tmp_path, made)


def test_a_night_becomes_a_branch_and_a_pull_request(night: Night) -> None:
    packed = night.pack()
    assert packed["kept"] == "2"
    done = night.publish()
    assert done.ok, done.log
    assert done.outputs["pull-request"] == "https://example.org/us/lab/pull/8"
    told = json.loads(night.record.read_text())
    title = told["argv"][told["argv"].index("--title") + 1]
    assert told["argv"][:6] == ["pr", "create", "--base", "main", "--head", f"autoresearch/{TAG}"]
    assert re.match(rf"Research {TAG}: val_bpb (1\.99|2\.00)\d\d → 1\.\d{{4}}, ", title)
    assert title.endswith("2 kept")
    assert "`try 2: 1.95`" in told["body"]
    assert "was verified before" in told["body"]
    names = night.refs()
    assert f"refs/heads/autoresearch/{TAG}" in names
    assert f"refs/trials/{TAG}/record" in names
    assert f"refs/autoresearch/{TAG}/plot" in names
    assert len([name for name in names if name.startswith("refs/trials/")]) == len(KEPT) + 2
    assert git(night.origin, "diff", "--name-only", "main", f"autoresearch/{TAG}") == "train/train.py"
    kind = subprocess.run(["git", "-C", night.origin, "show", f"refs/autoresearch/{TAG}/plot:progress.png"],
                          capture_output=True).stdout[:4]  # fmt: skip
    assert kind == b"\x89PNG"


def test_what_was_published_verifies_in_another_clone(night: Night) -> None:
    night.pack()
    assert night.publish().ok
    clone = night.place / "clone"
    git(night.place, "clone", "-q", str(night.origin), str(clone))
    git(clone, "fetch", "-q", "origin", f"refs/trials/{TAG}/*:refs/trials/{TAG}/*",
        f"autoresearch/{TAG}:autoresearch/{TAG}")  # fmt: skip
    done = subprocess.run([RUNNER, "--lab", clone, "verify", TAG, "--sealed"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_token_is_on_no_disk_and_in_no_log(night: Night) -> None:
    night.pack()
    done = night.publish()
    assert done.ok
    assert "secret-token" not in done.log + done.summary + night.record.read_text()
    for path in (night.hosted.workspace / "lab" / ".git").rglob("*"):
        assert not path.is_file() or b"secret-token" not in path.read_bytes(), path


def test_a_night_in_which_nothing_was_kept_is_packed_and_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(tmp_path / "home", monkeypatch)
    (tmp_path / "made").mkdir()
    night = Night(tmp_path, research(tmp_path / "made", (2.05, 2.1)))
    assert night.pack()["kept"] == "0"
    assert "nothing was kept of 2 proposals" in night.gpu.files["GITHUB_STEP_SUMMARY"].read_text()
    before = night.refs()
    done = gitlab_publish(night)  # where no condition of a workflow keeps the job from running
    assert (done.returncode, night.refs()) == (0, before), done.stdout + done.stderr
    assert "the night kept nothing" in done.stdout
    (night.bundle.parent / "kept").unlink()
    assert night.refused("not what was asked for")


def test_a_night_whose_record_was_edited_meanwhile_is_not_packed_for_publishing(night: Night) -> None:
    ledger = night.lab / "runs" / TAG / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("try 2", "try 9"))
    packed = night.pack(ends=1)
    assert packed["kept"] == "0"
    assert (Path(packed["out"]) / "ledger.jsonl").exists()
    assert not night.bundle.exists()


def test_a_night_that_ended_before_its_first_trial_packs_nothing(night: Night) -> None:
    shutil.rmtree(night.lab / "runs")
    assert night.pack() == {"kept": "0"}
    done = gitlab_publish(night)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_night_that_says_nothing_of_what_it_kept_and_has_no_bundle_fails(night: Night) -> None:
    night.pack()
    for name in ("kept", "run.bundle"):
        (night.bundle.parent / name).unlink()
    done = gitlab_publish(night)
    assert done.returncode == 1
    assert "there is no bundle" in done.stdout


@pytest.mark.parametrize("said", ["2", "", "00", "0x"])
def test_only_a_zero_says_that_nothing_was_kept(said: str, night: Night) -> None:
    night.pack()
    (night.bundle.parent / "kept").write_text(said)
    assert night.publish().ok
    assert f"refs/heads/autoresearch/{TAG}" in night.refs()


@pytest.fixture
def words() -> Any:
    """The module that writes the text of the pull request."""
    spec = importlib.util.spec_from_file_location("night_summary", ROOT / "ci" / "night_summary.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_of_an_agent_are_in_code_wherever_they_stand(words: Any) -> None:
    hostile = "[x](http://e.example) <img src=x> @everyone | `a` ``b`` ![i](http://e.example/p.png)"
    entries = [factories.entry(0, Status.KEEP, 2.0), factories.entry(1, Status.KEEP, 1.9, note=hostile)]
    lines = [
        line for line in words.body("nov23", entries, verified=True, run="").splitlines() if "everyone" in line
    ]
    assert len(lines) == 2
    for line in lines:
        before, inside, after = line.split("```")
        assert "everyone" in inside
        assert (before.count("|"), after) == (4, " |")


def test_the_text_of_a_long_night_fits_a_pull_request(words: Any) -> None:
    entries = [factories.entry(n, Status.KEEP, 2.0 - n / 10000, note="é" * 200) for n in range(1000)]
    assert len(words.body("nov23", entries, verified=True, run="").encode()) < 60_000


def gate_of(night: Night, branch: str, by_hand: bool = False) -> Any:
    """The gate on the branch that was published; what is trained is the business of other tests."""
    environment = {"PATH": night.gpu.environment["PATH"]}
    payload, given = event(fork=False, branch=branch), {}
    if by_hand:  # no payload of a pull request: all is told by who starts it
        environment |= {"GITHUB_EVENT_NAME": "workflow_dispatch"}
        payload, given = {"inputs": {}}, {"branch": branch}
    else:
        environment |= {"GITHUB_HEAD_REF": branch}
    host = Host(night.place / "gate", payload, **environment)
    git(night.place, "clone", "-q", str(night.origin), str(host.workspace / "base"))
    done = host.run(runner=RUNNER, lab="base", base="HEAD", head=f"origin/autoresearch/{TAG}", keep="",
                    state=str(night.place / "state"), **given)  # fmt: skip
    return host, done


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_gate_refuses_a_published_branch_whose_record_was_edited(by_hand: bool, night: Night) -> None:
    night.pack()
    assert night.publish().ok
    git(night.origin, "update-ref", f"refs/trials/{TAG}/0002", night.base)
    _, done = gate_of(night, f"autoresearch/{TAG}", by_hand)
    assert done.outputs["verdict"] == "refused", done.log
    assert "does not verify" in done.summary


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_gate_refuses_a_published_branch_whose_seal_was_deleted(by_hand: bool, night: Night) -> None:
    night.pack()
    assert night.publish().ok
    git(night.origin, "update-ref", "-d", f"refs/trials/{TAG}/record")
    _, done = gate_of(night, f"autoresearch/{TAG}", by_hand)
    assert done.outputs["verdict"] == "refused", done.log
    assert "no sealed record" in done.summary


def gitlab_gate(night: Night, **variables: str) -> tuple[Any, dict[str, Any]]:
    """GitLab's job `gate` on the request for the branch that was published, in the clone that the service makes."""
    opt, folder = night.place / "opt", night.place / "builds"
    opt.mkdir()
    (opt / ".venv").symlink_to(Path(RUNNER).parents[1])
    (opt / "ci").symlink_to(ROOT / "ci")
    git(night.place, "clone", "-q", str(night.origin), str(folder))
    git(folder, "checkout", "-q", "--detach", f"origin/autoresearch/{TAG}")
    service = {
        "GITLAB_CI": "true", "CI": "true", "CI_MERGE_REQUEST_IID": "3", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": f"autoresearch/{TAG}", "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1", "CI_COMMIT_SHA": git(folder, "rev-parse", "HEAD"), **variables,
    }  # fmt: skip
    own = {name: filled(value, service) for name, value in job("gate")["variables"].items()}
    environment = {"PATH": night.gpu.environment["PATH"], "HOME": str(night.place / "home"), **service, **own,
                   "DOCKER_HOST": "unix:///nowhere.sock"}  # fmt: skip
    done = subprocess.run(["bash", "-e", "-c", script("gate", opt)], cwd=folder, env=environment, text=True,
                          capture_output=True, timeout=120)  # fmt: skip
    result = folder / "runner-ci" / "result.json"
    return done, json.loads(result.read_text()) if result.exists() else {}


def test_gitlabs_gate_verifies_the_record_of_a_runs_branch(night: Night) -> None:
    night.pack()
    assert night.publish().ok
    done, result = gitlab_gate(night)
    # It would be trained now, and there is no engine: the next two are refused before that is found out.
    assert (done.returncode, result["cause"]) == (3, "missing"), done.stdout + done.stderr


def test_gitlabs_gate_refuses_a_runs_branch_whose_record_was_edited(night: Night) -> None:
    night.pack()
    assert night.publish().ok
    git(night.origin, "update-ref", f"refs/trials/{TAG}/0002", night.base)
    done, result = gitlab_gate(night)
    assert (done.returncode, result["cause"]) == (1, "record"), done.stdout + done.stderr


def test_gitlabs_gate_refuses_a_runs_branch_whose_seal_was_deleted(night: Night) -> None:
    night.pack()
    assert night.publish().ok
    git(night.origin, "update-ref", "-d", f"refs/trials/{TAG}/record")
    done, result = gitlab_gate(night)
    assert (done.returncode, result["cause"]) == (1, "record-absent"), done.stdout + done.stderr


def test_gitlabs_gate_says_nothing_where_the_record_cannot_be_fetched(night: Night) -> None:
    night.pack()
    assert night.publish().ok
    opt = night.place / "elsewhere"
    opt.mkdir()
    (opt / "ci").symlink_to(ROOT / "ci")
    git(night.place, "clone", "-q", str(night.origin), str(night.place / "tree"))
    shutil.move(night.origin, night.place / "gone.git")
    done = subprocess.run(["bash", "-e", "-c", script("gate", opt)], cwd=night.place / "tree", text=True,
                          env={**night.gpu.environment, "INPUT_BRANCH": f"autoresearch/{TAG}"}, capture_output=True,
                          timeout=60)  # fmt: skip
    assert done.returncode == 4, done.stdout + done.stderr


def test_no_verdict_is_given_where_the_record_cannot_be_fetched(night: Night) -> None:
    night.pack()
    assert night.publish().ok
    host, done = gate_of(night, f"autoresearch/{TAG}-x")  # no such run: nothing to fetch
    assert done.steps["Fetch the record of a run"] == "success"
    git(host.workspace / "base", "remote", "set-url", "origin", str(night.place / "gone"))
    host.environment["GITHUB_HEAD_REF"] = f"autoresearch/{TAG}"
    done = host.run(runner=RUNNER, lab="base", base="HEAD", head=f"origin/autoresearch/{TAG}", keep="")
    assert (done.steps["Fetch the record of a run"], done.steps["gate"]) == ("failure", "skipped")


@pytest.mark.parametrize(
    "branch", ["autoresearch/../x", "autoresearch/--upload-pack=touch x", "autoresearch/*", "main"]
)
def test_a_branch_that_is_no_runs_fetches_nothing(branch: str, night: Night) -> None:
    git(night.origin, "update-ref", "refs/trials/x/0000", night.base)
    host, done = gate_of(night, branch)
    assert done.steps["Fetch the record of a run"] == "success"
    assert git(host.workspace / "base", "for-each-ref", "refs/trials/") == ""


# What a machine that an agent has taken over might hand over


def forge(night: Night, path: str, ref: str, text: str = "x\n", mode: str = "100644") -> None:
    """`ref` one commit further, in which `path` is something else."""
    blob = subprocess.run(["git", "-C", night.lab, "hash-object", "-w", "--stdin"], input=text, text=True,
                          capture_output=True, check=True).stdout.strip()  # fmt: skip
    index = {"GIT_INDEX_FILE": str(night.place / "index")}
    for command in (["read-tree", ref], ["update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}"]):
        subprocess.run(["git", "-C", night.lab, *command], env={**night.gpu.environment, **index}, check=True)
    tree = subprocess.run(["git", "-C", night.lab, "write-tree"], env={**night.gpu.environment, **index}, check=True,
                          capture_output=True, text=True).stdout.strip()  # fmt: skip
    git(night.lab, "update-ref", ref, git(night.lab, "commit-tree", tree, "-p", ref, "-m", "forged"))


def rebundle(night: Night) -> None:
    git(night.lab, "bundle", "create", str(night.bundle), f"refs/heads/autoresearch/{TAG}",
        f"--glob=refs/trials/{TAG}/*", f"^{night.base}")  # fmt: skip


@pytest.mark.parametrize(
    ("path", "mode"),
    [(".github/workflows/gate.yml", "100644"), ("prepare/__init__.py", "100644"), ("train/train.py", "120000"),
     ("train/train.py", "100755"), ("train/more.py", "100644"), ("runner.toml", "100644")],
)  # fmt: skip
def test_a_branch_that_changes_anything_else_is_not_published(path: str, mode: str, night: Night) -> None:
    night.pack()
    forge(night, path, f"refs/heads/autoresearch/{TAG}", mode=mode)
    rebundle(night)
    assert night.refused("changes something else")


def test_a_trial_that_changes_anything_else_is_not_published(night: Night) -> None:
    night.pack()
    forge(night, ".github/workflows/gate.yml", f"refs/trials/{TAG}/0001")
    rebundle(night)
    assert night.refused("changes something else")


def test_a_change_hidden_in_the_middle_of_the_branch_is_found(night: Night) -> None:
    night.pack()
    before = git(night.lab, "show", f"{night.base}:prepare/__init__.py") + "\n"
    branch = f"refs/heads/autoresearch/{TAG}"
    forge(night, "prepare/__init__.py", branch)
    forge(night, "prepare/__init__.py", branch, before)
    rebundle(night)
    assert night.refused("changes something else")


def test_a_better_train_py_that_no_trial_was_is_not_published(night: Night) -> None:
    night.pack()
    forge(night, "train/train.py", f"refs/heads/autoresearch/{TAG}", "SCORE = 0.1\n")
    rebundle(night)
    assert night.refused("the record does not verify")


def test_a_bundle_without_a_record_is_not_published(night: Night) -> None:
    night.pack()
    git(night.lab, "update-ref", "-d", f"refs/trials/{TAG}/record")
    rebundle(night)
    assert night.refused("the record does not verify")


def test_a_ref_that_is_no_trial_is_not_published(night: Night) -> None:
    night.pack()
    git(night.lab, "update-ref", f"refs/trials/{TAG}/x/record", f"autoresearch/{TAG}")
    rebundle(night)
    assert night.refused("a ref that is no trial")


def test_a_branch_from_elsewhere_is_not_published(night: Night) -> None:
    night.pack()
    foreign = git(night.lab, "commit-tree", f"{night.base}^{{tree}}", "-m", "a root of its own")
    git(night.lab, "update-ref", f"refs/heads/autoresearch/{TAG}", foreign)
    rebundle(night)
    assert night.refused("has not one parent")


def test_what_hangs_under_the_seal_is_not_published(night: Night) -> None:
    night.pack()
    seal = f"refs/trials/{TAG}/record"
    foreign = git(night.lab, "commit-tree", f"{night.base}^{{tree}}", "-m", "a root of its own")
    git(night.lab, "update-ref", "refs/foreign", foreign)
    forge(night, "contraband", "refs/foreign", "smuggled\n")
    blob = git(night.lab, "rev-parse", "refs/foreign:contraband")
    sealed = git(night.lab, "commit-tree", f"{seal}^{{tree}}", "-p", seal, "-p", "refs/foreign", "-m", "seal")
    git(night.lab, "update-ref", seal, sealed)
    rebundle(night)
    done = night.publish()
    assert done.ok, done.log
    found = subprocess.run(["git", "-C", night.origin, "cat-file", "-e", blob], capture_output=True)
    assert found.returncode != 0
    assert git(night.origin, "rev-list", "--count", seal) == "1"
    assert git(night.origin, "rev-parse", f"{seal}^{{tree}}") == git(night.lab, "rev-parse", f"{seal}^{{tree}}")


def test_a_ref_of_a_tag_is_not_published(night: Night) -> None:
    night.pack()
    ref = f"refs/trials/{TAG}/0001"
    git(night.lab, "tag", "-a", "-m", "words that nobody looks at", "words", ref)
    git(night.lab, "update-ref", ref, git(night.lab, "rev-parse", "refs/tags/words"))
    rebundle(night)
    assert night.refused("something else than a commit")


def gitlab_publish(night: Night) -> Any:
    """GitLab's job `publish`, in a folder that the service has unpacked research's artifact over."""
    opt, folder = night.place / "opt", night.place / "builds"
    opt.mkdir()
    (opt / ".venv").symlink_to(Path(RUNNER).parents[1])
    (opt / "ci").symlink_to(ROOT / "ci")
    shutil.copytree(night.bundle.parent, folder / "night", dirs_exist_ok=True)
    git(night.origin, "config", "receive.advertisePushOptions", "true")
    service = {"CI_PIPELINE_IID": "1", "CI_COMMIT_SHA": night.base, "CI_DEFAULT_BRANCH": "main",
               "CI_PROJECT_URL": str(night.origin).removesuffix(".git"), "GH_TOKEN": "secret-token"}  # fmt: skip
    own = {name: filled(value, service) for name, value in job("publish")["variables"].items()} | {
        "INPUT_TAG": TAG
    }
    environment = {"PATH": night.gpu.environment["PATH"], "HOME": str(night.place / "home"), **service, **own}
    return subprocess.run(["bash", "-e", "-c", script("publish", opt)], cwd=folder, env=environment, text=True,
                          capture_output=True, timeout=120)  # fmt: skip


def test_gitlabs_job_publishes_from_a_clone_of_its_own(night: Night) -> None:
    night.pack()
    # A repository in the artifact, which git would believe where it is started in that folder.
    builds, canary = night.place / "builds", night.place / "canary"
    git(night.place, "clone", "-q", str(night.origin), str(builds))
    for name in ("reference-transaction", "pre-push"):
        hook = builds / ".git" / "hooks" / name
        hook.write_text(f'#!/bin/sh\ntouch "{canary}"\n')
        hook.chmod(0o755)
    git(builds, "config", f"url.{night.place}/elsewhere.insteadOf", str(night.origin))
    done = gitlab_publish(night)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"refs/heads/autoresearch/{TAG}" in night.refs()
    assert not canary.exists()
    assert "secret-token" not in done.stdout + done.stderr


@pytest.mark.parametrize("broken", [b"", b"no bundle", b"# v2 git bundle\n\nPACKgarbage"])
def test_a_broken_bundle_is_not_published(broken: bytes, night: Night) -> None:
    night.pack()
    night.bundle.write_bytes(broken)
    assert night.refused("cannot be read")


def test_a_bundle_of_another_run_is_not_published_under_this_tag(night: Night) -> None:
    night.pack()
    assert night.refused("cannot be read", tag="another")


def test_a_run_that_is_published_is_not_published_over(night: Night) -> None:
    night.pack()
    git(
        night.origin, "update-ref", f"refs/heads/autoresearch/{TAG}", night.base
    )  # an ancestor of what would be pushed
    assert night.refused("is there a branch")


def test_a_base_that_the_branch_of_the_request_does_not_have_is_refused(night: Night) -> None:
    night.pack()
    assert night.refused("did not start from main", base="f" * 40)


def test_a_base_that_is_no_commit_is_refused(night: Night) -> None:
    night.pack()
    assert night.refused("no commit", base="--upload-pack=touch x")
