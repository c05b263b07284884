"""The program that makes a GPU's compilers build what any compiled program needs, and leaves it under /out.

Runs in the place of train.py, under its limits; sent as one file, and never run on the host. It compiles little
functions of the kinds that training consists of, none of them from a train.py; `compiled.py` says why.
"""

from __future__ import annotations

import os
import shutil

COMPILE, LEFT = "/compile", "/out/checkpoint"


def work() -> None:
    """A product, a norm, a loss, an update: forward, backward and in place, in bfloat16 and in float32."""
    import torch
    import torch.nn.functional as F

    device = os.environ["RUNNER_DEVICE"]

    def loss(x: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(F.rms_norm(x, (x.size(-1),)) @ weight).square()
        return F.cross_entropy(hidden.float(), targets)

    def update(weight: torch.Tensor, momentum: torch.Tensor, gradient: torch.Tensor) -> None:
        momentum.lerp_(gradient, 0.1)
        weight.add_(momentum, alpha=-0.01)

    for kind in (torch.bfloat16, torch.float32):
        x, weight = (torch.randn(256, 256, device=device, dtype=kind) for _ in range(2))
        targets = torch.randint(256, (256,), device=device)
        torch.compile(loss, dynamic=False)(x, weight.requires_grad_(), targets).backward()
        with torch.no_grad():
            torch.compile(update, dynamic=False)(weight, torch.zeros_like(weight), weight.grad)


if __name__ == "__main__":
    work()
    shutil.copytree(COMPILE, LEFT, dirs_exist_ok=True)
