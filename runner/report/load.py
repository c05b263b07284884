"""One line about this machine for the screen: its GPUs, load and memory, as the driver and the kernel tell them.

For display only. Without a GPU, or without `/proc` (not Linux), that part is left out.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.machine.readings import GpuReading, Gpus
from runner.report import text

_MEMINFO = Path("/proc/meminfo")
_GPUS = Gpus(wanted=os.environ.get("AUTORESEARCH_GPU", ""))
_SHOWN = 2  # GPUs; of more only how many there are


def _memory() -> str:
    """Memory in use and in all, as the kernel counts what is available without swapping."""
    try:
        found = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        total, free = (int(found[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError, IndexError):
        return ""
    return f"memory {text.size(total - free)} of {text.size(total)}"


def gpu(reading: GpuReading) -> str:
    """Such as `GPU 97 %, 71 GB of 141 GB, 61 °C, 412 W`; what is not known is left out."""
    parts = [] if reading.busy is None else [f"{reading.busy:.0f} %"]
    if reading.memory_used is not None and reading.memory_total:
        parts.append(f"{text.size(reading.memory_used)} of {text.size(reading.memory_total)}")
    if reading.temperature is not None:
        parts.append(f"{reading.temperature:.0f} °C")
    if reading.watts is not None:
        parts.append(f"{reading.watts:.0f} W")
    return f"GPU {', '.join(parts)}" if parts else "GPU"


def line(gpus: Gpus = _GPUS) -> str:
    """Such as `load 1.9 on 2 CPUs · memory 3.1 GB of 7.8 GB`. Raises OSError where there is no load to read."""
    found = gpus.read()
    shown = [gpu(reading) for reading in found[:_SHOWN]]
    if len(found) > _SHOWN:
        shown.append(f"{len(found)} GPUs")
    return " · ".join([*shown, _host()])


def _host() -> str:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count() or 1} CPUs"
    memory = _memory()
    return f"{load} · {memory}" if memory else load
