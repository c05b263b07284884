"""What the GPUs of this machine do right now, for the screen: how busy, memory, temperature, power.

A machine without a driver or a GPU has no readings; what one device does not tell is left out. NVML stays open between
two looks, since opening it takes longer than reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.errors import MissingError
from runner.machine.gpu import Found, ask, memory, named, walk


@dataclass(frozen=True)
class GpuReading:
    """One GPU. busy: percent of the last moments with a kernel at work; memory in bytes, degrees Celsius, watts."""

    busy: float | None
    memory_used: int | None
    memory_total: int | None
    temperature: float | None
    watts: float | None


class Gpus:
    """The GPUs, and MIG instances, that NVML sees. nvml: the module `pynvml`, or what answers as it does.

    wanted: those with this number, UUID or part of a name (`gpu.named`), if there are such; else all.
    """

    def __init__(self, nvml: Any = None, wanted: str = "") -> None:
        self._nvml, self._wanted = nvml, wanted
        self._found: list[Found] | None = None

    def read(self) -> list[GpuReading]:
        """One for each GPU in NVML's order; empty where there is none or NVML does not answer. Never raises."""
        try:
            if self._found is None:
                self._found = self._open()
            return [self._one(found) for found in self._found]
        except Exception:
            self._found = []  # without a driver: do not ask again
            return []

    def _open(self) -> list[Found]:
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        self._nvml.nvmlInit()
        found = list(walk(self._nvml))
        try:
            meant = named([one.gpu for one in found], self._wanted)
        except MissingError:  # said where a trial is to have it
            return found
        return [one for one in found if one.gpu in meant]

    def _one(self, found: Found) -> GpuReading:
        nvml = self._nvml
        held = memory(nvml, found.handle)
        busy = ask(nvml, "nvmlDeviceGetUtilizationRates", found.handle)
        watts = ask(nvml, "nvmlDeviceGetPowerUsage", found.whole)
        heat = "nvmlDeviceGetTemperature nvmlDeviceGetTemperatureV"
        return GpuReading(
            busy=None if busy is None else float(busy.gpu),
            memory_used=None if held is None else int(held.used),
            memory_total=None if held is None else int(held.total),
            temperature=ask(nvml, heat, found.whole, nvml.NVML_TEMPERATURE_GPU),
            watts=None if watts is None else watts / 1000,
        )
