"""Pure arithmetic of a score, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def bits_per_byte(nats: float, count: int) -> float:
    """`nats` of surprise over `count` bytes of text, as bits per byte."""
    return nats / (math.log(2) * count)


def log_probability(logits: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """log p(target) (B,) of `targets` (B,) under `logits` (B, V), normalised here."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(wide).sum(axis=1))
    return np.asarray(wide[np.arange(len(targets)), targets.astype(np.int64)] - normaliser, dtype=np.float64)
