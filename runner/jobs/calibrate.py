"""`runner calibrate`: trains one version again and again and reports the noise.

Every training is written down as soon as it is scored, so that an interrupted calibration goes on where it
stopped. Nothing in a run's ledger or branch changes: the trainings lie in `calibration.json` of the run's folder, or
of `runs/` where there is no run, and a start of `runner go` under the same pins and on the same kind of
machine takes their noise into account.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from runner import assemble, config
from runner import lab as labs
from runner.errors import UsageError
from runner.evaluate import Evaluator, Job
from runner.jobs import views
from runner.lab import Lab
from runner.machine.several import other_machine
from runner.ratchet.calibration import Training, calibrate, independent, sentences
from runner.ratchet.noise import UNKNOWN, Noise, estimate
from runner.record.files import atomic_write
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, existing
from runner.report import consoles
from runner.report.screen import Screen
from runner.run import refuse_other_machine
from runner.trial import Attempt, Ending, Pins, Status, digest

NAME = "calibration.json"
REPEAT_EVERY = 3  # of the trainings one takes a seed again that was trained before


@dataclass
class Store:
    """The trainings of calibrations under one set of pins on one kind of machine, by the digest of what was trained."""

    path: Path
    pins: Pins
    machine: Mapping[str, Any]
    trainings: dict[str, list[Training]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, pins: Pins, machine: Mapping[str, Any]) -> Store:
        """What lies at `path` if its scores compare with those made now; else nothing, and it is replaced when written.

        machine: `Workshop.machine`.
        """
        store = cls(path, pins, machine)
        try:
            raw = json.loads(path.read_bytes())
            if Pins(**raw["pins"]) == pins and not other_machine(raw.get("machine", {}), machine):
                found = raw["trainings"].items()
                store.trainings = {key: [Training(**each) for each in several] for key, several in found}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{path} cannot be read: {error}", "Remove it and calibrate again") from None
        return store

    def add(self, version: str, training: Training) -> None:
        """Remembered, and on the disk on return. Raises UsageError or InfraError where it cannot be written."""
        self.trainings.setdefault(version, []).append(training)
        known = {key: [asdict(each) for each in several] for key, several in self.trainings.items()}
        whole = {"version": 1, "pins": asdict(self.pins), "machine": dict(self.machine), "trainings": known}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, (json.dumps(whole, indent=1) + "\n").encode())

    def noise(self) -> Noise:
        """Of all versions, from different seeds only."""
        return estimate(independent(several) for several in self.trainings.values())


def measured(folder: RunFolder, pins: Pins, machine: Mapping[str, Any]) -> Noise:
    """What calibrations of this run, or of the lab before it, say of the noise under these pins on `machine`."""
    for path in (folder.path / NAME, folder.runs / NAME):
        try:
            noise = Store.open(path, pins, machine).noise()
        except UsageError:
            continue  # for a decision a damaged file is none
        if noise.known:
            return noise
    return UNKNOWN


@dataclass(frozen=True)
class Version:
    """What is calibrated: its source, where its trainings are kept, and words for it."""

    source: bytes
    what: str
    path: Path
    folder: RunFolder | None = None

    @property
    def digest(self) -> str:
        return digest(self.source)


def version(lab: Lab, tag: str) -> Version:
    """The incumbent of the run `tag`, or of the newest; the lab's train.py where there is none."""
    if not tag and not existing(lab.root):
        source = labs.read_source(lab.train_py, lab.settings.trial.source_kb)
        return Version(source, "the lab's train.py", lab.root / "runs" / NAME)
    folder = views.run_folder(lab.root, tag)
    kept = [entry for entry in Ledger(folder.ledger).entries if entry.status is Status.KEEP]
    if not kept:
        raise UsageError(f"run {folder.tag} has no baseline yet", "Start it: runner go --max-trials 0")
    what = f"trial {kept[-1].number} of {folder.tag}, its incumbent"
    return Version(LabRepo(lab.root).source(kept[-1].commit), what, folder.path / NAME, folder)


def seeds(done: Sequence[int], wanted: int, *, same: bool) -> Iterator[int]:
    """The seeds of the trainings that are left, after those `done`.

    One in REPEAT_EVERY takes again the seed trained longest ago that has no repeat yet; with `same` all take one.
    """
    used = list(done)
    for position in range(len(used), wanted):
        single = [seed for seed in dict.fromkeys(used) if used.count(seed) == 1]
        again = single and position % REPEAT_EVERY == REPEAT_EVERY - 1
        if same and used:
            seed = used[0]
        elif again:
            seed = single[0]
        else:
            seed = secrets.randbelow(1 << 31)
        used.append(seed)
        yield seed


def run(lab: Lab, tag: str, trials: int, *, same_seed: bool, as_json: bool) -> None:
    """Trains until `trials` trainings are known, then prints the report; also of what there is on an interrupt."""
    chosen = version(lab, tag)
    with ExitStack() as stack:
        if chosen.folder:
            stack.enter_context(chosen.folder.lock())
            lab = as_recorded(lab, chosen.folder)
        screen = stack.enter_context(Screen(consoles.progress()))
        shop = stack.enter_context(assemble.workshop(lab, screen))
        if chosen.folder:
            header, whose = chosen.folder.header(), f"run {chosen.folder.tag}"
            shop.refuse_other(header, whose)
            refuse_other_machine(header.machine, shop.machine(), whose)
        store = Store.open(chosen.path, shop.pins(), shop.machine())
        known = store.trainings.setdefault(chosen.digest, [])
        if known:
            screen.message(f"{len(known)} trainings of {chosen.what} are known from before")
        try:
            failed = _train(lab, shop, screen, store, chosen, trials, same=same_seed)
        except KeyboardInterrupt:
            screen.close()
            _print(lab, chosen, known, [], trials, as_json=as_json)
            raise
        screen.close()
        _print(lab, chosen, known, failed, trials, as_json=as_json)


def as_recorded(lab: Lab, folder: RunFolder) -> Lab:
    """The lab with the run's own settings of trial, score and rule, which the command line may have given it."""
    then = config.from_dict(dict(folder.header().settings), str(folder.run_json))
    settings = dataclasses.replace(lab.settings, trial=then.trial, score=then.score, ratchet=then.ratchet)
    return Lab(lab.root, settings)


def _train(
    lab: Lab,
    shop: assemble.Workshop,
    screen: Screen,
    store: Store,
    chosen: Version,
    trials: int,
    *,
    same: bool,
) -> list[Attempt]:
    """The trainings that are left; those of them that did not end ok."""
    evaluator, known = Evaluator(lab, shop.sandbox, screen), store.trainings[chosen.digest]
    failed: list[Attempt] = []
    place = chosen.path.parent / "calibration"
    name = chosen.folder.tag if chosen.folder else "calibrate"
    for seed in seeds([training.seed for training in known], trials, same=same):
        index, began = len(known) + len(failed), time.time()
        screen.training(0, chosen.what, index, seed, lab.settings.trial.budget_seconds)
        attempt = evaluator.attempt(Job(name, 0, index, chosen.source, seed, place))
        screen.scored(0, attempt)
        if attempt.val_bpb is None:
            failed.append(attempt)
            if not known:
                raise UsageError(
                    f"{chosen.what} ended with {attempt.ending}: {attempt.detail}",
                    f"There is no noise to measure. Its log: {place / f'attempt-{index}.log'}",
                )
        else:
            store.add(chosen.digest, Training(seed, attempt.val_bpb, began))
    return failed


def _print(
    lab: Lab,
    chosen: Version,
    known: Sequence[Training],
    failed: Sequence[Attempt],
    wanted: int,
    *,
    as_json: bool,
) -> None:
    found = calibrate(known, lab.settings.ratchet) if known else None
    if as_json:
        click.echo(json.dumps(_facts(chosen, found.as_dict() if found else {}, failed, wanted)))
        return
    click.echo(f"{chosen.what}, {lab.settings.trial.budget_seconds:g} s a training")
    if not found:
        click.echo("no training has been scored yet")
        return
    for line in sentences(found):
        click.echo(line)
    for attempt in failed:
        click.echo(f"failed    seed {attempt.seed}: {attempt.ending}, {attempt.detail}")


def _facts(chosen: Version, found: Mapping[str, Any], failed: Sequence[Attempt], wanted: int) -> dict[str, Any]:
    """The object of `runner calibrate --json`."""
    ended = [
        {"seed": a.seed, "ending": str(a.ending), "detail": a.detail}
        for a in failed
        if a.ending is not Ending.OK
    ]
    tag = chosen.folder.tag if chosen.folder else None
    done = len(found.get("trainings", ()))
    return {"tag": tag, "version": chosen.digest, "wanted": wanted, "done": done, **found, "failed": ended}
