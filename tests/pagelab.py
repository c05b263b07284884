"""Runs for the tests of the page, made through the real record: git, ledger, folder, and what trainings leave in it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import factories
import recordlab

from runner.record.ledger import Ledger
from runner.record.reconcile import record
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.trial import Entry, Status, digest

ROOT = Path(__file__).parents[1]
PROMPT = "Once upon a time"
WORDS = [
    "the",
    "a",
    "old",
    "king",
    "witch",
    "wood",
    "river",
    "golden",
    "bird",
    "said",
    "went",
    "came",
    "and",
    "but",
    "so",
    "then",
    "home",
    "never",
    "again",
    "three",
    "sons",
]
CONSTANTS = ("LR = 0.04", "DEPTH = 4", "WIDTH = 192", "HEADS = 2", "WARMUP = 0.05", "BETA2 = 0.95")


def source(chance: random.Random, lines: int = 400) -> bytes:
    """A train.py of that many lines, none of it meant to run."""
    body = [
        f"x{i} = layer(x{i - 1}, width={i * 7 % 64})  # {' '.join(chance.choices(WORDS, k=4))}"
        for i in range(lines)
    ]
    return ("\n".join([*CONSTANTS, "", *body]) + "\n").encode()


def changed(before: bytes, chance: random.Random) -> bytes:
    """As a sweep would: a constant or two. Or as an agent would: some new lines as well."""
    lines = before.decode().split("\n")
    for place in chance.sample(range(len(CONSTANTS)), chance.choice((1, 2))):
        lines[place] = f"{lines[place].split(' = ')[0]} = {chance.uniform(0.01, 9):.3g}"
    if chance.random() < 0.5:
        place = chance.randrange(10, len(lines))
        new = [
            f"    y{i} = mix(x{place}, '{' '.join(chance.choices(WORDS, k=6))}')"
            for i in range(chance.randrange(5, 40))
        ]
        lines[place:place] = new
    return "\n".join(lines).encode()


def tale(chance: random.Random, words: int = 110) -> str:
    return " ".join([PROMPT, *chance.choices(WORDS, k=words)]) + "."


def curve(chance: random.Random, points: int = 300) -> str:
    made = (
        {
            "step": i + 1,
            "loss": 2 + 5 * math.exp(-i / 40) + chance.gauss(0, 0.05),
            "tokens": 4096 * (i + 1),
            "lr": 0.04 * min(1, 2 * (1 - i / points)),
        }
        for i in range(points)
    )
    return "".join(json.dumps(point) + "\n" for point in made)


def log(chance: random.Random, lines: int = 120) -> str:
    return "".join(
        f"step {i} loss {chance.uniform(2, 3):.4f} {' '.join(chance.choices(WORDS, k=3))}\n"
        for i in range(lines)
    )


def leave(folder: RunFolder, entry: Entry, chance: random.Random) -> None:
    """The files that a trial leaves in its folder."""
    place = folder.trial(entry.number)
    place.mkdir(parents=True, exist_ok=True)
    for i in range(len(entry.attempts)):
        (place / f"attempt-{i}.log").write_text(log(chance))
        (place / f"attempt-{i}.curve.jsonl").write_text(curve(chance))
    if entry.status is Status.KEEP:
        (place / "sample.txt").write_text(tale(chance))


def make(
    lab: Path,
    count: int,
    seed: int = 1,
    *,
    alter: Callable[[Entry], Entry] = lambda entry: entry,
    write: Callable[[bytes, int], bytes] = lambda made, number: made,
    tag: str = "nov23",
) -> RunFolder:
    """A lab at `lab` with a run of `count` trials.

    alter: changes an entry before it is recorded. write: changes the version of a trial, the baseline's apart.
    """
    chance = random.Random(seed)
    best = source(chance)
    recordlab.make_lab(lab, source=best)
    repo = LabRepo(lab)
    folder, ledger = recordlab.start(repo, tag)
    for planned in factories.run(count, seed):
        made = best if planned.number == 0 else write(changed(best, chance), planned.number)
        add(repo, folder, ledger, alter(planned), made, chance)
        if planned.status is Status.KEEP:
            tip = repo.tip(tag)
            assert tip
            best = repo.source(tip)
    return folder


def add(
    repo: LabRepo, folder: RunFolder, ledger: Ledger, planned: Entry, made: bytes, chance: random.Random
) -> None:
    """Record one more trial, with what it leaves."""
    tip = repo.tip(folder.tag)
    assert tip
    sha = repo.commit_trial(folder.tag, planned.number, tip, made, f"Trial {planned.number}")
    entry = replace(planned, commit=sha, parent_commit=tip, proposal=digest(made))
    leave(folder, entry, chance)
    record(repo, folder, ledger, entry)
