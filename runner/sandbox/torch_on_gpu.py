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
from runner.sandbox.compare_gpu import ADVICE
from runner.sandbox.finding import MISSING, OK, Finding, finding
from runner.sandbox.payloads import PLACES

PROGRAM = Path(__file__).with_name("ask_torch.py")
SECONDS = 60.0  # libraries of gigabytes from a slow disk, and a driver that wakes
# The oldest driver that runs what is built for a CUDA of this major version; source: CUDA Compatibility, Table 1.
DRIVERS = {"11": "450", "12": "525", "13": "580"}
NAME = "PyTorch"
SUM = 64.0**3  # of the product of two matrices of ones, 64 by 64


def look(sandbox: Sandbox, driver: str) -> Finding:
    """What PyTorch says of the GPU in the place of a training. driver: its version. Raises InfraError."""
    code = volumes.archive({"prepare/__init__.py": b"", "train/train.py": PROGRAM.read_bytes()}, PLACES)
    with sandbox.box("check", "torch", code, SECONDS + 60) as box:
        trained = box.train(SECONDS, 0)
    for line in trained.log.decode(errors="replace").splitlines():
        if line.startswith(MARK):
            return judged(
                json.loads(line.removeprefix(MARK)), driver, sandbox.access.mode if sandbox.access else ""
            )
    return judged({"error": f"{trained.outcome.ending}, {trained.outcome.detail}"}, driver, "")


def judged(told: Mapping[str, Any], driver: str, mode: str) -> Finding:
    """A finding from what `ask_torch.py` tells. driver: the machine's; mode: how the GPU was passed. Pure."""
    cuda, error = told.get("cuda", ""), " ".join(str(told.get("error", "")).split())
    version = f"{told.get('version', 'not found')}, " + (f"CUDA {cuda}" if cuda else "without CUDA")
    if not error and told.get("sum") != SUM:
        error = f"a sum of {SUM:g} comes out as {told.get('sum')}"
    found = f"{version}: {error[:300] or 'computes on the GPU'}"
    return finding(
        NAME, MISSING if error else OK, "computes on the GPU", found, _advice(told, error, driver, mode)
    )


def _advice(told: Mapping[str, Any], error: str, driver: str, mode: str) -> str:
    cuda = str(told.get("cuda", ""))
    least = DRIVERS.get(cuda.partition(".")[0])
    other = (
        "a build for another CUDA is had by its full version in images/trial.txt (torch==2.13.0+cu126, say) and"
        " PyTorch's index of such builds in PIP_EXTRA_INDEX_URL; see docs/gpu.md, The image"
    )
    if told.get("version") and not cuda:
        return f"images/trial.txt names a build for the CPU; {other}"
    if re.search(r"driver (on your system is too old|version is insufficient)", error):
        newer = f"{least} or newer" if least else "a newer one"
        return f"the machine's driver is {driver}, and CUDA {cuda} needs {newer}: upgrade it; or {other}"
    if "no kernel image" in error:
        has = ", ".join(told.get("architectures") or ["none"])
        return f"this PyTorch has code for {has}; an older GPU needs an older one: {other}"
    return ADVICE.get(mode, ADVICE["toolkit"])


def require(sandbox: Sandbox, driver: str) -> None:
    """Raises MissingError where PyTorch does not compute on the GPU, InfraError where the engine fails."""
    found = look(sandbox, driver)
    if found.state != OK:
        raise MissingError(
            f"PyTorch does not compute on the GPU: {found.found}", f"{found.advice}\nNo trial was run."
        )
