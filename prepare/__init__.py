"""What train.py may import: the data, the clock, the seed, and a line of progress.

    import prepare
    for x, y in prepare.batches(16, prepare.window(), prepare.device()):
        ...
        if prepare.remaining() < 2:
            break

It reads only training tokens, the tokenizer and what the environment says; validation text is nowhere in a
train container. It computes no score: nothing printed or returned here is believed by the host. Importing
it costs milliseconds: numpy, torch and tokenizers are imported by the functions that need them.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tokenizers
    import torch

LAB = Path("/lab")  # read-only in a container
OUT = Path("/out")  # the only thing that survives the process
REPORT_SECONDS = 0.2  # between two lines of progress


def _process_start() -> float:
    """When this process started, in seconds of CLOCK_BOOTTIME; see proc_pid_stat(5), field 22."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()  # a name may hold spaces
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")


_START = _process_start()
_last_report = float("-inf")


def elapsed() -> float:
    """Seconds since this process started, the interpreter's own start and all imports included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - _START


def budget() -> float:
    """Seconds of wall-clock that the whole process has. At their end it is killed."""
    return float(os.environ["RUNNER_BUDGET_SECONDS"])


def remaining() -> float:
    """Seconds left of the budget; negative once it is over."""
    return budget() - elapsed()


def seed() -> int:
    """The trial's seed. It belongs to the runner: a score counts only as one of several seeds."""
    return int(os.environ["RUNNER_SEED"])


def device() -> str:
    """`cuda` or `cpu`."""
    return os.environ["RUNNER_DEVICE"]


@functools.cache
def _meta(lab: Path) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads((lab / "data" / "meta.json").read_text(encoding="utf-8"))
    return meta


def vocab_size(lab: Path | None = None) -> int:
    """Number of tokens, separator included; ids are 0 to vocab_size - 1."""
    return int(_meta(lab or LAB)["vocab_size"])


def window(lab: Path | None = None) -> int:
    """The longest sequence that scoring uses, in tokens: a model must take every length from 1 to this."""
    return int(_meta(lab or LAB)["window"])


def separator(lab: Path | None = None) -> int:
    """The token between two documents. It has no bytes: it is context, never scored."""
    return int(_meta(lab or LAB)["separator"])


def train_tokens(lab: Path | None = None) -> int:
    """Tokens of training text: one epoch."""
    return int(_meta(lab or LAB)["train_tokens"])


def tokenizer(lab: Path | None = None) -> tokenizers.Tokenizer:
    """The byte-level BPE tokenizer that made the data."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str((lab or LAB) / "data" / "tokenizer.json"))


def batches(
    batch_size: int, length: int, device: str, lab: Path | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless pairs (x, y) of int64 tensors (batch_size, length) on `device`; y is x one token later.

    The text is cut into windows of `length` from a random phase, the windows are shuffled, and when all are
    used up it is cut afresh: every token is seen once before any is seen twice. The order follows from
    `seed()` alone. On `cuda` the tokens are moved to the GPU once and gathered there, so no step waits for
    the host. Raises ValueError where the training text is shorter than one window.
    """
    import numpy as np
    import torch

    tokens = np.load((lab or LAB) / "data" / "train.npy", mmap_mode="r")
    if len(tokens) < 2 * length + 1:
        raise ValueError(f"the training text has {len(tokens)} tokens, too few for windows of {length}")
    rng = np.random.default_rng(seed())
    span = np.arange(length + 1)
    resident = columns = None
    if device.startswith("cuda"):
        resident = torch.from_numpy(tokens.astype(np.int32)).to(device)
        columns = torch.from_numpy(span).to(device)
    starts = np.empty(0, dtype=np.int64)
    while True:
        while len(starts) < batch_size:
            fresh = np.arange(rng.integers(length), len(tokens) - length, length)
            starts = np.concatenate([starts, rng.permutation(fresh)])
        begins, starts = starts[:batch_size], starts[batch_size:]
        if resident is None:
            rows = torch.from_numpy(tokens[begins[:, None] + span].astype(np.int64))
        else:
            at = torch.from_numpy(begins.copy()).pin_memory().to(device, non_blocking=True)
            rows = resident[at[:, None] + columns].long()
        yield rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


def checkpoint_dir(out: Path | None = None) -> Path:
    """The folder that the checkpoint goes to; made if it is not there."""
    folder = (out or OUT) / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save(thing: Any, name: str, out: Path | None = None) -> Path:
    """`torch.save(thing)` as `name` in the checkpoint, in one step: a kill leaves the old file or the new one."""
    import torch

    path = checkpoint_dir(out) / name
    unfinished = path.with_name(name + ".unfinished")
    torch.save(thing, unfinished)
    os.replace(unfinished, path)
    return path


def report(step: int, loss: float, tokens: int, rate: float, learning_rate: float | None = None) -> None:
    """One line of progress on stdout for whoever watches: `@ {"step": …, "loss": …, "tokens": …, "rate": …}`.

    loss in nats a token, tokens seen so far, rate in tokens a second; learning_rate, where it is given, is written as
    `lr`. Lines nearer than REPORT_SECONDS to the one before are dropped, so it may be called every step. Nothing is
    decided by what it says.
    """
    global _last_report
    now = time.monotonic()
    if now - _last_report < REPORT_SECONDS:
        return
    _last_report = now
    line = {
        "step": step,
        "loss": round(loss, 4) if math.isfinite(loss) else None,  # JSON has no NaN
        "tokens": tokens,
        "rate": round(rate) if math.isfinite(rate) else None,
    }
    if learning_rate is not None and math.isfinite(learning_rate):
        line["lr"] = float(f"{learning_rate:.4g}")
    sys.stdout.write(f"@ {json.dumps(line)}\n")
    sys.stdout.flush()
