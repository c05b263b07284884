"""Base and head on one axis in plain characters: a summary cannot show a picture that lies on the runner. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runner.ci.result import Result
from runner.report import text

WIDTH = 56
_COUNTED, _OTHER, _MEAN = "●", "○", "│"


def chart(result: Result) -> str:
    """A line for each side: ● a score that counts, ○ one that chose the head, │ the mean; lower is left and better."""
    sides = {side: _points(result, side) for side in ("base", "head")}
    every = [value for points in sides.values() for value, _ in points]
    if not every:
        return ""
    low, high = min(every), max(every)
    room = (high - low) * 0.05 or max(abs(high) * 1e-4, 1e-6)
    low, high = low - room, high + room
    lines = [f"{'':6}{_ends(low, high)}"]
    means = {"base": result.base_bpb, "head": result.val_bpb}
    for side, points in sides.items():
        row = ["·"] * WIDTH
        if (mean := means[side]) is not None:
            row[_at(mean, low, high)] = _MEAN
        for value, counts in sorted(points, key=lambda point: point[1]):
            row[_at(value, low, high)] = _COUNTED if counts else _OTHER
        lines.append(f"{side:6}{''.join(row)}")
    return "\n".join([*lines, f"{'':6}lower is better · ● counts · ○ chose the head · │ mean"])


def _points(result: Result, side: str) -> Sequence[tuple[float, bool]]:
    found = [t for t in result.trainings if t.of == side]
    return [(t.attempt.score.val_bpb, t.counts) for t in found if t.attempt.score]


def _at(value: float, low: float, high: float) -> int:
    return max(0, min(WIDTH - 1, round((value - low) / (high - low) * (WIDTH - 1))))


def _ends(low: float, high: float) -> str:
    left, right = text.bpb(low), text.bpb(high)
    return left + " " * max(1, WIDTH - len(left) - len(right)) + right
