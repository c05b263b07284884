"""`runner track`: writes the trials of a run that a tracker lacks. `runner go --track` starts it after each trial.

What was written stands in `runs/TAG/track-NAME.json`, written after the trial was: one that a crash interrupted is
written again, and trackers take it as the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import click

from runner import lab as labs
from runner import track as trackers
from runner.errors import InfraError, RunnerError
from runner.jobs.views import run_folder
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, atomic_write
from runner.report import text
from runner.track import material


def track(lab: Path, tag: str, *, to: str, anew: bool) -> None:
    """Raises MissingError without the tracker's library, InfraError where it fails; what was written stays written."""
    trackers.check(to)
    root = labs.open_lab(lab).root
    folder = run_folder(root, tag)
    with _alone(folder, to) as mine:
        if not mine:
            click.echo(f"another process is writing {folder.tag} to {to}", err=True)
            return
        written, where = catch_up(root, folder, to, anew=anew)
    click.echo(f"{written} {'trial' if written == 1 else 'trials'} of {folder.tag} written to {to}: {where}")


def catch_up(root: Path, folder: RunFolder, to: str, *, anew: bool = False) -> tuple[int, str]:
    """How many trials were written now, and where they are."""
    header, entries, repo = folder.header(), Ledger(folder.ledger).entries, LabRepo(root)
    place = folder.path / f"track-{to}.json"
    done = 0 if anew else _done(place, header.created)
    count = 0
    try:
        tracker = trackers.tracker(to, folder.runs, folder.tag, root.name)
        try:
            for entry in entries[done:]:
                tracker.write(material.build(folder, header, entry, repo.diff))
                count += 1
                mark = {"created": header.created, "written": entry.number + 1}
                atomic_write(place, json.dumps(mark).encode(), durable=False)
        finally:
            tracker.close()
    except RunnerError:
        raise
    except Exception as error:  # a library of others, a network: whatever it is, it is not ours
        said = text.line(f"{type(error).__name__}: {error}", 300)
        rest = f"{count} trials were written; the rest: runner track {folder.tag} --to {to}"
        raise InfraError(f"{to}: {said}", rest) from error
    return count, tracker.where()


def _done(place: Path, created: str) -> int:
    """How many trials are written already; 0 where that cannot be read, or is told of another run of that tag."""
    try:
        raw = json.loads(place.read_bytes())
        return max(0, int(raw["written"])) if raw["created"] == created else 0
    except (OSError, ValueError, TypeError, KeyError):
        return 0


@contextlib.contextmanager
def _alone(folder: RunFolder, to: str) -> Iterator[bool]:
    """Whether this process is the only one that writes this run to this tracker."""
    descriptor = os.open(folder.path / f"track-{to}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
