"""Token files: a part of a split as plain uint16, and the parts of a split put together as one .npy file.

A part is there with its description or not at all: both are written under another name, synced and renamed, the
description last. What a killed builder finished is thus found by the next one, which believes it by its digest.
"""

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from prepare import bpe, split

BATCH = 64  # chunks encoded at a time


def part_name(name: str, index: int) -> str:
    return f"{name}-{index:05d}"


def encode_part(
    documents: Iterable[Iterable[str]],
    tokenizer: Any,
    lengths: Any,
    held: split.HeldOut | None,
    path: Path,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Writes the tokens of some documents to `path`, each document after one separator, and `path`.json about them.

    lengths: bytes of each token, the separator last. held: what training must not repeat; None to keep all. progress
    is told the bytes of text that were encoded since it was last called. Returns what the description says: counts
    of `documents`, `bytes`, `tokens`, `dropped` (paragraphs), `dropped_bytes`, and `sha256`.
    Raises RuntimeError if a byte was lost or made up, SourceError from the documents, OSError.
    """
    separator = np.asarray([len(lengths) - 1], dtype=np.uint16)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    digest = hashlib.sha256()
    count = {"documents": 0, "bytes": 0, "tokens": 0}
    dropped: list[int] = []
    encoded = told = 0
    waiting: list[str] = []
    starts: set[int] = set()
    with unfinished.open("wb") as file:

        def write(tokens: Any) -> None:
            plain = tokens.astype("<u2", copy=False).tobytes()
            file.write(plain)
            digest.update(plain)
            count["tokens"] += len(tokens)

        def flush() -> None:
            nonlocal encoded, told
            for index, ids in enumerate(bpe.encode(tokenizer, waiting)):
                if index in starts:
                    write(separator)
                write(ids)
                encoded += int(lengths[ids].sum())
            waiting.clear()
            starts.clear()
            progress(count["bytes"] - told)
            told = count["bytes"]

        for pieces in documents:
            begun = False
            for chunk in bpe.chunks(pieces if held is None else held.without(pieces, dropped)):
                if not begun:
                    starts.add(len(waiting))
                    count["documents"] += 1
                begun = True
                waiting.append(chunk)
                count["bytes"] += len(chunk.encode("utf-8"))
                if len(waiting) == BATCH:
                    flush()
        flush()
        file.flush()
        os.fsync(file.fileno())
    if encoded != count["bytes"]:
        raise RuntimeError(f"{path.name}: {count['bytes']} bytes of text became {encoded} bytes of tokens")
    about: dict[str, Any] = count | {"dropped": len(dropped), "dropped_bytes": sum(dropped)}
    about["sha256"] = digest.hexdigest()
    os.replace(unfinished, path)
    write_whole(path.with_name(path.name + ".json"), json.dumps(about).encode())
    return about


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole, on the disk, or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def finished(path: Path) -> dict[str, Any] | None:
    """What the description of a part says, if the part is there and its bytes are those that it describes."""
    try:
        about: dict[str, Any] = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
        if path.stat().st_size != 2 * about["tokens"]:
            return None
        with path.open("rb") as file:
            return about if hashlib.file_digest(file, "sha256").hexdigest() == about["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def join(parts: list[Path], count: int, to: Path) -> None:
    """The parts one after the other as a .npy file of uint16 (count,), numpy's format 1.0."""
    text = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({count},), }}"
    with to.open("wb") as whole:
        whole.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117).encode("ascii") + b"\n")
        for path in parts:
            with path.open("rb") as part:
                while block := part.read(1 << 22):
                    whole.write(block)
        whole.flush()
        os.fsync(whole.fileno())
        if whole.tell() != 128 + 2 * count:
            raise RuntimeError(f"{to.name} holds {whole.tell() - 128} bytes of tokens, not {2 * count}")
