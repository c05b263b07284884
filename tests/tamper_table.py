"""The table of docs/record.md: every way of tests/tamperings.py to edit the past of one real record, and its finding.

    python tests/tamper_table.py

Exits 1 where one is not named as it must be, or where the untouched record has a finding.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tamperings
import tamperlab

from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.record.verify import Report, verify_run


def report(lab: Path) -> Report:
    return verify_run(LabRepo(lab), RunFolder(lab, tamperlab.TAG))


def found(master: Path, place: Path, tampering: tamperings.Tampering) -> Report:
    """What is found in a copy of the record at `place` after the tampering."""
    shutil.copytree(master, place / "lab", symlinks=True)
    tampering.do(tamperings.Forger(place / "lab"))
    return report(place / "lab")


def rows(place: Path) -> Iterator[tuple[tamperings.Tampering, Report]]:
    master = tamperlab.master(place / "master").root
    untouched = report(master)
    assert untouched.holds, untouched.findings
    for number, tampering in enumerate(tamperings.ALL):
        (place / str(number)).mkdir()
        yield tampering, found(master, place / str(number), tampering)


def row(tampering: tamperings.Tampering) -> str:
    """A line of the table."""
    fits = "fit" if tampering.rechained else "as they were"
    return f"| {tampering.what} | {fits} | `{tampering.kind}` |"


def main() -> int:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    missed = 0
    print("| edit of the past | hashes | named |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        for tampering, said in rows(Path(place)):
            named = tampering.kind in {finding.kind for finding in said.findings}
            missed += not named
            print(row(tampering) if named else f"| {tampering.what} | | **not named** |", flush=True)
    print(f"\n{len(tamperings.ALL) - missed} of {len(tamperings.ALL)} named")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
