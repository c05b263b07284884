"""The next trial starts when the GPU's memory is back, and not before; what others hold is not waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest
from nvml_lab import CONSUMER, SILENT, Card, Nvml

from runner.errors import InfraError
from runner.machine.device import Device
from runner.machine.vram import Vram

OURS, THEIRS, DEAD = 4_100_001, 4_100_002, 4_100_003


def vram(card: Card, said: list[str], limit: float = 0.3) -> Vram:
    made = Vram(Device(card.uuid, Nvml(card)), said.append, limit, living=lambda pid: pid != DEAD)
    made.settle()
    return made


def card(used_mb: float = 600.0, compute: Mapping[int, float | None] | None = None, **more: object) -> Card:
    return Card(used_mb=used_mb, compute=compute or {}, **more)  # type: ignore[arg-type]


def test_memory_that_is_back_is_not_waited_for() -> None:
    gpu = card()
    waiting = vram(gpu, [])
    assert waiting.wait({OURS}) < 0.1


def test_it_is_waited_for_until_the_driver_gives_it_back() -> None:
    gpu = card()
    waiting = vram(gpu, [], limit=10.0)
    gpu.used_mb, gpu.compute = 45_000.0, {OURS: 44_400.0}

    def back() -> None:
        gpu.compute = {}
        time.sleep(0.2)
        gpu.used_mb = 630.0

    threading.Timer(0.2, back).start()
    assert 0.35 < waiting.wait({OURS}) < 5


def test_who_holds_it_is_named_when_it_does_not_come_back() -> None:
    gpu = card()
    waiting = vram(gpu, [])
    gpu.used_mb, gpu.compute = 45_000.0, {OURS: 44_400.0}
    with pytest.raises(InfraError, match=rf"44400 MiB more .* by process {OURS}") as told:
        waiting.wait({OURS})
    assert "nvidia-smi" in told.value.advice


def test_where_its_memory_is_not_told_a_process_is_waited_for() -> None:
    gpu = card(silent=CONSUMER | {"nvmlDeviceGetMemoryInfo"})
    waiting = vram(gpu, [])
    gpu.compute = {OURS: None}
    with pytest.raises(InfraError, match=f"process {OURS}"):
        waiting.wait({OURS})


def test_what_another_process_takes_meanwhile_is_its_own() -> None:
    gpu = card()
    waiting = vram(gpu, [])
    gpu.used_mb, gpu.compute = 20_600.0, {THEIRS: 20_000.0}
    assert waiting.wait({OURS}) < 0.1


def test_a_desktop_that_grows_is_not_waited_for() -> None:
    gpu = card(silent=CONSUMER)
    waiting = vram(gpu, [])
    gpu.used_mb, gpu.graphics = 2_600.0, {THEIRS: 2_000.0}
    assert waiting.wait({OURS}) < 0.1


def test_a_process_that_lives_no_more_is_waited_for_where_processes_can_be_told() -> None:
    gpu = card()
    waiting = vram(gpu, [])
    waiting.wait({OURS})  # one of ours was seen: the driver's numbers are those of this machine
    gpu.used_mb, gpu.compute = 1_600.0, {DEAD: 1_000.0}
    with pytest.raises(InfraError, match=f"process {DEAD}"):
        waiting.wait()


def test_it_is_anothers_where_the_driver_counts_processes_otherwise() -> None:
    """As in a container: every process of the machine seems to be dead there."""
    gpu = card()
    waiting = vram(gpu, [])
    gpu.used_mb, gpu.compute = 1_600.0, {DEAD: 1_000.0}
    assert waiting.wait() < 0.1


def test_a_little_that_nobody_holds_is_told_once_and_lived_with() -> None:
    said: list[str] = []
    gpu = card()
    waiting = vram(gpu, said)
    gpu.used_mb = 900.0
    waiting.wait({OURS})
    assert len(said) == 1
    assert waiting.wait({OURS}) < 0.1
    assert said == ["300 MiB more of the GPU's memory are in use than before, by nobody that it names"]


def test_much_that_nobody_holds_is_a_fault() -> None:
    gpu = card()
    waiting = vram(gpu, [])
    gpu.used_mb = 40_000.0
    with pytest.raises(InfraError, match="no process that the driver names"):
        waiting.wait({OURS})


def test_after_a_trial_it_is_the_next_ones_fault() -> None:
    said: list[str] = []
    gpu = card()
    waiting = vram(gpu, said)
    gpu.used_mb = 40_000.0
    assert waiting.afterwards({OURS}) == 0.3
    assert "is not back" in said[0]
    with pytest.raises(InfraError, match="is not back"):
        waiting.settle()
    gpu.used_mb = 600.0
    assert waiting.settle() < 0.1


def test_a_next_trial_that_finds_it_back_goes_on() -> None:
    gpu = card()
    waiting = vram(gpu, [])
    gpu.used_mb = 40_000.0
    waiting.afterwards({OURS})
    gpu.used_mb = 600.0
    assert waiting.settle() < 0.1


def test_a_gpu_that_tells_nothing_is_not_waited_for() -> None:
    gpu = card(silent=SILENT | {"nvmlDeviceGetMemoryInfo"})
    waiting = vram(gpu, [])
    assert waiting.wait({OURS}) < 0.1
