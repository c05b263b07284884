"""Makes the lab's data in a folder: `python -m prepare.build --source … --out DIR`, run by the host in the lab.

    train.npy val.npy holdout.npy   uint16 tokens; every document follows one separator
    tokenizer.json                  the tokenizer, without the separator
    token_bytes.npy                 int32 (V,), bytes of each token; 0 for the separator
    meta.json                       what a train container may know
    manifest.json                   everything else, digests included; never leaves the host

Progress goes to stderr as lines `PROGRESS fraction what`, a refusal as one line `ERROR what`, with exit status 2
for a source that cannot be used and 4 for a machine that cannot do it. It writes nothing outside DIR, and whoever
starts it puts DIR in place of the data of before.
"""

import argparse
import hashlib
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from prepare import bpe, corpus
from prepare.text import SourceError
from prepare.tokens import encode_split

FORMAT = 1


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


def build(
    source: str, out: Path, vocab_size: int, window: int, seed: int, secret: str, tell: corpus.Tell
) -> None:
    """Makes the data of `source` (`tales`, or `text:PATH` as an absolute path) in `out`, which exists and is empty.

    Raises SourceError for a source that cannot be used, OSError if `out` cannot be written.
    """
    kind, _, where = source.partition(":")
    if (kind, where) != ("tales", "") and (kind != "text" or not where):
        raise SourceError(f"data.source must be tales or text:PATH, not {source}")
    found = (
        corpus.from_tales(seed, secret, tell) if kind == "tales" else corpus.from_text(Path(where), seed, tell)
    )
    tell(0.25, "training the tokenizer")
    tokenizer = bpe.train(corpus.tokenizer_text(found), vocab_size)
    found.dropped.clear()
    tokenizer.save(str(out / "tokenizer.json"))
    lengths = np.asarray([*map(len, bpe.token_strings(tokenizer)), 0], dtype=np.int32)
    np.save(out / "token_bytes.npy", lengths)
    counts = {}
    before = 0
    for name in ("val", "holdout", "train"):

        def progress(done: int, name: str = name, before: int = before) -> None:
            tell(0.4 + 0.58 * min((before + done) / found.size, 1.0), f"encoding {name}")

        progress(0)
        counts[name] = encode_split(found, name, tokenizer, lengths, out, progress)
        before += counts[name]["bytes"]
    _check_sizes(counts, window)
    tell(0.99, "writing the manifest")
    shape = {"format": FORMAT, "vocab_size": vocab_size, "window": window, "separator": vocab_size - 1}
    public = {
        "train_tokens": counts["train"]["tokens"],
        "train_bytes": counts["train"]["bytes"],
        "source": kind,
    }
    _write_json(out / "meta.json", shape | public)
    names = sorted(path.name for path in out.iterdir())
    manifest = shape | {
        "source": found.source | {"text": source},
        "seed": seed,
        "secret": secret,  # kept for the next time that tales are made
        "splits": counts,
        "duplicates": found.found
        | {"dropped_training_paragraphs": len(found.dropped), "dropped_training_bytes": sum(found.dropped)},
        "files": {
            name: {"bytes": (out / name).stat().st_size, "sha256": _digest(out / name)} for name in names
        },
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
    parser = argparse.ArgumentParser(
        prog="python -m prepare.build", description="Makes the lab's data in a folder."
    )
    parser.add_argument("--source", required=True, help="tales, or text:PATH")
    parser.add_argument("--out", required=True, type=Path, help="an empty folder")
    parser.add_argument("--vocab-size", required=True, type=int)
    parser.add_argument("--window", required=True, type=int)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--previous", type=Path, help="data of before, whose secret is kept")
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
        build(
            given.source, given.out, given.vocab_size, given.window, given.seed, _secret(given.previous), tell
        )
    except SourceError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError) as error:
        print(f"ERROR {error or 'out of memory'}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
