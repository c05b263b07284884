"""Base scores known from before, and verdicts that were given: files on the host that no container reaches.

One folder for each set of what makes two scores comparable: the run's pins and the machine. In it a file for each
version that ever was a base, or was found better and may become one, with every training that may count for it; and
one for each pair that was judged. Written whole or not at all, under a lock. A file that cannot be read is told of,
and counts as absent. What chose a version is not kept here: such scores are lucky (docs/ratchet.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from runner import ratchet
from runner.config import RatchetSettings
from runner.locks import locked
from runner.ratchet import Noise
from runner.record.files import atomic_write, explained, now
from runner.trial import Attempt, Entry, Pins, attempt_from_json, entry_from_json, to_json

_Parsed = TypeVar("_Parsed")

KEPT = 40  # trainings of one version, the newest
OTHERS = 50  # versions whose scatter speaks for the noise, the newest
_MACHINE = ("cpu", "cores")  # of `Workshop.machine`, beside the GPU


def key(pins: Pins, machine: Mapping[str, Any]) -> dict[str, Any]:
    """What two scores must have in common, in plain values: pins, GPU with its driver, processor."""
    gpu = machine.get("gpu")
    device = {name: gpu.get(name) for name in ("name", "memory_mb", "driver")} if gpu else None
    return {"pins": asdict(pins), "gpu": device, **{name: machine.get(name) for name in _MACHINE}}


@dataclass(frozen=True)
class Known:
    """What is known of a version. base: whether it has ever been one. samples: texts it wrote, by their settings."""

    attempts: tuple[Attempt, ...] = ()
    base: bool = False
    samples: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Judged:
    """A verdict that was given: the base's entry and the head's, samples, when. unfinished: as in `Begun`."""

    entries: tuple[Entry, ...]
    samples: tuple[Mapping[str, Any], ...]
    time: str
    unfinished: int = 0


@dataclass(frozen=True)
class Begun:
    """What jobs did for a head before they were cancelled or failed.

    They count: who does not like a score, or a seed, must not get another one by cancelling the job. attempts: its
    trainings that ended, in order. seed: of the one that did not. unfinished: how often a job started one and did not
    bring it to its end.
    """

    attempts: tuple[Attempt, ...] = ()
    seed: int | None = None
    unfinished: int = 0


class Scores:
    """The folder of one key under `state`. say: told of files that cannot be used."""

    def __init__(self, state: Path, same: Mapping[str, Any], say: Callable[[str], None]) -> None:
        plain = json.dumps(same, sort_keys=True).encode()
        self.path = state / "scores" / hashlib.sha256(plain).hexdigest()[:32]
        self._same, self._say = same, say

    def known(self, version: str) -> Known:
        """Of the version with this digest; nothing where there is nothing that can be used."""
        return self._read(self.path / f"{version}.json", _known) or Known()

    def noise(self, but: str, rule: RatchetSettings) -> Noise:
        """From other versions that were a base: how far trainings of one version differ here. The newest count."""
        if rule.rule == "greedy":
            return ratchet.UNKNOWN
        others = (self._read(path, _known) for path in self._newest() if path.stem != but)
        bases = [found for found in others if found and found.base][:OTHERS]
        groups = [tuple(a.score.val_bpb for a in found.attempts if a.score) for found in bases]
        return ratchet.update(ratchet.UNKNOWN, reversed(groups))

    def _newest(self) -> list[Path]:
        with contextlib.suppress(OSError):
            found = [(path.stat().st_mtime, path) for path in self.path.glob("*.json") if len(path.stem) == 64]
            return [path for _, path in sorted(found, reverse=True)]
        return []

    def add(
        self,
        version: str,
        attempts: Sequence[Attempt],
        *,
        base: bool,
        samples: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Remember trainings that ended ok, and samples. Raises UsageError or InfraError for a disk that is full."""
        fresh = [one for one in attempts if one.score]
        with self._locked():
            before = self.known(version)
            told = {
                "version": 1,
                "base": base or before.base,
                "attempts": [to_json(one) for one in (*before.attempts, *fresh)][-KEPT:],
                "samples": list(samples or before.samples),
            }
            self._write(self.path / f"{version}.json", told)

    def forget(self, version: str, pair: str = "") -> None:
        """Drop what is known of a version, and of a pair."""
        with self._locked(), explained(self.path):
            (self.path / f"{version}.json").unlink(missing_ok=True)
            for kind in ("verdicts", "begun") if pair else ():
                (self.path / kind / f"{pair}.json").unlink(missing_ok=True)

    def judged(self, pair: str) -> Judged | None:
        """The verdict on a pair, as `pair` names it, if one was given."""
        return self._read(self.path / "verdicts" / f"{pair}.json", _judged)

    def judge(
        self, pair: str, entries: Sequence[Entry], samples: Sequence[Mapping[str, Any]], unfinished: int = 0
    ) -> Judged | None:
        """Remember a verdict; the one that another job gave meanwhile, which then holds. Raises as `add`."""
        told = {
            "version": 1,
            "time": now(),
            "entries": [to_json(one) for one in entries],
            "samples": list(samples),
            "unfinished": unfinished,
        }
        with self._locked():
            if before := self.judged(pair):
                return before
            self._write(self.path / "verdicts" / f"{pair}.json", told)
        return None

    def begun(self, pair: str) -> Begun:
        """What earlier jobs, or others at the same time, did for the head of a pair that is not judged yet."""
        return self._read(self.path / "begun" / f"{pair}.json", _begun) or Begun()

    def start(self, pair: str) -> int:
        """The seed of the head's next training: that of one that did not end, or a new one. Raises as `add`."""
        with self._locked():
            before = self.begun(pair)
            seed = secrets.randbelow(1 << 31) if before.seed is None else before.seed
            self._begin(pair, replace(before, seed=seed, unfinished=before.unfinished + 1))
        return seed

    def ended(self, pair: str, attempt: Attempt) -> None:
        """Remember a training of the head that `start` began, until its pair is judged. Raises as `add`."""
        with self._locked():
            before = self.begun(pair)
            known = any(one.seed == attempt.seed for one in before.attempts)  # of another job at the same time
            attempts = before.attempts if known else (*before.attempts, attempt)
            seed = None if before.seed == attempt.seed else before.seed
            self._begin(pair, Begun(attempts, seed, max(0, before.unfinished - 1)))

    def drop(self, pair: str) -> None:
        """Forget what was begun: the pair is judged. Raises as `add`."""
        with self._locked(), explained(self.path):
            (self.path / "begun" / f"{pair}.json").unlink(missing_ok=True)

    def _begin(self, pair: str, begun: Begun) -> None:
        attempts = [to_json(one) for one in begun.attempts]
        told = {"version": 1, "attempts": attempts, "seed": begun.seed, "unfinished": begun.unfinished}
        self._write(self.path / "begun" / f"{pair}.json", told)

    def floor(self, reckon: Callable[[], float]) -> float:
        """The floor for scores: what the pins fix is reckoned once."""
        path = self.path / "floor.json"
        found = self._read(path, lambda raw: float(raw["bpb"]))
        if found is None:
            found = reckon()
            with self._locked():
                self._write(path, {"bpb": found})
        return found

    def _read(self, path: Path, parse: Callable[[Mapping[str, Any]], _Parsed]) -> _Parsed | None:
        try:
            return parse(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self._say(f"{path} cannot be used and is ignored: {type(error).__name__}")
            return None

    def _write(self, path: Path, told: Mapping[str, Any]) -> None:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            key_file = self.path / "key.json"
            if not key_file.exists():
                atomic_write(key_file, (json.dumps(self._same, indent=1, sort_keys=True) + "\n").encode())
        atomic_write(path, (json.dumps(told, indent=1, allow_nan=False) + "\n").encode())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path, os.O_RDONLY)
        try:
            locked(folder, wait=True)
            yield
        finally:
            os.close(folder)


def pair(base: str, head: str, rule: RatchetSettings) -> str:
    """The name of a pair under a rule: of the forms of both train.py (`takeback.form`) and of the rule's settings.

    Of forms and not of bytes, for otherwise a comment more would be a second chance.
    """
    judged_by = json.dumps(asdict(rule), sort_keys=True)
    return hashlib.sha256(f"{base}:{head}:{judged_by}".encode()).hexdigest()


def _known(raw: Mapping[str, Any]) -> Known:
    if raw["version"] != 1:
        raise ValueError(raw["version"])
    attempts = tuple(attempt_from_json(one) for one in raw["attempts"])
    if not all(one.score and _sound(one.score.val_bpb) for one in attempts):
        raise ValueError("a training without a score")
    return Known(attempts, raw["base"] is True, _samples(raw))


def _begun(raw: Mapping[str, Any]) -> Begun:
    seed, attempts = raw.get("seed"), tuple(attempt_from_json(one) for one in raw["attempts"])
    return Begun(attempts, None if seed is None else int(seed), int(raw.get("unfinished", 0)))


def _judged(raw: Mapping[str, Any]) -> Judged:
    if raw["version"] != 1 or len(raw["entries"]) != 2:
        raise ValueError(raw["version"])
    entries, unfinished = tuple(entry_from_json(one) for one in raw["entries"]), int(raw.get("unfinished", 0))
    return Judged(entries, _samples(raw), str(raw["time"]), unfinished)


def _samples(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple({str(key): value for key, value in one.items()} for one in raw["samples"])


def _sound(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
