"""`runner verify`: checks a run's record, seals it, trains one of its trials again. Prints what it found.

What a record says is shown as one clean line each; nothing in it is run or believed but by `--replay`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from runner.errors import UsageError
from runner.jobs import replay
from runner.lab import Lab
from runner.record import verify, verify_seal
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, newest
from runner.record.verify import Report
from runner.trial import Entry, Status

TRIALS = 3  # trainings of a replay, as `runner replay` does by itself


def run(lab: Lab, tag: str, *, again: str, seal: bool, sealed: bool, as_json: bool) -> bool:
    """Prints what was found; whether the record verifies, and the trial `again` ("", a number, `best`) reproduces.

    Raises UsageError, MissingError, InfraError.
    """
    if sealed and (again or seal):
        raise UsageError(
            "--sealed reads a record that lies in git", "Leave out --seal and --replay: they need runs/"
        )
    repo = LabRepo(lab.root)
    report, made = _checked(lab, repo, tag, seal=seal, sealed=sealed)
    where = verify_seal.ref(report.tag) if sealed else f"runs/{report.tag}"
    if not as_json:
        _print(report, where)
        if made:
            _print_seal(report.tag, made)
    done: Mapping[str, Any] | None = None
    if again and report.holds:
        done = replay.again(lab, _number(report.entries, again), report.tag, TRIALS, quiet=as_json)
    elif again and not as_json:
        click.echo("Nothing was trained again: the record does not verify.")
    if as_json:
        click.echo(json.dumps(_facts(report, where, made, done)))
    return report.holds and (not again or bool(done and done["reproduces"]))


def _checked(lab: Lab, repo: LabRepo, tag: str, *, seal: bool, sealed: bool) -> tuple[Report, str]:
    """The report, and the seal's commit where one was made."""
    if sealed:
        return verify.verify_sealed(repo, tag or _newest_sealed(repo)), ""
    folder = _folder(lab, tag)
    if seal:
        with folder.lock():
            return verify.seal(repo, folder)
    return verify.verify_run(repo, folder), ""


def _folder(lab: Lab, tag: str) -> RunFolder:
    """The run to be checked, its header readable or not. Raises UsageError where there is none."""
    if tag:
        folder = RunFolder(lab.root, tag)
        if not (folder.exists() or folder.ledger.exists()):
            folder.header()  # says what runs there are
        return folder
    found = newest(lab.root)
    if found is None:
        raise UsageError(
            f"{lab.root} has no run yet", "Start one with: runner go; for a sealed record: --sealed"
        )
    return found


def _newest_sealed(repo: LabRepo) -> str:
    tags = [tag for tag in repo.tags() if verify_seal.at(repo, tag)]
    if len(tags) == 1:
        return tags[0]
    if not tags:
        raise UsageError(
            "this repository has no sealed record",
            "Fetch one: git fetch origin 'refs/trials/TAG/*:refs/trials/TAG/*'; or make one: runner verify TAG --seal",
        )
    raise UsageError(f"there are sealed records of {', '.join(tags)}", "Say which: runner verify TAG --sealed")


def _number(entries: Sequence[Entry], again: str) -> int:
    if again != "best":
        return int(again)
    kept = [entry.number for entry in entries if entry.status is Status.KEEP]
    if not kept:
        raise UsageError("the run has kept nothing yet: there is no best trial", "Start it: runner go")
    return kept[-1]


def _print(report: Report, where: str) -> None:
    for line in (f"run       {report.tag}, from {where}", *_checks(report.counts)):
        click.echo(line)
    if report.head:
        click.echo(f"head      {report.head}")
    for note in report.notes:
        click.echo(f"note      {note}")
    for finding in report.findings:
        click.echo(f"finding   {finding}")
    count = len(report.findings)
    if report.holds:
        click.echo(
            "The record verifies: it agrees with itself. It is no signature; --replay best asks the scores."
        )
    else:
        click.echo(f"The record does not verify: {count} finding{'s' * (count != 1)}.")


def _checks(counts: Mapping[str, int]) -> list[str]:
    """What was looked at, a line each."""
    said = [
        ("ledger", "lines", "lines of the chain"),
        ("trials", "commits", "commits: train.py, parent, message, nothing else changed"),
        ("refs", "refs", "refs of trials"),
        ("branch", "kept", "commits kept after the base, in order"),
        ("rule", "verdicts", "verdicts made again from their scores"),
        ("seeds", "trainings", "trainings under the runner's own seeds"),
        ("seals", "seals", "earlier seals that the ledger goes on from"),
    ]
    return [
        f"{name:9} {counts[key]} {what}"
        for name, key, what in said
        if key in counts and (counts[key] or key != "seals")
    ]


def _print_seal(tag: str, made: str) -> None:
    click.echo(f"sealed    {verify_seal.ref(tag)} at {made[:12]}; with the evidence it travels by")
    click.echo(f"          git push origin autoresearch/{tag} 'refs/trials/{tag}/*:refs/trials/{tag}/*'")


def _facts(report: Report, where: str, made: str, done: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object of `runner verify --json`."""
    return {
        "tag": report.tag,
        "from": where,
        "verifies": report.holds,
        "checked": dict(report.counts),
        "head": report.head,
        "findings": [asdict(finding) for finding in report.findings],
        "notes": list(report.notes),
        "sealed": made or None,
        "replay": done,
    }
