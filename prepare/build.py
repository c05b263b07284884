"""Makes the lab's data in a folder: `python -m prepare.build --source … --out DIR`, run by the host in the lab.

    train.npy val.npy holdout.npy   uint16 tokens; every document follows one separator
    tokenizer.json                  the tokenizer, without the separator
    token_bytes.npy                 int32 (V,), bytes of each token; 0 for the separator
    meta.json                       what a train container may know
    manifest.json                   everything else, digests included; never leaves the host

Progress goes to stderr as lines `PROGRESS fraction what`, a refusal as one line `ERROR what`, with exit status 2
for a source that cannot be used and 4 for a machine that cannot do it. It writes nothing outside DIR, and whoever
starts it puts DIR in place of the data of before.

Training text for `tales` follows from the seed. Held-out tales follow from a secret drawn here, for the generator is
readable in a container: with the seed alone a program could write out the validation text and learn it by heart.
"""

import argparse
import hashlib
import json
import os
import secrets
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
SPLITS = ("train", "val", "holdout")
BATCH = 64  # chunks encoded at a time
TOKENIZER_BYTES = 256_000_000  # of training text, evenly spread, that the tokenizer is trained on at most

Tell = Callable[[float, str], None]


@dataclass
class Corpus:
    """Documents by split, each a function that reads it in pieces, and what was found out about them."""

    parts: dict[str, list[Callable[[], Iterable[str]]]]
    source: dict[str, Any]
    size: int
    found: dict[str, int] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)  # bytes of each paragraph that was dropped from training


def _tales(seed: int, secret: str, tell: Tell) -> Corpus:
    from prepare import split, tales, text

    wanted = split.target(tales.DEFAULT_BYTES)
    streams = {
        "train": tales.generate(seed, tales.DEFAULT_BYTES - 2 * wanted),
        "val": tales.generate(f"{secret}/val", wanted),
        "holdout": tales.generate(f"{secret}/holdout", wanted),
    }
    documents = []
    for number, (name, stream) in enumerate(streams.items()):
        tell(0.05 * number, "writing tales")
        documents += [(name, text.from_text(f"{name} {i}", tale)) for i, tale in enumerate(stream)]
    tell(0.15, "looking for near-duplicates")
    group_of = split.groups([split.signature(document.pieces()) for _, document in documents])
    first: dict[int, str] = {}
    kept = [first.setdefault(group, name) == name for group, (name, _) in zip(group_of, documents, strict=True)]
    parts: dict[str, list[Callable[[], Iterable[str]]]] = {name: [] for name in SPLITS}
    for (name, document), keep in zip(documents, kept, strict=True):
        if keep:
            parts[name].append(document.pieces)
    found = {"near_duplicates": len(group_of) - len(first), "dropped_held_out_documents": kept.count(False)}
    return Corpus(parts, {"kind": "tales", "files": 0}, sum(d.size for _, d in documents), found)


def _text(path: Path, seed: int, tell: Tell) -> Corpus:
    from prepare import split, text

    tell(0.0, "reading")
    documents, whole = text.documents(path)
    size = sum(document.size for document in documents)
    if size < split.LEAST_BYTES:
        raise text.SourceError(f"{path} holds {size} bytes of text; at least {split.LEAST_BYTES} are needed")
    files = {str(document.path) for document in documents}
    sides = None
    while sides is None:
        signatures = []
        for number, document in enumerate(documents):
            tell(0.05 + 0.15 * number / len(documents), "looking for near-duplicates")
            signatures.append(split.signature(document.pieces()))
        group_of = split.groups(signatures)
        sides = split.assign([document.size for document in documents], group_of, seed)
        if sides is None:
            if not whole:
                raise text.SourceError(
                    f"{path} cannot be split by whole documents: it has {len(set(group_of))} that differ; more text is needed"
                )
            documents, whole = text.cut_up(documents), False
    chosen = {name: [d for d, side in zip(documents, sides, strict=True) if side == name] for name in SPLITS}
    tell(0.2, "reading held-out text")
    held = split.HeldOut(d.pieces() for name in ("val", "holdout") for d in chosen[name])
    dropped: list[int] = []
    parts: dict[str, list[Callable[[], Iterable[str]]]] = {
        name: [document.pieces for document in chosen[name]] for name in ("val", "holdout")
    }
    parts["train"] = [lambda d=d: held.without(d.pieces(), dropped) for d in chosen["train"]]
    source = {"kind": "text", "files": len(files), "unit": "file" if whole else "section"}
    source |= {name: [document.name for document in chosen[name]] for name in ("val", "holdout")}
    return Corpus(parts, source, size, {"near_duplicates": len(group_of) - len(set(group_of))}, dropped)


def _tokenizer_text(corpus: Corpus) -> Iterator[str]:
    from prepare import bpe

    stride = corpus.size // TOKENIZER_BYTES + 1
    for read in corpus.parts["train"]:
        for number, chunk in enumerate(bpe.chunks(read())):
            if number % stride == 0:
                yield chunk


class TokenFile:
    """A .npy file of uint16 written piece by piece; its length is filled in at the end (numpy's format 1.0)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.count = 0
        self._header()

    def _header(self) -> None:
        text = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({self.count},), }}"
        self._file.seek(0)
        self._file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117).encode("ascii") + b"\n")

    def write(self, tokens: Any) -> None:
        self._file.write(tokens.astype("<u2", copy=False).tobytes())
        self.count += len(tokens)

    def close(self) -> None:
        self._header()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _encode(corpus: Corpus, name: str, tokenizer: Any, lengths: Any, out: Path, progress: Callable[[int], None]) -> dict[str, int]:
    """Writes one split. lengths: bytes of each token. Raises RuntimeError if a byte was lost or made up."""
    import numpy as np

    from prepare import bpe

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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _check_sizes(counts: dict[str, dict[str, int]], window: int) -> None:
    from prepare.text import SourceError

    for name, least in (("train", 2 * window + 1), ("val", window + 1), ("holdout", window + 1)):
        if counts[name]["tokens"] < least:
            raise SourceError(
                f"{name} has {counts[name]['tokens']} tokens, and a window of {window} needs {least}: "
                "give more text, or set data.window lower"
            )


def build(source: str, out: Path, vocab_size: int, window: int, seed: int, secret: str, tell: Tell) -> None:
    """Makes the data of `source` (`tales`, or `text:PATH` as an absolute path) in `out`, which exists and is empty.

    Raises SourceError for a source that cannot be used, OSError if `out` cannot be written.
    """
    import numpy as np
    import tokenizers

    from prepare import bpe
    from prepare.text import SourceError

    kind, _, where = source.partition(":")
    if (kind, where) != ("tales", "") and (kind != "text" or not where):
        raise SourceError(f"data.source must be tales or text:PATH, not {source}")
    corpus = _tales(seed, secret, tell) if kind == "tales" else _text(Path(where), seed, tell)
    tell(0.25, "training the tokenizer")
    tokenizer = bpe.train(_tokenizer_text(corpus), vocab_size)
    corpus.dropped.clear()
    tokenizer.save(str(out / "tokenizer.json"))
    lengths = np.asarray([*map(len, bpe.token_strings(tokenizer)), 0], dtype=np.int32)
    np.save(out / "token_bytes.npy", lengths)
    counts = {}
    before = 0
    for name in ("val", "holdout", "train"):

        def progress(done: int, name: str = name, before: int = before) -> None:
            tell(0.4 + 0.58 * min((before + done) / corpus.size, 1.0), f"encoding {name}")

        progress(0)
        counts[name] = _encode(corpus, name, tokenizer, lengths, out, progress)
        before += counts[name]["bytes"]
    _check_sizes(counts, window)
    tell(0.99, "writing the manifest")
    shape = {"format": FORMAT, "vocab_size": vocab_size, "window": window, "separator": vocab_size - 1}
    public = {"train_tokens": counts["train"]["tokens"], "train_bytes": counts["train"]["bytes"], "source": kind}
    _write_json(out / "meta.json", shape | public)
    names = sorted(path.name for path in out.iterdir())
    manifest = shape | {
        "source": corpus.source | {"text": source},
        "seed": seed,
        "secret": secret if kind == "tales" else "",
        "splits": counts,
        "duplicates": corpus.found
        | {"dropped_training_paragraphs": len(corpus.dropped), "dropped_training_bytes": sum(corpus.dropped)},
        "files": {name: {"bytes": (out / name).stat().st_size, "sha256": _digest(out / name)} for name in names},
        "versions": {"tokenizers": tokenizers.__version__, "numpy": np.__version__},
    }
    _write_json(out / "manifest.json", manifest)


def _secret(previous: Path | None) -> str:
    """That of the data of before, so that making it anew gives the same held-out tales; else a new one."""
    try:
        kept = json.loads(((previous or Path()) / "manifest.json").read_text(encoding="utf-8"))["secret"]
    except (OSError, ValueError, KeyError, TypeError):
        kept = ""
    return kept if isinstance(kept, str) and kept else secrets.token_hex(16)


def main(arguments: list[str] | None = None) -> int:
    from prepare.text import SourceError

    parser = argparse.ArgumentParser(prog="python -m prepare.build", description="Makes the lab's data in a folder.")
    parser.add_argument("--source", required=True, help="tales, or text:PATH")
    parser.add_argument("--out", required=True, type=Path, help="an empty folder")
    parser.add_argument("--vocab-size", required=True, type=int)
    parser.add_argument("--window", required=True, type=int)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--previous", type=Path, help="data of before, whose secret is kept")
    parser.add_argument("--progress", action="store_true")
    given = parser.parse_args(arguments)

    def tell(fraction: float, what: str) -> None:
        if given.progress:
            print(f"PROGRESS {fraction:.2f} {what}", file=sys.stderr, flush=True)

    try:
        build(given.source, given.out, given.vocab_size, given.window, given.seed, _secret(given.previous), tell)
    except SourceError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError) as error:
        print(f"ERROR {error or 'out of memory'}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
