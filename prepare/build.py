"""Makes the lab's data in a folder: `python -m prepare.build --source … --out DIR`, run by the host in the lab.

    train.npy val.npy holdout.npy   uint16 tokens; every document follows one separator
    tokenizer.json                  the tokenizer, without the separator
    token_bytes.npy                 int32 (V,), bytes of each token; 0 for the separator
    meta.json                       what a train container may know
    manifest.json                   everything else, digests included; never leaves the host

Progress goes to stderr as lines `PROGRESS fraction what`, a refusal as one line `ERROR what`, with exit status 2
for a source that cannot be used, 3 where pyarrow is missing and 4 for a machine that cannot do it. It writes nothing
outside DIR and the folder of finished parts, from which a killed builder's work goes on, and whoever starts it puts
DIR in place of the data of before.
"""

import argparse
import hashlib
import json
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from prepare import bpe, corpus, encode, parquet, split, tokens
from prepare.text import SourceError

FORMAT = 1
KEY, SECRET = (
    "key",
    "secret",
)  # in the folder of parts: all that they follow from, and what the tales do besides


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _check_sizes(counts: dict[str, dict[str, int]], window: int) -> None:
    for name, least in (("train", 2 * window + 1), ("val", window + 1), ("holdout", window + 1)):
        if counts[name]["tokens"] < least:
            raise SourceError(
                f"{name} has {counts[name]['tokens']} tokens, and a window of {window} needs {least}: "
                "give more text, or set data.window lower"
            )


def _corpus(
    source: str, column: str, shards: list[dict[str, Any]], seed: int, secret: str, tell: corpus.Tell
) -> corpus.Corpus:
    kind, _, where = source.partition(":")
    if kind == "tales" and not where:
        return corpus.from_tales(seed, secret, tell)
    if kind == "text" and where:
        return corpus.from_text(Path(where), seed, tell)
    if kind == "parquet" and where:
        paths = [Path(where) / shard["name"] for shard in shards] or parquet.shards(Path(where))
        return corpus.from_parquet(paths, column, tell)
    forms = "tales or text:PATH, parquet:PATH, parquet:URL or a preset (climbmix, folklore, tinystories)"
    raise SourceError(f"data.source must be {forms}, not {source}")


def open_parts(folder: Path, key: str) -> Path:
    """The folder of finished parts, emptied if what it holds follows from something else than `key`."""
    libraries = f"tokenizers {tokenizers.__version__} numpy {np.__version__}"
    whole = hashlib.sha256(f"{key} {libraries}".encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    known = (folder / KEY).read_text() if (folder / KEY).is_file() else ""
    for path in folder.iterdir():
        if known != whole or path.suffix == ".tmp":
            path.unlink()
    (folder / ".gitignore").write_text("*\n")
    tokens.write_whole(folder / KEY, whole.encode())
    return folder


def _held(found: corpus.Corpus, parts: Path, tell: corpus.Tell) -> split.HeldOut:
    if not (parts / split.HELD_FILE).is_file():
        tell(0.2, "reading held-out text")
        held = (part for name in corpus.HELD for part in found.parts[name]) if found.compared else ()
        split.HeldOut.write((pieces for part in held for pieces in part.documents()), parts / split.HELD_FILE)
    return split.HeldOut.load(parts / split.HELD_FILE)


def _tokenizer(
    found: corpus.Corpus, held: split.HeldOut, vocab_size: int, parts: Path, tell: corpus.Tell
) -> tokenizers.Tokenizer:
    path = parts / "tokenizer.json"
    if not path.is_file():
        tell(0.25, "training the tokenizer")
        trained = bpe.train(corpus.tokenizer_text(found, held), vocab_size)
        trained.save(str(path.with_suffix(".tmp")), pretty=True)
        path.with_suffix(".tmp").rename(path)
    return tokenizers.Tokenizer.from_file(str(path))


def build(
    source: str,
    out: Path,
    vocab_size: int,
    window: int,
    seed: int,
    secret: str,
    tell: corpus.Tell,
    *,
    parts: Path,
    column: str = "text",
    fetched: dict[str, Any] | None = None,
    alone: int = encode.ALONE_BYTES,
) -> None:
    """Makes the data of `source` (`tales`, `text:PATH` or `parquet:FOLDER`, absolute) in `out`, which is empty.

    parts: a folder from `open_parts`, left as it is. fetched: of shards that were downloaded, `source` as a person
    wrote it and `shards`, each with `name`, `url` and `sha256`. Raises SourceError for a source that cannot be used,
    parquet.NeedsPyarrow, OSError if `out` cannot be written.
    """
    fetched = fetched or {}
    found = _corpus(source, column, fetched.get("shards", []), seed, secret, tell)
    held = _held(found, parts, tell)
    tokenizer = _tokenizer(found, held, vocab_size, parts, tell)
    (out / "tokenizer.json").write_bytes((parts / "tokenizer.json").read_bytes())
    lengths = np.asarray([*map(len, bpe.token_strings(tokenizer)), 0], dtype=np.int32)
    np.save(out / "token_bytes.npy", lengths)
    about = encode.encode(found, tokenizer, lengths, held, parts, tell, alone)
    counts = {
        name: {key: sum(part[key] for part in about[name]) for key in ("documents", "bytes", "tokens")}
        for name in corpus.SPLITS
    }
    _check_sizes(counts, window)
    tell(0.96, "putting the parts together")
    for name in corpus.SPLITS:
        pieces = [parts / tokens.part_name(name, index) for index in range(len(about[name]))]
        tokens.join(pieces, counts[name]["tokens"], out / f"{name}.npy")
    tell(0.99, "writing the manifest")
    shape = {"format": FORMAT, "vocab_size": vocab_size, "window": window, "separator": vocab_size - 1}
    public = {
        "train_tokens": counts["train"]["tokens"],
        "train_bytes": counts["train"]["bytes"],
        "source": source.partition(":")[0],
    }
    _write_json(out / "meta.json", shape | public)
    names = sorted(path.name for path in out.iterdir())
    manifest = shape | {
        "source": found.source | {"text": source} | ({"fetched": fetched} if fetched else {}),
        "seed": seed,
        "secret": secret,  # kept for the next time that tales are made
        "splits": counts,
        "duplicates": found.found
        | {
            "dropped_training_paragraphs": sum(part["dropped"] for part in about["train"]),
            "dropped_training_bytes": sum(part["dropped_bytes"] for part in about["train"]),
        },
        "files": {
            name: {"bytes": (out / name).stat().st_size, "sha256": _digest(out / name)} for name in names
        },
        "versions": {"tokenizers": tokenizers.__version__, "numpy": np.__version__},
    }
    _write_json(out / "manifest.json", manifest)


def _secret(previous: Path | None, parts: Path) -> str:
    """That of the data of before, or of the parts of a builder that was killed; else a new one, kept with the parts.

    So making the data anew gives the same held-out tales, and no manifest tells another secret than theirs.
    """
    try:
        kept = json.loads(((previous or Path()) / "manifest.json").read_text(encoding="utf-8"))["secret"]
    except (OSError, ValueError, KeyError, TypeError):
        kept = ""
    begun = parts / SECRET
    if not (isinstance(kept, str) and kept):
        kept = begun.read_text() if begun.is_file() else secrets.token_hex(16)
    tokens.write_whole(begun, kept.encode())
    return kept


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m prepare.build", description="Makes the lab's data in a folder."
    )
    parser.add_argument("--source", required=True, help="tales, text:PATH or parquet:FOLDER")
    parser.add_argument("--out", required=True, type=Path, help="an empty folder")
    parser.add_argument("--vocab-size", required=True, type=int)
    parser.add_argument("--window", required=True, type=int)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--previous", type=Path, help="data of before, whose secret is kept")
    parser.add_argument(
        "--parts", type=Path, help="folder of finished parts; what is there of the same key is used"
    )
    parser.add_argument("--key", default="", help="all that the parts follow from")
    parser.add_argument("--column", default="text", help="of the shards")
    parser.add_argument("--fetched", type=Path, help="JSON about shards that were downloaded")
    parser.add_argument("--progress", action="store_true")
    given = parser.parse_args(arguments)

    last = ""

    def tell(fraction: float, what: str) -> None:
        nonlocal last
        line = f"PROGRESS {fraction:.2f} {what}"
        if given.progress and line != last:
            print(line, file=sys.stderr, flush=True)
        last = line

    try:
        with tempfile.TemporaryDirectory(dir=given.out.parent, prefix=".data.new-parts-") as own:
            parts = open_parts(given.parts or Path(own), given.key)
            build(
                given.source,
                given.out,
                given.vocab_size,
                given.window,
                given.seed,
                _secret(given.previous, parts),
                tell,
                parts=parts,
                column=given.column,
                fetched=json.loads(given.fetched.read_text(encoding="utf-8")) if given.fetched else None,
            )
    except SourceError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 2
    except parquet.NeedsPyarrow:
        print("ERROR this source needs pyarrow, which is not installed", file=sys.stderr)
        return 3
    except (OSError, MemoryError) as error:
        print(f"ERROR {error or 'out of memory'}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
