"""Two nights one after the other: what is made once stays, whatever the checkout of the second cleans away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import walklab
from action_host import Host
from recordlab import git, isolate, make_lab

RUNNER = str(Path(sys.executable).parent / "runner")
# In the runner's place: makes a secret where there is none, and a run; leaves a mess in what git has.
PROGRAM = """#!{python}
import pathlib, secrets, sys
lab = pathlib.Path(sys.argv[sys.argv.index("--lab") + 1])
if "go" in sys.argv:
    secret = lab / "data" / "secret"
    secret.parent.mkdir(exist_ok=True)
    secret.exists() or secret.write_text(secrets.token_hex())
    run = lab / "runs" / sys.argv[sys.argv.index("--tag") + 1]
    run.mkdir(parents=True)
    there = sorted(path.name for path in (lab / "prepare").iterdir())
    (run / "saw").write_text((lab / "train" / "train.py").read_text() + "".join(there))
    (lab / "train" / "train.py").write_text("left behind")
    (lab / "prepare" / "left_behind.py").write_text("x = 1")
"""


class Nights:
    """A machine that works for one repository, night after night."""

    def __init__(self, place: Path, origin: Path, runner: str, prefix: str = "") -> None:
        self.host, self.origin, self.runner, self.prefix = Host(place), origin, runner, prefix
        self.tree, self.state = self.host.workspace / "repository", place / "state"
        git(self.host.workspace, "clone", "-q", str(origin), str(self.tree))

    def checkout(self) -> None:
        """What the service's checkout does to a tree that is there: as read in the source of the pinned version."""
        git(self.tree, "fetch", "-q", "origin")
        git(self.tree, "checkout", "-q", "--detach")
        for branch in git(self.tree, "branch", "--format=%(refname:short)", "--list").splitlines():
            if not branch.startswith("("):
                git(self.tree, "branch", "-q", "--delete", "--force", branch)
        git(self.tree, "clean", "-ffdx", "-q")
        git(self.tree, "reset", "-q", "--hard", "HEAD")
        git(self.tree, "checkout", "-q", "--force", "--detach", "origin/main")

    def night(self, tag: str, **given: str) -> Any:
        self.checkout()
        lab = f"repository/{self.prefix}"
        done = self.host.run(timeout=300, command="night", runner=self.runner, lab=lab, state=str(self.state),
                             tag=tag, keep="", artifact="", **{"max_trials": "1", **given})  # fmt: skip
        assert done.steps["night"] == "success", done.log
        return done

    @property
    def lab(self) -> Path:
        (kept,) = [path for path in (self.state / "nights").iterdir() if path.is_dir()]
        return kept / self.prefix


@pytest.fixture(params=["", "some/lab/"])
def nights(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    isolate(tmp_path / "home", monkeypatch)
    program = tmp_path / "runner"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    top = tmp_path / "origin"
    lab = top / request.param
    make_lab(lab, top)
    (lab / ".gitignore").write_text("/data/\n/runs/\n")
    git(top, "commit", "-qam", "what is ignored")
    return Nights(tmp_path, top, str(program), request.param)


def test_the_secret_and_the_runs_of_a_night_are_there_in_the_next(nights: Nights) -> None:
    nights.night("one")
    secret = (nights.lab / "data" / "secret").read_text()
    nights.night("two")
    assert (nights.lab / "data" / "secret").read_text() == secret
    assert sorted(path.name for path in (nights.lab / "runs").iterdir()) == ["one", "two"]


def test_a_night_sees_the_revision_of_its_checkout_and_nothing_that_an_earlier_one_left(nights: Nights) -> None:
    nights.night("one")
    (nights.origin / nights.prefix / "train" / "train.py").write_text("LR = 2\n")
    git(nights.origin, "commit", "-qam", "merged by day")
    done = nights.night("two")
    assert (
        done.outputs["base"] == git(nights.origin, "rev-parse", "HEAD") == git(nights.lab, "rev-parse", "HEAD")
    )
    assert (nights.lab / "runs" / "two" / "saw").read_text() == "LR = 2\n__init__.py"


def test_a_branch_that_was_rewritten_by_day_is_followed(nights: Nights) -> None:
    nights.night("one")
    git(nights.origin, "commit", "-q", "--amend", "-m", "rewritten")
    assert nights.night("two").outputs["base"] == git(nights.origin, "rev-parse", "HEAD")


def test_a_second_night_at_once_is_refused(nights: Nights) -> None:
    nights.night("one")
    lock = f"{str(nights.lab.relative_to(nights.state)).split('/')[1]}.lock"
    held = subprocess.Popen(["flock", str(nights.state / "nights" / lock), "-c", "echo held; exec sleep 60"],
                            stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    try:
        done = nights.host.run(command="night", runner=nights.runner, lab=f"repository/{nights.prefix}", tag="two",
                               state=str(nights.state), keep="", max_trials="1")  # fmt: skip
        assert (done.steps["night"], done.steps["pack"]) == ("failure", "skipped")
        assert "another night of this lab is under way" in done.log
    finally:
        held.kill()
        held.wait()


def test_the_disk_is_kept_where_the_nights_are(nights: Nights, tmp_path: Path) -> None:
    record = tmp_path / "cleaned"
    with Path(nights.runner).open("a") as file:
        file.write(f"else:\n    open({str(record)!r}, 'w').write(str(lab))\n")
    nights.checkout()
    done = nights.host.run(command="night", runner=nights.runner, lab=f"repository/{nights.prefix}", tag="one",
                           state=str(nights.state), max_trials="1")  # fmt: skip
    assert done.steps["Keep the disk free"] == "success", done.log
    assert Path(record.read_text()) == nights.lab


@pytest.mark.engine
def test_the_scores_of_two_nights_are_of_the_same_data(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    isolate(tmp_path / "home", monkeypatch)
    origin = walklab.make(tmp_path / "origin", lingers=False)
    nights = Nights(tmp_path, origin, RUNNER)
    try:
        pins, held = [], []
        for tag in ("one", "two"):
            done = nights.night(tag, max_trials="0")
            assert done.outputs["kept"] == "0", done.log
            pins.append(json.loads((nights.lab / "runs" / tag / "run.json").read_text())["pins"])
            held.append((nights.lab / "data" / "holdout.npy").read_bytes())
        assert pins[0] == pins[1]
        assert held[0] == held[1]
    finally:
        for lab in (origin, nights.lab):
            walklab.clean(lab, "one", engine)
