"""`runner compare`: reads the runs named, prints them side by side, draws their best scores on one plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from runner import lab as labs
from runner.errors import UsageError
from runner.record import faults
from runner.record.ledger import Ledger
from runner.record.run import RunFolder, atomic_write
from runner.report import compare as comparing
from runner.report import consoles
from runner.report.compare import Arm, Curve, Run


def compare(lab: Path, *, arms: Sequence[str], over: str, to: Path | None, as_json: bool) -> None:
    """Raises UsageError for a run that is none."""
    root = labs.open_lab(lab).root
    found = [_arm(root, named) for named in arms]
    runs = [run for arm in found for run in arm.runs]
    warnings = comparing.differences(runs)
    for warning in warnings:
        click.secho(f"runner: {warning}", fg="yellow", err=True)
    curves = [comparing.curve(arm, over) for arm in found]
    if as_json:
        rows = [{"arm": arm.name, **comparing.summary(run)} for arm in found for run in arm.runs]
        drawn = {c.name: _plain(c) for c in curves}
        click.echo(json.dumps({"over": over, "runs": rows, "curves": drawn, "warnings": warnings}))
    else:
        consoles.results().print(comparing.View(found))
    if to is not None or not as_json:
        path = to or root / "runs" / "compare.png"
        from runner.report import compare_plot  # brings matplotlib

        atomic_write(path, compare_plot.png(curves, over), durable=False)
        click.echo(f"plot: {path}", err=True)


def _plain(curve: Curve) -> dict[str, object]:
    """low, high: the interval about the median, which holds it with the probability `coverage`."""
    rows = {"places": curve.places, "median": curve.middle, "low": curve.low, "high": curve.high}
    return {**rows, "coverage": curve.coverage}


def _arm(root: Path, named: str) -> Arm:
    """`TAG`, or `NAME=TAG,TAG…`."""
    name, equals, tags = named.partition("=")
    parts = [tag.strip() for tag in (tags if equals else named).split(",")]
    if not name.strip() or not all(parts):
        raise UsageError(f"{named!r} is neither TAG nor NAME=TAG,TAG…", "Such as agent=nov23,nov24")
    return Arm(name.strip(), tuple(_run(root, tag) for tag in parts))


def _run(root: Path, tag: str) -> Run:
    folder = RunFolder(root, tag)
    header = folder.header()  # says what runs there are, if this is none
    return Run(tag, Ledger(folder.ledger).entries, header.pins, faults.read(folder.faults))
