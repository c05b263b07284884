"""A night's run as Markdown on stdout: what was kept, and what was tried. `night_summary.py LAB TAG [OPTIONS]`.

With --verify it is told from the sealed record after that has been verified, and ends with 1 where it does not hold;
with --plot FILE the plot is drawn from the same. --title FILE gets one line, of our own words and numbers. --run URL:
of the job. Every word that came from an agent stands in a code span.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.ci.markdown import code, folded, table
from runner.ci.workflow import neutral
from runner.errors import RunnerError
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.trial import Entry, Status

MOST = 50_000  # bytes; a pull request's text and a job's summary take more
SHOWN = 100  # trials in the folded table
KEPT = 60  # versions in the first one, the last of them


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("lab", type=Path)
    parser.add_argument("tag")
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--title", type=Path)
    parser.add_argument("--run", default="")
    told = parser.parse_args()
    try:
        entries = (
            _verified(told.lab, told.tag)
            if told.verify
            else Ledger(RunFolder(told.lab, told.tag).ledger).entries
        )
    except RunnerError as error:
        print(neutral(str(error)), file=sys.stderr)
        return 1
    if entries is None:
        return 1
    if told.plot:
        from runner.report import plot

        plot.draw(entries, told.plot, told.tag)
    if told.title:
        told.title.write_text(title(told.tag, entries) + "\n")
    print(body(told.tag, entries, verified=told.verify, run=told.run))
    return 0


def _verified(lab: Path, tag: str) -> Sequence[Entry] | None:
    from runner.record.verify import verify_sealed

    report = verify_sealed(LabRepo(lab), tag)
    for finding in report.findings:
        print(neutral(str(finding)), file=sys.stderr)
    return report.entries if report.holds else None


def title(tag: str, entries: Sequence[Entry]) -> str:
    """One line: the tag and numbers."""
    kept = _kept(entries)
    if not kept:
        return f"Research {tag}: nothing was kept of {len(entries) - 1} proposals"
    return (
        f"Research {tag}: val_bpb {_number(entries[0].val_bpb)} → {_number(kept[-1].val_bpb)}, {len(kept)} kept"
    )


def body(tag: str, entries: Sequence[Entry], *, verified: bool, run: str) -> str:
    """The whole text. run: an address of our own making."""
    tried = [entry for entry in entries if entry.number]
    parts = [f"## {title(tag, entries)}" if entries else f"## Research {tag}: no trial ended"]
    if kept := _kept(entries):
        parts.append(_table([entries[0], *kept[-KEPT:]]))
        if len(kept) > KEPT:
            parts.append(f"The last {KEPT} of {len(kept)} kept versions are shown.")
    else:
        parts.append("No version was better beyond the noise.")
    rest = {status: sum(entry.status is status for entry in tried) for status in (Status.DISCARD, Status.CRASH)}
    parts.append(
        f"{len(tried)} proposals, {len(kept)} kept, {rest[Status.DISCARD]} discarded, {rest[Status.CRASH]} crashed."
    )
    if verified:
        parts.append(
            f"The record was verified before this was opened: `runner verify {tag} --sealed` says the same after "
            f"`git fetch origin 'refs/trials/{tag}/*:refs/trials/{tag}/*' autoresearch/{tag}:autoresearch/{tag}`."
        )
    if run:
        parts.append(f"The page with every trial whole is an artifact of [the job]({run}).")
    if tried:
        parts.append(folded("Everything that was tried", _table(tried[:SHOWN])))
    while len("\n\n".join(parts).encode()) > MOST and len(parts) > 3:
        parts.pop()
    return "\n\n".join(parts)


def _kept(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.number and entry.status is Status.KEEP]


def _table(entries: Sequence[Entry]) -> str:
    rows = [
        [str(e.number), _number(e.val_bpb), str(e.status), code(e.note, 160) if e.note else ""] for e in entries
    ]
    return table(["trial", "val_bpb", "", "what"], rows, right=(0, 1))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    sys.exit(main())
