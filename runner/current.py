"""What is going on now, told to the screen and to `current.json`, from which `runner status` reads elsewhere.

A Watcher around a Watcher. Never raises: a full disk must not end a run for the sake of a display. Where several
devices train, each has a `Slot` of its own, to which its thread tells.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from runner.errors import RunnerError
from runner.parts import FaultLog, Noted, Proposer, Reading, Watcher
from runner.record.run import RunFolder
from runner.relay import Relay
from runner.trial import Attempt, Entry, History, Proposal

EVERY = 1.0  # seconds between writes of a training's readings


@runtime_checkable
class SeesAgents(Protocol):
    """A watcher that also shows what the proposer is doing; called from whatever thread asks it."""

    def asking(self, asking: bool) -> None: ...

    def fault(self, fault: Noted) -> None: ...


@runtime_checkable
class SeesSlots(Protocol):
    """A watcher that shows several trainings at once; `slot_` methods are called from any thread."""

    def attend(self, number: int, note: str) -> None:
        """The trial that is decided next; its trainings are told by slots."""

    def slot_training(
        self, slot: str, number: int, note: str, attempt: int, seed: int, budget_seconds: float
    ) -> None: ...

    def slot_reading(self, slot: str, reading: Reading) -> None: ...

    def slot_scoring(self, slot: str, phase: str, done: int, total: int) -> None: ...

    def slot_over(self, slot: str) -> None: ...


class Teller:
    """`loop.Watcher` for one run.

    left: trials still to come, None where no end was set. ends: when the run stops by itself, seconds since the
    epoch. cost: dollars after which it stops.
    """

    def __init__(
        self,
        watcher: Watcher,
        folder: RunFolder,
        left: int | None = None,
        ends: float | None = None,
        cost: float | None = None,
    ) -> None:
        self._watcher, self._folder = watcher, folder
        self._sees = watcher if isinstance(watcher, SeesAgents) else None
        self._left, self._limits = left, {"ends": ends, "max_cost": cost}
        self._asking: float | None = None
        self._state: dict[str, Any] = {}
        self._told = self._since = 0.0
        self._lock = threading.RLock()  # of the two above, the slots and the file
        self._made: dict[str, Slot] = {}
        self._slots: dict[str, dict[str, Any]] = {}  # what trains where, as the file has it

    def step(self, what: str) -> AbstractContextManager[Callable[[str, float | None], None]]:
        return self._watcher.step(what)

    def proposing(self, number: int, agent: str) -> None:
        self._since = time.time()
        self._tell({"phase": "proposing", "number": number, "agent": agent})
        self._watcher.proposing(number, agent)

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None:
        self._since = time.time()
        state = {
            "number": number,
            "agent": self._state.get("agent", ""),
            "note": note,
            "attempt": attempt,
            "seed": seed,
            "budget_seconds": budget_seconds,
        }
        self._tell({"phase": "training", **state})
        self._watcher.training(number, note, attempt, seed, budget_seconds)

    def reading(self, reading: Reading) -> None:
        if time.monotonic() - self._told >= EVERY:
            now = {"seconds": round(reading.seconds, 1), "step": reading.step, "loss": reading.loss}
            now |= {"tokens": reading.tokens, "memory_mb": reading.memory_mb}
            self._tell(self._state | {k: v for k, v in now.items() if v is not None})
        self._watcher.reading(reading)

    def attend(self, number: int, note: str) -> None:
        """Of several devices: the trial that is decided next."""
        if self._state.get("number") != number or self._state.get("phase") != "training":
            self._since = time.time()
        agent = self._state.get("agent", "")
        self._tell({"phase": "training", "number": number, "agent": agent, "note": note})
        if isinstance(self._watcher, SeesSlots):
            self._watcher.attend(number, note)

    def slot(self, name: str) -> Slot:
        """The watcher of one of several devices."""
        with self._lock:
            return self._made.setdefault(name, Slot(self, name, self._watcher))

    def tell_slot(self, name: str, state: dict[str, Any] | None, *, now: bool = True) -> None:
        """What trains on the device `name`, None for nothing; `now`: write it at once."""
        with self._lock:
            self._slots.pop(name, None) if state is None else self._slots.update({name: state})
            if now or time.monotonic() - self._told >= EVERY:
                self._tell(self._state)

    def scoring(self, phase: str, done: int, total: int) -> None:
        if done == 0:
            self._since = time.time()
            self._tell(self._state | {"phase": f"scoring, {phase}"})
        self._watcher.scoring(phase, done, total)

    def scored(self, number: int, attempt: Attempt) -> None:
        self._watcher.scored(number, attempt)

    def decided(self, entry: Entry) -> None:
        if self._left is not None and entry.number > 0:
            self._left = max(0, self._left - 1)
        self._watcher.decided(entry)

    def message(self, text: str) -> None:
        with (
            contextlib.suppress(OSError),
            self._folder.log.open("a", encoding="utf-8", errors="replace") as log,
        ):
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n")
        self._watcher.message(text)

    def asking(self, asking: bool) -> None:
        """The proposer was asked, or has answered; during a training too, where it is asked ahead."""
        self._asking = time.time() if asking else None
        if self._sees is not None:
            self._sees.asking(asking)

    def asked(self, proposer: Proposer) -> Proposer:
        """`proposer`, and told when it is asked."""
        return _Asked(proposer, self)

    def telling(self, faults: FaultLog) -> FaultLog:
        """`faults`, and each of them told."""
        return _Told(faults, self._sees)

    def _tell(self, state: dict[str, Any]) -> None:
        with self._lock:
            self._state = state
            self._told = time.monotonic()
            more = {"left": self._left, "asking": self._asking, **self._limits}
            known = {key: value for key, value in more.items() if value is not None}
            slots = [{"slot": name, **self._slots[name]} for name in sorted(self._slots)]
            beside = {"slots": slots} if slots else {}
            told = {**state, **known, **beside, "since": self._since, "updated": time.time()}
            with contextlib.suppress(OSError, RunnerError, ValueError):
                self._folder.set_current(told)


class Slot(Relay):
    """`parts.Watcher` of one of several devices: what it is told is told with the device's name."""

    def __init__(self, teller: Teller, name: str, watcher: Watcher) -> None:
        super().__init__(teller)
        self._teller, self._name = teller, name
        self._sees = watcher if isinstance(watcher, SeesSlots) else None
        self._state: dict[str, Any] = {}

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None:
        told = {"number": number, "note": note, "attempt": attempt, "seed": seed}
        self._tell({"phase": "training", **told, "budget_seconds": budget_seconds, "since": time.time()})
        if self._sees is not None:
            self._sees.slot_training(self._name, number, note, attempt, seed, budget_seconds)

    def reading(self, reading: Reading) -> None:
        known = {"seconds": round(reading.seconds, 1), "step": reading.step, "loss": reading.loss}
        known |= {"tokens": reading.tokens, "memory_mb": reading.memory_mb, "updated": time.time()}
        self._tell(self._state | {k: v for k, v in known.items() if v is not None}, now=False)
        if self._sees is not None:
            self._sees.slot_reading(self._name, reading)

    def scoring(self, phase: str, done: int, total: int) -> None:
        if done == 0:
            self._tell(self._state | {"phase": f"scoring, {phase}", "since": time.time()})
        if self._sees is not None:
            self._sees.slot_scoring(self._name, phase, done, total)

    def over(self) -> None:
        """Nothing trains there now."""
        self._state = {}
        self._teller.tell_slot(self._name, None)
        if self._sees is not None:
            self._sees.slot_over(self._name)

    def message(self, text: str) -> None:
        self._teller.message(f"{self._name}: {text}")

    def _tell(self, state: dict[str, Any], *, now: bool = True) -> None:
        self._state = state
        if state:
            self._teller.tell_slot(self._name, state, now=now)


class _Asked:
    """`parts.Proposer` and `parts.Cancellable`."""

    def __init__(self, proposer: Proposer, teller: Teller) -> None:
        self.name = proposer.name
        self._proposer, self._teller = proposer, teller

    def propose(self, history: History) -> Proposal:
        self._teller.asking(True)
        try:
            return self._proposer.propose(history)
        finally:
            self._teller.asking(False)

    def cancel(self) -> None:
        cancel = getattr(self._proposer, "cancel", None)
        if cancel is not None:
            cancel()


class _Told:
    """`parts.FaultLog`."""

    def __init__(self, faults: FaultLog, sees: SeesAgents | None) -> None:
        self._faults, self._sees = faults, sees

    def note(self, fault: Noted) -> None:
        self._faults.note(fault)
        if self._sees is not None:
            self._sees.fault(fault)
