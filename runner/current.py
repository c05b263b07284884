"""What is going on now, told to the screen and to `current.json`, from which `runner status` reads elsewhere.

A Watcher around a Watcher. Never raises: a full disk must not end a run for the sake of a display.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from runner.errors import RunnerError
from runner.parts import Reading, Watcher
from runner.record.run import RunFolder
from runner.trial import Attempt, Entry

EVERY = 1.0  # seconds between writes of a training's readings


class Teller:
    """`loop.Watcher` for one run."""

    def __init__(self, watcher: Watcher, folder: RunFolder) -> None:
        self._watcher, self._folder = watcher, folder
        self._state: dict[str, Any] = {}
        self._told = 0.0

    def step(self, what: str) -> AbstractContextManager[Callable[[str, float | None], None]]:
        return self._watcher.step(what)

    def proposing(self, number: int, agent: str) -> None:
        self._tell({"phase": "proposing", "number": number, "agent": agent})
        self._watcher.proposing(number, agent)

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None:
        state = {
            "number": number,
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
            self._tell(self._state | {k: v for k, v in now.items() if v is not None})
        self._watcher.reading(reading)

    def scoring(self, phase: str, done: int, total: int) -> None:
        if done == 0:
            self._tell(self._state | {"phase": f"scoring, {phase}"})
        self._watcher.scoring(phase, done, total)

    def scored(self, number: int, attempt: Attempt) -> None:
        self._watcher.scored(number, attempt)

    def decided(self, entry: Entry) -> None:
        self._watcher.decided(entry)

    def message(self, text: str) -> None:
        with (
            contextlib.suppress(OSError),
            self._folder.log.open("a", encoding="utf-8", errors="replace") as log,
        ):
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n")
        self._watcher.message(text)

    def _tell(self, state: dict[str, Any]) -> None:
        self._state = state
        self._told = time.monotonic()
        with contextlib.suppress(OSError, RunnerError, ValueError):
            self._folder.set_current({**state, "updated": time.time()})
