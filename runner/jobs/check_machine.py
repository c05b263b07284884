"""What `runner check` says of the machine, before any container runs: tools, engine, room, GPU, clock."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from runner import assemble
from runner.config import TrialSettings
from runner.errors import MissingError
from runner.lab import Lab
from runner.machine.gpu import Gpu, driver_loaded
from runner.sandbox import gpu_facts, gpu_toolkit
from runner.sandbox.engine import Engine, EngineInfo
from runner.sandbox.finding import MISSING, NOTE, OK, Finding, finding
from runner.sandbox.gpu_access import Assigned, Facts, plan_access

OLDEST_API = (1, 41)  # Docker 20.10
ROOM_GIB = 10  # where the engine stores: an image with CUDA and its building
LAB_GIB = 1
CLOCK_SECONDS = 10.0
GIB = 1 << 30


def tools(lab: Lab) -> Iterator[Finding]:
    """What can be said without an engine."""
    git = shutil.which("git")
    said = (
        subprocess.run([git, "--version"], capture_output=True, text=True).stdout.strip()
        if git
        else "not installed"
    )
    yield finding(
        "git", OK if git else MISSING, "any", said.removeprefix("git version "), "sudo apt-get install git"
    )
    yield finding("python", OK, "3.11 or newer", f"{platform.python_version()} ({sys.executable})")
    free = shutil.disk_usage(lab.root).free
    yield finding("disk, lab", OK if free >= LAB_GIB * GIB else NOTE, f"{LAB_GIB} GiB", f"{free / GIB:.1f} GiB free",
                  "Free some disk space, or runner clean TAG")  # fmt: skip
    yield _gpu(lab.settings.trial)


def _gpu(settings: TrialSettings) -> Finding:
    try:
        gpu = assemble.choose_gpu(settings.device)
    except MissingError as error:
        return finding("gpu", MISSING, "an NVIDIA GPU", error.what, error.advice)
    if gpu is None and settings.device == "auto" and driver_loaded():
        found = "NVIDIA's driver is loaded, and no GPU answers: trials run on the CPU"
        return finding("gpu", NOTE, settings.device, found, "See nvidia-smi")
    if gpu is None:
        return finding("gpu", OK, settings.device, "none: trials run on the CPU")
    return finding(
        "gpu", OK, settings.device, f"{gpu.name}, {gpu.memory_mb:,} MiB, driver {gpu.driver}, {gpu.uuid}"
    )


def engine(connected: Engine, settings: TrialSettings) -> Iterator[Finding]:
    """What the engine says of itself and of its machine. `connected.raw` is its answer to `GET /info`."""
    yield from of_info(connected.info, connected.api_version, connected.raw)
    yield _clock(connected)
    yield _memory(connected, settings)
    yield from _gpu_access(connected, settings)
    root = str(connected.raw.get("DockerRootDir") or "")
    if connected.local and Path(root).is_dir():
        free = shutil.disk_usage(root).free
        yield finding("disk, engine", OK if free >= ROOM_GIB * GIB else NOTE, f"{ROOM_GIB} GiB",
                      f"{free / GIB:.1f} GiB free in {root}", "Free some disk space")  # fmt: skip


def _gpu_access(connected: Engine, settings: TrialSettings) -> Iterator[Finding]:
    if gpu := _assigned(settings):
        yield from of_access(gpu_facts.gather(connected), gpu, settings.gpu_access)


def _assigned(settings: TrialSettings) -> Gpu | None:
    try:
        return assemble.choose_gpu(settings.device)
    except MissingError:  # told by a line of its own
        return None


def of_access(facts: Facts, gpu: Assigned, wanted: str) -> Iterator[Finding]:
    """Pure: how the GPU gets into containers, why so, and what is to be known of the toolkit that does it."""
    expected = "a way into containers" if wanted == "auto" else wanted
    try:
        access = plan_access(facts, gpu, wanted)
    except MissingError as error:
        yield finding("gpu access", MISSING, expected, error.what, error.advice)
        return
    yield finding("gpu access", OK, expected, f"{access.mode}: {access.why}")
    if access.mode == "nodes":
        return
    remark = gpu_toolkit.remark(facts.toolkit)
    found = ", ".join(word for word in (facts.toolkit or "version not told", remark) if word)
    yield finding("gpu toolkit", NOTE if remark else OK, "no known way out of its containers", found,
                  "Upgrade nvidia-container-toolkit; docs/gpu.md, Passing")  # fmt: skip


def of_info(info: EngineInfo, api: str, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Pure: findings from what an engine says of itself."""
    numbers = tuple(int(word) for word in api.split(".") if word.isdigit())
    good = numbers >= OLDEST_API
    yield finding("engine", OK if good else MISSING, "API 1.41, Docker 20.10 or newer",
                  f"{info.name} {info.version}, API {api}, at {info.url}", "Upgrade the engine")  # fmt: skip
    options = " ".join(str(option) for option in raw.get("SecurityOptions") or [])
    confined = [name for name in ("seccomp", "apparmor", "selinux", "userns") if f"name={name}" in options]
    without = [] if {"apparmor", "selinux"} & set(confined) else ["no AppArmor or SELinux"]
    yield finding("confinement", OK if "seccomp" in confined else NOTE, "seccomp", ", ".join(confined + without),
                  "The engine names no seccomp; the lines below say whether it has it")  # fmt: skip
    runtime = raw.get("DefaultRuntime") or "?"
    found = f"{raw.get('Driver', '?')}, control groups {info.cgroup}, runtime {runtime}, kernel {info.kernel}"
    yield finding("storage", OK, "any", found)
    if info.rootless:
        told = "yes: root inside is an ordinary user outside"
        if info.cgroup == "v1":
            unbounded = f"{told}; memory, processes and processors are not bounded without control groups v2"
            yield finding("rootless", NOTE, "control groups v2", unbounded,
                          "Boot with control groups of version 2, or use an engine that runs as root")  # fmt: skip
        else:
            yield finding("rootless", NOTE, "delegated limits", f"{told}; limits hold as far as they are delegated",
                          "See memory, processes and processors below; docs/security.md, Rootless")  # fmt: skip
    missing = [
        name for name in ("MemoryLimit", "SwapLimit", "PidsLimit", "CpuCfsQuota") if raw.get(name) is False
    ]
    if missing:
        yield finding("limits", NOTE, "all", f"the engine says that it has no {', '.join(missing)}",
                      "See the lines below for what holds")  # fmt: skip


def _clock(connected: Engine) -> Finding:
    try:
        before = time.time()
        told = datetime.fromisoformat(str(connected.api.info()["SystemTime"])).timestamp()
        off = max(0.0, before - told, told - time.time())
    except (KeyError, ValueError):
        return finding("clock", NOTE, "the engine's", "the engine tells no time that can be read")
    return finding("clock", OK if off < CLOCK_SECONDS else NOTE, "the engine's", f"{off:.1f} s from the engine's",
                   "Set both clocks: leftovers are told by it. Deadlines do not depend on it")  # fmt: skip


def _memory(connected: Engine, settings: TrialSettings) -> Finding:
    total = int(connected.raw.get("MemTotal") or 0) >> 20
    free = psutil.virtual_memory().available >> 20 if connected.local else total
    wanted = settings.memory(gpu=_assigned(settings) is not None)
    shown = f"{free:,} MiB free of {total:,}; a trial may take {wanted:,}"
    advice = (
        "A trial is killed for memory by the kernel of a machine that has too little: lower trial.memory_mb"
    )
    return finding("memory", OK if free >= wanted else NOTE, f"{wanted:,} MiB", shown, advice)
