"""The gate and a run's own branch: its record is verified before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import recordlab
import tamperlab

from runner.ci import event, gate
from runner.ci.summary import summary
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.record.verify import seal

REQUEST = event.Request("pull_request", 1, "What the night found", f"autoresearch/{tamperlab.TAG}")


@dataclass
class Night:
    """A run that was recorded, and the request to merge its branch."""

    lab: Path
    tip: str

    def look(self, request: event.Request = REQUEST) -> tuple[gate.Gate, bool]:
        return gate.look(self.lab, event.Asked(["main"], [self.tip], request), {}, {})


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    recordlab.isolate(tmp_path, monkeypatch)
    lab = tamperlab.make(tmp_path / "lab")
    tamperlab.go(lab, (1.9,))
    return Night(lab.root, recordlab.git(lab.root, "rev-parse", f"autoresearch/{tamperlab.TAG}"))


def sealed(night: Night) -> Night:
    report, sha = seal(LabRepo(night.lab), RunFolder(night.lab, tamperlab.TAG))
    assert (report.findings, bool(sha)) == ((), True)
    return night


def test_a_branch_whose_record_verifies_is_judged(night: Night) -> None:
    found, to_train = sealed(night).look()
    assert (found.result.record, to_train) == ("verified", True)


def test_a_branch_that_holds_another_commit_than_its_record_is_refused_with_the_findings(night: Night) -> None:
    sealed(night)
    recordlab.git(night.lab, "switch", "-q", "--detach", night.tip)
    (night.lab / "train/train.py").write_bytes(tamperlab.source(1.5))
    recordlab.git(night.lab, "commit", "-qam", "by hand")
    night.tip = recordlab.git(night.lab, "rev-parse", "HEAD")
    found, to_train = night.look()
    assert not to_train
    assert (found.result.verdict, found.result.cause) == ("refused", "record")
    assert not isinstance(found.result.record, str)
    assert len(found.result.record) >= 1


def test_a_runs_branch_without_a_sealed_record_is_refused_and_told_what_to_push(night: Night) -> None:
    found, to_train = night.look()
    assert not to_train
    assert (found.result.verdict, found.result.cause, found.result.record) == (
        "refused",
        "record-absent",
        "absent",
    )
    assert "runner verify TAG --seal" in summary(found.result)


def test_to_delete_the_seal_spares_nobody_the_verification(night: Night) -> None:
    sealed(night)
    recordlab.git(night.lab, "update-ref", "-d", f"refs/trials/{tamperlab.TAG}/record")
    found, to_train = night.look()
    assert (found.result.cause, to_train) == ("record-absent", False)


@pytest.mark.parametrize("name", ["Night", "a..b", "a/b", "", "x.lock"])
def test_a_branch_named_as_a_runs_whose_tag_no_run_can_have_is_refused(night: Night, name: str) -> None:
    found, to_train = sealed(night).look(event.Request("pull_request", branch=f"autoresearch/{name}"))
    assert (found.result.cause, to_train) == ("record-absent", False)


def test_a_branch_that_no_event_names_is_verified_where_an_option_names_it(night: Night) -> None:
    asked = event.asked("main", night.tip, None, {}, REQUEST.branch)
    found, to_train = gate.look(night.lab, asked, {}, {})
    assert (found.result.cause, to_train) == ("record-absent", False)


@pytest.mark.parametrize("fork", [True, False])
def test_a_branch_of_a_fork_or_of_another_name_has_no_record(night: Night, fork: bool) -> None:
    request = event.Request("pull_request", branch=REQUEST.branch if fork else "topic", fork=fork)
    found, to_train = sealed(night).look(request)
    assert (found.result.record, to_train) == ("not applicable", True)
