"""Writes one split as a file of tokens, in batches, and checks that not a byte was lost on the way."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prepare import bpe
from prepare.corpus import Corpus

BATCH = 64  # chunks encoded at a time


class TokenFile:
    """A .npy file of uint16 written piece by piece; its length is filled in at the end (numpy's format 1.0)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.count = 0
        self._header()

    def _header(self) -> None:
        text = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({self.count},), }}"
        self._file.seek(0)
        self._file.write(
            b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117).encode("ascii") + b"\n"
        )

    def write(self, tokens: Any) -> None:
        self._file.write(tokens.astype("<u2", copy=False).tobytes())
        self.count += len(tokens)

    def close(self) -> None:
        self._header()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def encode_split(
    corpus: Corpus, name: str, tokenizer: Any, lengths: Any, out: Path, progress: Callable[[int], None]
) -> dict[str, int]:
    """Writes one split. lengths: bytes of each token. Raises RuntimeError if a byte was lost or made up."""
    separator = np.asarray([len(lengths) - 1], dtype=np.uint16)
    file = TokenFile(out / f"{name}.npy")
    count = {"documents": 0, "bytes": 0}
    encoded_bytes = 0
    waiting: list[str] = []
    starts: set[int] = set()

    def flush() -> None:
        nonlocal encoded_bytes
        for index, ids in enumerate(bpe.encode(tokenizer, waiting)):
            if index in starts:
                file.write(separator)
            file.write(ids)
            encoded_bytes += int(lengths[ids].sum())
        waiting.clear()
        starts.clear()

    for read in corpus.parts[name]:
        begun = False
        for chunk in bpe.chunks(read()):
            if not begun:
                starts.add(len(waiting))
                count["documents"] += 1
            begun = True
            waiting.append(chunk)
            count["bytes"] += len(chunk.encode("utf-8"))
            if len(waiting) == BATCH:
                flush()
                progress(count["bytes"])
    flush()
    file.close()
    if encoded_bytes != count["bytes"]:
        raise RuntimeError(f"{name}: {count['bytes']} bytes of text became {encoded_bytes} bytes of tokens")
    return count | {"tokens": file.count}
