"""Whether PyTorch computes on the GPU is asked of it before the first trial, and what it says becomes advice.

What it says of a driver that is too old was said by its build for CUDA 13.0 to a `libcuda` of version 12.4.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import gpu_lab
import pytest
from gpu_lab import DRIVER, Gpu

from runner.config import TrialSettings
from runner.errors import MissingError
from runner.jobs import check
from runner.lab import open_lab
from runner.sandbox import gpu_facts, torch_on_gpu
from runner.sandbox.box import Sandbox
from runner.sandbox.finding import MISSING, NOTE, OK
from runner.sandbox.gpu_access import plan_access
from runner.sandbox.torch_on_gpu import judged
from runner.turn import turn

SMALL = TrialSettings(memory_mb=2048, pids=64, out_mb=8, out_files=64, tmp_mb=64, shm_mb=64, log_kb=64)
BUILD = {"version": "2.13.0+cu130", "cuda": "13.0", "architectures": ["sm_75", "sm_80", "sm_86", "sm_90"]}
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 12040). Please update your GPU driver by downloading"
    " and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx Alternatively, go to:"
    " https://pytorch.org to install a PyTorch version that has been compiled with your version of the CUDA driver."
)
NO_KERNEL = (
    "CUDA error: no kernel image is available for execution on the device\nSearch for `cudaErrorNoKernel"
)
INSUFFICIENT = "CUDA error: CUDA driver version is insufficient for CUDA runtime version"


def test_a_right_product_is_the_only_proof() -> None:
    found = judged({**BUILD, "sum": 262144.0}, "580.95")
    assert (found.state, found.advice) == (OK, "")
    assert found.found == "2.13.0+cu130, CUDA 13.0: computes on the GPU"
    wrong = judged({**BUILD, "sum": 262143.0}, "580.95")
    assert wrong.state == MISSING
    assert "a sum of 262144 comes out as 262143.0" in wrong.found
    assert judged(BUILD, "580.95").state == MISSING


@pytest.mark.parametrize(
    ("told", "advice"),
    [
        ({**BUILD, "error": TOO_OLD}, "driver is 550.54.15, and CUDA 13.0 needs 580 or newer: upgrade it"),
        ({**BUILD, "error": INSUFFICIENT}, "driver is 550.54.15, and CUDA 13.0 needs 580 or newer: upgrade it"),
        ({**BUILD, "cuda": "12.6", "error": TOO_OLD}, "CUDA 12.6 needs 525 or newer"),
        ({**BUILD, "cuda": "14.0", "error": TOO_OLD}, "CUDA 14.0 needs a newer one"),
        (
            {**BUILD, "error": NO_KERNEL},
            "has code for sm_75, sm_80, sm_86, sm_90, and the GPU is of another kind",
        ),
        ({"version": "2.13.0+cpu", "error": "Torch not compiled with CUDA enabled"}, "has a build for the CPU"),
        (
            {**BUILD, "error": "Found no NVIDIA driver on your system."},
            "another way in is chosen with trial.gpu_access",
        ),
        (
            {"error": "libcublas.so.13: cannot open shared object file"},
            "what images/trial.txt names: remove it",
        ),
        ({"error": "No module named 'torch'"}, "what images/trial.txt names: remove it"),
    ],
)
def test_each_way_to_fail_has_its_own_advice(told: dict[str, Any], advice: str) -> None:
    found = judged(told, DRIVER)
    assert found.state == MISSING
    assert advice in found.advice
    assert "\n" not in found.found


@pytest.mark.parametrize(
    "error",
    [
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB",
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_who_else_has_the_gpu_now_is_a_note_and_ends_nothing(
    error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial waits for the memory, and a run that is started while it is used has its night before it."""
    found = judged({**BUILD, "error": error}, DRIVER)
    assert (found.state, found.advice) == (NOTE, "something else has the GPU: see nvidia-smi")
    monkeypatch.setattr(torch_on_gpu, "look", lambda sandbox, driver: found)
    torch_on_gpu.require(None, DRIVER)  # type: ignore[arg-type]


@pytest.fixture
def passed(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """A sandbox with a GPU's nodes, behind which is no driver."""
    gpu_lab.driver(tmp_path, gpu_lab.libcuda(tmp_path / "made.so"))
    facts = gpu_facts.of_machine("docker", "20.10.24", {}, tmp_path)
    sandbox.access = plan_access(facts, Gpu(), "nodes")
    return sandbox


@pytest.mark.engine
def test_pytorch_is_asked_in_the_box_and_says_why_not(passed: Sandbox) -> None:
    found = torch_on_gpu.look(passed, DRIVER)
    assert found.state == MISSING
    assert re.match(r"2\.\d+\.\d\S*, (CUDA 1\d\.\d|without CUDA): \w", found.found), found
    assert found.advice
    with pytest.raises(MissingError, match="PyTorch does not compute on the GPU: 2") as raised:
        torch_on_gpu.require(passed, DRIVER)
    assert raised.value.exit_code == 3
    assert "No trial was run" in raised.value.advice


@pytest.mark.engine
def test_a_device_that_computes_is_seen_to(passed: Sandbox) -> None:
    """The processor in the GPU's place: the program, its line and the product are the same."""
    passed.access = None
    assert torch_on_gpu.look(passed, DRIVER).state == OK


@pytest.mark.engine
def test_a_program_that_says_nothing_is_told_of_by_its_end(
    passed: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Path(torch_on_gpu.PROGRAM).with_name("warm_up.py")  # which says nothing, and cannot work here
    monkeypatch.setattr(torch_on_gpu, "PROGRAM", silent)
    found = torch_on_gpu.look(passed, DRIVER)
    assert found.state == MISSING
    assert found.found.startswith("no answer: crash, train.py ended with exit code 1 (")
    assert "Error" in found.found  # the last line of its log
    assert "it had 180 s and 2,048 MB (trial.memory_mb)" in found.advice


@pytest.mark.engine
def test_a_check_does_not_disturb_whoever_trains_there(passed: Sandbox, lab: Path) -> None:
    opened = open_lab(lab)
    with turn(passed.turns, "somebody's night", print):
        found = check._torch(opened, passed, DRIVER)
    assert found.state == NOTE
    assert "which is in use by process" in found.found
    assert "somebody's night" in found.found
    assert check._torch(opened, passed, DRIVER).state == MISSING


def test_what_it_prints_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where there is no PyTorch at all, as here."""
    from runner.sandbox.ask_torch import MARK, asked

    print(MARK + json.dumps(asked()))
    assert "error" in json.loads(capsys.readouterr().out.removeprefix(MARK))
