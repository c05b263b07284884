"""Runs the attacks on the box and prints the table of docs/security.md: `python tests/attack_table.py`.

Counts what the tests themselves record: a line for each group, how many attacks it has, how many were contained (the
test of that name passed), and how many things were left behind over all its tests. Ends with 1 if anything differs
from "all contained, nothing left".
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

TESTS = Path(__file__).parent
GROUPS = {
    "time": "time and processes",
    "resources": "resources",
    "files": "files and privilege",
    "network": "network",
    "channel": "result channel",
}
BAD = ("failure", "error", "skipped")  # an attack that was not run has not been contained
# Whose endings are a matter of chance and are looked at by a test of their own.
ELSEWHERE = {"test_a_swapper_is_dead_before_anyone_looks": "swaps_while_watched"}


def main() -> int:
    modules = [str(TESTS / f"test_attacks_{group}.py") for group in GROUPS]
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-o",
            "junit_family=xunit1",
            f"--junitxml={report.name}",
        ]
        subprocess.run([*command, *modules], cwd=TESTS.parent, stdout=sys.stderr, check=False)
        cases = xml.parse(report.name).getroot().findall(".//testcase")
    rows = []
    for group, title in GROUPS.items():
        mine = [case for case in cases if (case.get("classname") or "").endswith(f"test_attacks_{group}")]
        held = {attack(case) for case in mine if not any(case.find(bad) is not None for bad in BAD)}
        attacks = {path.stem for path in (TESTS / "attacks" / group).glob("*.py")}
        counted = [p for case in mine for p in case.iter("property") if p.get("name") == "leftovers"]
        left = sum(int(found.get("value") or 0) for found in counted)
        rows.append((title, len(attacks), len(attacks & held), left, len(counted)))
    rows.append(("all", *(sum(row[column] for row in rows) for column in range(1, 5))))
    print(
        "| group | attacks | contained | leftovers | searches for leftovers |\n| --- | --- | --- | --- | --- |"
    )
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    return int(rows[-1][1] != rows[-1][2] or rows[-1][3] != 0)


def attack(case: xml.Element) -> str:
    """The name of the attack that a test case is about: `test_contained[NAME]`."""
    name = case.get("name") or ""
    return ELSEWHERE.get(name, name.removeprefix("test_contained[").rstrip("]"))


if __name__ == "__main__":
    sys.exit(main())
