"""Processes of this machine by number, as the kernel tells of them in /proc."""

from __future__ import annotations

import os
from pathlib import Path


def groups(pid: int) -> str:
    """The control groups of a process, in which an engine writes the container's id; "" for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""


def name_of(pid: int) -> str:
    """A process's own short name, which it may choose itself: for people."""
    try:
        told = Path(f"/proc/{pid}/comm").read_text(errors="replace")
    except OSError:
        return ""
    return "".join(c for c in told if c.isprintable())[:20]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
