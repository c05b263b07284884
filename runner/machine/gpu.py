"""NVIDIA GPUs as NVML sees them, through `pynvml`. A machine without a driver simply has none."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from runner.errors import MissingError


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


def named(found: Sequence[Gpu], wanted: str) -> list[Gpu]:
    """Those of `found` with the number, the UUID or the part of a name `wanted`; all where it is empty.

    Raises MissingError where there are GPUs and none is meant.
    """
    if not wanted or not found:
        return list(found)
    word = wanted.casefold()
    chosen = [gpu for at, gpu in enumerate(found) if word in (str(at), gpu.uuid.casefold())]
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
