"""One attempt: train a version once in its box, then score what it left. Also draws samples from checkpoints.

Joins `sandbox/` (containers), `scoring/` (the arithmetic) and the lab's data. Decides nothing and records
nothing but a trial's own files. A checkpoint is carried as the engine's archive and never opened here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner import data
from runner.config import ScoreSettings
from runner.curve import Curve
from runner.errors import InfraError
from runner.lab import Lab
from runner.machine.device import Device
from runner.machine.host import Host
from runner.machine.telemetry import Watch, Watching
from runner.machine.vram import Vram
from runner.parts import Watcher
from runner.report.text import clean
from runner.sandbox.box import Box, Sandbox
from runner.sandbox.evidence import MemoryWatch
from runner.sandbox.payloads import PLACES
from runner.sandbox.volumes import archive
from runner.scoring.protocol import ModelFault
from runner.scoring.sample import sample
from runner.scoring.score import TRIES, allowance, load_limit, score
from runner.trial import Attempt, Ending, Outcome, Score
from runner.trust import Trust, again, broken
from runner.turn import turn

HOLDOUT_BLOCKS = 4  # pieces of the holdout text, whose scores differ by what a piece of text happens to be


@dataclass(frozen=True)
class Job:
    """One training to do. folder: where its log and curve go; checkpoint: where to keep what it left, or None."""

    tag: str
    number: int
    attempt: int  # from 0
    source: bytes
    seed: int
    folder: Path
    checkpoint: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.number:04d}-{self.attempt}"


class Evaluator:
    """Trains and scores versions of one lab's train.py. Loads the lab's data once; not for threads.

    watching: makes what watches the machine while one training is under way, given the folder that it writes to.
    """

    def __init__(
        self,
        lab: Lab,
        sandbox: Sandbox,
        watcher: Watcher,
        watching: Callable[[Path], Watching] | None = None,
    ) -> None:
        self._lab = lab
        self._sandbox = sandbox
        self._watcher = watcher
        self._manifest = data.load(lab.root)
        self._validation = data.split(lab.root, "val")
        self._decoys = data.split(lab.root, "train")
        self._token_bytes = data.token_bytes(lab.root)
        self._prepare = lab.prepare_files()
        self._scoring = lab.settings.score
        self._device = Device(sandbox.gpu) if sandbox.gpu else None
        self._vram = Vram(self._device, watcher.message) if self._device and self._device.known else None
        self._watching = watching or self._watch
        self._trust = Trust(lab.settings.trial.distrust, watcher.message)
        self._own: frozenset[int] = frozenset()  # processes of the last training on the GPU
        self._waited = 0.0  # for the GPU's memory, after the last box

    def attempt(self, job: Job) -> Attempt:
        """Trains and scores once, as its own `distrust` has it. wall_seconds has what was thrown away in it.

        Raises InfraError for faults of the machine and ours, never for those of the program.
        """
        thrown: list[Attempt] = []
        waited = 0.0
        while True:
            attempt, believed = self._once(job, len(thrown))
            waited += self._waited
            if believed:
                return again(attempt, thrown, waited)
            thrown.append(attempt)

    def _once(self, job: Job, thrown: int) -> tuple[Attempt, bool]:
        """One training, and whether it is believed; one that is not is not scored."""
        budget = self._lab.settings.trial.budget_seconds
        life = budget + 2 * TRIES * self._lab.settings.score.timeout_seconds + 120
        job.folder.mkdir(parents=True, exist_ok=True)
        with self._box(job.tag, job.name, job.source, life) as box:
            began = time.monotonic()  # it may have had to wait for the device
            watch = self._watching(job.folder)
            outcome = self._train(box, job, budget, watch)
            believed = self._trust.believes(outcome, thrown)
            if outcome.ending is not Ending.OK or not believed:
                failed = Attempt(job.seed, outcome.ending, outcome.detail, outcome, None, _since(began))
                return failed, believed
            try:
                # Loading must not be worth training in: it gets little more than training left of its budget.
                limit = load_limit(self._scoring.load_seconds, budget, outcome.train_seconds)
                settings = replace(self._scoring, load_seconds=limit)
                scored = self._score(box, self._validation, settings)
            except ModelFault as fault:
                broken(watch.broken(), f"the model ended with {fault.ending}: {fault.detail}")
                faulty = Attempt(
                    job.seed, fault.ending, fault.detail, outcome, None, _since(began), fault.numbers
                )
                return faulty, True
            if job.checkpoint:
                box.save_checkpoint(job.checkpoint)
        return Attempt(job.seed, Ending.OK, outcome.detail, outcome, scored, _since(began)), True

    @contextmanager
    def _box(self, tag: str, name: str, source: bytes, life: float) -> Iterator[Box]:
        """A box of the sandbox, once it is this process's turn on the device, which is left as it was found."""
        code = archive({**self._prepare, "train/train.py": source}, PLACES)
        device, stopped = self._sandbox.turns, self._sandbox.engine.stopping.is_set
        with ExitStack() as stack:
            if self._lab.settings.trial.takes_turns(gpu=bool(self._sandbox.gpu)):
                who = f"{self._lab.root}, run {tag}"
                stack.enter_context(turn(device, who, self._watcher.message, stopped=stopped))
            self._waited, self._own = 0.0, frozenset()
            if self._vram:
                self._vram.settle()
                stack.callback(self._given_back, self._vram)
            yield stack.enter_context(self._sandbox.box(tag, name, code, life))

    def _given_back(self, vram: Vram) -> None:
        self._waited = vram.afterwards(self._own)

    def _watch(self, folder: Path) -> Watching:
        """Of a host only where the training is on it."""
        local = self._sandbox.engine.local
        return Watch(self._device, Host(folder, self._sandbox.cpuset) if local else None)

    def _train(self, box: Box, job: Job, budget: float, watching: Watching) -> Outcome:
        curve = Curve(self._watcher)

        def tick(seconds: float, watch: MemoryWatch) -> None:
            curve.tick(seconds, watch)
            watching.tick(watch.container, watch.cpu_seconds)

        with watching:
            trained = box.train(budget, job.seed, curve.line, tick)
        told = watching.told(failed=trained.outcome.ending is not Ending.OK)
        telemetry, self._own = dict(told.telemetry), watching.own
        if self._vram:  # before a model is loaded beside what the training has left
            telemetry["memory_back_seconds"] = round(self._vram.wait(self._own), 3)
        log = job.folder / f"attempt-{job.attempt}.log"
        text = clean(trained.log, limit=len(trained.log) + 1)
        _write(log, text.encode())
        points = "".join(json.dumps(point) + "\n" for point in curve.points)
        _write(job.folder / f"attempt-{job.attempt}.curve.jsonl", points.encode())
        return replace(
            trained.outcome,
            log=f"{job.folder.name}/{log.name}",
            peak_vram_mb=told.vram_mb,
            telemetry=telemetry,
            marks=told.marks,
        )

    def floor(self) -> float:
        """Bits per byte of validation text below which a score is not believed; 0 where nothing can be said.

        It takes some seconds, once for a run.
        """
        from runner.scoring.floor import floor_bpb

        return floor_bpb(self._decoys, self._validation, self._token_bytes)

    def holdout(self, tag: str, source: bytes, checkpoint: Path) -> list[Score]:
        """The scores of a kept checkpoint on each of some blocks of the holdout text, the same blocks every time.

        Together they are as long as what is scored of the validation text. Raises ModelFault, InfraError.
        """
        blocks = self._holdout_blocks()
        settings = replace(self._scoring, tokens=max(1, self._scoring.tokens // len(blocks)))
        life = len(blocks) * (2 * TRIES * settings.timeout_seconds + 60)
        with self._box(tag, "holdout", source, life) as box:
            box.load_checkpoint(checkpoint)
            return [self._score(box, block, settings) for block in blocks]

    def _holdout_blocks(self) -> list[NDArray[Any]]:
        tokens = data.split(self._lab.root, "holdout")
        count = min(HOLDOUT_BLOCKS, max(1, len(tokens) // (8 * (self._manifest.window + 1))))
        return [np.asarray(block) for block in np.array_split(tokens, count)]

    def _score(self, box: Box, tokens: NDArray[Any], settings: ScoreSettings) -> Score:
        return score(
            lambda phase: box.channel(phase, settings.timeout_seconds),
            tokens,
            self._token_bytes,
            window=self._manifest.window,
            decoys=self._decoys,
            settings=settings,
            device=self._sandbox.device,
            allowed=allowance(self._sandbox.device, self._lab.settings.trial.budget_seconds),
            on_progress=self._watcher.scoring,
        )

    def sample(
        self,
        tag: str,
        source: bytes,
        checkpoint: Path,
        prompts: Sequence[str],
        count: int,
        temperature: float,
        seed: int,
    ) -> list[str]:
        """Each of `prompts` with what a kept checkpoint continues it with, in one container.

        Raises ModelFault, InfraError.
        """
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._lab.root / "data" / "tokenizer.json"))
        tokens = [[self._manifest.separator, *tokenizer.encode(prompt).ids] for prompt in prompts]
        settings = self._lab.settings.score
        with self._box(tag, "sample", source, settings.timeout_seconds + 60) as box:
            box.load_checkpoint(checkpoint)
            drawn = sample(
                lambda phase: box.channel(phase, settings.timeout_seconds),
                [np.asarray(one, dtype=np.int64) for one in tokens],
                count,
                window=self._manifest.window,
                vocabulary=self._manifest.vocab_size,
                settings=settings,
                temperature=temperature,
                seed=seed,
            )
        continued = (self._until_separator(one.tolist()) for one in drawn)
        return [clean(p + str(tokenizer.decode(c))) for p, c in zip(prompts, continued, strict=True)]

    def _until_separator(self, tokens: list[int]) -> list[int]:
        """What comes before the model ended its document."""
        return (
            tokens[: tokens.index(self._manifest.separator)] if self._manifest.separator in tokens else tokens
        )


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InfraError(
            f"{path} cannot be written: {os.strerror(error.errno or 0)}", "Free some disk space"
        ) from None
