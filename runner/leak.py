"""Whether hidden tokens stand in what a trial is given: random runs of them, looked for byte by byte. Pure.

A run of 64 bytes (32 tokens) of ordinary text may well occur twice, so a hit of that length alone is a phrase
that both texts share; of 1,024 bytes (512 tokens) it is not. What this finds is tokens as they are stored, in any
file, whole or in part: if a fraction f of the hidden tokens leaked, all of `count` runs miss it with probability
(1 - f)^count. It does not find them recoded, compressed or as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHORT, LONG = 64, 1024  # bytes
BLOCK = 8 << 20


@dataclass(frozen=True)
class Needle:
    """A run of hidden tokens: its first SHORT bytes, and LONG of them (fewer where the split is shorter)."""

    split: str
    short: bytes
    long: bytes


def needles(split: str, tokens: npt.NDArray[np.uint16], count: int, seed: int) -> list[Needle]:
    """`count` runs from random places of `tokens` (N,), in the bytes that a token file holds."""
    longest = min(LONG // tokens.itemsize, len(tokens))
    starts = np.random.default_rng(seed).integers(0, len(tokens) - longest + 1, size=count)
    found = []
    for start in starts:
        run = np.ascontiguousarray(tokens[start : start + longest]).tobytes()
        found.append(Needle(split, run[:SHORT], run))
    return found


def search(
    chunks: Iterable[bytes], wanted: Sequence[Needle], size: int = BLOCK
) -> tuple[set[int], set[int], int]:
    """Indices of the needles whose short run, and whose long run, occurs in the joined `chunks`; and their bytes."""
    short: set[int] = set()
    long: set[int] = set()
    whole = 0
    for block, fresh in _blocks(chunks, size):
        whole += fresh
        for index, needle in enumerate(wanted):
            if index in long:
                continue
            if needle.short in block:  # a long run begins with its short one
                short.add(index)
                if needle.long in block:
                    long.add(index)
    return short, long, whole


def _blocks(chunks: Iterable[bytes], size: int) -> Iterable[tuple[bytes, int]]:
    """The chunks in large blocks that overlap by a run, and how much of each is new."""
    block, old = bytearray(), 0
    for chunk in chunks:
        block += chunk
        if len(block) >= size:
            yield bytes(block), len(block) - old
            del block[: -(LONG - 1)]
            old = len(block)
    yield bytes(block), len(block) - old
