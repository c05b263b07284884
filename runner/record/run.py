"""The folder of a run: where everything is, who is at work in it, and what was fixed at its start.

`runs/<tag>/` is the host's alone; no container sees it. One process at a time works in it, under `lock`; reading
needs no lock. The engine and git are not known here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.locks import locked, still_there
from runner.record.files import atomic_write, explained, now, sync_folder
from runner.record.tags import check_tag
from runner.trial import Entry, Pins, Role

__all__ = ["Header", "RunFolder", "atomic_write", "existing"]

_LOCK_SECONDS = 0.5  # a reader that looks whether the run lives holds the lock for an instant


@dataclass(frozen=True)
class Header:
    """What is fixed when a run starts. base: the commit that it starts from. settings: the whole of runner.toml.

    data: source, shape and digests of the data's files; empty in headers from before there was such a field.
    """

    tag: str
    created: str  # UTC, ISO 8601
    base: str
    pins: Pins
    settings: Mapping[str, Any]
    seed: int
    machine: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1  # of this format
    data: Mapping[str, Any] = field(default_factory=dict)


def existing(lab_root: Path) -> list[str]:
    """The tags of the runs that have been started."""
    return sorted(path.parent.name for path in (Path(lab_root) / "runs").glob("*/run.json"))


class RunFolder:
    """`runs/<tag>/` of the lab at `lab_root`. Making this object makes nothing on disk."""

    def __init__(self, lab_root: Path, tag: str) -> None:
        self.tag = check_tag(tag)
        self.runs = Path(lab_root).resolve() / "runs"
        self.path = self.runs / tag
        self.ledger = self.path / "ledger.jsonl"
        self.results = self.path / "results.tsv"
        self.tally = self.path / "tally.json"
        self.plot = self.path / "progress.png"
        self.report = self.path / "report.html"
        self.run_json = self.path / "run.json"
        self.faults = self.path / "faults.jsonl"
        self.floor = self.path / "floor.json"
        self.holdout = self.path / "holdout.json"
        self.current_json = self.path / "current.json"
        self.log = self.path / "runner.log"
        self.lock_file = self.path / "lock"
        self.worktree = self.path / "worktree"
        self.trials = self.path / "trials"
        self.ahead = self.path / "ahead"  # trainings on several devices, until the loop takes them

    def exists(self) -> bool:
        """Has the run been started? Its folder without its header is one that a crash left: it has not."""
        return self.run_json.is_file()

    def ensure(self) -> None:
        """Make the folders, and keep all of runs/ out of git. Raises UsageError where they cannot be written."""
        with explained(self.path):
            self.trials.mkdir(parents=True, exist_ok=True)
            ignore = self.runs / ".gitignore"
            if not ignore.exists():
                atomic_write(ignore, b"*\n")
            sync_folder(self.runs)

    def create(self, header: Header) -> None:
        """Start the run: its header is on the disk on return. UsageError where it was started already."""
        self.ensure()
        if self.exists():
            raise UsageError(f"{self.run_json} exists: the run has been started already")
        atomic_write(self.run_json, _text(dataclasses.asdict(header)))

    def header(self) -> Header:
        """What was fixed at the start. Raises UsageError where there is no such run or the file is damaged."""
        try:
            return parse_header(self.run_json.read_bytes(), self.tag)
        except FileNotFoundError:
            raise UsageError(f"there is no run {self.tag}", f"runs/ has: {', '.join(self._known())}") from None
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise UsageError(
                f"{self.run_json} cannot be read: {error}",
                "Put it back from a backup, or start a new run: runner go --tag ANOTHER",
            ) from None

    def _known(self) -> list[str]:
        return existing(self.runs.parent) or ["no run yet"]

    def trial(self, number: int) -> Path:
        """The folder of a trial: `trials/0007`."""
        return self.trials / f"{number:04d}"

    def log_of(self, entry: Entry) -> Path:
        """What the proposal itself printed, in the last of its own trainings."""
        own = max((i for i, a in enumerate(entry.attempts) if a.role is not Role.INCUMBENT), default=0)
        return self.trial(entry.number) / f"attempt-{own}.log"

    def under_way(self) -> dict[str, Any] | None:
        """What a program that is at work in the run does now; None where none is."""
        return self.current() if self.holder() else None

    def new_trial(self, number: int) -> Path:
        """The folder of the trial that comes next, made empty."""
        path = self.trial(number)
        with explained(path):
            if path.exists():
                shutil.rmtree(path)
            path.mkdir(parents=True)
        return path

    def set_current(self, state: Mapping[str, Any] | None) -> None:
        """What is going on now, for `runner status` in another terminal; None when nothing is."""
        if state is None:
            with explained(self.current_json):
                self.current_json.unlink(missing_ok=True)
        else:
            atomic_write(self.current_json, _text(state), durable=False)

    def current(self) -> dict[str, Any] | None:
        """What `set_current` was told last. A dead run may have left it: ask `holder` whether it lives."""
        try:
            raw = json.loads(self.current_json.read_bytes())
        except (OSError, ValueError):
            return None
        return raw if isinstance(raw, dict) else None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one at work in this run. The kernel gives the lock back whatever becomes of the process.

        Raises UsageError that names the other process where there is one.
        """
        self.ensure()
        with explained(self.lock_file):
            descriptor = self._acquire()
            try:
                mine = {"pid": os.getpid(), "host": socket.gethostname(), "started": now()}
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _text(mine), 0)
            except OSError:
                os.close(descriptor)
                raise
        try:
            yield
        finally:
            os.close(descriptor)

    def _acquire(self) -> int:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if locked(descriptor) and still_there(descriptor, self.lock_file):
                return descriptor
            os.close(descriptor)
            if time.monotonic() > deadline:
                who = _read(self.lock_file)
                raise UsageError(
                    f"the run {self.tag} is under way in process {who.get('pid', '?')} on {who.get('host', '?')}, "
                    f"started {who.get('started', '?')}",
                    f"Follow it with: runner status {self.tag} — or take another tag: runner go --tag ANOTHER",
                )
            time.sleep(0.05)

    def holder(self) -> dict[str, Any] | None:
        """pid, host and start of the process at work in this run, or None where there is none."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if locked(descriptor, shared=True) else _read(self.lock_file)
        finally:
            os.close(descriptor)


def newest(lab_root: Path) -> RunFolder | None:
    """The run that was begun last, its header readable or not; None before the first."""
    return max((RunFolder(lab_root, tag) for tag in existing(lab_root)), key=_begun, default=None)


def _begun(folder: RunFolder) -> float:
    """Seconds since the epoch."""
    try:
        return datetime.fromisoformat(folder.header().created).timestamp()
    except (
        UsageError,
        ValueError,
    ):  # told where it is the newest; by its file's time, for that is written once
        return folder.run_json.stat().st_mtime


def _text(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def parse_header(data: bytes, tag: str) -> Header:
    """The header that `data` holds. Raises ValueError, TypeError or KeyError where it holds none of the run `tag`."""
    raw = json.loads(data)
    header = Header(**{**raw, "pins": Pins(**raw["pins"])})
    _check(header, tag)
    return header


def _check(header: Header, tag: str) -> None:
    """Raises ValueError or TypeError where a header that was read does not hold what it should."""
    texts = (header.tag, header.created, header.base, *dataclasses.astuple(header.pins))
    if not all(isinstance(value, str) for value in texts) or type(header.seed) is not int:
        raise TypeError("a value in it is of another kind than it was written with")
    if not all(isinstance(table, dict) for table in (header.settings, header.machine, header.data)):
        raise TypeError("its settings are no table")
    if header.tag != tag:
        raise ValueError(f"it is that of the run {header.tag}")


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
