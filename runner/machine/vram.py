"""Waits until a GPU's memory is back, after the containers that used it are gone.

A killed process's memory is given back by the driver, not by the kernel, and a moment later: what starts meanwhile
finds a GPU that is partly full. What other processes hold is theirs and not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from runner.errors import InfraError
from runner.machine.device import Device, within
from runner.machine.processes import alive, name_of

LIMIT = 30.0  # seconds
LOOK, ANSWER = 0.05, 10.0  # between two looks; for the driver's answer
SLACK_MB = 64.0  # that a driver's own use changes by; a process with a CUDA context holds several times that
LARGE = 0.1  # of the GPU's memory: held by nobody, it is in the way


class Vram:
    """Of one GPU, as long as a program works on it, and in its turn. say: messages for people."""

    def __init__(
        self,
        device: Device,
        say: Callable[[str], None],
        limit: float = LIMIT,
        living: Callable[[int], bool] = alive,
    ) -> None:
        self._device, self._say, self._limit, self._living = device, say, limit, living
        self._base: float | None = None
        self._owing: frozenset[int] | None = None  # whose memory was not given back in time
        self._sees = False  # whether the driver's process ids are those of this machine's /proc

    def settle(self) -> float:
        """Before anything of ours starts on it: see that what came before is gone. Seconds. Raises InfraError."""
        if self._owing is not None:
            owing, self._owing = self._owing, None
            return self.wait(owing)
        if self._base is None:
            self._base = self._held(frozenset())[0]
        return 0.0

    def wait(self, own: Collection[int] = ()) -> float:
        """Until nothing of ours is left on it; the seconds that took. own: our processes, which have been ended.

        Raises InfraError that names who holds its memory.
        """
        mine, began = frozenset(own), time.monotonic()
        self._sees = self._sees or bool(mine)
        while True:
            held, left = self._held(mine)
            more = 0.0 if held is None or self._base is None else held - self._base
            waited = time.monotonic() - began
            if not left and more <= SLACK_MB:
                return waited
            if waited >= self._limit:
                break
            time.sleep(LOOK)
        if left or more > LARGE * self._device.memory_mb:
            self._owing = mine
            who = ", ".join(f"process {pid} {name_of(pid)}".rstrip() for pid in sorted(left))
            raise InfraError(
                f"the GPU's memory is not back {self._limit:.0f} s after a trial ended: {max(more, 0.0):.0f} MiB "
                f"more are in use than before it, by {who or 'no process that the driver names'}",
                "See nvidia-smi; what cannot be killed goes with a reset of the GPU, or of the machine",
            )
        self._base = held
        self._say(f"{more:.0f} MiB more of the GPU's memory are in use than before, by nobody that it names")
        return waited

    def afterwards(self, own: Collection[int] = ()) -> float:
        """`wait` when the work is done: what is not back in time is a fault of the next trial, not of this one."""
        try:
            return self.wait(own)
        except InfraError as error:
            self._say(error.what)
            return self._limit

    def _held(self, own: frozenset[int]) -> tuple[float | None, set[int]]:
        """MiB that nobody but ourselves accounts for, None where that is not told; and our own processes on it.

        A process that is listed and lives no more was ours. Raises InfraError where the driver does not answer.
        """
        sample = within(ANSWER, self._device.sample)
        if sample is None:
            raise InfraError(
                f"the driver did not answer for {ANSWER:.0f} s when it was asked for the GPU's memory",
                "See nvidia-smi and the kernel's log: a GPU in this state often needs the machine to be restarted",
            )
        processes = {**sample.graphics, **(sample.compute or {})}
        left = {pid for pid in processes if pid in own or (self._sees and not self._living(pid))}
        others = [memory for pid, memory in processes.items() if pid not in left]
        if sample.memory_mb is None or None in others:
            return None, left
        return sample.memory_mb - sum(memory for memory in others if memory is not None), left
