"""What a trial costs outside its budget, from the ledger of a run, beside a bare `docker run --rm` of its image.

    .venv/bin/python tests/bench_trial.py runs/TAG

Medians over all trainings that ended ok. Run it when the machine is otherwise idle.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import factories
import recordlab

from runner.record.ledger import Ledger
from runner.record.reconcile import record
from runner.record.repo import LabRepo
from runner.trial import Status

REPEATS = 7


def seconds(what: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.monotonic()
        what()
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def bare(image: str, *command: str) -> float:
    return seconds(
        lambda: subprocess.run(["docker", "run", "--rm", image, *command], check=True, capture_output=True)
    )


def recording(status: Status) -> float:
    """Commit, ledger, branch, worktree and results.tsv of one trial, in a repository made for it."""
    with tempfile.TemporaryDirectory() as folder:
        repo = LabRepo(recordlab.make_lab(Path(folder) / "lab"))
        run, ledger = recordlab.start(repo)

        def one() -> None:
            number = len(ledger)
            parent = repo.tip(run.tag) or repo.base
            commit = repo.commit_trial(run.tag, number, parent, b"LR = %d\n" % number, f"trial {number}")
            entry = factories.entry(
                number, status if number else Status.KEEP, commit=commit, parent_commit=parent
            )
            record(repo, run, ledger, entry)

        one()  # the baseline
        return seconds(one)


def main() -> None:
    entries = Ledger(Path(sys.argv[1]) / "ledger.jsonl").entries
    attempts = [a for entry in entries for a in entry.attempts if a.score]
    median = lambda values: statistics.median(list(values))  # noqa: E731
    outside = median(a.wall_seconds - a.outcome.train_seconds for a in attempts)
    scoring = median(a.score.seconds for a in attempts if a.score)
    image = entries[0].pins.image
    print(f"trainings                        {len(attempts)}")
    print(f"training                         {median(a.outcome.train_seconds for a in attempts):7.2f} s")
    print(f"outside: all                     {outside:7.2f} s")
    print(f"  scoring, two containers        {scoring:7.2f} s")
    print(f"  create, start, collect, remove {outside - scoring:7.2f} s")
    print(f"record a kept trial              {recording(Status.KEEP):7.2f} s")
    print(f"record a discarded trial         {recording(Status.DISCARD):7.2f} s")
    print(f"docker run --rm IMAGE true       {bare(image, 'true'):7.2f} s")
    print(f"docker run --rm, import torch    {bare(image, 'python', '-c', 'import torch'):7.2f} s")


if __name__ == "__main__":
    main()
