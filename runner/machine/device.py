"""One GPU, or one MIG instance, asked through NVML by its UUID: what it does now, and what it has counted.

What a device does not tell is None, never a fault. Of a MIG instance NVML tells memory and processes; clocks, power,
temperature and throttling are those of the whole GPU, and nothing tells how busy one is. Decides nothing (`marks.py`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from runner.machine.gpu import Found, ask, memory, walk

T = TypeVar("T")
MIB = 1 << 20
NO_INSTANCE = 0xFFFFFFFF  # of an event that concerns the whole GPU
EVENTS = 64  # read at one look; a driver that has more to tell tells it at the next


@dataclass(frozen=True)
class Sample:
    """One look. busy: percent of the last moments with a kernel at work. memory_mb: in use, by whomever.

    energy: joules since the driver was loaded. reasons: bits, why the clock is not higher (`marks.py`). compute,
    graphics: MiB by process id as the host counts them, None for a process whose memory is not told.
    """

    at: float  # monotonic seconds
    busy: float | None = None
    memory_mb: float | None = None
    watts: float | None = None
    limit_watts: float | None = None
    energy: float | None = None
    sm_mhz: float | None = None
    celsius: float | None = None
    reasons: int | None = None
    compute: Mapping[int, float | None] | None = None
    graphics: Mapping[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """What the device has counted since it was last started. ecc: errors of memory that could not be corrected.

    retired: pages or rows of memory that were taken out of use for that.
    """

    ecc: int | None = None
    retired: int | None = None


class Device:
    """The GPU `uuid`. Its methods ask and never raise NVML's errors; `known` says whether it is on this machine."""

    def __init__(self, uuid: str, nvml: Any = None) -> None:
        self._nvml = nvml
        self._found: Found | None = None
        self._events: Any = None
        self._seen = 0  # microseconds, of the last sample of the processes' use
        try:
            self._found = self._open(uuid)
        except Exception:  # without a driver, or with one that is broken: nothing is told
            self._found = None

    @property
    def known(self) -> bool:
        return self._found is not None

    @property
    def memory_mb(self) -> int:
        return self._found.gpu.memory_mb if self._found else 0

    @property
    def cut(self) -> bool:
        """Whether it is a MIG instance."""
        return bool(self._found and self._found.gpu.parent)

    def sample(self) -> Sample:
        now = time.monotonic()
        if self._found is None:
            return Sample(now)
        nvml, own, whole = self._nvml, self._found.handle, self._found.whole
        held = memory(nvml, own)
        busy = self._ask("nvmlDeviceGetUtilizationRates", own)
        reasons = "nvmlDeviceGetCurrentClocksEventReasons nvmlDeviceGetCurrentClocksThrottleReasons"
        heat = "nvmlDeviceGetTemperature nvmlDeviceGetTemperatureV"
        return Sample(
            at=now,
            busy=None if busy is None else float(busy.gpu),
            memory_mb=None if held is None else held.used / MIB,
            watts=_thousandth(self._ask("nvmlDeviceGetPowerUsage", whole)),
            limit_watts=_thousandth(self._ask("nvmlDeviceGetEnforcedPowerLimit", whole)),
            energy=_thousandth(self._ask("nvmlDeviceGetTotalEnergyConsumption", whole)),
            sm_mhz=self._ask("nvmlDeviceGetClockInfo", whole, nvml.NVML_CLOCK_SM),
            celsius=self._ask(heat, whole, nvml.NVML_TEMPERATURE_GPU),
            reasons=self._ask(reasons, whole),
            compute=self._processes("nvmlDeviceGetComputeRunningProcesses", own),
            graphics=self._processes("nvmlDeviceGetGraphicsRunningProcesses", own) or {},
        )

    def counts(self) -> Counts:
        if self._found is None:
            return Counts()
        nvml, own, whole = self._nvml, self._found.handle, self._found.whole
        kind = (nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC)
        ecc = self._ask("nvmlDeviceGetTotalEccErrors", own, *kind)
        if ecc is None and own is not whole:
            ecc = self._ask("nvmlDeviceGetTotalEccErrors", whole, *kind)
        rows = self._ask("nvmlDeviceGetRemappedRows", whole)  # Ampere and newer
        if rows is not None:
            return Counts(ecc, int(rows[0]) + int(rows[1]))
        causes = (0, 1)  # several errors that were corrected, one that was not
        pages = [self._ask("nvmlDeviceGetRetiredPages", whole, cause) for cause in causes]
        told = [len(page) for page in pages if page is not None]
        return Counts(ecc, sum(told) if told else None)

    def xids(self) -> list[int] | None:
        """Numbers of the driver's errors since the last time it was asked; None where it may not be listened to.

        Of a MIG instance: its own, and those of the whole GPU.
        """
        if self._found is None or self._events is None:
            return None
        nvml, found = self._nvml, []
        for _ in range(EVENTS):
            event = self._ask("nvmlEventSetWait_v2", self._events, 0)
            if event is None:
                break
            place = int(event.gpuInstanceId)
            if event.eventType == nvml.nvmlEventTypeXidCriticalError and (
                not self.cut or place in (NO_INSTANCE, self._found.gpu.instance[0])
            ):
                found.append(int(event.eventData))
        return found

    def used_by(self) -> dict[int, float] | None:
        """Percent of the device's time that each process took, the highest since the last time it was asked.

        None where the device does not tell, as under MIG. Newer GPUs and drivers answer the newer question alone.
        """
        if self._found is None:
            return None
        nvml, samples = self._nvml, None
        for question in ("nvmlDeviceGetProcessUtilization", "nvmlDeviceGetProcessesUtilizationInfo"):
            try:
                samples = getattr(nvml, question)(self._found.handle, self._seen)
                break
            except nvml.NVMLError as error:  # pynvml raises "success" where there is none
                if error.value in (nvml.NVML_SUCCESS, nvml.NVML_ERROR_NOT_FOUND):
                    return {}
            except Exception:  # pynvml's own, of a driver older than itself
                continue
        if samples is None:
            return None
        used: dict[int, float] = {}
        for one in samples:
            if one.timeStamp > self._seen:
                used[int(one.pid)] = max(used.get(int(one.pid), 0.0), float(one.smUtil))
        self._seen = max([self._seen, *(int(one.timeStamp) for one in samples)])
        return used

    def _open(self, uuid: str) -> Found | None:
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        nvml = self._nvml
        nvml.nvmlInit()  # and never shut down: opening takes longer than all the questions
        found = next((one for one in walk(nvml) if one.gpu.uuid == uuid), None)
        if found is not None:
            with contextlib.suppress(nvml.NVMLError):  # some devices, and some containers, let nobody listen
                events = nvml.nvmlEventSetCreate()
                nvml.nvmlDeviceRegisterEvents(found.whole, nvml.nvmlEventTypeXidCriticalError, events)
                self._events = events
        return found

    def _processes(self, question: str, handle: Any) -> dict[int, float | None] | None:
        listed = self._ask(f"{question} {question}_v2", handle)  # the second for drivers before R510
        if listed is None:
            return None
        return {int(p.pid): None if p.usedGpuMemory is None else p.usedGpuMemory / MIB for p in listed}

    def _ask(self, questions: str, *arguments: Any) -> Any:
        return ask(self._nvml, questions, *arguments)


def within(seconds: float, question: Callable[[], T]) -> T | None:
    """The answer, or None if there is none in time, or it raised: a driver in trouble may not answer at all.

    What does not come back is left behind in a thread of its own.
    """
    answers: list[T] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            answers.append(question())

    thread = threading.Thread(target=ask, daemon=True, name="driver")
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1000
