"""Watches the machine while one training is under way: its GPU and the host, about once a second, from a thread.

A thread of its own, because a driver in trouble may not answer for minutes, and the training's deadline must not wait
for it. Nothing here raises or judges a score; what a device does not tell is left out. What comes out is a summary for
the record and the marks of `marks.py`.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from runner.machine import marks
from runner.machine.device import Counts, Device, within
from runner.machine.host import Host
from runner.machine.processes import groups
from runner.machine.seen import Seen

EVERY = 1.0  # seconds between two looks
STUCK = 2.0  # seconds that the last look may take before it is left to itself


@dataclass(frozen=True)
class Told:
    """telemetry: JSON-serialisable, rounded. marks: why the training is not to be believed. vram_mb: its own peak."""

    telemetry: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    vram_mb: float | None = None


class Watching(Protocol):
    """A context manager around one training. Nothing of it raises."""

    def __enter__(self) -> Watching: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def tick(self, container: str, cpu_seconds: float | None) -> None:
        """Told a few times a second: the training's container, and the seconds of CPU it has taken, where known."""

    def told(self, *, failed: bool) -> Told:
        """After the training. failed: whether it has nothing to score."""

    def broken(self) -> tuple[str, ...]:
        """Marks of the GPU's own trouble (`marks.BROKEN`) since the training began, up to now."""

    @property
    def own(self) -> frozenset[int]:
        """Processes of the training that were seen on the GPU."""


class Watch:
    """`Watching` by NVML and psutil. device: None without a GPU. host: None where it trains on another machine.

    container_of: the control groups of a process as one text, "" for one that is gone; /proc/PID/cgroup by default.
    """

    def __init__(
        self,
        device: Device | None,
        host: Host | None,
        every: float = EVERY,
        container_of: Callable[[int], str] | None = None,
        stuck: float = STUCK,
    ) -> None:
        self._device, self._host, self._every, self._patience = device, host, every, stuck
        self._container_of = container_of or groups
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._container = ""
        self._seen = Seen()
        self._began = self._ended = 0.0
        self._counts = self._after = Counts()
        self._before: frozenset[int] = frozenset()

    def __enter__(self) -> Watch:
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True, name="telemetry")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._ended = time.monotonic()
        self._over.set()
        if self._thread:
            self._thread.join(self._patience)

    def tick(self, container: str, cpu_seconds: float | None) -> None:
        self._container = container
        if self._host is not None and cpu_seconds is not None:
            with contextlib.suppress(Exception):
                self._host.cpu(cpu_seconds)

    @property
    def own(self) -> frozenset[int]:
        return frozenset(self._seen.own)

    def _run(self) -> None:
        with contextlib.suppress(Exception):
            self._start()
        while True:
            over = self._over.wait(self._every)
            began = time.perf_counter()
            with contextlib.suppress(Exception):
                self._look()
            self._seen.seconds.add(time.perf_counter() - began)
            if over:
                with contextlib.suppress(Exception):
                    self._count()
                return

    def _start(self) -> None:
        if self._host is not None:
            self._host.sample()
        if self._device is not None and self._device.known:
            self._device.xids()  # what happened before is not this training's
            self._device.used_by()
            self._counts = self._device.counts()
            sample = self._device.sample()
            self._seen.before(sample)
            self._before = frozenset({**sample.graphics, **(sample.compute or {})})

    def _count(self) -> None:
        """What the device has heard and counted until now."""
        if self._device is not None and self._device.known:
            self._seen.hear(self._device)
            self._after = self._device.counts()

    def _look(self) -> None:
        if self._host is not None:
            self._host.sample()
        if self._device is None or not self._device.known:
            return
        sample = self._device.sample()
        self._seen.add(sample)
        self._seen.hear(self._device)
        used = self._device.used_by()
        ours: dict[int, float | None] = {}
        for pid, memory in {**sample.graphics, **(sample.compute or {})}.items():
            whose = self._whose(pid)
            if whose == "ours":
                ours[pid] = memory
            elif whose == "others":
                percent = None if used is None else used.get(pid, 0.0)
                self._seen.other(pid, memory, percent, desktop=pid in sample.graphics)
        self._seen.ours(ours)

    def _whose(self, pid: int) -> str:
        """`ours`, `others`, or "" for a process that is gone or of which nothing can be said."""
        if not self._container:
            return ""
        if told := self._container_of(pid):
            return "ours" if self._container in told else "others"
        return "others" if pid in self._before else ""  # where the kernel hides other users' processes

    def broken(self) -> tuple[str, ...]:
        if not self._stuck:
            within(self._patience, self._count)
        return self._trouble()

    def _trouble(self) -> tuple[str, ...]:
        found = [marks.XID] if marks.of_hardware(self._seen.xids) else []
        return (*found, *([marks.ECC] if self._grown("ecc") > 0 else []))

    def _grown(self, name: str) -> int:
        """By how much a count of the device is higher than before the training; 0 where it is not told."""
        before, now = getattr(self._counts, name), getattr(self._after, name)
        return 0 if before is None or now is None else max(0, int(now) - int(before))

    @property
    def _stuck(self) -> bool:
        """Whether the driver does not answer: nobody asks it anything more for this training."""
        return self._thread is not None and self._over.is_set() and self._thread.is_alive()

    def told(self, *, failed: bool) -> Told:
        try:
            return self._told(failed)
        except Exception:  # of a driver or a kernel that tells nonsense: nothing depends on it
            return Told()

    def _told(self, failed: bool) -> Told:
        telemetry: dict[str, Any] = {}
        found: list[str] = []
        seen = self._seen
        if self._device is not None and self._device.known:
            gpu = seen.summary(whole=self._device.cut)
            gpu["ecc"], gpu["retired"] = self._grown("ecc"), self._grown("retired")
            gpu["unanswered"] = int(self._stuck)
            telemetry["gpu"] = {name: value for name, value in gpu.items() if value not in (None, 0, {}, [])}
            if seen.shared(failed=failed):
                found.append(marks.SHARED)
            if marks.throttled(seen.slow, seen.reasons.total()):
                found.append(marks.THROTTLED)
            found += self._trouble()
        if self._host is not None:
            telemetry["host"], more = self._host.told(self._ended - self._began)
            found += more
        return Told(_finite(telemetry), tuple(found), seen.own_memory)


def _finite(raw: Any) -> Any:
    """Without numbers that JSON does not know."""
    if isinstance(raw, dict):
        return {key: _finite(value) for key, value in raw.items() if not _odd(value)}
    return [_finite(one) for one in raw if not _odd(one)] if isinstance(raw, list) else raw


def _odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
