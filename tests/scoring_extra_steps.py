"""What training for longer than the budget is worth: the lab's train.py stopped after given numbers of steps.

    PYTHONPATH=. TORCH tests/scoring_extra_steps.py LAB STEPS [STEPS ...] [--seeds N]

LAB has data/, made by `runner prepare`. One JSON line a training: its steps, its seed and its score, computed
plainly. By steps and not by seconds, so that other work on the machine does not move it: whoever trains for s
seconds more in load_model, at r steps a second, gains at most what r·s more steps gain here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np

from runner.scoring.windows import cut

ROOT = Path(__file__).resolve().parent.parent


def train(lab: Path, steps: int, seed: int, out: Path) -> None:
    """The lab's own training with a clock that counts steps; the learning rate's schedule ends with the last."""
    import prepare

    os.environ.update(RUNNER_SEED=str(seed), RUNNER_DEVICE="cpu", RUNNER_BUDGET_SECONDS="1e9")
    prepare.LAB, prepare.OUT, prepare.report = lab, out, lambda *progress: None
    spec = importlib.util.spec_from_file_location("train", ROOT / "train" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Steps(module.Clock):
        done = 0

        def tick(self) -> None:
            super().tick()
            self.done += 1

        def progress(self) -> float:
            return self.done / steps

        def left(self) -> float:
            return 0.0  # no checkpoint between

    module.Clock, module.EPOCHS = Steps, 1e9
    module.main()
    return module


def evaluate(module, lab: Path, out: Path, tokens: int) -> float:
    """Bits per byte of the windows that a score would use, in one process."""
    import torch
    import torch.nn.functional as F

    import prepare

    lengths = np.load(lab / "data" / "token_bytes.npy")
    windows = cut(np.load(lab / "data" / "val.npy"), lengths, prepare.window(), tokens)
    model, nats = module.load_model(out / "checkpoint", "cpu"), 0.0
    for part in np.array_split(windows.tokens, max(1, len(windows.tokens) // 8)):
        x = torch.from_numpy(part.astype(np.int64))
        with torch.inference_mode():
            losses = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten(), reduction="none")
        nats += losses[torch.from_numpy(lengths[part[:, 1:]].flatten() > 0)].double().sum().item()
    return nats / math.log(2) / windows.bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab", type=Path)
    parser.add_argument("steps", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=82_000)
    given = parser.parse_args()
    for seed in range(1, given.seeds + 1):
        for steps in given.steps:
            with tempfile.TemporaryDirectory() as name:
                module = train(given.lab, steps, seed, Path(name))
                score = evaluate(module, given.lab, Path(name), given.tokens)
            print(json.dumps({"steps": steps, "seed": seed, "val_bpb": score}), flush=True)


if __name__ == "__main__":
    main()
