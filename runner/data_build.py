"""Runs `prepare.build` in a process of its own and puts what it made in place: locks, leftovers, names.

Knows how the lab's data is made and replaced, not what is in it; see `data.py`. The builder is the lab's code, trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runner.config import DataSettings
from runner.errors import InfraError, UsageError

Progress = Callable[[str, float | None], None]

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
        shutil.rmtree(unfinished, ignore_errors=True)


def _source(lab_root: Path, settings: DataSettings) -> str:
    kind, _, where = settings.source.partition(":")
    return f"text:{lab_root / Path(where).expanduser()}" if kind == "text" and where else settings.source


def state(lab_root: Path, settings: DataSettings) -> dict[str, Any]:
    """All that the data follows from, quick to find out: settings, builder, and the source's sizes and times."""
    builder = hashlib.sha256()
    for pattern in BUILDER:
        for path in sorted(lab_root.glob(pattern)):
            if str(path.relative_to(lab_root)) in NOT_BUILDER:
                continue
            builder.update(path.name.encode() + b"\0" + path.read_bytes())
    source = hashlib.sha256()
    kind, _, where = _source(lab_root, settings).partition(":")
    if kind == "text":
        root = Path(where)
        for path in [root] if root.is_file() else sorted(root.rglob("*.txt")):
            with contextlib.suppress(OSError):  # what cannot be read is for the builder to complain about
                stat = path.stat()
                source.update(
                    f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
                )
    return {"settings": asdict(settings), "builder": builder.hexdigest(), "source": source.hexdigest()}


def run(lab_root: Path, settings: DataSettings, out: Path, on_progress: Progress, lock: int) -> None:
    """Runs the builder to its end. lock: from `only_one`. Raises UsageError or InfraError with what it said."""
    command = [
        sys.executable,
        "-m",
        "prepare.build",
        "--source",
        _source(lab_root, settings),
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


def _failure(status: int, said: list[str]) -> UsageError | InfraError:
    complaint = next((line[6:].strip() for line in reversed(said) if line.startswith("ERROR ")), "")
    if complaint and status == 2:
        return UsageError(
            complaint, "The data of before, if any, is untouched. The source: data.source in runner.toml"
        )
    if complaint:
        return InfraError(f"making the data failed: {complaint}", "The data of before, if any, is untouched.")
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
