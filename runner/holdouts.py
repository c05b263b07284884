"""The holdout text: scored for the baseline and the incumbent at the end of a run, and never for a decision.

Choosing among many versions by one validation text overfits that text. How much is seen on a text that no choice was
made by: the *optimism gap* is the gain on validation less the gain on holdout, of the same two checkpoints. Each look
at the holdout makes it a little more of a second validation text, so an incumbent is looked at once, and looks are
counted. What is found is kept in `holdout.json`, beside the ledger and no part of it; no agent is shown any of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.record.files import atomic_write, now
from runner.trial import Entry, Role, Score, Status

# The scores of an entry's checkpoint on each block of the holdout text. Raises Refused, and InfraError.
Holdout = Callable[[Entry], Sequence[Score]]

VERSION = 1


class Refused(RunnerError):
    """A checkpoint that gave no score on the holdout text by a fault of its own, such as failing the audit there."""

    def __init__(self, entry: Entry, detail: str) -> None:
        super().__init__(f"trial {entry.number} gave no score on the holdout text: {detail}")
        self.entry, self.detail = entry, detail


def read(path: Path) -> dict[str, Any]:
    """What was found so far: `looks`, oldest first, and what they say of the baseline. Empty where there is nothing."""
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) and isinstance(raw.get("looks"), list) else {}


def due(entries: Sequence[Entry], found: Mapping[str, Any]) -> Entry | None:
    """The incumbent, where there is one beside the baseline that the holdout was not scored for yet."""
    kept = [entry for entry in entries if entry.status is Status.KEEP]
    if len(kept) < 2:
        return None
    looks = [*found.get("looks", ()), *found.get("refused", ())]
    seen = {look.get("trial") for look in looks if isinstance(look, dict)}
    return None if kept[-1].number in seen else kept[-1]


def look(path: Path, entries: Sequence[Entry], score: Holdout) -> dict[str, Any] | None:
    """Score what is due, and write it to `path`; the new look, None where nothing was due.

    Whatever `score` raises passes through. Nothing is written then, but that the incumbent was refused.
    """
    found = read(path)
    incumbent = due(entries, found)
    if incumbent is None:
        return None
    try:
        before = found.get("baseline") or _scored(entries[0], score(entries[0]))
        after = _scored(incumbent, score(incumbent))
    except Refused as refused:
        told = {"time": now(), "trial": incumbent.number, "of": refused.entry.number, "detail": str(refused)}
        _write(path, {**found, "looks": found.get("looks", []), "refused": [*found.get("refused", ()), told]})
        raise
    fresh = {"time": now(), **after, **gap(before, after)}
    looks = [*found.get("looks", ()), fresh]
    latest = {"scored": len(looks), "baseline": before, "best": after, "optimism": fresh["optimism"]}
    _write(path, {**found, **latest, "looks": looks})
    return fresh


def _write(path: Path, found: Mapping[str, Any]) -> None:
    whole = {"version": VERSION, **found}
    atomic_write(path, (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode())


def gap(baseline: Mapping[str, Any], incumbent: Mapping[str, Any]) -> dict[str, float | None]:
    """Gains in bits per byte and the optimism gap, with its standard error.

    The gain on holdout is the mean over B blocks of text, each weighted by its bytes; its standard error comes from
    how the blocks' gains differ. The gain on validation is as noisy, as far as that text is as long and as varied,
    so the gap's is sqrt(2) times that. With fewer than two blocks it is not known.
    """
    gains = [b - i for b, i in zip(baseline["blocks"], incumbent["blocks"], strict=True)]
    held = baseline["holdout_bpb"] - incumbent["holdout_bpb"]
    seen = baseline["validation_bpb"] - incumbent["validation_bpb"]
    error = _stderr(gains, incumbent["bytes"])
    return {
        "validation_gain": seen,
        "holdout_gain": held,
        "holdout_gain_stderr": error,
        "optimism": seen - held,
        "optimism_stderr": None if error is None else math.sqrt(2) * error,
    }


def checkpoint_score(entry: Entry) -> float:
    """The validation score of the checkpoint that is kept of `entry`: its last own training's."""
    own = [a.val_bpb for a in entry.attempts if a.role is not Role.INCUMBENT and a.val_bpb is not None]
    return own[-1]


def _scored(entry: Entry, scores: Sequence[Score]) -> dict[str, Any]:
    total = sum(score.bytes for score in scores)
    audits = [(score.stderr_bpb * score.bytes / total) ** 2 for score in scores]
    return {
        "trial": entry.number,
        "commit": entry.commit,
        "validation_bpb": checkpoint_score(entry),
        "holdout_bpb": sum(score.val_bpb * score.bytes for score in scores) / total,
        "audit_stderr": math.sqrt(sum(audits)),
        "blocks": [score.val_bpb for score in scores],
        "bytes": [score.bytes for score in scores],
    }


def _stderr(gains: Sequence[float], sizes: Sequence[int]) -> float | None:
    """Of the mean of `gains` weighted by `sizes`, blocks taken as independent draws of text."""
    if len(gains) < 2:
        return None
    weights = [size / sum(sizes) for size in sizes]
    middle = sum(w * g for w, g in zip(weights, gains, strict=True))
    spread = sum((w * (g - middle)) ** 2 for w, g in zip(weights, gains, strict=True))
    return math.sqrt(spread * len(gains) / (len(gains) - 1))
