"""The machine around a training: load, free memory and disk, swap, and how much of the CPUs others took. By psutil.

It decides nothing (`marks.py`), and says nothing where the kernel does not tell (not Linux).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from runner.machine import marks

MIB = 1 << 20


@dataclass(frozen=True)
class Clock:
    """Seconds of CPU up to a moment: of all that the training may run on, of it idle, of the training."""

    all: float
    idle: float
    ours: float


class Host:
    """One training long; not for threads, but for `cpu`.

    disk: a folder on the disk whose free space matters. cpuset: the processors that the training may run on, as the
    kernel writes them (`0,2-3`), empty for all: what runs on the others takes nothing from it.
    """

    def __init__(self, disk: Path, cpuset: str = "") -> None:
        self._disk, self._cpus = disk, processors(cpuset)
        self._first: Clock | None = None
        self._last: Clock | None = None
        self._loads, self._looks = 0.0, 0
        self._memory: float | None = None
        self._free: float | None = None
        self._swap: tuple[int, int] | None = None

    def cpu(self, ours: float) -> None:
        """ours: seconds of CPU that the training's container has taken so far. Some 50 µs."""
        every = psutil.cpu_times(percpu=True) if self._cpus else []
        # Only the processors that are on are told of: with one that is off, numbers say nothing of places.
        own = [every[at] for at in self._cpus] if len(every) == os.cpu_count() else [psutil.cpu_times()]
        told = idle = 0.0
        for times in own:
            idle += times.idle + getattr(times, "iowait", 0.0)
            # What guests took is in `user` too.
            told += sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        self._last = Clock(told, idle, ours)
        self._first = self._first or self._last

    def sample(self) -> None:
        self._loads, self._looks = self._loads + os.getloadavg()[0], self._looks + 1
        memory = psutil.virtual_memory().available / MIB
        self._memory = memory if self._memory is None else min(self._memory, memory)
        free = psutil.disk_usage(str(self._disk)).free / MIB
        self._free = free if self._free is None else min(self._free, free)
        swapped = int(psutil.swap_memory().sin)
        self._swap = (self._swap[0] if self._swap else swapped, swapped)

    def told(self, seconds: float) -> tuple[dict[str, Any], list[str]]:
        """What was seen, and the marks that it gives a training of so many seconds."""
        facts: dict[str, Any] = {}
        found: list[str] = []
        if self._looks:
            facts["load"] = round(self._loads / self._looks, 2)
        if self._memory is not None:
            facts["free_memory_mb"] = round(self._memory)
        if self._free is not None:
            facts["free_disk_mb"] = round(self._free)
        if self._swap is not None and (swapped := (self._swap[1] - self._swap[0]) / MIB) > 0:
            facts["swapped_in_mb"] = round(swapped, 1)
            found += [marks.SWAPPING] if marks.swapping(swapped, seconds) else []
        if shares := self._shares():
            facts["cpu_idle"], facts["cpu_others"] = (round(share, 3) for share in shares)
            found += [marks.OVERLOADED] if marks.overloaded(*shares, seconds) else []
        return facts, found

    def _shares(self) -> tuple[float, float] | None:
        """Of its CPUs' time between the first look and the last: idle, and taken by others."""
        first, last = self._first, self._last
        if first is None or last is None or last.all <= first.all:
            return None
        whole = last.all - first.all
        idle = max(0.0, last.idle - first.idle)
        others = max(0.0, whole - idle - (last.ours - first.ours))
        return min(1.0, idle / whole), min(1.0, others / whole)


def processors(cpuset: str) -> tuple[int, ...]:
    """The numbers of a cpuset as the kernel writes it: `0,2-3`. Raises ValueError on anything else."""
    found: set[int] = set()
    for part in filter(None, cpuset.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))
