"""The folder of a job's files. From its first moment it holds files that say `error`, so that a job that is killed
leaves nothing that looks like a verdict. It is emptied only if it is known to be ours.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.ci.junit import junit
from runner.ci.result import Result, plain
from runner.ci.summary import summary
from runner.errors import UsageError
from runner.record.files import atomic_write, explained, now
from runner.record.run import Header
from runner.report import text
from runner.trial import Entry

RESULT, SUMMARY, JUNIT, DIFF, PLOT, PAGE = (
    "result.json", "summary.md", "junit.xml", "diff.patch", "plot.png", "report.html",
)  # fmt: skip


LOG_BYTES = 16_384


def prepare(path: Path, first: Result) -> Path:
    """The folder, empty but for the files of `first`; absolute. Raises UsageError where it is not ours to empty."""
    absolute = Path(os.path.abspath(path))
    here = Path.cwd()
    for one in (absolute, *absolute.parents):
        # Below this folder a head may have put links in its checkout; above it the machine's owner did.
        if one.is_symlink() and one.is_relative_to(here) and one != here:
            raise UsageError(f"{one} is a symbolic link", "Name a folder: --out DIR")
    with explained(absolute):
        if absolute.exists() and not absolute.is_dir():
            raise UsageError(f"{absolute} is not a folder", "Name another: --out DIR")
        absolute.mkdir(parents=True, exist_ok=True)
        if any(absolute.iterdir()) and not _ours(absolute / RESULT):
            raise UsageError(f"{absolute} holds other files", "Name an empty folder, or a new one: --out DIR")
        for entry in absolute.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    write(absolute, first)
    return absolute


def _ours(path: Path) -> bool:
    try:
        raw = json.loads(path.read_bytes()) if path.is_file() and not path.is_symlink() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and raw.get("version") == 1 and "verdict" in raw


def write(folder: Path, result: Result) -> None:
    """The three files that are always there, and the diff. Raises UsageError or InfraError."""
    content = json.dumps(plain(result), indent=1, allow_nan=False) + "\n"
    atomic_write(folder / RESULT, content.encode())
    atomic_write(folder / SUMMARY, summary(result).encode("utf-8", "replace"))
    atomic_write(folder / JUNIT, junit(result))
    if result.diff:
        atomic_write(folder / DIFF, result.diff.encode("utf-8", "replace"))


def with_log(folder: Path, result: Result) -> Result:
    """`result` with the end of the head's log, where its training did not end ok and the log is there."""
    logs = sorted((folder / "head").glob("attempt-*.log"), key=lambda path: path.stat().st_mtime)
    if not logs or not any(one.of == "head" and one.attempt.score is None for one in result.trainings):
        return result
    return replace(result, log=logs[-1].read_bytes()[-LOG_BYTES:])


def pictures(folder: Path, entries: Sequence[Entry], result: Result, settings: Mapping[str, Any]) -> list[str]:
    """plot.png and report.html; messages about what could not be made. Never raises: nothing depends on them."""
    wrong = []
    try:
        from runner.report import plot  # brings matplotlib

        plot.draw(entries, folder / PLOT, "ci")
    except Exception as error:
        wrong.append(f"{PLOT} could not be drawn: {error}")
    try:
        atomic_write(folder / PAGE, _page(folder, entries, result, settings))
    except Exception as error:
        wrong.append(f"{PAGE} could not be made: {error}")
    return wrong


def _page(folder: Path, entries: Sequence[Entry], result: Result, settings: Mapping[str, Any]) -> bytes:
    from runner.report.page import html, model
    from runner.report.page.material import Material, Sample, curve_of, detail

    base, head = entries
    details = {}
    for entry, side, diff in ((base, "base", ""), (head, "head", result.diff)):
        logs = sorted((folder / side).glob("attempt-*.log"))
        log = logs[-1].read_bytes() if logs else b""
        curves = tuple(curve_of(path.with_suffix(".curve.jsonl")) for path in logs)
        details[entry.number] = detail(diff, log, f"{side}/{logs[-1].name}" if logs else "", curves)
    samples = {
        entry.number: [Sample(text.line(one["prompt"]), one[side]) for one in result.samples if side in one]
        for entry, side in ((base, "base"), (head, "head"))
    }
    header = Header("ci", now(), result.base.sha, head.pins, settings, 0, head.machine)
    shown = {number: found for number, found in samples.items() if found}
    note = f"runner ci: {result.verdict}, {result.reason}"
    return html.document(model.build(entries, header, Material(details, shown, None), note=note))
