"""What the GPUs of this machine do right now: how busy, memory, temperature, power. Peak memory is recorded too.

A machine without a driver or a GPU has no readings; what one device does not tell is left out. NVML stays open between
two looks, since opening it takes longer than reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GpuReading:
    """One GPU. busy: percent of the last moments with a kernel at work; memory in bytes, degrees Celsius, watts."""

    busy: float | None
    memory_used: int | None
    memory_total: int | None
    temperature: float | None
    watts: float | None


class Gpus:
    """The GPUs that NVML sees. nvml: the module `pynvml`, or what answers as it does."""

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml
        self._handles: list[Any] | None = None

    def read(self) -> list[GpuReading]:
        """One for each GPU in NVML's order; empty where there is none or NVML does not answer. Never raises."""
        try:
            if self._handles is None:
                self._handles = self._open()
            return [self._one(handle) for handle in self._handles]
        except Exception:
            self._handles = []  # without a driver: do not ask again
            return []

    def memory_mb(self, index: int = 0) -> float | None:
        """Memory in use on one GPU, by whomever; None where it is not known."""
        found = self.read()
        used = found[index].memory_used if index < len(found) else None
        return None if used is None else used / (1 << 20)

    def _open(self) -> list[Any]:
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        self._nvml.nvmlInit()
        return [self._nvml.nvmlDeviceGetHandleByIndex(i) for i in range(self._nvml.nvmlDeviceGetCount())]

    def _one(self, handle: Any) -> GpuReading:
        nvml = self._nvml
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        busy = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        watts = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        return GpuReading(
            busy=None if busy is None else float(busy.gpu),
            memory_used=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature=self._ask(nvml.nvmlDeviceGetTemperature, handle, 0),  # 0: of the GPU itself
            watts=None if watts is None else watts / 1000,
        )

    def _ask(self, question: Any, *arguments: Any) -> Any:
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None
