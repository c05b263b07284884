"""Which GPU of several: AUTORESEARCH_GPU, the action's `gpu`."""

from __future__ import annotations

import pytest

from runner.errors import MissingError
from runner.machine.gpu import Gpu, named

GPUS = [Gpu(f"GPU-{name}", f"NVIDIA {name}", 1000, "550") for name in ("A100", "H200", "H200 NVL")]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("", "A100"),
        ("1", "H200"),
        ("h200", "H200"),
        ("NVL", "H200 NVL"),
        ("gpu-a100", "A100"),
        ("GPU-H200 NVL", "H200 NVL"),
    ],
)
def test_a_gpu_is_meant_by_its_number_its_uuid_or_its_name(wanted: str, chosen: str) -> None:
    assert named(GPUS, wanted)[0].uuid == f"GPU-{chosen}"


@pytest.mark.parametrize("wanted", ["3", "200", "B200", "\n", "-1"])
def test_a_gpu_that_is_not_there_is_missing(wanted: str) -> None:
    with pytest.raises(MissingError, match="AUTORESEARCH_GPU"):
        named(GPUS, wanted)


def test_on_a_machine_without_a_gpu_nothing_is_meant() -> None:
    assert named([], "H200") == []
