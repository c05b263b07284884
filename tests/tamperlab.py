"""Real records of runs without an engine: the real loop, the real record and real git, over a bench that reads scores.

A version of train.py here says its own true score; the bench adds noise under the seed that the runner drew. Everything
else is as `runner go` does it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import recordlab
from test_loop import Quiet

from runner import holdouts
from runner.config import RatchetSettings
from runner.lab import Lab, open_lab
from runner.loop import Loop
from runner.parts import Limits, Trial
from runner.ratchet.noise import UNKNOWN, Noise
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.run import Run, open_run
from runner.seeds import seed_for
from runner.trial import Attempt, Ending, History, Pins, Proposal, Role, digest

TAG = "nov23"
SIGMA = 0.002
LINES = 30  # of a train.py, so that it has tokens to be shortened by
FLOOR = 0.5


def source(score: float | str, lines: int = LINES) -> bytes:
    """A train.py with this true score, or one that crashes."""
    return f"SCORE = {score!r}\n".encode() + b"".join(b"x%d = %d\n" % (i, i) for i in range(lines))


BASELINE = source(2.0)
# Trials of the master run: gains, losses, a crash, a gain within the noise, a score that no one believes.
SCRIPT = (2.05, 1.95, "crash", 1.951, 2.0, 1.90, 1.899, 0.7, 1.85, 1.9, 1.84, 1.86)


class Listed:
    """Proposes one version after the other."""

    name = "listed"

    def __init__(self, sources: Sequence[bytes]) -> None:
        self.sources, self.asked = list(sources), 0

    def propose(self, history: History) -> Proposal:
        self.asked += 1  # what was asked for ahead of time may be one too many, or be dropped
        made = self.sources.pop(0) if self.sources else source(2.3 + self.asked / 1000)
        return Proposal(
            made,
            f"try {len(history.entries)}: {made.split()[2].decode()}",
            self.name,
            digest(history.incumbent),
        )


class Undrawn(Run):
    """A run without its plot, which takes longer to draw than all else here."""

    def draw(self) -> None: ...


class ReadsScores:
    """A bench that trains nothing."""

    def __init__(self, run: Run, sigma: float = SIGMA) -> None:
        self.run, self.sigma = run, sigma

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        seed = seed_for(self.run.header.seed, trial.number, len(trial.attempts))
        text = trial.incumbent if role is Role.INCUMBENT else trial.proposal.source
        told = text.split(b"\n")[0].split(b" = ")[1].decode()
        if told == "'crash'":
            return factories.attempt(None, seed, Ending.CRASH, "RuntimeError: shapes do not fit", role)
        noise = random.Random(seed).gauss(0, self.sigma)
        done = factories.attempt(float(told) + noise, seed, role=role)
        seconds = 6.2 + 2 * random.Random(seed + 1).random()
        return replace(done, score=factories.score(float(told) + noise, seconds=seconds))


def make(place: Path, rule: str = "", top: Path | None = None, baseline: bytes = BASELINE) -> Lab:
    """A committed lab with these settings of [ratchet]."""
    recordlab.make_lab(place, top, baseline)
    (place / "runner.toml").write_text(f"[ratchet]\n{rule}\n")
    (place / "program.md").write_text("Make it better.\n")
    recordlab.git(top or place, "add", "-A")
    recordlab.git(top or place, "commit", "-qm", "settings")
    return open_lab(place)


def go(
    lab: Lab,
    script: Sequence[float | str | bytes] = (),
    *,
    rule: RatchetSettings | None = None,
    known: Noise = UNKNOWN,
    accept: int | None = None,
    floor: float = FLOOR,
    sigma: float = SIGMA,
    ahead: int = 0,
) -> Run:
    """One start of a run: it goes on where there is one."""
    repo, folder = LabRepo(lab.root), RunFolder(lab.root, TAG)
    pins = Pins("a" * 64, "b" * 64, "sha256:" + "c" * 64, "d" * 64, lab.settings_digest())
    opened = open_run(lab, repo, folder, pins, {"engine": "none"}, lambda message: None)
    run = Undrawn(lab, repo, folder, opened.ledger, opened.header, {"engine": "none"})
    versions = [one if isinstance(one, bytes) else source(one) for one in script]
    accepted: frozenset[str] = frozenset()
    if accept is not None:
        versions.insert(0, repo.source(run.entries[accept].commit))
        accepted = frozenset({digest(versions[0])})
    loop = Loop(
        Listed(versions), ReadsScores(run, sigma), run, Quiet(), rule or lab.settings.ratchet,
        agent=replace(lab.settings.agent, ahead=ahead), floor=floor, accepted=accepted, known=known,
    )  # fmt: skip
    loop.run(
        Proposal(lab.train_py.read_bytes(), "the lab's train.py", "baseline"), Limits(trials=len(versions))
    )
    return run


def look_at_holdout(run: Run) -> None:
    """What the end of a run does, with scores that a bench would find."""

    def score(entry: Any) -> list[Any]:
        own = entry.val_bpb or 0.0
        return [factories.score(own + 0.01 * block, bytes=1000 + block) for block in range(4)]

    holdouts.look(run.folder.holdout, run.entries, score)


def master(place: Path) -> Lab:
    """The record that is tampered with: 13 trials, 5 of them kept or more, faults, a look at the holdout."""
    lab = make(place)
    run = go(lab, SCRIPT)
    look_at_holdout(run)
    run.folder.faults.write_bytes(b'{"time":"2026-01-01T00:00:00Z","kind":"unchanged"}\n')
    run.folder.floor.write_text('{"bpb": 0.5}')
    return lab
