"""NVIDIA GPUs as NVML sees them, through `pynvml`. A machine without a driver simply has none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU of this machine. memory_mb: its whole memory."""

    uuid: str
    name: str
    memory_mb: int
    driver: str


def gpus() -> list[Gpu]:
    """The GPUs of this machine in NVML's order; empty without a driver, a device, or the right to see them."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) >> 20
            uuid, name = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
            found.append(Gpu(_text(uuid), _text(name), memory, driver))
        return found
    except pynvml.NVMLError:
        return []
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
