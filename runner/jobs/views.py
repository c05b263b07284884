"""Commands that only read a run's record: status, log, show, diff. They need no engine and take no lock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from runner import holdouts
from runner import lab as labs
from runner.errors import UsageError
from runner.record import faults
from runner.record.glance import Glance, many
from runner.record.run import RunFolder, newest
from runner.report import consoles, tables, tally_file
from runner.report import status as standing
from runner.trial import Entry

_LOG_BYTES = 65_536  # of the end of a log, looked at


def _folder(lab: Path, tag: str) -> RunFolder:
    return run_folder(labs.open_lab(lab).root, tag)


def run_folder(root: Path, tag: str) -> RunFolder:
    """The run `tag` of the lab at `root`, or the newest. Raises UsageError where there is none."""
    if tag:
        folder = RunFolder(root, tag)
        folder.header()  # says what runs there are, if this is none
        return folder
    found = newest(root)
    if found is None:
        raise UsageError(f"{root} has no run yet", "Start one with: runner go")
    return found


def entry(folder: RunFolder, entries: Sequence[Entry], number: int) -> Entry:
    """Raises UsageError where there is no such trial."""
    _there(folder, number, len(entries))
    return entries[number]


def _there(folder: RunFolder, number: int, trials: int) -> None:
    if number >= trials:
        raise UsageError(f"run {folder.tag} has no trial {number}; it has {trials}, counted from 0")


def _one(folder: RunFolder, number: int) -> Entry:
    """That trial alone; the chain of all is checked. Raises UsageError where there is no such trial."""
    glance = Glance(folder.ledger)
    _there(folder, number, len(glance))
    return glance.entry(number)


def status(lab: Path, tag: str, *, as_json: bool, watch: bool = False) -> None:
    folder = _folder(lab, tag)
    if watch:
        from runner.jobs import watch as watching

        if as_json:
            raise UsageError("--watch is for reading, --json for programs", "runner serve gives them data.json")
        watching.watch(folder)
        return
    glance = Glance(folder.ledger)
    tally = tally_file.read(folder.tally, glance)
    now = folder.under_way()
    wrong, held = faults.read(folder.faults), holdouts.read(folder.holdout)
    found = standing.of(folder.tag, tally, now, faults=wrong, holdout=held)
    if as_json:
        click.echo(json.dumps(found))
    else:
        consoles.results().print(standing.View(found, glance.since(len(glance) - standing.LAST)))


def log(
    lab: Path, tag: str, *, kept: bool, crashed: bool, since: str | None, limit: int, form: str | None
) -> None:
    glance = Glance(_folder(lab, tag).ledger)
    asked = ((b"keep", kept), (b"crash", crashed))
    words = [b'"status":"%s"' % word for word, wanted in asked if wanted]  # as the ledger writes it
    with many():
        entries = tables.select(
            glance.backwards(*words),
            kept=kept,
            crashed=crashed,
            since=tables.since(since) if since else None,
            limit=limit or None,  # 0: all
        )
    if form == "json":
        click.echo(tables.as_json(entries))
    elif form == "csv":
        click.echo(tables.as_csv(entries), nl=False)
    else:
        consoles.results().print(tables.Table(entries))


def show(lab: Path, number: int, tag: str, *, as_json: bool) -> None:
    from runner.report import detail
    from runner.report.page import material

    folder = _folder(lab, tag)
    one = _one(folder, number)
    changes = _diff(lab, folder, one)
    place = folder.trial(number)
    samples = material.samples_of(place)
    if as_json:
        click.echo(json.dumps(detail.as_dict(one, diff=changes, samples=samples)))
        return
    path = folder.log_of(one)
    curves = [material.curve_of(place / f"attempt-{at}.curve.jsonl") for at in range(len(one.attempts))]
    log = material.end_of(path, _LOG_BYTES)
    shown = detail.show(one, diff=changes, log=log, curves=curves, samples=samples, log_path=str(path))
    consoles.results().print(shown)


def diff(lab: Path, number: int, tag: str) -> None:
    from runner.report import detail

    folder = _folder(lab, tag)
    changes = _diff(lab, folder, _one(folder, number))
    consoles.results().print(detail.coloured(changes, limit=1_000_000) if changes else "no change")


def _diff(lab: Path, folder: RunFolder, entry: Entry) -> str:
    from runner.record.repo import LabRepo

    return LabRepo(labs.open_lab(lab).root).diff(entry.parent_commit, entry.commit)
