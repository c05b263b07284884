"""Whether the image's PyTorch computes on the assigned GPU, asked before the first trial.

That the GPU is inside (`compare_gpu.py`) does not make it of use: the driver may be older than the CUDA that PyTorch is
built for, the GPU older than what it has code for, a library missing. A training would say so only by its crash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import MissingError
from runner.sandbox import volumes
from runner.sandbox.ask_torch import MARK
from runner.sandbox.box import Sandbox
from runner.sandbox.finding import MISSING, NOTE, OK, Finding, finding
from runner.sandbox.payloads import PLACES

PROGRAM = Path(__file__).with_name("ask_torch.py")
SECONDS = 180.0  # libraries of gigabytes from a cold disk, and a driver that wakes
# The oldest driver that runs what is built for a CUDA of this major version; source: CUDA Compatibility, Table 1.
DRIVERS = {"11": "450", "12": "525", "13": "580"}
NAME, WANTED = "PyTorch", "computes on the GPU"
SUM = 64.0**3  # of the product of two matrices of ones, 64 by 64
OTHER = (
    "a build for another CUDA is had by its full version in images/trial.txt (torch==2.13.0+cu126, say) and"
    " PyTorch's index of such builds in PIP_EXTRA_INDEX_URL; see docs/gpu.md, The image"
)


def look(sandbox: Sandbox, driver: str) -> Finding:
    """What PyTorch says of the GPU in the place of a training. driver: its version. Raises InfraError."""
    code = volumes.archive({"prepare/__init__.py": b"", "train/train.py": PROGRAM.read_bytes()}, PLACES)
    with sandbox.box("check", "torch", code, SECONDS + 60) as box:
        trained = box.train(SECONDS, 0)
    for line in trained.log.decode(errors="replace").splitlines():
        if line.startswith(MARK):
            return judged(json.loads(line.removeprefix(MARK)), driver)
    memory = sandbox.settings.memory(gpu=bool(sandbox.gpu))
    advice = f"it had {SECONDS:g} s and {memory:,} MB (trial.memory_mb); see what nvidia-smi says there"
    return finding(NAME, MISSING, WANTED, f"no answer: {trained.how()}", advice)


def judged(told: Mapping[str, Any], driver: str) -> Finding:
    """A finding from what `ask_torch.py` tells; a note where it is others that keep it from the GPU. Pure.

    driver: the machine's.
    """
    cuda, error = told.get("cuda", ""), " ".join(str(told.get("error", "")).split())
    version = (
        f"{told['version']}, {f'CUDA {cuda}' if cuda else 'without CUDA'}" if "version" in told else "none"
    )
    if not error and told.get("sum") != SUM:
        error = f"a sum of {SUM:g} comes out as {told.get('sum')}"
    state, advice = _advice(told, error, driver) if error else (OK, "")
    return finding(NAME, state, WANTED, f"{version}: {error[:300] or WANTED}", advice)


def _advice(told: Mapping[str, Any], error: str, driver: str) -> tuple[str, str]:
    """What kind of finding an error is, and what to do."""
    cuda = str(told.get("cuda", ""))
    again = "remove it (docker rmi), and: runner build"
    state = MISSING
    advice = (
        "CUDA counts the GPU, and cannot use it: see what nvidia-smi and dmesg say of it; another way in is chosen"
        " with trial.gpu_access (docs/gpu.md, Passing)"
    )
    if "version" not in told:
        advice = f"the image does not have what images/trial.txt names: {again}"
    elif not cuda:
        advice = f"the image has a build for the CPU: {again}; {OTHER}"
    elif re.search(r"driver (on your system is too old|version is insufficient)", error):
        least = DRIVERS.get(cuda.partition(".")[0])
        newer = f"{least} or newer" if least else "a newer one"
        advice = f"the machine's driver is {driver}, and CUDA {cuda} needs {newer}: upgrade it; or {OTHER}"
    elif "no kernel image" in error:
        has = ", ".join(told.get("architectures") or ["none"])
        advice = f"this PyTorch has code for {has}, and the GPU is of another kind: {OTHER}"
    elif re.search(r"out of memory|CUBLAS_STATUS_ALLOC_FAILED|busy or unavailable", error, re.IGNORECASE):
        state, advice = NOTE, "something else has the GPU: see nvidia-smi"
    return state, advice


def require(sandbox: Sandbox, driver: str) -> None:
    """Raises MissingError where PyTorch cannot compute on the GPU, InfraError where the engine fails.

    Not where others have it now: a trial waits for its memory.
    """
    found = look(sandbox, driver)
    if found.state == MISSING:
        raise MissingError(
            f"PyTorch does not compute on the GPU: {found.found}", f"{found.advice}\nNo trial was run."
        )
