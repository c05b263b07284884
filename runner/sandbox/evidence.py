"""How a training ended, from what the engine and the kernel say. Nothing here reads a log or an exit message.

`classify` is pure. `MemoryWatch` reads the kernel's own counters for the container's control group where the
engine is on this machine, and the engine's statistics where it is not.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import InfraError
from runner.sandbox.engine import Engine, faults
from runner.trial import Ending

MIB = 1 << 20


@dataclass(frozen=True)
class Ended:
    """What is known of a container that runs no more.

    killed: it was ended at its deadline, by us or, where we did not come to it, by its own PID 1; exit_code is
    None then. flooded: we ended it before, for a log beyond all bounds.
    """

    exit_code: int | None
    killed: bool
    seconds: float
    overrun_seconds: float
    oom: bool
    peak_memory_mb: float | None
    flooded: bool = False


@dataclass(frozen=True)
class Left:
    """What a training left in /out, seen by a program of the image in a container that ran no other code."""

    checkpoint: bool  # /out/checkpoint is a folder with at least one regular file
    full: bool  # no block or no inode is left in /out
    strange: bool = False  # something in the checkpoint is no regular file, no folder, or cannot be read
    oversized: bool = False  # its files claim more bytes than /out may hold: they are sparse


def classify(ended: Ended, left: Left) -> tuple[Ending, str]:
    """The ending of the training and one sentence for a person. `OK` means: there is something to score."""
    if ended.flooded:
        return Ending.OVERFLOW, "it wrote so much to its log that it was ended before its deadline"
    if ended.killed:
        if left.checkpoint:
            return _checkpoint(left, "killed at its deadline, with a checkpoint written before")
        if ended.oom:
            return Ending.OOM, "the kernel killed a child of it for memory; no checkpoint at its deadline"
        if left.full:
            return Ending.OVERFLOW, "/out was full when it was killed at its deadline; no checkpoint"
        return Ending.TIMEOUT, "killed at its deadline before it had written a checkpoint"
    failed = ended.exit_code != 0
    if ended.oom and (failed or not left.checkpoint):
        return Ending.OOM, "the kernel killed it, or a child of it, for memory"
    if left.full and (failed or not left.checkpoint):
        return Ending.OVERFLOW, "it filled /out to its limit"
    if failed:
        return Ending.CRASH, f"train.py ended with exit code {ended.exit_code}"
    if not left.checkpoint:
        return Ending.INVALID, "train.py ended without a file under /out/checkpoint"
    return _checkpoint(left, "")


def _checkpoint(left: Left, detail: str) -> tuple[Ending, str]:
    """A checkpoint is carried as an archive later: it must be what an archive can hold, in bounds."""
    if left.oversized:
        return Ending.OVERFLOW, "its checkpoint has sparse files larger than all of /out"
    if left.strange:
        return Ending.INVALID, "its checkpoint holds something else than folders and readable files"
    return Ending.OK, detail


class MemoryWatch:
    """Peak memory and OOM kills of a running container. `sample` is cheap, never waits for the engine, never raises.

    cpu_seconds: of CPU that it has taken, where the engine is on this machine. An engine is asked in a thread of its
    own, of which a watch has one at most: a deadline that is kept beside it is not the engine's to delay.
    """

    def __init__(self, engine: Engine, container_id: str) -> None:
        self._engine = engine
        self._id = container_id
        told = _groups(engine, container_id) if engine.local else []
        self._group = _control_group(told, container_id, "memory")
        self._cpu = _control_group(told, container_id, "cpuacct")
        self.peak_mb: float | None = None
        self.oom_kills = 0
        self.cpu_seconds: float | None = None
        self._asking: threading.Thread | None = None

    @property
    def container(self) -> str:
        """The container's id."""
        return self._id

    def sample(self) -> None:
        if self._group:
            self._read_kernel(self._group)
        elif self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask_engine, daemon=True, name="statistics")
            self._asking.start()
        if self._cpu and (seconds := _cpu_seconds(self._cpu)) is not None:
            self.cpu_seconds = seconds

    def _read_kernel(self, group: Path) -> None:
        for name in ("memory.peak", "memory.max_usage_in_bytes", "memory.current"):
            value = _number(group / name)
            if value is not None:
                self._peak(value)
                break
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                counts = dict(line.split() for line in (group / name).read_text().splitlines())
                self.oom_kills = max(self.oom_kills, int(counts.get("oom_kill", 0)))

    def _ask_engine(self) -> None:
        with contextlib.suppress(InfraError), faults("reading statistics"):
            stats: dict[str, Any] = self._engine.api.stats(self._id, stream=False, one_shot=True)
            memory = stats.get("memory_stats") or {}
            self._peak(int(memory.get("max_usage") or memory.get("usage") or 0))

    def _peak(self, value: int) -> None:
        self.peak_mb = max(self.peak_mb or 0.0, round(value / MIB, 1))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _cpu_seconds(group: Path) -> float | None:
    if (spent := _number(group / "cpuacct.usage")) is not None:  # nanoseconds
        return spent / 1e9
    try:
        counts = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(counts["usage_usec"]) / 1e6
    except (OSError, ValueError, KeyError):
        return None


def _groups(engine: Engine, container_id: str) -> list[str]:
    """What the kernel tells of the control groups of the container's PID 1; nothing where that cannot be read here."""
    try:
        with faults("looking at the container"):
            pid = int(engine.api.inspect_container(container_id)["State"]["Pid"])
        return Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except (InfraError, OSError, ValueError, KeyError):
        return []


def _control_group(told: Sequence[str], container_id: str, controller: str) -> Path | None:
    """The folder of the container's `controller` under /sys/fs/cgroup, if it is there."""
    for line in told:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or controller in controllers.split(","):
            root = Path("/sys/fs/cgroup") / (controller if controllers else "")
            group = root / path.lstrip("/")
            # A path that does not name the container is the host's view of something else.
            if container_id in path and group.is_dir():
                return group
    return None
