"""Decides what is trained on and what is held out, for each kind of source: the parts of every split.

A part is a run of documents that is encoded by itself, in any process: `documents()` gives each as pieces of text.
Training text for `tales` follows from the seed. Held-out tales follow from a secret of the host, for the generator is
readable in a container: with the seed alone a program could write out the validation text and learn it by heart.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from prepare import bpe, parquet, split, tales, text

SPLITS = ("train", "val", "holdout")
HELD = ("val", "holdout")
TOKENIZER_BYTES = 256_000_000  # of training text, evenly spread, that the tokenizer is trained on at most
PART_BYTES = 16_000_000  # of text; what is under way in a part is lost when all is killed
HELD_SHARD_BYTES = 128_000_000  # of a last shard for validation, and for holdout: 21 M tokens are about 90 MB

Tell = Callable[[float, str], None]


class Part(Protocol):
    """Documents that are encoded together. weight: bytes of text in them, roughly."""

    @property
    def weight(self) -> int: ...

    def documents(self, stride: int = 1) -> Iterator[Iterable[str]]: ...


@dataclass(frozen=True)
class Documents:
    """Documents of text files, or of memory."""

    members: tuple[text.Document, ...]

    @property
    def weight(self) -> int:
        return sum(member.size for member in self.members)

    def documents(self, stride: int = 1) -> Iterator[Iterable[str]]:
        """Each document's pieces; with `stride`, every so-manieth of them alone."""
        for member in self.members:
            if stride == 1:
                yield member.pieces()
            else:
                yield (piece for number, piece in enumerate(member.pieces()) if number % stride == 0)


@dataclass
class Corpus:
    """The parts of every split in their order, and what was found out about them.

    compared: whether training text is freed of what it repeats of held-out text.
    """

    parts: dict[str, list[Part]]
    source: dict[str, Any]
    compared: bool = False
    found: dict[str, int] = field(default_factory=dict)


def in_parts(documents: Iterable[text.Document]) -> list[Part]:
    """Documents in their order as parts of about PART_BYTES; a longer document is a part of its own."""
    parts: list[Part] = []
    run: list[text.Document] = []
    weight = 0
    for document in documents:
        run.append(document)
        weight += document.size
        if weight >= PART_BYTES:
            parts.append(Documents(tuple(run)))
            run, weight = [], 0
    return [*parts, Documents(tuple(run))] if run else parts


def from_tales(seed: int, secret: str, tell: Tell, size: int = tales.DEFAULT_BYTES) -> Corpus:
    """`size` bytes of tales: training from `seed`, held-out from `secret`, without near-duplicates of training."""
    wanted = split.target(size)
    streams = {
        "train": tales.generate(seed, size - 2 * wanted),
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
    chosen: dict[str, list[text.Document]] = {name: [] for name in SPLITS}
    for (name, document), keep in zip(documents, kept, strict=True):
        if keep:
            chosen[name].append(document)
    parts = {name: in_parts(found) for name, found in chosen.items()}
    duplicates = {
        "near_duplicates": len(group_of) - len(first),
        "dropped_held_out_documents": kept.count(False),
    }
    return Corpus(parts, {"kind": "tales", "files": 0}, found=duplicates)


def from_text(path: Path, seed: int, tell: Tell) -> Corpus:
    """The text of a file or folder, divided by files if that can be done and else by sections. Raises SourceError."""
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
                    f"{path} cannot be split by whole documents: only {len(set(group_of))} of them differ, "
                    "and training, validation and holdout need their own"
                )
            documents, whole = text.cut_up(documents), False
    chosen = {name: [d for d, side in zip(documents, sides, strict=True) if side == name] for name in SPLITS}
    source = {"kind": "text", "files": len(files), "unit": "file" if whole else "section"}
    source |= {name: [document.name for document in chosen[name][:100]] for name in HELD}
    duplicates = {"near_duplicates": len(group_of) - len(set(group_of))}
    parts = {name: in_parts(found) for name, found in chosen.items()}
    return Corpus(parts, source, compared=True, found=duplicates)


def from_parquet(shards: list[Path], column: str, tell: Tell) -> Corpus:
    """The shards of a Parquet source: the last is held out, its first rows for validation, its second half for holdout.

    At most about HELD_SHARD_BYTES of each half are used; the rest of that shard is used for nothing. Raises
    SourceError, parquet.NeedsPyarrow.
    """
    train: list[Part] = []
    for number, path in enumerate(shards):
        tell(0.05 * number / len(shards), "looking at the shards")
        found = parquet.parts(path, column, PART_BYTES)
        if path != shards[-1]:
            train += found
    parts: dict[str, list[Part]] = {"train": train}
    for name, half in zip(HELD, parquet.halves(found), strict=True):
        parts[name] = []
        for part in half:
            if sum(one.weight for one in parts[name]) < HELD_SHARD_BYTES:
                parts[name].append(part)
    source = {"kind": "parquet", "files": len(shards), "unit": "row", "column": column}
    source |= {name: [shards[-1].name] for name in HELD}
    return Corpus(parts, source, compared=True)


def tokenizer_text(corpus: Corpus, held: split.HeldOut) -> Iterator[str]:
    """The text that the tokenizer learns from: all of training, or pieces evenly spread over it."""
    stride = sum(part.weight for part in corpus.parts["train"]) // TOKENIZER_BYTES + 1
    for part in corpus.parts["train"]:
        for pieces in part.documents(stride):
            yield from bpe.chunks(held.without(pieces, []) if corpus.compared else pieces)
