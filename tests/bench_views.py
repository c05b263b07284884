"""How long the commands take that only read: `runner status`, `log`, `show` and `compare` of a run of many trials.

    python tests/bench_views.py [TRIALS [TIMES]]      # 10,000 trials, the best of five times, as processes

Whole processes are timed, Python's own start included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import factories

from runner.record.ledger import FIRST, Ledger, encode
from runner.record.run import Header, RunFolder
from runner.report.tally_file import Keeper

COMMANDS = (
    ("--help",),
    ("status",),
    ("status", "--json"),
    ("log",),
    ("log", "--kept"),
    ("log", "--limit", "0", "--json"),
    ("compare", "night", "--json"),
)


def make(lab: Path, trials: int) -> None:
    """A lab with a run of so many trials, its ledger written at once."""
    (lab / "runner.toml").write_text("")
    folder = RunFolder(lab, "night")
    folder.create(Header("night", "2026-01-01T00:00:00Z", "0" * 40, factories.PINS, {}, 1))
    head, lines = FIRST, []
    for entry in factories.run(trials):
        line, head = encode(entry, head)
        lines.append(line)
    folder.ledger.write_bytes(b"".join(lines))
    Keeper(folder.tally).keep(Ledger(folder.ledger).entries, head)  # as `runner go` does after each trial


def seconds(lab: Path, *words: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "runner", "--lab", str(lab), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    trials, times = (int(word) for word in (*sys.argv[1:], *("10000", "5")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as place:
        lab = Path(place)
        make(lab, trials)
        print(f"{trials} trials, best of {times}")
        for words in COMMANDS:
            say("runner " + " ".join(words), min(seconds(lab, *words) for _ in range(times)))
        RunFolder(lab, "night").tally.unlink()
        say("runner status, without tally.json", min(seconds(lab, "status") for _ in range(times)))


def say(what: str, found: float) -> None:
    print(f"{what:36}{found:6.2f} s")


if __name__ == "__main__":
    main()
