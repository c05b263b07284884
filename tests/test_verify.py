"""`runner verify`: a record that this program made has no finding, and every edit of the past has its own."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import conftest
import factories
import pytest
import recordlab
import tamper_table
import tamperings
import tamperlab
import walklab
from conftest import environment
from recordlab import git
from tamperings import BRANCH, TRIALS, Forger
from tamperlab import TAG, go, make, source
from test_record_run import held_elsewhere

from runner.config import RatchetSettings
from runner.errors import UsageError
from runner.lab import Lab
from runner.ratchet import Basis, basis_of, estimate, shortened
from runner.record import verify_chain, verify_seal
from runner.record.message import commit_message
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.record.verify import KINDS, Report, seal, verify_run, verify_sealed
from runner.record.verify_report import MOST, Finder
from runner.record.verify_rule import settings_of
from runner.trial import Status, digest

report = tamper_table.report


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The record that is tampered with, in copies."""
    place = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as patch:
        recordlab.isolate(place / "home", patch)
        yield tamperlab.master(place / "lab").root


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)


@pytest.fixture
def copy(master: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(master, tmp_path / "copy", symlinks=True))


def kinds(found: Report) -> set[str]:
    return {finding.kind for finding in found.findings}


def clean(found: Report) -> bool:
    """No finding; said in full where there is one."""
    assert found.findings == ()
    return True


# Edits of the past


def test_the_record_that_is_tampered_with_has_ten_trials_of_every_sort_and_no_finding(master: Path) -> None:
    found = report(master)
    assert clean(found)
    entries = found.entries
    assert len(entries) >= 10
    assert {entry.status for entry in entries} == set(Status)
    assert any(entry.suspicious for entry in entries)
    assert len([entry for entry in entries if entry.status is Status.KEEP]) >= 4
    assert found.counts["verdicts"] == found.counts["lines"] == found.counts["refs"] == len(entries)


@pytest.mark.parametrize("tampering", tamperings.ALL, ids=lambda one: f"{one.name}-{one.kind}")
def test_an_edit_of_the_past_is_named(master: Path, tmp_path: Path, tampering: tamperings.Tampering) -> None:
    found = tamper_table.found(master, tmp_path, tampering)
    assert tampering.kind in kinds(found), [str(finding) for finding in found.findings]
    if tampering.rechained and tampering.kind != "line-unreadable":
        assert not {kind for kind in kinds(found) if kind.startswith("line-")}


def test_every_kind_of_finding_is_shown_by_an_edit() -> None:
    shown = {tampering.kind for tampering in tamperings.ALL}
    assert set(KINDS) - shown == {"seal-disagrees", "seal-unreadable"}  # shown below
    assert len(shown) > 20


def test_the_table_in_the_docs_has_every_edit() -> None:
    page = (conftest.ROOT / "docs" / "record.md").read_text()
    assert [one.name for one in tamperings.ALL if tamper_table.row(one) not in page] == []


def test_all_edits_are_named_and_not_the_first_alone(copy: Path) -> None:
    forger = Forger(copy)
    forger.lines[3] = forger.lines[3].replace(b'"note":"', b'"note":"not ')
    forger.lines[7] = b"{}"
    forger.lines[10] = forger.lines[10].replace(b'"agent":"', b'"agent":"not ')
    forger.put()
    git(copy, "update-ref", "-d", f"{TRIALS}/0001")
    where = {(finding.kind, finding.where) for finding in report(copy).findings}
    assert {
        ("line-edited", "ledger line 4, trial 3"),
        ("line-unreadable", "ledger line 8"),
        ("line-edited", "ledger line 11, trial 10"),
        ("ref-missing", "trial 1"),
    } <= where


def test_what_a_record_says_cannot_move_the_cursor(copy: Path) -> None:
    forger = Forger(copy)
    forger.trials[5]["time"] = "\x1b[2J\x1b]0;title\x07\nrunner: all is well\u202e"
    forger.trials[5]["commit"] = "\x1b[31mred"
    forger.rechain()
    found = report(copy)
    said = "".join(map(str, found.findings)) + "".join(found.notes)
    assert "time-unreadable" in said
    assert not {"\x1b", "\n", "\x07", "\u202e"} & set(said)


@pytest.mark.parametrize(
    "junk", [b"", b"\n\n\n", b"[]\n", b"null\n", b"\xff\xfe\n" * 9, b'{"hash":1}\n', b"[" * 99_999 + b"\n"]
)
def test_junk_for_a_ledger_is_findings_and_no_fault(copy: Path, junk: bytes) -> None:
    Forger(copy).ledger.write_bytes(junk)
    assert kinds(report(copy))


FIELDS = ["number", "attempts", "verdict", "basis", "time", "commit", "meta"]


NONSENSE = (
    None,
    -1,
    10**400,
    1e308,
    "",
    "\ud800",
    [],
    {},
    [[]],
    {"rule": {"alpha": "x"}},
    {"noise": {"sigma": 1}},
)


@pytest.mark.parametrize("field", FIELDS)
def test_nonsense_in_a_field_is_a_finding_and_no_fault(copy: Path, field: str) -> None:
    right = Forger(copy).lines
    for value in NONSENSE:
        forger = Forger(copy)
        forger.trials = [json.loads(line) for line in right]
        forger.trials[5][field] = value
        prev, forger.lines = "0" * 64, []
        for trial in forger.trials:
            forger.lines.append(tamperings.line(trial, prev))
            prev = forger.lines[-1][-66:-2].decode()
        forger.put()
        assert kinds(report(copy)) or field == "meta", value


# What this program makes

NOISE = estimate([(2.0, 2.004, 1.997, 2.001, 2.003, 1.998)])
SHORT = source(2.0, 10)  # as good as the baseline, and a third of it


def night(lab: Lab) -> None:
    go(lab, tamperlab.SCRIPT)


def resumed(lab: Lab) -> None:
    for start in range(0, 12, 3):
        go(lab, tamperlab.SCRIPT[start : start + 3])


def other_rule_later(lab: Lab) -> None:
    go(lab, (2.05, 1.95, 1.951))
    go(lab, (1.94, 1.9502, 1.90), rule=RatchetSettings(rule="greedy"))
    go(lab, (1.95, 1.85), rule=RatchetSettings(alpha=0.1, max_reruns=2))
    go(lab, (1.80, 1.86))


def calibrated(lab: Lab) -> None:
    go(lab, (2.05, 1.95, "crash", 1.9499), known=NOISE)


def calibrated_later(lab: Lab) -> None:
    go(lab, (2.05, 1.997, 1.95))
    go(lab, (1.949, 1.94), known=NOISE)


def accepted(lab: Lab) -> None:
    go(lab, (2.05, 0.7, 1.95))
    go(lab, (1.90,), accept=2)


def killed_before_the_line(lab: Lab) -> None:
    run = go(lab, (2.05, 1.95))
    run.repo.commit_trial(TAG, 3, run.repo.tip(TAG) or "", b"x = 1\n", "under way")
    run.folder.new_trial(3)


def killed_and_started_again(lab: Lab) -> None:
    killed_before_the_line(lab)
    with RunFolder(lab.root, TAG).ledger.open("ab") as file:
        file.write(b'{"agent":"half')
    go(lab, (1.9, 2.2))


def killed_between_line_and_branch(lab: Lab) -> None:
    run = go(lab, (2.05, 1.95))
    git(lab.root, "update-ref", BRANCH, run.entries[0].commit)
    go(lab, (1.9,))


def unlucky_afresh(lab: Lab) -> None:
    go(lab, (1.95, 1.9, 1.85), sigma=0.02)


def one_trial(lab: Lab) -> None:
    go(lab)


def ahead(lab: Lab) -> None:
    go(lab, tamperlab.SCRIPT, ahead=1)


def with_holdout(lab: Lab) -> None:
    run = go(lab, (1.95,))
    tamperlab.look_at_holdout(run)
    tamperlab.look_at_holdout(go(lab, (1.9, 2.1)))
    run.folder.faults.write_bytes(b'{"time":"2026-01-01T00:00:00Z","ki\n{"kind":"crash"}\n')


def simpler(lab: Lab) -> None:
    go(lab, (SHORT, 2.05, source(1.99, 9), 1.95))


WAYS: list[tuple[str, Callable[[Lab], None]]] = [
    ("", night), ("", resumed), ("", other_rule_later), ("", calibrated), ("", calibrated_later), ("", accepted),
    ("", killed_before_the_line), ("", killed_and_started_again), ("", killed_between_line_and_branch),
    ("", unlucky_afresh), ("", one_trial), ("", ahead), ("", with_holdout),
    ('rule = "margin"', night), ('rule = "greedy"', night), ('rule = "greedy"', accepted),
    ("prefer_simpler = true", simpler), ('rule = "greedy"\nprefer_simpler = true', simpler),
    ("refresh_every = 2", night), ("max_memory_mb = 500", night), ("max_reruns = 0", night),
    ("max_slowdown = 1.05", night), ("max_score_seconds = 7", night),
    ("prefer_simpler = true\nsimpler_margin = 0.005", simpler),
    ("calibrate_trials = 1", night), ("suspicious_share = 0.02\nsuspicious_sigmas = 3", night),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "way"), WAYS, ids=[f"{way.__name__}-{rule.split(chr(10))[0]}" for rule, way in WAYS]
)
def test_a_record_that_this_program_made_has_no_finding(
    tmp_path: Path, rule: str, way: Callable[[Lab], None]
) -> None:
    lab = make(tmp_path / "lab", rule)
    way(lab)
    assert clean(report(lab.root))


@pytest.mark.parametrize("way", [night, accepted, calibrated, calibrated_later], ids=lambda way: way.__name__)
def test_a_record_from_before_lines_said_what_verdicts_rest_on_has_no_finding(
    tmp_path: Path, way: Callable[[Lab], None]
) -> None:
    lab = make(tmp_path / "lab")
    way(lab)
    (RunFolder(lab.root, TAG).path / "floor.json").write_text(json.dumps({"bpb": tamperlab.FLOOR}))
    forger = Forger(lab.root)
    for trial in forger.trials:
        del trial["basis"]
    forger.rechain()
    found = report(lab.root)
    assert clean(found)
    assert (way is night) == (found.notes == ())


@pytest.mark.parametrize(
    ("rule", "way"), [("", night), ("prefer_simpler = true\nsimpler_margin = 0.005", simpler)]
)
def test_a_record_from_before_the_settings_that_are_younger_than_it_has_no_finding(
    tmp_path: Path, rule: str, way: Callable[[Lab], None]
) -> None:
    """Such a run knew no rank of a first score, no margin in sigmas and no limit of time."""
    lab = make(tmp_path / "lab", f"first_rank = 1.0\n{rule}")
    way(lab)
    forger = Forger(lab.root)
    for setting in ("first_rank", "simpler_sigmas", "max_score_seconds", "max_slowdown"):
        del forger.header["settings"]["ratchet"][setting]
    forger.write_header()
    forger.trials[0]["basis"]["header"] = digest((forger.folder / "run.json").read_bytes())
    forger.rechain()
    assert clean(report(lab.root))
    old = settings_of(forger.header["settings"])
    assert (old.first_rank, old.simpler_sigmas, old.max_slowdown) == (1.0, 0.0, 0.0)


def test_a_lab_within_a_repository_with_a_baseline_of_its_own_verifies(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "labs").mkdir(parents=True)
    lab = make(top / "labs" / "[a] lab", "", top)
    (lab.root / "train" / "train.py").write_bytes(source(1.99))
    go(lab, (2.05, 1.95))
    found = report(lab.root)
    assert clean(found)
    assert found.entries[0].commit != git(top, "rev-parse", "HEAD")


def test_a_run_that_a_kill_ended_before_its_first_line_verifies(tmp_path: Path) -> None:
    lab = make(tmp_path / "lab")
    folder = RunFolder(lab.root, TAG)
    repo = LabRepo(lab.root)
    pins = dataclasses.replace(factories.PINS, settings=lab.settings_digest())
    settings = dataclasses.asdict(lab.settings)
    folder.create(recordlab.Header(TAG, "2025-11-23T18:00:00Z", repo.base, pins, settings, 1))
    assert clean(verify_run(repo, folder))


def test_old_files_of_trials_may_be_gone(copy: Path) -> None:
    shutil.rmtree(copy / "runs" / TAG / "trials")
    assert clean(report(copy))


def test_what_was_judged_under_other_settings_or_noise_is_told(tmp_path: Path) -> None:
    lab = make(tmp_path / "lab")
    other_rule_later(lab)
    go(lab, (1.9,), known=NOISE)
    said = " ".join(report(lab.root).notes)
    assert "from trial 4 on the rule had other settings than at the start: rule 'greedy'" in said
    assert "runner calibrate" in said


def test_what_a_verdict_rested_on_comes_back_from_the_record_as_it_was() -> None:
    usual = RatchetSettings()
    basis = Basis(RatchetSettings(rule="margin", margin_sigmas=2.5), NOISE, 0.7, True)
    told = json.loads(json.dumps(shortened(basis.plain(), dataclasses.asdict(usual))))
    assert told["rule"] == {"rule": "margin", "margin_sigmas": 2.5}
    assert basis_of(told, usual) == basis
    assert shortened(Basis(usual).plain(), dataclasses.asdict(usual)) == {"floor": 0.0}


def test_a_version_kept_under_greedy_is_measured_against_when_the_rule_changes(tmp_path: Path) -> None:
    lab = make(tmp_path / "lab")
    kept = go(lab, (1.9,), rule=RatchetSettings(rule="greedy")).entries[-1]
    later = go(lab, (2.0,)).entries[-1]
    assert (kept.status, later.status) == (Status.KEEP, Status.DISCARD)
    assert later.incumbent_bpb == pytest.approx(kept.val_bpb)


# The seal


def clone(lab: Path, place: Path) -> Path:
    """Another repository, with what the documented push brings it."""
    git(lab, "init", "-q", "--bare", str(place / "hub.git"))
    git(
        lab,
        "push",
        "-q",
        str(place / "hub.git"),
        "main",
        f"autoresearch/{TAG}",
        f"refs/trials/{TAG}/*:refs/trials/{TAG}/*",
    )
    git(lab, "clone", "-q", "-b", "main", str(place / "hub.git"), str(place / "clone"))
    git(place / "clone", "fetch", "-q", "origin", f"refs/trials/{TAG}/*:refs/trials/{TAG}/*")
    git(place / "clone", "branch", "-q", f"autoresearch/{TAG}", f"origin/autoresearch/{TAG}")
    return place / "clone"


def sealed(lab: Path) -> str:
    found, sha = seal(LabRepo(lab), RunFolder(lab, TAG))
    assert clean(found)
    assert sha
    return sha


def test_a_sealed_record_verifies_in_a_clone_without_its_files(copy: Path, tmp_path: Path) -> None:
    before = recordlab.snapshot(copy)
    sealed(copy)
    assert recordlab.snapshot(copy) == before
    there = clone(copy, tmp_path)
    assert not (there / "runs").exists()
    found = verify_sealed(LabRepo(there), TAG)
    assert clean(found)
    assert found.entries == report(copy).entries


def test_a_commit_may_stand_for_the_branch(copy: Path) -> None:
    sealed(copy)
    repo, tip = LabRepo(copy), git(copy, "rev-parse", BRANCH)
    git(copy, "update-ref", "-d", BRANCH)
    assert clean(verify_sealed(repo, TAG, tip))
    assert kinds(verify_sealed(repo, TAG, f"{tip[:-1]}{'0' if tip[-1] != '0' else '1'}")) == {"branch-missing"}
    assert kinds(verify_sealed(repo, TAG, git(copy, "rev-parse", f"{tip}^"))) == {"branch-lacks"}


def test_a_seal_goes_on_from_the_one_before_it(tmp_path: Path) -> None:
    lab = make(tmp_path / "lab")
    go(lab, (2.05, 1.95))
    first = sealed(lab.root)
    assert sealed(lab.root) == first, "nothing has changed"
    go(lab, (1.9,))
    assert git(lab.root, "rev-parse", f"{sealed(lab.root)}^") == first


def test_a_record_with_findings_is_not_sealed(copy: Path) -> None:
    git(copy, "update-ref", "-d", f"{TRIALS}/0003")
    found, sha = seal(LabRepo(copy), RunFolder(copy, TAG))
    assert kinds(found) == {"ref-missing"}
    assert sha == ""
    assert verify_seal.at(LabRepo(copy), TAG) is None


def without_the_last(copy: Path) -> Forger:
    """A perfect forgery: the last trial, a discarded one, never was."""
    forger = Forger(copy)
    assert forger.trials.pop()["status"] == "discard"
    git(copy, "update-ref", "-d", f"{TRIALS}/{len(forger.trials):04d}")
    forger.rechain()
    return forger


def test_a_last_trial_that_vanished_whole_is_named_once_it_was_sealed(copy: Path) -> None:
    sealed(copy)
    without_the_last(copy)
    assert kinds(report(copy)) == {"seal-disagrees"}


def test_a_seal_over_another_history_than_the_one_before_it_is_named(copy: Path) -> None:
    sealed(copy)
    without_the_last(copy)
    repo, files = LabRepo(copy), verify_seal.of_folder(RunFolder(copy, TAG))
    verify_seal.write(repo, TAG, files, "sealed again")
    assert kinds(verify_sealed(repo, TAG)) == {"seal-disagrees"}


def test_a_seal_that_holds_something_else_is_named(copy: Path) -> None:
    sealed(copy)
    repo, files = LabRepo(copy), verify_seal.of_folder(RunFolder(copy, TAG))
    verify_seal.write(repo, TAG, {**files, "evil.sh": b"#!/bin/sh\n"}, "sealed")
    assert kinds(verify_sealed(repo, TAG)) == {"seal-unreadable"}


def test_an_edited_seal_is_named_like_an_edited_file(copy: Path) -> None:
    repo, files = LabRepo(copy), verify_seal.of_folder(RunFolder(copy, TAG))
    edited = files["ledger.jsonl"].replace(b'"note":"try 5', b'"note":"TRY 5')
    verify_seal.write(repo, TAG, {**files, "ledger.jsonl": edited}, "sealed")
    assert {"line-edited", "message-differs"} <= kinds(verify_sealed(repo, TAG))


def test_a_clone_without_a_seal_is_told_how_to_get_one(copy: Path) -> None:
    with pytest.raises(UsageError, match="no sealed record") as caught:
        verify_sealed(LabRepo(copy), TAG)
    assert "--seal" in caught.value.advice
    assert "git fetch" in caught.value.advice


def test_a_run_goes_on_and_is_removed_whole_beside_its_seal(tmp_path: Path) -> None:
    lab = make(tmp_path / "lab")
    go(lab, (2.05, 1.95))
    sealed(lab.root)
    go(lab, (1.9,))
    repo = LabRepo(lab.root)
    assert clean(report(lab.root))
    assert (sorted(repo.trials(TAG)), repo.tags()) == ([0, 1, 2, 3], [TAG])
    repo.remove_run(TAG)
    assert git(lab.root, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


# What cannot be seen by looking


def test_scores_and_all_that_follows_from_them_made_anew_are_not_found_by_looking(tmp_path: Path) -> None:
    """The limit that the docs state: a forged night, in which the program itself was given false scores."""
    lab = make(tmp_path / "lab", baseline=source(1.0))
    go(lab, (0.95, 0.9))
    assert clean(report(lab.root))


# The command


def command(lab: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", "--lab", str(lab), "verify", *arguments],
        capture_output=True, text=True, env=environment(lab.parent),
    )  # fmt: skip


def test_the_command_says_what_it_checked_and_exits_0(copy: Path) -> None:
    done = command(copy)
    assert done.returncode == 0, done.stderr
    assert "13 lines of the chain" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("The record verifies")


def test_the_command_names_what_it_found_and_exits_1(copy: Path) -> None:
    git(copy, "update-ref", "-d", f"{TRIALS}/0003")
    done = command(copy, TAG, "--replay", "best")
    assert done.returncode == 1
    assert "ref-missing · trial 3" in done.stdout
    assert "Nothing was trained again" in done.stdout
    assert "Traceback" not in done.stderr


def test_its_json_is_one_object(copy: Path) -> None:
    git(copy, "update-ref", "-d", f"{TRIALS}/0003")
    done = command(copy, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["verifies"], said["tag"]) == (1, False, TAG)
    assert [finding["kind"] for finding in said["findings"]] == ["ref-missing"]
    assert said["checked"]["trials"] == 13


def test_sealing_and_verifying_the_seal_by_command(copy: Path, tmp_path: Path) -> None:
    made = command(copy, TAG, "--seal")
    assert made.returncode == 0, made.stderr
    assert f"git push origin autoresearch/{TAG} 'refs/trials/{TAG}/*:refs/trials/{TAG}/*'" in made.stdout
    there = command(clone(copy, tmp_path), "--sealed")
    assert there.returncode == 0, there.stdout + there.stderr


@pytest.mark.parametrize(
    "arguments",
    [("other",), ("../x",), ("--replay", "-1"), ("--replay", "worst"), ("--sealed",), ("--sealed", "--seal")],
)
def test_wrong_usage_exits_2(copy: Path, arguments: tuple[str, ...]) -> None:
    done = command(copy, *arguments)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr


def test_a_damaged_header_is_a_finding_of_the_command(copy: Path) -> None:
    (copy / "runs" / TAG / "run.json").write_text("{")
    done = command(copy)
    assert done.returncode == 1, done.stderr
    assert "header-unreadable" in done.stdout


def test_a_run_under_way_can_be_verified(copy: Path) -> None:
    process, done = held_elsewhere(copy)
    try:
        found = report(copy)
    finally:
        done.set()
        process.join()
    assert clean(found)
    assert any("under way" in note for note in found.notes)


@pytest.mark.engine
def test_a_run_of_the_program_itself_verifies_and_travels(
    engine: Any, image: str, tag: str, tmp_path: Path
) -> None:
    lab = walklab.make(tmp_path / "lab", lingers=False)
    try:
        code, _, err = walklab.ended(walklab.runner(lab, *walklab.GO, "--tag", tag, "--max-trials", "9"))
        assert code == 0, err
        done = command(lab, "--seal")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "10 verdicts made again" in done.stdout
        shutil.rmtree(lab / "runs" / tag)
        assert command(lab, tag, "--sealed").returncode == 0
    finally:
        walklab.clean(lab, tag, engine)


def test_an_earlier_seal_that_is_too_large_is_told_and_not_read(copy: Path) -> None:
    repo = LabRepo(copy)
    files = verify_seal.of_folder(RunFolder(copy, TAG))
    verify_seal.write(repo, TAG, {**files, "ledger.jsonl": bytes(verify_seal.LARGEST + 1)}, "large")
    verify_seal.write(repo, TAG, files, "as it is")
    assert kinds(verify_sealed(repo, TAG)) == {"seal-unreadable"}


def test_the_files_of_a_seal_are_bounded_together(copy: Path) -> None:
    repo = LabRepo(copy)
    half = bytes(verify_seal.LARGEST // 2)
    files = verify_seal.of_folder(RunFolder(copy, TAG))
    verify_seal.write(repo, TAG, {**files, "faults.jsonl": half, "results.tsv": half + b"."}, "large")
    assert "seal-unreadable" in kinds(verify_sealed(repo, TAG))


def test_a_ledger_of_nothing_but_line_ends_is_soon_given_up() -> None:
    found = Finder()
    chain = verify_chain.read(b"\n" * 3_000_000, found)
    assert chain.entries == ()
    assert {one.kind for one in found.findings} >= {"line-unreadable"}
    assert len(found.findings) <= MOST + 1


@pytest.mark.parametrize(
    ("note", "subject"),
    [
        (
            "Fixes #12, closes org/other#3 @org/team",
            "Fixes #\u206012, closes org/other#\u20603 @\u2060org/team",
        ),
        ("wider [skip ci]", "wider [\u2060skip ci]"),
        (
            "[no-ci] GH-7, see https://example.org/1",
            "[\u2060no-ci] GH-\u20607, see https:\u2060//example.org/1",
        ),
        ("LR 0.1 -> 0.2; 5 % lower, x @ y, [a, b]", "LR 0.1 -> 0.2; 5 % lower, x @ y, [a, b]"),
    ],
)
def test_a_service_finds_nothing_to_act_upon_in_the_note_of_a_commit(note: str, subject: str) -> None:
    assert commit_message("nov23", 7, note, "codex", 1.5).splitlines()[0] == subject
