"""Runs `prepare.build` in a process of its own and puts what it made in place: locks, leftovers, names.

Knows how the lab's data is made and replaced, not what is in it; see `data.py`. The builder is the lab's code, trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.config import DataSettings, preset
from runner.errors import InfraError, MissingError, RunnerError, UsageError

Progress = Callable[[str, float | None], None]

PARTS = ".data.parts"  # what a builder finished; the next goes on from there
BUILDER = ("prepare/*.py", "prepare/tales/*.py")  # without those of the train-time side
NOT_BUILDER = {"prepare/__init__.py", "prepare/model_host.py"}


@contextlib.contextmanager
def only_one(lab_root: Path, on_progress: Progress) -> Iterator[int]:
    """Holds the lab's lock (on the folder itself, so nothing is left behind); a kill releases it.

    Yields the descriptor that holds it: a process that inherits it, as the builder does, holds the lock too, so that
    nobody tidies up where the builder of a killed program still writes.
    """
    folder = os.open(lab_root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_progress("waiting for another process that makes the data", None)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def tidy(lab_root: Path) -> None:
    """Mends what a kill left: half-built folders go, and data moved aside comes back if nothing took its place."""
    for old in sorted(lab_root.glob(".data.old-*")):
        if not (lab_root / "data").exists():
            old.rename(lab_root / "data")
        shutil.rmtree(old, ignore_errors=True)
    for unfinished in lab_root.glob(".data.new-*"):
        if unfinished.is_file():
            unfinished.unlink()
        shutil.rmtree(unfinished, ignore_errors=True)


@dataclass(frozen=True)
class Material:
    """What the builder is given. source: with absolute paths. fetched: about files that were downloaded, or None."""

    source: str
    column: str = "text"
    fetched: dict[str, Any] | None = None


def local(lab_root: Path, settings: DataSettings) -> Material:
    """The material of a source that needs no download."""
    kind, _, where = settings.source.partition(":")
    if kind not in ("text", "parquet") or not where:
        return Material(settings.source)
    return Material(f"{kind}:{lab_root / Path(where).expanduser()}", settings.column or "text")


def _on_disk(lab_root: Path, settings: DataSettings) -> list[Path]:
    """The files of the lab's own disk that its source is made of."""
    kind, _, where = local(lab_root, settings).source.partition(":")
    if kind not in ("text", "parquet") or not where:
        return []
    root = Path(where)
    pattern = "*.txt" if kind == "text" else "*.parquet"
    return [root] if root.is_file() else sorted(root.rglob(pattern) if kind == "text" else root.glob(pattern))


def state(lab_root: Path, settings: DataSettings) -> dict[str, Any]:
    """All that the data follows from, quick to find out: settings, builder, and the source's sizes and times."""
    builder = hashlib.sha256()
    for pattern in BUILDER:
        for path in sorted(lab_root.glob(pattern)):
            if str(path.relative_to(lab_root)) in NOT_BUILDER:
                continue
            builder.update(path.name.encode() + b"\0" + path.read_bytes())
    source = hashlib.sha256()
    for path in _on_disk(lab_root, settings):
        with contextlib.suppress(OSError):  # what cannot be read is for the builder to complain about
            stat = path.stat()
            source.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    source.update(json.dumps(preset(settings.source), sort_keys=True).encode())
    told = asdict(settings) | {"downloads": ""}  # where a file was kept changes nothing
    return {"settings": told, "builder": builder.hexdigest(), "source": source.hexdigest()}


def run(
    lab_root: Path,
    settings: DataSettings,
    material: Material,
    key: str,
    out: Path,
    on_progress: Progress,
    lock: int,
) -> None:
    """Runs the builder to its end. lock: from `only_one`. key: all that the data follow from.

    Raises UsageError, MissingError or InfraError with what it said.
    """
    need_pyarrow(material)
    command = [
        sys.executable,
        "-m",
        "prepare.build",
        "--source",
        material.source,
        "--out",
        str(out),
    ]
    command += [
        "--vocab-size",
        str(settings.vocab_size),
        "--window",
        str(settings.window),
        "--seed",
        str(settings.seed),
    ]
    command += ["--previous", str(lab_root / "data"), "--progress"]
    command += ["--parts", str(lab_root / PARTS), "--key", key, "--column", material.column]
    if material.fetched is not None:
        told = out.with_name(out.name + ".fetched.json")  # goes like a half-built folder if it is left
        told.write_text(json.dumps(material.fetched), encoding="utf-8")
        command += ["--fetched", str(told)]
    environment = os.environ | {
        "TOKENIZERS_PARALLELISM": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
    environment.pop("PYTHONPATH", None)  # the lab's own `prepare`, and no other
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=lab_root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,  # ends with this program, and the builder with it at its next word
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=(lock,),
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                word, _, rest = line.rstrip("\n").partition(" ")
                if word == "PROGRESS":
                    fraction, _, what = rest.partition(" ")
                    on_progress(what, float(fraction))
                else:
                    said = [*said[-200:], line]
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _failure(process.returncode, said)


def need_pyarrow(material: Material) -> None:
    """Raises MissingError where the source is of Parquet shards and the library that reads them is not there."""
    if material.source.startswith("parquet:") and importlib.util.find_spec("pyarrow") is None:
        raise _no_pyarrow()


def _no_pyarrow() -> MissingError:
    command = f"{sys.executable} -m pip install pyarrow"
    return MissingError("reading Parquet shards needs pyarrow, which is not installed",
                        f"{command}   (the extra `parquet` of autoresearch-runner)")  # fmt: skip


def _failure(status: int, said: list[str]) -> RunnerError:
    complaint = next((line[6:].strip() for line in reversed(said) if line.startswith("ERROR ")), "")
    if complaint and status == 2:
        return UsageError(
            complaint, "The data of before, if any, is untouched. The source: data.source in runner.toml"
        )
    if complaint and status == MissingError.exit_code:
        return _no_pyarrow()
    if complaint:
        kept = "The data of before, if any, is untouched; what was encoded is kept for the next start."
        return InfraError(f"making the data failed: {complaint}", kept)
    with tempfile.NamedTemporaryFile(
        "w", prefix="runner-prepare-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.writelines(said)
    how = f"was killed by signal {-status} (out of memory?)" if status < 0 else f"ended with status {status}"
    return InfraError(f"making the data failed: the builder {how}", f"What it said: {log.name}")


def put_in_place(fresh: Path, data: Path, exchange: Callable[[Path, Path], bool] | None = None) -> None:
    """`fresh` becomes `data`; what was there is left as `fresh`, or removed.

    In one step where the file system can exchange two names; else a kill between two renames is mended by `tidy`.
    """
    if not data.exists():
        fresh.rename(data)
    elif not (exchange or _exchange)(fresh, data):
        old = data.with_name(f".data.old-{secrets.token_hex(4)}")
        data.rename(old)
        fresh.rename(data)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two names by renameat2(2) with RENAME_EXCHANGE; False where it cannot be done."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    at_cwd, exchange = -100, 2
    return bool(renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0)
