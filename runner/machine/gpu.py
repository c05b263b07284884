"""NVIDIA GPUs as NVML sees them, through `pynvml`. A machine without a driver simply has none.

A GPU that is cut into MIG instances is no GPU that a trial could have: its instances stand in its place. A device that
does not answer (lost, or in reset) is left out, and hides no other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import MissingError


@dataclass(frozen=True)
class Gpu:
    """One GPU of this machine, or one MIG instance of one. memory_mb: its whole memory, 0 where it does not tell."""

    uuid: str
    name: str
    memory_mb: int
    driver: str
    minor: int = 0  # N of /dev/nvidiaN
    parent: str = ""  # of a MIG instance: the UUID of its GPU
    instance: tuple[int, int] = (0, 0)  # of a MIG instance: ids of GPU instance and compute instance


@dataclass(frozen=True)
class Found:
    """A GPU with NVML's handles of it. whole: of the GPU itself, where `handle` is of one of its MIG instances."""

    gpu: Gpu
    handle: Any
    whole: Any


def ask(nvml: Any, questions: str, *arguments: Any) -> Any:
    """The first answer to `questions`, pynvml's names in the order in which they are asked; None where there is none.

    A driver may not know a newer one, nor pynvml an older one, and most devices tell only some things.
    """
    for question in questions.split():
        with contextlib.suppress(Exception):  # NVML's errors, and pynvml's own, of a driver older than itself
            return getattr(nvml, question)(*arguments)
    return None


def memory(nvml: Any, handle: Any) -> Any:
    """What NVML tells of a device's memory. Its second version leaves out what the driver keeps for itself (R510)."""
    newer = ask(nvml, "nvmlDeviceGetMemoryInfo", handle, nvml.nvmlMemory_v2)
    return ask(nvml, "nvmlDeviceGetMemoryInfo", handle) if newer is None else newer


def driver_loaded(root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver is: where no GPU answers then, something is broken, or an upgrade not finished."""
    return any((root / path).exists() for path in ("dev/nvidiactl", "proc/driver/nvidia/version"))


def windows_beneath(root: Path = Path("/")) -> bool:
    """Whether this is Linux inside Windows (WSL2), where every GPU is behind one device and none has its own."""
    return (root / "dev/dxg").exists() and not (root / "dev/nvidiactl").exists()


def gpus(nvml: Any = None) -> list[Gpu]:
    """The GPUs of this machine in NVML's order; empty without a driver, a device, or the right to see them.

    nvml: the module `pynvml`, or what answers as it does.
    """
    if nvml is None:
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        return [found.gpu for found in walk(nvml)]
    except nvml.NVMLError:
        return []
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def walk(nvml: Any) -> Iterator[Found]:
    """Every GPU or, of one that is cut, every MIG instance. NVML is open. Raises its error where it does not answer."""
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            whole = Found(_gpu(nvml, handle, driver), handle, handle)
            if _cut(nvml, handle):
                yield from _instances(nvml, whole)
            else:
                yield whole


def _gpu(nvml: Any, handle: Any, driver: str) -> Gpu:
    uuid, name = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
    memory = minor = 0
    with contextlib.suppress(nvml.NVMLError):  # a GPU that shares the machine's memory tells of none of its own
        memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total) >> 20
    with contextlib.suppress(nvml.NVMLError):
        minor = int(nvml.nvmlDeviceGetMinorNumber(handle))
    return Gpu(uuid, name, memory, driver, minor)


def _cut(nvml: Any, handle: Any) -> bool:
    """Whether it is in MIG mode now; what is pending begins with the next reset."""
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:  # most GPUs know no such mode
        return False


def _instances(nvml: Any, whole: Found) -> Iterator[Found]:
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(whole.handle)):
        with contextlib.suppress(nvml.NVMLError):  # places without an instance, anywhere among them
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(whole.handle, index)
            ids = (nvml.nvmlDeviceGetGpuInstanceId(handle), nvml.nvmlDeviceGetComputeInstanceId(handle))
            seen = _gpu(nvml, handle, whole.gpu.driver)
            name = seen.name if "MIG" in seen.name else f"{whole.gpu.name} MIG {seen.memory_mb} MiB"
            gpu = Gpu(
                seen.uuid, name, seen.memory_mb, seen.driver, whole.gpu.minor, whole.gpu.uuid, (ids[0], ids[1])
            )
            yield Found(gpu, handle, whole.handle)


def named(found: Sequence[Gpu], wanted: str) -> list[Gpu]:
    """Those of `found` with the number, the UUID or the part of a name `wanted`; all where it is empty.

    The UUID of a GPU that is cut means its MIG instances. Raises MissingError where there are GPUs and none is meant.
    """
    if not wanted or not found:
        return list(found)
    word = wanted.casefold()
    chosen = [gpu for at, gpu in enumerate(found) if word in (str(at), gpu.uuid.casefold())]
    chosen = chosen or [gpu for gpu in found if word == gpu.parent.casefold()]
    if not wanted.isdecimal():
        chosen = chosen or [gpu for gpu in found if word in gpu.name.casefold()]
    if not chosen:
        here = ", ".join(f"{at}: {gpu.name} {gpu.uuid}" for at, gpu in enumerate(found))
        raise MissingError(
            f"no GPU of this machine is {wanted[:100]!r}", f"Set AUTORESEARCH_GPU to one of {here}"
        )
    return chosen


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
