"""What is scored: disjoint windows of W + 1 tokens, spread evenly over a split.

Only the host ever sees these arrays together. A window's first token is context; every later one is a
target, unless it stands for no bytes of text (a document separator), which is context too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.errors import UsageError


@dataclass(frozen=True)
class Windows:
    """tokens (N, W + 1); scored (N, W), whether target t of window w counts; bytes: of all scored targets."""

    tokens: NDArray[np.uint16]
    scored: NDArray[np.bool_]
    bytes: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """Scored positions of each window (N,), at least one."""
        return np.asarray(self.scored.sum(axis=1), dtype=np.int64)


def cut(tokens: NDArray[Any], token_bytes: NDArray[Any], window: int, limit: int) -> Windows:
    """At most `limit` targets of `tokens` (L,) in disjoint windows; `token_bytes` (V,) is bytes by token.

    Blocks do not share a token, so no block holds a target of another. The choice is the same every time.
    Windows without any scored target are left out. Raises UsageError where nothing is left to score, or
    where a token is none of the vocabulary's.
    """
    blocks = len(tokens) // (window + 1)
    wanted = min(blocks, max(1, limit // window))
    if wanted == 0:
        raise UsageError(
            f"the split has {len(tokens)} tokens, fewer than one window of {window} + 1",
            "Give more text, or lower data.window in runner.toml.",
        )
    chosen = np.arange(wanted, dtype=np.int64) * blocks // wanted
    rows = np.asarray(tokens[: blocks * (window + 1)]).reshape(blocks, window + 1)[chosen]
    if rows.max() >= len(token_bytes):
        raise UsageError(f"the split holds token {rows.max()}, the vocabulary ends at {len(token_bytes) - 1}")
    lengths = np.asarray(token_bytes, dtype=np.int64)
    scored = lengths[rows[:, 1:]] > 0
    keep = scored.any(axis=1)
    if not keep.any():
        raise UsageError("the split holds no token that stands for any text")
    rows, scored = rows[keep].astype(np.uint16), scored[keep]
    total = int((np.bincount(rows[:, 1:][scored], minlength=len(lengths)) * lengths).sum())
    return Windows(rows, scored, total)


def excerpts(pool: NDArray[Any], count: int, length: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """`count` pieces of `length` tokens from random places of `pool` (P,), as (count, length).

    Raises UsageError where the pool is shorter than one piece.
    """
    if len(pool) < length:
        raise UsageError(f"decoys need at least {length} tokens of training text; there are {len(pool)}")
    starts = rng.integers(0, len(pool) - length + 1, size=count)
    return np.stack([np.asarray(pool[s : s + length]) for s in starts]).astype(np.uint16)
