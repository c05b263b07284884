"""The program that asks PyTorch for a product on the GPU, and prints what came of it as a line of JSON.

Runs in the place of train.py, under its limits; sent as one file, and never run on the host. It is read by
`torch_on_gpu.py`.
"""

from __future__ import annotations

import json
import os
from typing import Any

MARK = "PYTORCH "


def asked() -> dict[str, Any]:
    """Its version, the CUDA that it is built for ("" for none), what it has code for; the sum or an error."""
    told: dict[str, Any] = {}
    try:
        import torch

        told |= {"version": torch.__version__, "cuda": torch.version.cuda or ""}
        flags = getattr(torch._C, "_cuda_getArchFlags", str)
        told["architectures"] = (flags() or "").split()
        ones = torch.ones(64, 64, device=os.environ["RUNNER_DEVICE"])
        told["sum"] = float((ones @ ones).sum())
    except Exception as error:  # of a library that is not there, a driver, a GPU: it is told, whatever it is
        told["error"] = f"{error}" or type(error).__name__
    return told


if __name__ == "__main__":
    print(MARK + json.dumps(asked()), flush=True)
