"""`runner report`: writes a run's page, `runs/<tag>/report.html`. `runner go` has it written with each kept version.

Joins git and the run's folder for `report/page/`. Needs no engine and takes no lock: it reads beside a run under way.
"""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from runner import lab as labs
from runner.errors import RunnerError
from runner.jobs.views import run_folder
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, atomic_write
from runner.report.page import html, model
from runner.report.page.material import Reader
from runner.trial import Entry


class Pages:
    """The pages of one run, one after the other: what was read of a trial once is not read again.

    note: why the page lacks the diffs, where it does.
    """

    def __init__(self, lab: Path, folder: RunFolder) -> None:
        self.folder = folder
        self.note = ""
        self._lab = lab
        self._repo: LabRepo | None = None
        self._reader = Reader(folder, self._diffs)

    def data(self, entries: Sequence[Entry], *, after: int = 0) -> dict[str, object]:
        """The page's data; `after` as in `model.build`. Raises UsageError where the run has no header."""
        material = self._reader.read(entries)
        current = self.folder.under_way()
        return model.build(entries, self.folder.header(), material, current, after=after, note=self.note)

    def _diffs(self, entries: Sequence[Entry]) -> Mapping[int, str]:
        """Empty, and a note, where git cannot be asked: a page without diffs is better than none."""
        try:
            self._repo = self._repo or LabRepo(self._lab)
            found = self._repo.diffs((entry.parent_commit, entry.commit) for entry in entries)
        except RunnerError as error:
            self.note = f"Without the changes to train.py: {error.what}"
            return {}
        same = {entry.number: "" for entry in entries if entry.parent_commit == entry.commit}
        return same | {entry.number: found[entry.commit] for entry in entries if entry.commit in found}


def write(pages: Pages, to: Path | None = None) -> Path:
    """Write the page of the run as it stands; its path. Raises UsageError or InfraError, the old page is whole then."""
    path = to or pages.folder.report
    entries = Ledger(pages.folder.ledger).entries
    atomic_write(path, html.document(pages.data(entries)), durable=False)
    return path


def refresh(pages: Pages, say: Callable[[str], None]) -> None:
    """As `write`, for a run under way: whatever goes wrong with a page, the run goes on and is told."""
    try:
        write(pages)
    except Exception as error:
        say(f"report.html could not be written: {error}")


def report(lab: Path, tag: str, *, to: Path | None, show: bool) -> None:
    """The page of a run, written and named on stdout."""
    root = labs.open_lab(lab).root
    path = write(Pages(root, run_folder(root, tag)), to)
    click.echo(path)
    if show and not webbrowser.open(path.resolve().as_uri()):
        click.echo(f"no browser could be started; open it yourself: {path.resolve().as_uri()}", err=True)
