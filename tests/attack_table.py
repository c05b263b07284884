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
    "agent": "a coding agent's box",
}
BAD = ("failure", "error", "skipped")  # an attack that was not run has not been contained
# Those on a coding agent's box run as its program, and again as tool calls of a real one where its image is built.
MODULES = {"agent": ("test_agent_box", "test_agent_misled")}
# Whose tests are not called `test_contained[NAME]`.
ELSEWHERE = {
    "test_a_swapper_is_dead_before_anyone_looks": "swaps_while_watched",  # its ending is a matter of chance
    "test_the_key_and_the_hidden_text_are_nowhere_in_the_box": "reads_secrets",
    "test_nothing_but_the_api_is_reached": "reaches_out",
    "test_it_writes_nowhere_but_in_its_folders": "writes_outside",
    "test_forks_are_bounded_and_end_at_its_time": "forks",
    "test_its_disk_is_bounded_in_bytes_and_files": "fills_disk",
    "test_one_that_never_ends_is_killed_at_its_time": "runs_for_ever",
    "test_one_that_prints_without_end_is_stopped_and_its_output_bounded": "prints_much",
    "test_one_that_hangs_without_a_word_is_stopped": "says_nothing",
    "test_requests_are_limited_in_the_gateway": "spends",
    "test_what_is_read_of_an_answer_before_hanging_up_is_counted": "hangs_up",
    "test_killing_all_that_it_sees_harms_nobody_else": "kills_its_keepers",
}


def main() -> int:
    modules = [str(TESTS / f"{module}.py") for group in GROUPS for module in of(group)]
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
        mine = [case for case in cases if (case.get("classname") or "").endswith(of(group))]
        held = {attack(case) for case in mine if not any(case.find(bad) is not None for bad in BAD)}
        held -= {attack(case) for case in mine if any(case.find(bad) is not None for bad in BAD[:2])}
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


def of(group: str) -> tuple[str, ...]:
    """The modules with the tests of a group."""
    return MODULES.get(group, (f"test_attacks_{group}",))


def attack(case: xml.Element) -> str:
    """The name of the attack that a test case is about: `test_contained[NAME]`."""
    name = case.get("name") or ""
    return ELSEWHERE.get(name, name.removeprefix("test_contained[").rstrip("]"))


if __name__ == "__main__":
    sys.exit(main())
