"""What a training reports of itself (`prepare.report`), line by line: untrusted, bounded, for display only."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from runner.parts import Reading, Watcher
from runner.sandbox.evidence import MemoryWatch

CURVE_POINTS = 4000  # kept of a training's own readings; more is no training's curve
_KEPT = ("step", "loss", "tokens", "rate", "lr")


class Curve:
    """The training's own readings (`prepare.report` lines), bounded, for display only."""

    def __init__(self, watcher: Watcher) -> None:
        self.points: list[dict[str, float]] = []
        self._watcher = watcher
        self._reading = Reading(0.0)

    def line(self, line: bytes) -> None:
        """A line of the log: remembered if it is a reading, ignored otherwise. Never raises."""
        point = parse_reading(line)
        if point and len(self.points) < CURVE_POINTS:
            self.points.append(point)
            step = point.get("step")
            self._reading = replace(
                self._reading,
                step=None if step is None else int(step),
                loss=point.get("loss"),
                tokens=None if "tokens" not in point else int(point["tokens"]),
                rate=point.get("rate"),
            )

    def tick(self, seconds: float, watch: MemoryWatch) -> None:
        self._reading = replace(self._reading, seconds=seconds, memory_mb=watch.peak_mb)
        self._watcher.reading(self._reading)


def parse_reading(line: bytes) -> dict[str, float] | None:
    """The finite numbers of a line that `prepare.report` wrote (`@ {...}`), or None for any other line."""
    if not line.startswith(b"@ {") or len(line) > 500:
        return None
    try:
        raw: Any = json.loads(line[2:])
    except (ValueError, RecursionError):
        return None
    numbers = {k: float(v) for k, v in raw.items() if k in _KEPT and _finite(v)}
    return numbers or None


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
