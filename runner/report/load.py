"""One line about this machine for the screen: load and memory, from the kernel's own files, nothing cached.

For display only. Without `/proc` (not Linux) the memory is left out.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.report import text

_MEMINFO = Path("/proc/meminfo")


def _memory() -> str:
    """Memory in use and in all, as the kernel counts what is available without swapping."""
    try:
        found = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        total, free = (int(found[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError, IndexError):
        return ""
    return f"memory {text.size(total - free)} of {text.size(total)}"


def line() -> str:
    """Such as `load 1.9 on 2 CPUs · memory 3.1 GB of 7.8 GB`. Raises OSError where there is no load to read."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count() or 1} CPUs"
    memory = _memory()
    return f"{load} · {memory}" if memory else load
