"""Whose a container is: labels that let a later start tell leftovers from what a living run owns.

An owner is a process: its number, its start time, its PID namespace and the boot of its machine. Only where
all of that can be compared is an owner called dead; else a thing is a leftover once its deadline is long past.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from runner.sandbox.spec import LABEL

LATE = 120.0  # seconds after its deadline at which a thing is a leftover, whoever made it


def labels(tag: str, trial: str, life_seconds: float) -> dict[str, str]:
    """The labels of everything made in the engine for one trial of this process."""
    return {
        LABEL: "trial",
        f"{LABEL}.run": tag,
        f"{LABEL}.trial": trial,
        f"{LABEL}.deadline": f"{time.time() + life_seconds:.0f}",
        f"{LABEL}.owner": _identity(os.getpid()) or "unknown",
    }


def _identity(pid: int) -> str | None:
    """boot:namespace:pid:start time of a living process of this PID namespace, None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return None
    started = stat.rsplit(")", 1)[1].split()[19]  # field 22 of proc(5), the 20th after the name
    return f"{boot}:{namespace}:{pid}:{started}".replace(" ", "")


def own(labels: Mapping[str, str]) -> bool:
    """Whether a thing with these labels is this very process's."""
    return labels.get(f"{LABEL}.owner") == _identity(os.getpid()) is not None


def leftover(of: Mapping[str, str], *, engine_is_local: bool) -> bool:
    """Whether the owner in the labels `of` is certainly dead, or its deadline long past."""
    try:
        late = time.time() > float(of.get(f"{LABEL}.deadline", "")) + LATE
    except ValueError:
        late = False
    owner, here = of.get(f"{LABEL}.owner", ""), _identity(os.getpid()) or ""
    boot, *rest = [*owner.split(":"), ""]
    if not here or not rest[0]:
        return late
    if boot != here.split(":")[0]:
        return late or engine_is_local  # this machine has been started anew since
    if owner.split(":")[1:-2] != here.split(":")[1:-2]:
        return late  # another PID namespace: its processes cannot be seen from here
    return _identity(int(owner.split(":")[-2])) != owner
