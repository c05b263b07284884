"""The lab's data on the host: made by `prepare.build` in a process of its own, put in place at once, read by map.

`prepare` either leaves `<lab>/data` as it was or replaces it whole; nothing in between is ever seen, whatever is
killed. The builder is the lab's own code and is trusted; what it left is checked by size on every start and by
digest on request. Only `public_files` may go to a container. Needs no torch and no tokenizers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import data_build
from runner.config import DataSettings
from runner.data_build import Material, Progress
from runner.errors import MissingError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PUBLIC = ("meta.json", "tokenizer.json", "train.npy")  # what a train container may see
SPLITS = ("train", "val", "holdout")
DOWNLOAD_SHARE = 0.5  # of the bar, where there is something to download
STATE = "state.json"  # what the data was made from; beside the manifest, not in it, for it tells of file times


@dataclass(frozen=True)
class Manifest:
    """What the host knows of the lab's data.

    digest: SHA-256 over what gives a score its meaning: vocabulary, window and the digest of every file.
    tokens, bytes, documents: by split (`train`, `val`, `holdout`). raw: the whole manifest, secrets included.
    """

    digest: str
    source: str
    vocab_size: int
    window: int
    separator: int
    tokens: dict[str, int]
    bytes: dict[str, int]
    documents: dict[str, int]
    raw: dict[str, Any]


def _manifest(text: str) -> Manifest:
    raw = json.loads(text)
    identity = {key: raw[key] for key in ("format", "vocab_size", "window", "separator", "files")}
    splits = raw["splits"]
    counts = {
        key: {name: int(splits[name][key]) for name in SPLITS} for key in ("tokens", "bytes", "documents")
    }
    return Manifest(
        digest=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        source=raw["source"]["text"],
        vocab_size=raw["vocab_size"],
        window=raw["window"],
        separator=raw["separator"],
        raw=raw,
        **counts,
    )


def load(lab_root: Path) -> Manifest:
    """The manifest of the data in place. Raises MissingError if there is none that can be used."""
    try:
        manifest = _manifest((lab_root / "data" / "manifest.json").read_text(encoding="utf-8"))
        sizes = {name: (lab_root / "data" / name).stat().st_size for name in manifest.raw["files"]}
    except FileNotFoundError:
        raise MissingError(f"{lab_root} has no data yet", "Make it: runner prepare") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MissingError(
            f"{lab_root / 'data'} cannot be used: {error}", "Make it anew: runner prepare --force"
        ) from None
    wrong = [name for name, size in sizes.items() if size != manifest.raw["files"][name]["bytes"]]
    if wrong:
        raise MissingError(f"{lab_root / 'data' / wrong[0]} has another size than it was written with",
                           "Make the data anew: runner prepare --force")  # fmt: skip
    return manifest


def verify(lab_root: Path) -> Manifest:
    """As `load`, every file hashed. Raises MissingError naming the first that was changed."""
    manifest = load(lab_root)
    for name, stated in manifest.raw["files"].items():
        with (lab_root / "data" / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != stated["sha256"]:
                raise MissingError(f"{lab_root / 'data' / name} was changed after it was written",
                                   "Make the data anew: runner prepare --force")  # fmt: skip
    return manifest


def split(lab_root: Path, name: str) -> npt.NDArray[np.uint16]:
    """The tokens of `train`, `val` or `holdout`: uint16 (N,), read-only, mapped and not read."""
    import numpy as np

    if name not in SPLITS:
        raise ValueError(f"no such split: {name}")
    tokens: npt.NDArray[np.uint16] = np.load(_there(lab_root, f"{name}.npy"), mmap_mode="r", allow_pickle=False)
    return tokens


def token_bytes(lab_root: Path) -> npt.NDArray[np.int64]:
    """Bytes of each token: int64 (V,). 0 for the separator, the last."""
    import numpy as np

    table: npt.NDArray[np.int64] = np.load(_there(lab_root, "token_bytes.npy"), allow_pickle=False).astype(
        np.int64
    )
    return table


def excerpt(lab_root: Path, tokens: int = 20_000) -> bytes:
    """The first so many tokens of the training text, as UTF-8: what a researcher is shown of the data."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_there(lab_root, "tokenizer.json")))
    shown: str = tokenizer.decode(split(lab_root, "train")[:tokens].tolist(), skip_special_tokens=True)
    return shown.encode()


def public_files(lab_root: Path) -> list[Path]:
    """All that a container may be given: training tokens, the tokenizer and their description."""
    return [_there(lab_root, name) for name in PUBLIC]


def _there(lab_root: Path, name: str) -> Path:
    path = lab_root / "data" / name
    if not path.is_file():
        raise MissingError(f"{path} is missing", "Make the data: runner prepare")
    return path


def prepare(lab_root: Path, settings: DataSettings, on_progress: Progress, force: bool = False) -> Manifest:
    """The lab's data, made if it is missing, was made from something else, or `force` is set.

    on_progress is called with what is being done and the fraction done, or None where it is not known.
    Raises UsageError for a source that cannot be used, MissingError where a library for it is not installed and
    InfraError where the machine or the network failed; the data of before is then in place, untouched. What was
    downloaded and encoded until then is kept, and the next call goes on from there.
    """
    lab_root = lab_root.resolve()
    with data_build.only_one(lab_root, on_progress) as lock:
        data_build.tidy(lab_root)
        parts = lab_root / data_build.PARTS
        wanted = data_build.state(lab_root, settings)
        if not force and _up_to_date(lab_root, wanted):
            shutil.rmtree(parts, ignore_errors=True)
            return load(lab_root)
        material = _material(lab_root, settings, on_progress, force=force)
        key = hashlib.sha256(json.dumps([wanted, material.fetched], sort_keys=True).encode()).hexdigest()
        fresh = Path(tempfile.mkdtemp(prefix=".data.new-", dir=lab_root))
        try:
            data_build.run(lab_root, settings, material, key, fresh, on_progress, lock)
            (fresh / STATE).write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
            fresh.chmod(0o755)
            data_build.put_in_place(fresh, lab_root / "data")
            shutil.rmtree(parts, ignore_errors=True)
        except UsageError:
            shutil.rmtree(parts, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.with_name(fresh.name + ".fetched.json").unlink(missing_ok=True)
        return load(lab_root)


def _material(lab_root: Path, settings: DataSettings, on_progress: Progress, *, force: bool) -> Material:
    """What the builder reads, downloaded if it is not on this machine. With `force`, as it is there now."""
    kind = settings.source.partition(":")[0]
    if kind in ("tales", "text"):
        return data_build.local(lab_root, settings)
    from runner.fetch import books, many, sources

    files = sources.of(settings, lab_root)
    if files is None:
        return data_build.local(lab_root, settings)
    where = Material(f"{files.kind}:{files.folder}", files.column)
    data_build.need_pyarrow(where)  # before gigabytes are fetched for nothing
    pins = {} if force else sources.pins(_raw(lab_root))

    def tell(what: str, fraction: float | None) -> None:
        on_progress(what, None if fraction is None else DOWNLOAD_SHARE * fraction)

    got = many.fetch_all(files.items, files.folder, tell, pins=pins, parallel=files.parallel)
    if files.kind == "books":
        where = Material(f"text:{books.texts(got)}")
    return dataclasses.replace(where, fetched=sources.as_json(settings.source, got))


def _raw(lab_root: Path) -> dict[str, Any] | None:
    try:
        return load(lab_root).raw
    except MissingError:
        return None


def _up_to_date(lab_root: Path, wanted: dict[str, Any]) -> bool:
    try:
        made = json.loads((lab_root / "data" / STATE).read_text(encoding="utf-8"))
        load(lab_root)
    except (OSError, ValueError, MissingError):
        return False
    return bool(made == wanted)
