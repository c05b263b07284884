"""A floor for scores: what lies below it is shown to a human before it may count.

What two simple models leave of the validation text, the better of both, is an upper bound of the text's entropy;
a quarter of that is the floor. Why no honest work gets there: docs/scoring.md, "The floor". Pure; it looks only at
tokens that the host holds anyway.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

FACTOR = 4.0  # by which a score may be lower than what the simple models reach, before it is looked at
ORDER = 5  # tokens of context of the n-gram model
TRAIN_TOKENS = 2_000_000  # looked at most, in PIECES evenly spread
VALIDATION_TOKENS = 200_000
PIECES = 16
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))  # multipliers of splitmix64


def floor_bpb(train: NDArray[Any], validation: NDArray[Any], token_bytes: NDArray[Any]) -> float:
    """Bits per byte of `validation` (L,) below which a score is suspicious; 0.0 where there is nothing to score.

    train (P,): training tokens; token_bytes (V,): bytes by token, 0 for what is not scored. Seconds, whatever P is.
    """
    seen, asked = _sampled(train, TRAIN_TOKENS), _sampled(validation, VALIDATION_TOKENS)
    lengths = np.asarray(token_bytes, dtype=np.int64)
    scored = lengths[asked] > 0
    total = int(lengths[asked].sum())
    if total == 0:
        return 0.0
    bits = min((b[scored].sum() for b in _surprises(seen, asked, len(lengths))), default=np.inf)
    packed = 8.0 * len(lzma.compress(asked.astype("<u2").tobytes()))
    return float(min(bits, packed)) / total / FACTOR


def _sampled(tokens: NDArray[Any], most: int) -> NDArray[np.uint64]:
    """At most about `most` of `tokens`, in evenly spread pieces one after another."""
    if len(tokens) > most:
        starts = np.arange(PIECES) * (len(tokens) - most // PIECES) // (PIECES - 1)
        tokens = np.concatenate([np.asarray(tokens[s : s + most // PIECES]) for s in starts])
    return np.asarray(tokens).astype(np.uint64)


def _surprises(
    train: NDArray[np.uint64], asked: NDArray[np.uint64], vocabulary: int
) -> Iterator[NDArray[np.float64]]:
    """Bits (L,) of each of `asked` (L,) after those before it, by n-gram models of `train`, one for each order.

    Interpolated from order to order after Witten and Bell (IEEE Trans. Inf. Theory 37, 1991, method C): with
    c counts and T different tokens seen after the context h,
    p(x | h) = (c(h x) + T(h) · p(x | shorter h)) / (c(h) + T(h)).
    """
    if not len(train):
        return
    chance = np.full(len(asked), 1.0 / vocabulary)
    contexts = np.zeros(len(train), dtype=np.uint64), np.zeros(len(asked), dtype=np.uint64)
    for order in range(ORDER + 1):
        if order:
            contexts = _longer(contexts[0], train, order), _longer(contexts[1], asked, order)
        keys, counts = np.unique(contexts[0] << np.uint64(16) | train, return_counts=True)
        heads, starts, kinds = np.unique(keys >> np.uint64(16), return_index=True, return_counts=True)
        sums = np.add.reduceat(counts, starts)
        pair = _found(keys, counts, contexts[1] << np.uint64(16) | asked)
        whole, different = (_found(heads, values, contexts[1]) for values in (sums, kinds))
        known = whole > 0
        chance[known] = ((pair + different * chance) / np.maximum(whole + different, 1))[known]
        yield -np.log2(chance)


def _longer(contexts: NDArray[np.uint64], tokens: NDArray[np.uint64], order: int) -> NDArray[np.uint64]:
    """Hashes (48 bits) of the `order` tokens before each place, from those of one token less."""
    before = np.zeros_like(tokens)
    before[order:] = tokens[: len(tokens) - order] + np.uint64(1)
    mixed = (contexts ^ before * _ODD[0]) * _ODD[1]
    return (mixed ^ mixed >> np.uint64(29)) >> np.uint64(16)


def _found(keys: NDArray[np.uint64], values: NDArray[Any], asked: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The value (L,) of each of `asked` (L,) in `keys` (K,), which are sorted; 0 where it is not there."""
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.asarray(np.where(keys[at] == asked, values[at], 0), dtype=np.int64)
