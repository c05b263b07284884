"""What was seen of a GPU during a training, look by look, and its summary for the record. Decides nothing.

Kept as sums and extremes: a training may be a week long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.machine import marks
from runner.machine.device import Device, Sample
from runner.machine.processes import name_of

SHOWN = 4  # of others' processes, named
MANY = 256  # of others' processes and of the driver's errors, remembered
AT_WORK = 50  # percent
DESKTOP = 10.0  # percent over all of a training: a compositor takes less, a game or a renderer more


@dataclass
class Other:
    """A process on the GPU that is not the training's. memory_mb, percent: the most it took, None where not told.

    desktop: it draws, and so is there all the time. sum: of the percents of all looks.
    """

    pid: int
    memory_mb: float | None
    percent: float | None
    desktop: bool = False
    sum: float = 0.0

    def busy(self, looks: int) -> bool:
        """An idle process that holds memory slows nothing down; one whose use is not told is taken to be at work.

        Not so one that draws: only if it is told to have taken much in `looks`.
        """
        if self.desktop:
            return self.sum > DESKTOP * looks
        return self.percent is None or self.percent > 0

    @property
    def holds(self) -> bool:
        return not self.desktop and (self.memory_mb is None or self.memory_mb > 0)


class Tally:
    """Numbers, some of which were not told."""

    def __init__(self) -> None:
        self.count, self.sum = 0, 0.0
        self.least: float | None = None
        self.most: float | None = None

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count, self.sum = self.count + 1, self.sum + value
            self.least = value if self.least is None else min(self.least, value)
            self.most = value if self.most is None else max(self.most, value)

    @property
    def mean(self) -> float | None:
        return self.sum / self.count if self.count else None


class Energy:
    """Joules from the first look to the last: by the device's own counter, or power over time."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last: float | None = None
        self._power: tuple[float, float] | None = None  # when, watts
        self._drawn: float | None = None

    def add(self, sample: Sample) -> None:
        if sample.energy is not None:
            self._first = sample.energy if self._first is None else self._first
            self._last = sample.energy
        if sample.watts is not None:
            if self._power is not None:
                at, watts = self._power
                self._drawn = (self._drawn or 0.0) + (sample.at - at) * (watts + sample.watts) / 2
            self._power = sample.at, sample.watts

    @property
    def kilojoules(self) -> float | None:
        if self._first is not None and self._last is not None and self._last > self._first:
            return (self._last - self._first) / 1000
        return None if self._drawn is None else self._drawn / 1000


class Seen:
    """What was seen of one GPU."""

    def __init__(self) -> None:
        self.seconds = Tally()  # that looks took
        self.own: set[int] = set()
        self._own_mb = Tally()  # of all its processes together, at looks that tell of each
        self._before_mb = 0.0  # in use when it began
        self.others: dict[int, Other] = {}
        self.xids: set[int] = set()
        self.reasons: Counter[int] = Counter()  # looks by what they told of the clock
        self._looks = 0
        self._energy = Energy()
        self._told = {name: Tally() for name in ("memory_mb", "busy", "watts", "limit_watts", "celsius")}
        self._clock = Tally()  # while at work: a GPU that waits clocks down

    def add(self, sample: Sample) -> None:
        self._looks += 1
        for name, tally in self._told.items():
            tally.add(getattr(sample, name))
        if sample.busy is None or sample.busy >= AT_WORK:
            self._clock.add(sample.sm_mhz)
        if sample.reasons is not None:
            self.reasons[int(sample.reasons)] += 1
        self._energy.add(sample)

    def hear(self, device: Device) -> None:
        """What the driver has told of its errors since it was last asked."""
        heard = device.xids() or []
        if len(self.xids) < MANY:
            self.xids.update(heard)

    def before(self, sample: Sample) -> None:
        """The look before the training's first."""
        self._before_mb = sample.memory_mb or 0.0

    def ours(self, listed: Mapping[int, float | None]) -> None:
        """MiB by process of the training, of those that are on the GPU now."""
        self.own.update(listed)
        told = [memory for memory in listed.values() if memory is not None]
        if told and len(told) == len(listed):
            self._own_mb.add(sum(told))

    def other(self, pid: int, memory: float | None, percent: float | None, *, desktop: bool) -> None:
        if pid not in self.others and len(self.others) >= MANY:
            return
        was = self.others.get(pid, Other(pid, memory, percent))
        most = max((p for p in (percent, was.percent) if p is not None), default=None)
        held = max((m for m in (memory, was.memory_mb) if m is not None), default=None)
        self.others[pid] = Other(pid, held, most, desktop, was.sum + (percent or 0.0))

    def shared(self, *, failed: bool) -> bool:
        """Whether others may have slowed it down or, where it failed, have held the memory that it wanted."""
        return any(other.busy(self._looks) or (failed and other.holds) for other in self.others.values())

    @property
    def own_memory(self) -> float | None:
        """The training's own MiB; by what is in use more than before, where the device tells of no process."""
        whole = self._told["memory_mb"].most
        more = None if whole is None else max(0.0, whole - self._before_mb)
        return _rounded(more if self._own_mb.most is None else self._own_mb.most, 1)

    @property
    def slow(self) -> int:
        """Looks at which it was slower than it could be."""
        return sum(times for reasons, times in self.reasons.items() if reasons & marks.SLOW)

    def summary(self, *, whole: bool) -> dict[str, Any]:
        """whole: whether clocks and power are of more than the training's own part, a MIG instance."""
        told = self._told
        took = self.seconds.mean
        others = [one for one in self.others.values() if one.busy(self._looks) or not one.desktop]
        return {
            "memory_mb": _rounded(told["memory_mb"].most, 1),  # of the whole device, by whomever
            "own_mb": self.own_memory,
            "busy_mean": _rounded(told["busy"].mean, 1),
            "busy_peak": told["busy"].most,
            "watts_mean": _rounded(told["watts"].mean, 1),
            "watts_peak": _rounded(told["watts"].most, 1),
            "watts_limit": _rounded(told["limit_watts"].least, 1),
            "kilojoules": _rounded(self._energy.kilojoules, 3),
            "sm_mhz_mean": _rounded(self._clock.mean, 0),
            "sm_mhz_min": self._clock.least,
            "celsius": told["celsius"].most,
            "clocks": self._clocks(),
            "whole_gpu": whole or None,
            "others": [_named(other) for other in others[:SHOWN]],
            "others_count": len(others),
            "xids": sorted(self.xids)[:16],
            "looks": self._looks,
            "look_ms": None if took is None else round(1000 * took, 2),
        }

    def _clocks(self) -> dict[str, float]:
        """Why the clock was not higher: shares of the looks, idle left out."""
        found: Counter[str] = Counter()
        for reasons, times in self.reasons.items():
            for name in marks.words(reasons):
                found[name] += times
        del found[marks.REASONS[1]]
        return {name: round(times / self.reasons.total(), 3) for name, times in sorted(found.items())}


def _named(other: Other) -> dict[str, Any]:
    found = {"pid": other.pid, "name": name_of(other.pid), "memory_mb": _rounded(other.memory_mb, 0)}
    found["percent"] = other.percent
    return {key: value for key, value in found.items() if value not in (None, "")}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits or None)
