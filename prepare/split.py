"""Which document goes where: training, validation or holdout, whole, with near-duplicates on one side.

Documents that share much of their text are found by MinHash over shingles of five words (Broder 1997) with
locality-sensitive banding, and are then one group. Groups are drawn by the seed. What a training document repeats
of held-out text, paragraph by paragraph, is dropped from training alone. Memory: 256 bytes a document; 8 bytes for
each word of held-out text lie in a file that is mapped.
"""

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

SHINGLE = 5  # words, to compare documents
QUOTE = 8  # words, to find repeated paragraphs
BANDS, ROWS = (
    21,
    3,
)  # a pair with Jaccard similarity 0.5 meets in some band with probability 0.94, 0.6 with 0.99
SIMILAR = 0.5  # estimated Jaccard similarity from which two documents are near-duplicates
REPEATED = 0.5  # share of a paragraph's shingles that are held-out text, from which it is dropped from training
SHARE = 0.05  # of the text, for validation and for holdout
HELD_BYTES = 4_096, 4_000_000  # bounds of that
LEAST_BYTES = 65_536  # a source must have this much in all
HELD_FILE = "held.u64"  # the shingles of held-out text, as HeldOut writes them

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
_WORD = re.compile(r"\w+")
_GOLDEN = np.arange(1, QUOTE + BANDS * ROWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
_ODD = (_GOLDEN ^ (_GOLDEN >> np.uint64(31))) * np.uint64(0x94D049BB133111EB) | np.uint64(
    1
)  # fixed odd multipliers
_words: dict[str, int] = {}


def _shingles(text: str, width: int) -> Hashes:
    """64-bit hashes of every run of `width` words, case and punctuation apart; one hash if there are fewer words."""
    if len(_words) > 1_000_000:
        _words.clear()
    ids = []
    for word in _WORD.findall(text.lower()):
        number = _words.get(word)
        if number is None:
            number = _words[word] = zlib.crc32(word.encode("utf-8"))
        ids.append(number)
    if not ids:
        return np.empty(0, dtype=np.uint64)
    words = np.asarray(ids, dtype=np.uint64)
    length = max(len(words) - width + 1, 1)
    total = np.zeros(length, dtype=np.uint64)
    for offset in range(min(width, len(words))):
        total += words[offset : offset + length] * _ODD[offset]
    total ^= total >> np.uint64(29)
    total *= np.uint64(0xBF58476D1CE4E5B9)  # finaliser of splitmix64
    return total ^ (total >> np.uint64(32))


def signature(pieces: Iterable[str]) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    """MinHash signature (BANDS * ROWS,) of a document."""
    least = np.full(BANDS * ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for piece in pieces:
        hashes = _shingles(piece, SHINGLE)
        if len(hashes):
            for index in range(len(least)):
                least[index] = min(least[index], (hashes * _ODD[QUOTE + index]).min())
    return (least >> np.uint64(32)).astype(np.uint32)


def groups(signatures: Sequence[Any]) -> list[int]:
    """For each document the number of its group: that of its first near-duplicate, or its own."""
    parent = list(range(len(signatures)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = {}
        for index, signed in enumerate(signatures):
            bucket = buckets.setdefault(signed[band * ROWS : (band + 1) * ROWS].tobytes(), [])
            for other in bucket:
                if root(other) != root(index) and np.mean(signatures[other] == signed) >= SIMILAR:
                    a, b = sorted((root(other), root(index)))
                    parent[b] = a
            if len(bucket) < 16:  # bounded time, however alike the documents are
                bucket.append(index)
    return [root(index) for index in range(len(signatures))]


def target(total: int) -> int:
    """Bytes wanted for validation, and for holdout."""
    return min(max(int(total * SHARE), HELD_BYTES[0]), HELD_BYTES[1])


def _draw(order: list[int], size: dict[int, int], wanted: int) -> list[int]:
    """Groups from `order` with about `wanted` bytes: each is taken that stays within 1.5 times, until 3/4 is there."""
    taken: list[int] = []
    held = 0
    for group in order:
        if held >= 0.75 * wanted:
            break
        if held + size[group] <= 1.5 * wanted:
            taken.append(group)
            held += size[group]
    return taken if held >= max(0.5 * wanted, HELD_BYTES[0] / 2) else []


def assign(sizes: Sequence[int], group_of: Sequence[int], seed: int) -> list[str] | None:
    """`train`, `val` or `holdout` for each document; None if whole documents cannot be divided so.

    sizes: bytes of each document. group_of: as from `groups`; a group is never divided.
    """
    size: dict[int, int] = {}
    for group, count in zip(group_of, sizes, strict=True):
        size[group] = size.get(group, 0) + count
    order = sorted(size)
    rng = Random(f"split/{seed}")
    for last in range(len(order) - 1, 0, -1):  # Fisher and Yates; Random.shuffle may change between versions
        other = int(rng.random() * (last + 1))
        order[last], order[other] = order[other], order[last]
    wanted = target(sum(sizes))
    val = _draw(order, size, wanted)
    holdout = _draw([group for group in order if group not in set(val)], size, wanted)
    held = set(val) | set(holdout)
    if not val or not holdout or sum(size[group] for group in held) > 0.5 * sum(sizes):
        return None
    sides = dict.fromkeys(val, "val") | dict.fromkeys(holdout, "holdout")
    return [sides.get(group, "train") for group in group_of]


def paragraphs(pieces: Iterable[str], longest: int = 1 << 18) -> Iterator[str]:
    """The text cut after every blank line; the parts joined are the text."""
    buffer = ""
    for piece in pieces:
        parts = re.split(r"(?<=\n\n)(?=[^\n])", buffer + piece)
        yield from parts[:-1]
        buffer = parts[-1]
        if len(buffer) > longest:
            yield buffer
            buffer = ""
    if buffer:
        yield buffer


class HeldOut:
    """The text of validation and holdout as a set of shingles, to find what training repeats of it.

    hashes: uint64 (N,), sorted; those of `load` lie in a file that all processes share.
    """

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes

    @classmethod
    def load(cls, path: Path) -> "HeldOut":
        return cls(np.memmap(path, np.uint64, "r") if path.stat().st_size else np.empty(0, dtype=np.uint64))

    @staticmethod
    def write(documents: Iterable[Iterable[str]], path: Path) -> None:
        """The set as a file, 8 bytes a word of the documents; sorted in place, so memory holds what it can of it."""
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with unfinished.open("wb") as file:
            for pieces in documents:
                for part in paragraphs(pieces):
                    file.write(_shingles(part, QUOTE).tobytes())
        if unfinished.stat().st_size:
            hashes = np.memmap(unfinished, np.uint64, "r+")
            hashes.sort()
            hashes.flush()
        os.replace(unfinished, path)

    def repeats(self, paragraph: str) -> bool:
        """Whether half of the paragraph's runs of eight words are held-out text. One too short to tell is not."""
        hashes = _shingles(paragraph, QUOTE)
        if len(hashes) < 2 or not len(self._hashes):
            return False
        at = np.searchsorted(self._hashes, hashes)
        at[at == len(self._hashes)] = 0
        return bool(np.mean(self._hashes[at] == hashes) >= REPEATED)

    def without(self, pieces: Iterable[str], dropped: list[int]) -> Iterator[str]:
        """`pieces` without the paragraphs that repeat held-out text; their sizes in bytes are added to `dropped`."""
        for paragraph in paragraphs(pieces):
            if self.repeats(paragraph):
                dropped.append(len(paragraph.encode("utf-8")))
            else:
                yield paragraph
