"""The bench of several devices: trains what the loop will ask for before it asks, and gives it out in its order.

A training's seed follows from its trial's number and its place in it, as with one device; so the record of a run does
not depend on how many there are, nor on which training ends first. What is under way has a folder of its own under
`runs/TAG/ahead/`, and comes to its trial's folder when the loop takes it; what is never taken leaves nothing.
Decides nothing. `sample` and `holdout` go to whatever device is free.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.current import Teller
from runner.errors import InfraError
from runner.evaluate import Evaluator, Job
from runner.parts import Trial
from runner.pool import Pool, Work
from runner.record.files import explained
from runner.run import INCUMBENT_AGAIN, Run
from runner.sandbox.box import Sandbox
from runner.sandbox.stop import stop
from runner.seeds import seed_for
from runner.trial import Attempt, Proposal, Role, Score

AT_ONCE = (-1, 0)  # the order of what the loop itself waits for, before any training


class Trainer:
    """One device: an evaluator on a sandbox with a connection of its own."""

    def __init__(self, name: str, evaluator: Evaluator, sandbox: Sandbox) -> None:
        self.name, self.evaluator, self._sandbox = name, evaluator, sandbox

    def stop(self, ended: Callable[[], bool]) -> None:
        stop(self._sandbox.engine, self._sandbox.slot, ended)

    def resume(self) -> None:
        self._sandbox.engine.stopping.clear()


@dataclass(frozen=True)
class Begun:
    """A training that was asked for, of the proposal's own or of the incumbent."""

    own: bool
    source: bytes
    place: Path  # that holds its files and nothing else
    work: Work[Any]


class Abreast:
    """`parts.Bench` and `parts.Foresees` on the devices of `pool`, whose `evaluator`s train."""

    def __init__(self, run: Run, pool: Pool[Any], teller: Teller) -> None:
        self._run, self._pool, self._teller = run, pool, teller
        self._lock = threading.RLock()  # the thread that asks ahead comes here too
        self._begun: dict[tuple[int, int], Begun] = {}  # by number of the trial and place in it
        self._failed: dict[
            tuple[int, int], set[int]
        ] = {}  # devices on which a training failed by the machine's fault
        self._count = itertools.count()

    def ahead(self, number: int, proposal: Proposal) -> None:
        """Begin the first training of a trial to come: it does not depend on how the trials before it end."""
        self._begin(number, 0, True, proposal.source, proposal.note)

    def drop(self, number: int) -> float:
        with self._lock:
            return sum(self._give_up(key) for key in sorted(self._begun) if key[0] == number)

    def coming(self, trial: Trial, roles: Sequence[Role]) -> None:
        done = len(trial.attempts)
        if not roles:
            self.drop(trial.number)
        for at, role in enumerate(roles, done):
            self._wanted(trial, at, role)

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        """Waits for the training, which may have been begun long ago. Raises InfraError."""
        key = trial.number, len(trial.attempts)
        begun = self._wanted(trial, key[1], role)
        self._teller.attend(trial.number, trial.proposal.note)
        try:
            attempt: Attempt = begun.work.future.result()
        except BaseException as error:
            with self._lock:
                self._begun.pop(key, None)
            if isinstance(error, InfraError) and begun.work.device is not None:
                self._failed.setdefault(key, set()).add(begun.work.device)
            self._forget(begun)
            raise
        self._settle(key, begun)
        return replace(attempt, role=role)

    def _wanted(self, trial: Trial, index: int, role: Role) -> Begun:
        own = role is not Role.INCUMBENT
        source = trial.proposal.source if own else trial.incumbent
        key = trial.number, index
        with self._lock:
            begun = self._begun.get(key)
            if begun is not None and (begun.own, begun.source) != (own, source):
                self._give_up(key)
                begun = None
            return begun or self._begin(*key, own, source, trial.proposal.note if own else INCUMBENT_AGAIN)

    def _begin(self, number: int, index: int, own: bool, source: bytes, note: str) -> Begun:
        folder = self._run.folder
        place = folder.ahead / f"{number:04d}-{index}-{next(self._count)}"
        inner = place / folder.trial(number).name  # its name is part of what is recorded: where the log is
        seed = seed_for(self._run.header.seed, number, index)
        job = Job(folder.tag, number, index, source, seed, inner, inner / "checkpoint.tar" if own else None)
        budget = self._run.lab.settings.trial.budget_seconds

        def train(trainer: Trainer) -> Attempt:
            with explained(place):
                inner.mkdir(parents=True)
            shown = self._teller.slot(trainer.name)
            shown.training(number, note, index, seed, budget)
            try:
                return trainer.evaluator.attempt(job)
            finally:
                shown.over()

        key = number, index
        with self._lock:
            work = self._pool.submit(key, train, self._failed.get(key, ()))
            self._begun[key] = begun = Begun(own, source, place, work)
        return begun

    def _give_up(self, key: tuple[int, int]) -> float:
        begun = self._begun.pop(key)
        begun.work.future.add_done_callback(lambda _: self._forget(begun))
        return self._pool.give_up(begun.work)

    def _settle(self, key: tuple[int, int], begun: Begun) -> None:
        """Its files come to the trial's folder; the checkpoint in the place of an earlier one's."""
        number, index = key
        folder = self._run.folder
        home = folder.trial(number) if index else folder.new_trial(number)
        with explained(home):
            home.mkdir(parents=True, exist_ok=True)
            for path in sorted((begun.place / home.name).iterdir()):
                os.replace(path, home / path.name)
        with self._lock:
            del self._begun[key]
        self._forget(begun)

    def _forget(self, begun: Begun) -> None:
        shutil.rmtree(begun.place, ignore_errors=True)

    def close(self) -> None:
        """After the pool's end: nothing of what was never taken is left."""
        shutil.rmtree(self._run.folder.ahead, ignore_errors=True)


class Anywhere:
    """What else a run asks of an evaluator, done on whatever device is free."""

    def __init__(self, pool: Pool[Trainer]) -> None:
        self._pool = pool

    def floor(self) -> float:
        """As `Evaluator.floor`: it needs no device."""
        return self._pool.devices[0].evaluator.floor()

    def sample(
        self, tag: str, source: bytes, checkpoint: Path, prompts: Sequence[str], count: int, temperature: float,
        seed: int,
    ) -> list[str]:  # fmt: skip
        """As `Evaluator.sample`."""
        how = tag, source, checkpoint, prompts, count, temperature, seed
        found: list[str] = self._pool.submit(AT_ONCE, lambda one: one.evaluator.sample(*how)).future.result()
        return found

    def holdout(self, tag: str, source: bytes, checkpoint: Path) -> list[Score]:
        """As `Evaluator.holdout`."""
        work = self._pool.submit(AT_ONCE, lambda one: one.evaluator.holdout(tag, source, checkpoint))
        found: list[Score] = work.future.result()
        return found
