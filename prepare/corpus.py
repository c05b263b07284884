"""Decides what is trained on and what is held out, for each kind of source: the documents of every split.

Training text for `tales` follows from the seed. Held-out tales follow from a secret of the host, for the generator is
readable in a container: with the seed alone a program could write out the validation text and learn it by heart.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prepare import bpe, split, tales, text

SPLITS = ("train", "val", "holdout")
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
    parts: dict[str, list[Callable[[], Iterable[str]]]] = {name: [] for name in SPLITS}
    for (name, document), keep in zip(documents, kept, strict=True):
        if keep:
            parts[name].append(document.pieces)
    found = {"near_duplicates": len(group_of) - len(first), "dropped_held_out_documents": kept.count(False)}
    return Corpus(parts, {"kind": "tales", "files": 0}, sum(d.size for _, d in documents), found)


def from_text(path: Path, seed: int, tell: Tell) -> Corpus:
    """The text of a file or folder, divided by files if that can be done and else by sections.

    Training text comes without the paragraphs that repeat held-out text. Raises SourceError.
    """
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
    tell(0.2, "reading held-out text")
    held = split.HeldOut(d.pieces() for name in ("val", "holdout") for d in chosen[name])
    dropped: list[int] = []
    parts: dict[str, list[Callable[[], Iterable[str]]]] = {
        name: [document.pieces for document in chosen[name]] for name in ("val", "holdout")
    }
    parts["train"] = [lambda d=d: held.without(d.pieces(), dropped) for d in chosen["train"]]
    source = {"kind": "text", "files": len(files), "unit": "file" if whole else "section"}
    source |= {name: [document.name for document in chosen[name][:100]] for name in ("val", "holdout")}
    return Corpus(parts, source, size, {"near_duplicates": len(group_of) - len(set(group_of))}, dropped)


def tokenizer_text(corpus: Corpus) -> Iterator[str]:
    stride = corpus.size // TOKENIZER_BYTES + 1
    for read in corpus.parts["train"]:
        for number, chunk in enumerate(bpe.chunks(read())):
            if number % stride == 0:
                yield chunk
