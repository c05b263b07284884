"""What `runner check` shows of the data: no trial is given a hidden token.

Looks from both sides: at the files that the train container sees, by name and digest, and at the bytes that the
engine gives out of the data volume, for runs of validation and holdout tokens. The needles never leave the host.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from runner import data, leak
from runner.lab import Lab
from runner.sandbox.box import Sandbox
from runner.sandbox.filled import COMPLETE
from runner.sandbox.finding import NOTE, OK, Finding, check, finding
from runner.sandbox.training_data import exported
from runner.sandbox.view import View

RUNS = 64  # of each hidden split
SCANNED = 100 << 30  # bytes times runs, at most: fewer runs in a very large volume
HIDDEN = ("val", "holdout")
ADVICE = "Do not trust scores made with these data: runner clean --everything, then runner prepare --force"


def file_digests(folder: Path, names: list[str]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of files by name."""
    found = {}
    for name in names:
        with (folder / name).open("rb") as file:
            found[name] = (file.seek(0, 2), "")
            file.seek(0)
            found[name] = (found[name][0], hashlib.file_digest(file, "sha256").hexdigest())
    return found


def visible(lab: Lab, train: View, program: bytes) -> Iterator[Finding]:
    """The train container's files beside the host's own list, and beside the digests of what is hidden."""
    folder = lab.root / "data"
    seen: Mapping[str, list[object]] = train.raw["lab"]
    code = {**lab.prepare_files(), "prepare/model_host.py": program, "train/train.py": program}
    wanted = {f"/lab/{name}": (len(text), hashlib.sha256(text).hexdigest()) for name, text in code.items()}
    given = file_digests(folder, [path.name for path in data.public_files(lab.root)])
    wanted |= {f"/lab/data/{name}": told for name, told in given.items()}
    mark = data.load(lab.root).digest.encode()
    wanted[f"/lab/data/{COMPLETE}"] = (len(mark), hashlib.sha256(mark).hexdigest())
    wrong = [f"{path} not expected" for path in seen.keys() - wanted.keys()]
    wrong += [f"{path} missing" for path in wanted.keys() - seen.keys()]
    wrong += [
        f"{path} other than put there" for path in wanted.keys() & seen.keys() if (*seen[path],) != wanted[path]
    ]
    told = f"{len(seen)} files under /lab, each with the digest of what was put there"
    yield check("files", not wrong, told, "; ".join(sorted(wrong)) or told, ADVICE)
    private = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in data.PUBLIC)
    hidden = {digest: name for name, (_, digest) in file_digests(folder, private).items()}
    leaked = [f"{path} is {hidden[str(entry[1])]}" for path, entry in seen.items() if str(entry[1]) in hidden]
    told = f"none of the {len(hidden)} files that stay on the host ({', '.join(private)}) is among them"
    yield check("hidden files", not leaked, told, "; ".join(leaked) or told, ADVICE)


def runs(lab: Lab, sandbox: Sandbox) -> Finding:
    """Random runs of hidden tokens, looked for in the bytes of the data volume."""
    size = sum(path.stat().st_size for path in data.public_files(lab.root))
    count = max(4, min(RUNS, SCANNED // max(size, 1) // len(HIDDEN)))
    wanted = [
        needle
        for name in HIDDEN
        for needle in leak.needles(name, data.split(lab.root, name), count, secrets.randbits(64))
    ]
    with exported(sandbox.engine, sandbox.image, sandbox.data_volume) as chunks:
        short, long, whole = leak.search(chunks, wanted)
    told = f"{len(wanted)} random runs of validation and holdout tokens"
    where = f"in the {whole:,} bytes of the data volume"
    if long or not whole:
        return check(
            "hidden tokens", False, f"none of {told} {where}", f"{len(long)} of {told} stand {where}", ADVICE
        )
    if short:
        return finding(
            "hidden tokens", NOTE, "no run of 64 bytes",
            f"none of {told} of {leak.LONG} bytes {where}; {len(short)} of their first {leak.SHORT} bytes are there",
            "Phrases that the texts share; a leak would show as long runs",
        )  # fmt: skip
    return finding("hidden tokens", OK, "none", f"none of {told}, {leak.SHORT} bytes each, stands {where}")


def model_sees_none(model: View) -> Finding:
    """The model container has no data at all."""
    seen = [path for path in model.raw["lab"] if path.startswith("/lab/data")]
    absent = not seen and model.mount("/lab/data") is None
    return check(
        "model container", absent, "no data", "no data" if absent else ", ".join(seen) or "/lab/data", ADVICE
    )
