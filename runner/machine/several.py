"""Which devices train side by side: what `--gpus` means on this machine.

GPUs of one model, memory and driver only, for scores are compared with each other; or `cpu:N`, the processors in N
equal shares. Chooses; opens and locks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.errors import MissingError, UsageError
from runner.machine.gpu import Gpu, named

MOST = 64  # shares of the processors
_SAME = 0.02  # of a GPU's memory: firmware and error correction take a little more of one board than of another


@dataclass(frozen=True)
class Slot:
    """A place to train in. name: for people, and for the engine's labels. cpuset: its processors, empty for any."""

    name: str
    gpu: Gpu | None = None
    cpuset: str = ""


def chosen(wanted: str, found: Sequence[Gpu], device: str, processors: Sequence[int]) -> list[Slot]:
    """The slots that `wanted` means: `all`, or numbers, UUIDs and parts of names with commas between, or `cpu:N`.

    found: the GPUs of this machine. device: of the settings, `auto`, `cuda` or `cpu`. processors: the engine's, by
    number. Raises UsageError, and MissingError where a GPU is meant that is not there.
    """
    words = [word.strip() for word in wanted.split(",")]
    if not all(words):
        raise UsageError(
            f"--gpus {wanted[:100]!r} names no device", 'Say "all", "0,2", a part of a name, or "cpu:2"'
        )
    if shares := re.fullmatch(r"cpu(?::([0-9]{1,4}))?", wanted.strip().casefold()):
        return _shares(int(shares[1] or 1), device, processors)
    if device == "cpu":
        raise UsageError(
            f"--gpus {wanted[:100]}, and trial.device is cpu in runner.toml",
            "Set it to auto, or say --gpus cpu:2",
        )
    if not found:
        raise MissingError(
            f"--gpus {wanted[:100]}, and no NVIDIA GPU answers on this machine",
            "See nvidia-smi; for trainings side by side on the CPU: --gpus cpu:2",
        )
    meant: list[Gpu] = []
    for word in words:
        meant += [gpu for gpu in _meant(word, found) if gpu not in meant]
    if not all(alike(gpu, meant[0]) for gpu in meant):
        here = "; ".join(f"{found.index(gpu)}: {describe(gpu)}" for gpu in meant)
        raise UsageError(
            f"GPUs of different kinds cannot train side by side, for their scores do not compare: {here}",
            f"Name those of one kind by number, UUID or a part of their name: --gpus {found.index(meant[0])},…",
        )
    return [Slot(f"gpu {found.index(gpu)}", gpu) for gpu in meant]


def _meant(word: str, found: Sequence[Gpu]) -> list[Gpu]:
    if word.casefold() == "all":
        return list(found)
    try:
        return named(found, word)
    except MissingError as error:
        here = ", ".join(f"{at}: {gpu.name} {gpu.uuid}" for at, gpu in enumerate(found))
        raise MissingError(error.what, f"--gpus takes all, or some of: {here}") from None


def _shares(count: int, device: str, processors: Sequence[int]) -> list[Slot]:
    if device == "cuda":
        raise UsageError(
            f"--gpus cpu:{count}, and trial.device is cuda in runner.toml", "Set it to auto or cpu"
        )
    if not 1 <= count <= min(MOST, len(processors)):
        raise UsageError(
            f"--gpus cpu:{count}: the {len(processors)} processors of this machine can be shared by "
            f"1 to {min(MOST, len(processors))}",
            "Each share has the same number of whole processors",
        )
    if count == 1:
        return [Slot("cpu")]
    size = len(processors) // count
    cut = [sorted(processors)[at * size : (at + 1) * size] for at in range(count)]
    # The first has the name that trials take turns by where there is one slot.
    return [Slot(f"cpu-{at}" if at else "cpu", None, ",".join(map(str, mine))) for at, mine in enumerate(cut)]


def alike(a: Gpu, b: Gpu) -> bool:
    """Whether scores measured on the two compare: one model, memory and driver."""
    close = abs(a.memory_mb - b.memory_mb) <= _SAME * max(a.memory_mb, b.memory_mb)
    return (a.name, a.driver) == (b.name, b.driver) and close


def describe(gpu: Gpu) -> str:
    return f"{gpu.name}, {gpu.memory_mb:,} MiB, driver {gpu.driver}"


def other_machine(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str] | None:
    """What scores were measured on and what they would be measured on now, where they do not compare; else None.

    Of `Workshop.machine`: the GPU, and the processor with its cores, for a budget is a time on a clock. A record
    without a GPU's place says nothing, one without a processor nothing of it; neither is held against anybody.
    """
    if "gpu" not in recorded or "gpu" not in now:
        return None
    before, after = _of(recorded), _of(now)
    if before != after and not _both_gpus(recorded["gpu"], now["gpu"]):
        return before, after
    was, became = _processor(recorded), _processor(now)
    if all(a == b or not a or not b for a, b in zip(was, became, strict=True)):
        return None
    return f"{before} ({_told(was)})", f"{after} ({_told(became)})"


def _of(machine: Mapping[str, Any]) -> str:
    gpu = machine["gpu"]
    if gpu:
        return f"{gpu.get('name')}, {gpu.get('memory_mb')} MiB, driver {gpu.get('driver')}"
    shares = machine.get("shares", 1)
    return "the CPU" if shares == 1 else f"the CPU in {shares} shares"


def _processor(machine: Mapping[str, Any]) -> tuple[str, int]:
    """Model and number of cores, empty and 0 where they are not known: the engine may be on another machine."""
    engine = machine.get("engine")
    url = engine.get("url", "unix://") if isinstance(engine, Mapping) else "unix://"
    if not str(url).startswith("unix://"):
        return "", 0
    return str(machine.get("cpu") or ""), int(machine.get("cores") or 0)


def _told(processor: tuple[str, int]) -> str:
    model, cores = processor
    return ", ".join([model or "a processor of unknown model", *([f"{cores} cores"] if cores else [])])


def _both_gpus(a: Any, b: Any) -> bool:
    try:
        first, second = (
            Gpu(one.get("uuid", ""), one["name"], one["memory_mb"], one["driver"]) for one in (a, b)
        )
    except (TypeError, KeyError, AttributeError):
        return False
    return alike(first, second)
