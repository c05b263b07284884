"""Devices whose trainings end in an order that a test, or chance, decides, under the real loop, pool and record.

A version of train.py here says its own true score (`tamperlab.source`); what a training gives follows from its seed and
its version alone, as it should on real devices. Faults of the machine come by a script.
"""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import factories
from tamperlab import TAG, Undrawn, source
from test_loop import Memory, Quiet

from runner.abreast import Abreast
from runner.config import AgentSettings, RatchetSettings
from runner.current import Teller
from runner.errors import InfraError
from runner.evaluate import Job
from runner.lab import Lab
from runner.loop import Loop
from runner.parts import Limits
from runner.pool import Pool
from runner.record.files import now
from runner.record.repo import LabRepo
from runner.record.run import Header, RunFolder
from runner.run import Run, RunBench, open_run
from runner.trial import Attempt, Ending, History, Pins, Proposal


class Told(Exception):
    """A training that was told to end."""


class Blind:
    """Proposes one version after the other, whatever it is shown; an exception in the list is raised."""

    name = "blind"

    def __init__(self, versions: Sequence[Any]) -> None:
        self.versions = list(versions)
        self.shown: list[History] = []

    def propose(self, history: History) -> Proposal:
        self.shown.append(history)
        made = self.versions.pop(0)
        if isinstance(made, BaseException):
            raise made
        return Proposal(made, made.split()[2].decode(), self.name, "", {"cost_usd": 1.0})


class Yard:
    """The evaluator of every device. order: how long the training of (trial, place) lasts, seconds; 0 if it says None.

    faults: how often the machine fails first, by (trial, place). unlucky: seeds whose training crashes. begun, ended:
    the (trial, place) of each, as it happened.
    """

    def __init__(
        self,
        lasts: Callable[[int, int], float] = lambda number, place: 0.0,
        faults: dict[tuple[int, int], int] | None = None,
        unlucky: Callable[[int], bool] = lambda seed: False,
        sigma: float = 0.004,
    ) -> None:
        self.lasts, self.unlucky, self.sigma = lasts, unlucky, sigma
        self.faults = dict(faults or {})
        self.lock = threading.Condition()
        self.begun: list[tuple[int, int]] = []
        self.ended: list[tuple[int, int]] = []
        self.most = self.now = 0

    def attempt(self, job: Job, stopped: threading.Event | None = None) -> Attempt:
        key = job.number, job.attempt
        with self.lock:
            self.begun.append(key)
            self.now += 1
            self.most = max(self.most, self.now)
            fails = self.faults.get(key, 0)
            self.faults[key] = fails - 1
            self.lock.notify_all()
        try:
            if (stopped or threading.Event()).wait(self.lasts(*key)):
                raise Told
            if fails > 0:
                raise InfraError("the engine hiccups")
            return self._trained(job)
        finally:
            with self.lock:
                self.now -= 1
                self.ended.append(key)
                self.lock.notify_all()

    def _trained(self, job: Job) -> Attempt:
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / f"attempt-{job.attempt}.log").write_text(f"{job.name}, seed {job.seed}\n")
        told = job.source.split(b"\n")[0].split(b" = ")[1].decode()
        if told == "'crash'" or self.unlucky(job.seed):
            return factories.attempt(None, job.seed, Ending.CRASH, "as scripted")
        if job.checkpoint:
            job.checkpoint.write_text(job.name)
        noise = random.Random(job.seed).gauss(0, self.sigma)
        return factories.attempt(float(told) + noise, job.seed)

    def wait_for(self, what: Callable[[], bool]) -> None:
        with self.lock:
            assert self.lock.wait_for(what, 20), (self.begun, self.ended)


class Device:
    """One of the yard's."""

    def __init__(self, name: str, yard: Yard) -> None:
        self.name, self.yard, self.stopped = name, yard, threading.Event()
        self.evaluator = self

    def attempt(self, job: Job) -> Attempt:
        return self.yard.attempt(job, self.stopped)

    def stop(self, ended: Callable[[], bool]) -> None:
        self.stopped.set()

    def resume(self) -> None:
        self.stopped.clear()


class Light(Memory):
    """A run's record in memory, in a few milliseconds; its files are real."""

    def __init__(self, lab: Lab, folder: RunFolder, seed: int) -> None:
        super().__init__()
        self.lab, self.folder = lab, folder
        pins = Pins("a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64)
        self.header = Header(TAG, now(), "", pins, {}, seed)
        self.best = lab.train_py.read_bytes()

    def checkpoint(self, number: int) -> Path:
        return self.folder.trial(number) / "checkpoint.tar"


class Night:
    """A run of `lab` on so many devices of a yard; one device is the bench without a pool."""

    def __init__(
        self,
        lab: Lab,
        devices: int,
        yard: Yard,
        proposer: Any,
        faults: Any = None,
        seed: int = 77,
        light: bool = False,
        **agent: Any,
    ) -> None:
        self.yard, self.devices, self.proposer, self.watcher = yard, devices, proposer, Quiet()
        self.lab, self.repo, self.folder = lab, LabRepo(lab.root), RunFolder(lab.root, TAG)
        self.notes, self.agent = faults, AgentSettings(**agent)
        pins = Pins("a" * 64, "b" * 64, "sha256:" + "c" * 64, "d" * 64, lab.settings_digest())
        if light:
            self.folder.ensure()
            self.run: Any = Light(lab, self.folder, seed)
            return
        if not self.folder.exists():
            settings = dataclasses.asdict(lab.settings)
            self.folder.create(Header(TAG, now(), self.repo.base, pins, settings, seed, {"engine": "none"}))
        opened = open_run(lab, self.repo, self.folder, pins, {"engine": "none"}, lambda message: None)
        self.run = Undrawn(lab, self.repo, self.folder, opened.ledger, opened.header, {"engine": "none"})

    def go(self, rule: RatchetSettings | None = None, **limits: Any) -> Run:
        teller = Teller(self.watcher, self.folder)
        with ExitStack() as stack:
            if self.devices == 1:
                bench: Any = RunBench(self.run, self.yard, teller)  # type: ignore[arg-type]
            else:
                self.pool = Pool([Device(f"gpu {n}", self.yard) for n in range(self.devices)], teller.message)
                bench = Abreast(self.run, self.pool, teller)
                stack.callback(bench.close)
                stack.enter_context(self.pool)
            more = {"faults": self.notes} if self.notes is not None else {}
            loop = Loop(
                self.proposer, bench, self.run, self.watcher, rule or self.lab.settings.ratchet,
                agent=self.agent, devices=self.devices, floor=0.5, **more,
            )  # fmt: skip
            baseline = Proposal(self.lab.train_py.read_bytes(), "the lab's train.py", "baseline")
            loop.run(baseline, Limits(**limits))
        return self.run


def story(run: Any) -> list[Any]:
    """All that the ledger says but times of the day and what hangs on them."""
    told = []
    for entry in run.entries:
        attempts = [(a.seed, a.role, a.ending, a.detail, a.val_bpb, a.outcome.log) for a in entry.attempts]
        told.append(
            (entry.number, entry.proposal, entry.note, entry.status, entry.ending, entry.detail, entry.val_bpb,
             entry.incumbent_bpb, entry.best_bpb, attempts, entry.verdict, entry.suspicious)
        )  # fmt: skip
    return told


def files(folder: RunFolder) -> dict[str, str]:
    """What lies in the trials' folders: the logs and checkpoints with what is in them."""
    found = sorted(path for path in folder.trials.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder.trials)): path.read_text() if path.suffix in (".log", ".tar") else ""
        for path in found
    }


def versions(count: int, chance: random.Random) -> list[bytes]:
    """Some better, some alike, some worse, some that crash; no two the same."""
    best, made = 2.0, []
    for n in range(count):
        kind = chance.choice(["better", "alike", "worse", "worse", "crash"])
        if kind == "better":
            best -= chance.uniform(0.01, 0.05)
        score: float | str = best + {"worse": 0.05, "alike": 0.001}.get(kind, 0.0) + n * 1e-6
        made.append(source("crash" if kind == "crash" else score, 30 + n))
    return made


def wait_until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def lab_at(place: Path) -> Lab:
    import tamperlab

    return tamperlab.make(place, "calibrate_trials = 3")
