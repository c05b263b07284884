"""Small pictures in text: a sparkline and a bar. Pure; knows no console and no trial."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_LEVELS = "▁▂▃▄▅▆▇█"


def thin(values: Sequence[float], width: int) -> list[float]:
    """At most `width` values: means over equal stretches, so that no spike decides the picture's shape."""
    if width <= 0:
        return []
    if len(values) <= width:
        return list(values)
    edges = [len(values) * i // width for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def sparkline(values: Sequence[float], width: int) -> str:
    """Finite `values` as at most `width` block characters, highest value highest; empty for none."""
    points = thin(values, width)
    if not points:
        return ""
    low, high = min(points), max(points)
    spread = high - low
    if not 0 < spread < float("inf"):
        return _LEVELS[0] * len(points)
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[round((value - low) / spread * top)] for value in points)


def bar(fraction: float, width: int) -> tuple[str, str]:
    """The done and the open part of a bar of `width` columns. `fraction` is clipped to [0, 1]."""
    if width <= 0:
        return "", ""
    halves = round(max(0.0, min(1.0, fraction)) * 2 * width)
    done = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return done, "─" * (width - len(done))
