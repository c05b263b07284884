"""Watchers: one that passes everything on to another, for subclasses that do more, and one that shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from runner.parts import Reading, Watcher
from runner.trial import Attempt, Entry


class Relay:
    """`parts.Watcher` around `watcher`."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def step(self, what: str) -> AbstractContextManager[Callable[[str, float | None], None]]:
        return self._watcher.step(what)

    def proposing(self, number: int, agent: str) -> None:
        self._watcher.proposing(number, agent)

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None:
        self._watcher.training(number, note, attempt, seed, budget_seconds)

    def reading(self, reading: Reading) -> None:
        self._watcher.reading(reading)

    def scoring(self, phase: str, done: int, total: int) -> None:
        self._watcher.scoring(phase, done, total)

    def scored(self, number: int, attempt: Attempt) -> None:
        self._watcher.scored(number, attempt)

    def decided(self, entry: Entry) -> None:
        self._watcher.decided(entry)

    def message(self, text: str) -> None:
        self._watcher.message(text)


class Silent:
    """A Watcher that shows nothing."""

    @contextmanager
    def _nothing(self) -> Iterator[Callable[[str, float | None], None]]:
        yield lambda detail, fraction: None

    def step(self, what: str) -> AbstractContextManager[Callable[[str, float | None], None]]:
        return self._nothing()

    def proposing(self, number: int, agent: str) -> None: ...

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None: ...

    def reading(self, reading: Reading) -> None: ...

    def scoring(self, phase: str, done: int, total: int) -> None: ...

    def scored(self, number: int, attempt: Attempt) -> None: ...

    def decided(self, entry: Entry) -> None: ...

    def message(self, text: str) -> None: ...
