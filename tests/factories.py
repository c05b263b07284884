"""Realistic entries for tests: what a ledger of a working run holds, without an engine, git or a clock."""

from __future__ import annotations

import random
from typing import Any

from runner.trial import Attempt, Ending, Entry, Outcome, Pins, Role, Score, Status, Verdict, digest

PINS = Pins(prepare="a" * 64, data="b" * 64, image="sha256:" + "c" * 64, scoring="d" * 64, settings="e" * 64)
NOTES = (
    "MATRIX_LR 0.04 → 0.055",
    "EMBED_LR 0.3 → 0.21, WARMUP 0.05 → 0.1",
    "DEPTH 4 → 5: deeper at the same width",
    "HEAD_DIM 32 → 64",
    "relu² in place of gelu",
    "BATCH 16 → 24; BETA2 0.95 → 0.97",
)


def score(val_bpb: float = 2.2294, **changes: Any) -> Score:
    fields: dict[str, Any] = {
        "val_bpb": val_bpb, "stderr_bpb": 1e-9, "tokens": 262_144, "bytes": 1_003_812, "positions": 512,
        "disagreements": 0, "correction_bpb": 2e-8, "max_difference_nats": 6e-7, "seconds": 6.2,
    }  # fmt: skip
    return Score(**{**fields, **changes})


def attempt(
    val_bpb: float | None = 2.2294,
    seed: int = 1,
    ending: Ending = Ending.OK,
    detail: str = "",
    role: Role = Role.CANDIDATE,
) -> Attempt:
    """One training; `val_bpb` None together with an `ending` other than ok."""
    outcome = Outcome(
        ending, detail, 0 if ending is Ending.OK else 1, 29.4, 0.0, 812.4, None, "trials/0001/log.txt"
    )
    found = None if val_bpb is None else score(val_bpb)
    return Attempt(seed, ending, detail, outcome, found, 37.9, role=role)


def entry(
    number: int = 1,
    status: Status = Status.DISCARD,
    val_bpb: float | None = 2.2401,
    incumbent: float | None = 2.2294,
    best: float | None = 2.2294,
    **changes: Any,
) -> Entry:
    """One trial. For a crash give `status` and, where it matters, `ending` and `detail`."""
    crashed = status is Status.CRASH
    ending = changes.pop("ending", Ending.CRASH if crashed else Ending.OK)
    detail = changes.pop("detail", "RuntimeError: shapes do not fit" if crashed else "")
    value = None if crashed else val_bpb
    sigma = 0.003
    fields: dict[str, Any] = {
        "number": number,
        "time": f"2026-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "commit": digest(b"commit %d" % number)[:40],
        "parent_commit": digest(b"commit %d" % (number - 1))[:40],
        "proposal": digest(b"source %d" % number),
        "note": "baseline" if number == 0 else NOTES[number % len(NOTES)],
        "agent": "baseline" if number == 0 else "sweep",
        "status": status,
        "ending": ending,
        "detail": detail,
        "val_bpb": value,
        "incumbent_bpb": incumbent if number else None,
        "best_bpb": best,
        "attempts": (attempt(value, 1000 + number, ending, detail),),
        "verdict": Verdict(str(status), f"{number} is measured against {incumbent}", {"sigma": sigma}),
        "pins": PINS,
        "machine": {"engine": "docker 20.10", "gpu": None, "kernel": "6.1"},
        "timings": {"agent": 0.4, "training": 29.4, "scoring": 8.1, "other": 0.9},
    }
    return Entry(**{**fields, **changes})


def run(
    count: int, seed: int = 1, keep: float = 0.15, crash: float = 0.1, start: float = 2.2294
) -> list[Entry]:
    """A run of `count` trials: a baseline, then discards, crashes and gains that get rarer and smaller."""
    chance = random.Random(seed)
    entries = [entry(0, Status.KEEP, start, None, start)][:count]
    best = start
    for number in range(1, count):
        draw = chance.random()
        if draw < crash:
            entries.append(entry(number, Status.CRASH, None, best, best))
        elif draw < crash + keep / (1 + number / 40):
            value = best - abs(chance.gauss(0, 0.02)) / (1 + number / 25) - 0.0005
            entries.append(entry(number, Status.KEEP, value, best, value))
            best = value
        else:
            value = best + abs(chance.gauss(0, 0.02)) + (0.6 if chance.random() < 0.04 else 0.0)
            entries.append(entry(number, Status.DISCARD, value, best, best))
    return entries
