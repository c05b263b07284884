"""`runner status --watch`: the live screen of a run that another process works on, drawn from the run's files alone.

Reads, never writes, takes no lock for longer than an instant. What it reads is turned into the events that the screen
knows, so it looks as it does where the run was started. It goes on when the run ends, and says so: another may start.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.parts import Reading
from runner.record import faults
from runner.record.ledger import Ledger
from runner.record.run import RunFolder
from runner.report import consoles, text, under_way
from runner.report.screen import Screen

EVERY = 0.5  # seconds between two looks
_SHOWN = 5  # verdicts at the start
_LOG_BYTES = 65_536  # of messages taken in at one look


class Follower:
    """Tells `screen` what has changed in `folder` since the last look. clock: as the screen's; now: since the epoch."""

    def __init__(
        self,
        folder: RunFolder,
        screen: Screen,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._screen, self._clock, self._now = folder, screen, clock, now
        self._ledger: object = None
        self._count = -1  # trials told so far; -1 before the first look
        self._phase: object = None
        self._trained: object = None  # the training that the screen knows of
        self._beside = Beside(screen, self._age)
        self._alive: bool | None = None
        self._updated: object = None
        self._log = _size(folder.log)
        self._half = b""

    def look(self) -> None:
        """Raises UsageError where the run is gone or its record is damaged."""
        holder = self._folder.holder()
        current = self._folder.current() if holder else None
        self._trials(current or {})
        self._messages()
        if bool(holder) is not self._alive:
            self._alive = bool(holder)
            if not self._alive:
                self._screen.watched.phase, self._screen.watched.number = "idle", None
                self._phase = self._trained = None
                self._beside.look([])
                self._screen.message(
                    f"no program works on {self._folder.tag}; watching goes on, Ctrl-C ends it"
                )
        if current:
            self._now_is(current)

    def _trials(self, current: Mapping[str, Any]) -> None:
        stamp = _stamp(self._folder.ledger), _stamp(self._folder.faults)
        if stamp == self._ledger and self._count >= 0:
            return
        entries = Ledger(self._folder.ledger).entries
        if len(entries) < self._count or not self._folder.exists():
            raise UsageError(f"the run {self._folder.tag} was removed or replaced", "See: runner status")
        self._ledger = stamp
        told = max(0, len(entries) - _SHOWN) if self._count < 0 else self._count
        usage = faults.read(self._folder.faults).usage
        watched = self._screen.watched
        keep = watched.phase, watched.number, watched.training, watched.scores
        self._screen.resume(self._folder.tag, _whole(current.get("left")), entries[:told], spent=usage)
        watched.phase, watched.number, watched.training, watched.scores = keep
        for entry in entries[told:]:
            self._screen.decided(entry)
        self._count = len(entries)

    def _messages(self) -> None:
        """Lines that the run has noted since the last look, without their time."""
        try:
            with self._folder.log.open("rb") as file:
                self._log = min(self._log, file.seek(0, 2))
                file.seek(self._log)
                raw = file.read(_LOG_BYTES)
        except OSError:
            return
        self._log += len(raw)
        *whole, self._half = (self._half + raw).split(b"\n")
        for line in whole:
            self._screen.message(line.decode("utf-8", "replace").partition(" ")[2])

    def _now_is(self, current: Mapping[str, Any]) -> None:
        screen, watched = self._screen, self._screen.watched
        phase, number = str(current.get("phase", "")), _whole(current.get("number"))
        if number is None:
            return
        began = self._clock() - self._age(current.get("since"))
        self._limits(current)
        self._beside.look(under_way.slots(current))
        key = phase, number, current.get("attempt"), current.get("since")
        fresh, self._phase = key != self._phase, key
        if phase == "proposing":
            if fresh:
                screen.proposing(number, str(current.get("agent", "")))
                watched.began = began
            return
        if not under_way.alone(current):  # several devices train: this is the trial that is decided next
            if fresh:
                screen.attend(number, str(current.get("note", "")))
                watched.began = began
            return
        self._training(current, number, began)
        if phase.startswith("scoring"):
            if fresh:
                screen.scoring(phase.partition(", ")[2], 0, 0)
        elif current.get("updated") != self._updated:
            self._updated = current.get("updated")
            screen.reading(_reading(current, self._age))

    def _training(self, current: Mapping[str, Any], number: int, began: float) -> None:
        """The training under way, once: that which is scored too, where the watcher came late."""
        attempt, seed = _whole(current.get("attempt")) or 0, _whole(current.get("seed")) or 0
        if self._trained == (number, attempt, seed):
            return
        self._trained = number, attempt, seed
        budget = text.finite(current.get("budget_seconds")) or 0.0
        known = self._screen.watched.number == number
        self._screen.training(number, str(current.get("note", "")), attempt, seed, budget)
        if not known:
            self._screen.watched.began = began

    def _limits(self, current: Mapping[str, Any]) -> None:
        watched, ends = self._screen.watched, text.finite(current.get("ends"))
        watched.left = _whole(current.get("left"))
        watched.ends = None if ends is None else self._clock() + ends - self._now()
        watched.max_cost = text.finite(current.get("max_cost"))
        asking = text.finite(current.get("asking"))
        watched.asked = None if asking is None else self._clock() - self._age(asking)

    def _age(self, moment: Any) -> float:
        """Seconds since `moment`; 0 for what is no moment."""
        found = text.finite(moment)
        return 0.0 if found is None else min(max(0.0, self._now() - found), 1e7)


class Beside:
    """Tells `screen` what trains on each of several devices. age: seconds since a moment."""

    def __init__(self, screen: Screen, age: Callable[[Any], float]) -> None:
        self._screen, self._age = screen, age
        self._known: dict[str, tuple[object, object, object]] = {}  # by device: its training, reading and phase

    def look(self, slots: Sequence[Mapping[str, Any]]) -> None:
        for gone in self._known.keys() - {slot["slot"] for slot in slots}:
            self._screen.slot_over(gone)
            del self._known[gone]
        for slot in slots:
            self._slot(slot["slot"], slot)

    def _slot(self, name: str, slot: Mapping[str, Any]) -> None:
        number = _whole(slot.get("number"))
        if number is None:
            return
        attempt, seed = _whole(slot.get("attempt")) or 0, _whole(slot.get("seed")) or 0
        phase, updated = str(slot.get("phase", "")), slot.get("updated", slot.get("since"))
        training, reading, said = self._known.get(name, (None, None, None))
        if training != (number, attempt, seed):
            budget = text.finite(slot.get("budget_seconds")) or 0.0
            self._screen.slot_training(name, number, str(slot.get("note", "")), attempt, seed, budget)
            reading = said = None
        if phase.startswith("scoring"):
            if phase != said:
                self._screen.slot_scoring(name, phase.partition(", ")[2], 0, 0)
        elif updated != reading:
            since = slot if "seconds" in slot else {**slot, "updated": slot.get("since")}
            self._screen.slot_reading(name, _reading(since, self._age))
        self._known[name] = (number, attempt, seed), updated, phase


def _reading(state: Mapping[str, Any], age: Callable[[Any], float]) -> Reading:
    """What was last read of a training, moved on to now."""
    found = {key: text.finite(state.get(key)) for key in ("seconds", "loss", "memory_mb")}
    seconds = age(state.get("updated")) + (found["seconds"] or 0.0)
    step, tokens = _whole(state.get("step")), _whole(state.get("tokens"))
    return Reading(seconds, step, found["loss"], tokens, memory_mb=found["memory_mb"])


def _whole(value: Any) -> int | None:
    found = text.finite(value)
    return None if found is None or abs(found) > 1 << 53 else int(found)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _reader_left() -> bool:
    """Whether standard output is a pipe whose reader has gone: nobody watches."""
    try:
        ask = select.poll()
        ask.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in ask.poll(0))
    except (OSError, ValueError):
        return True


def watch(folder: RunFolder, every: float = EVERY) -> None:
    """Until Ctrl-C, or until nobody reads. Raises as `Follower.look`."""
    with Screen(consoles.results()) as screen:
        follower = Follower(folder, screen)
        while not _reader_left():
            follower.look()
            time.sleep(every)
