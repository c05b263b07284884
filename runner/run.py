"""A run in progress: the record that the loop writes to, and the bench that it trains on.

Joins `record/` (git, ledger, files) and `report/` (plot) for `loop.Record`, and `evaluate.py` with the run's
own seeds for `loop.Bench`. Opening a run refuses one whose pins differ from those of its start.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner import ratchet
from runner.config import Settings
from runner.errors import UsageError
from runner.evaluate import Evaluator, Job
from runner.lab import Lab
from runner.machine.several import other_machine
from runner.parts import Trial, Values, Watcher
from runner.pinned import refuse_other_pins
from runner.record.files import now
from runner.record.ledger import Ledger
from runner.record.message import commit_message
from runner.record.reconcile import reconcile, record
from runner.record.repo import LabRepo
from runner.record.run import Header, RunFolder, atomic_write, existing, newest
from runner.record.tags import default_tag
from runner.report import text
from runner.report.tally_file import Keeper
from runner.seeds import seed_for
from runner.trial import Attempt, Entry, History, Pins, Role, Status, Verdict, digest, to_json

INCUMBENT_AGAIN = "the incumbent again, to know its score better"


def choose_tag(lab: Lab, repo: LabRepo, tag: str, *, new: bool) -> str:
    """`tag` if one is given, else the run that was recorded last, else (or if `new`) a fresh one of today."""
    if tag and not new:
        return tag
    known = existing(lab.root)
    if tag and tag in {*known, *repo.tags()}:
        raise UsageError(
            f"run {tag} exists already", "Take another --tag, or leave out --new-tag to go on with it"
        )
    if not new and (last := newest(lab.root)):
        return last.tag
    return tag or default_tag({*known, *repo.tags()}, datetime.now(UTC).date())


class Run:
    """One run, opened under its lock by `opened`. Implements `loop.Record`."""

    def __init__(
        self,
        lab: Lab,
        repo: LabRepo,
        folder: RunFolder,
        ledger: Ledger,
        header: Header,
        machine: dict[str, Any],
    ) -> None:
        self.lab, self.repo, self.folder, self.ledger, self.header = lab, repo, folder, ledger, header
        self._machine = machine
        self._keeper = Keeper(folder.tally)
        self.on_message: Callable[[str], None] = lambda _: None
        self.on_kept: Callable[[Entry], None] = lambda _: None

    @property
    def entries(self) -> Sequence[Entry]:
        return self.ledger.entries

    @property
    def incumbent(self) -> Entry | None:
        return next((e for e in reversed(self.entries) if e.status is Status.KEEP), None)

    def history(self) -> History:
        best = self.incumbent
        source = self.repo.source(best.commit if best else self.header.base)
        return History(self.folder.tag, tuple(self.entries), source, self.lab.program(), self.header.seed)

    def write(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        """Commit beside the branch; then ledger, branch, results.tsv; then the plot, whose fault is only told."""
        entry = self._entry(trial, verdict, status, values)
        folder = self.folder.trial(entry.number)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "train.py", trial.proposal.source)
        atomic_write(folder / "outcome.json", (json.dumps(to_json(entry), indent=1) + "\n").encode())
        for message in record(self.repo, self.folder, self.ledger, entry):
            self.on_message(message)
        self.count()
        if entry.status is not Status.KEEP:
            self.checkpoint(entry.number).unlink(missing_ok=True)
        self.draw()
        if entry.status is Status.KEEP:
            self.on_kept(entry)
        return self.ledger.entries[-1]

    def count(self) -> None:
        """The tally that `runner status` need not make again."""
        self._keeper.keep(self.ledger.entries, self.ledger.head)

    def draw(self) -> None:
        """progress.png, whose fault is only told."""
        try:
            from runner.report import plot  # brings matplotlib

            plot.draw(self.entries, self.folder.plot, self.folder.tag)
        except Exception as error:  # a drawing: whatever is wrong with it, the run goes on
            self.on_message(f"progress.png could not be drawn: {error}")

    def _entry(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        proposal, best = trial.proposal, self.incumbent
        parent = best.commit if best else self.header.base
        message = self._message(trial, values)
        return Entry(
            number=trial.number,
            time=now(),
            commit=self.repo.commit_trial(self.folder.tag, trial.number, parent, proposal.source, message),
            parent_commit=parent,
            proposal=proposal.digest,
            note=text.line(proposal.note, 200),
            agent=proposal.agent,
            status=status,
            ending=trial.last.ending,
            detail=trial.last.detail,
            val_bpb=values.own,
            incumbent_bpb=values.incumbent,
            best_bpb=values.best,
            attempts=tuple(trial.attempts),
            verdict=verdict,
            pins=self.header.pins,
            meta=proposal.meta,
            machine=self._machine,
            timings=_timings(trial),
            suspicious=trial.suspicious,
            derived_from=proposal.parent,
            basis=self._basis(trial),
        )

    def _basis(self, trial: Trial) -> dict[str, Any]:
        """What the verdict rests on; with the baseline the header too, so that the ledger's chain covers it."""
        told = ratchet.shortened(trial.basis, self.header.settings.get("ratchet", {}))
        return told if trial.number else {**told, "header": digest(self.folder.run_json.read_bytes())}

    def _message(self, trial: Trial, values: Values) -> str:
        note = text.line(trial.proposal.note, 200)
        return commit_message(self.folder.tag, trial.number, note, trial.proposal.agent, values.own)

    def checkpoint(self, number: int) -> Path:
        """Where a trial's checkpoint is kept, as an archive that only containers open; kept trials have one."""
        return self.folder.trial(number) / "checkpoint.tar"


class RunBench:
    """`loop.Bench`: trainings of one run, with seeds of its own and files in its folder."""

    def __init__(self, run: Run, evaluator: Evaluator, watcher: Watcher) -> None:
        self._run, self._evaluator, self._watcher = run, evaluator, watcher

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        """One training of the proposal, or of the incumbent it is compared with. Raises InfraError."""
        folder, index = self._run.folder, len(trial.attempts)
        place = folder.trial(trial.number) if index else folder.new_trial(trial.number)
        seed = seed_for(self._run.header.seed, trial.number, index)
        own = role is not Role.INCUMBENT
        note = trial.proposal.note if own else INCUMBENT_AGAIN
        budget = self._run.lab.settings.trial.budget_seconds
        self._watcher.training(trial.number, note, index, seed, budget)
        source = trial.proposal.source if own else trial.incumbent
        keep = self._run.checkpoint(trial.number) if own else None
        job = Job(folder.tag, trial.number, index, source, seed, place, keep)
        return replace(self._evaluator.attempt(job), role=role)


def _timings(trial: Trial) -> dict[str, float]:
    """Seconds of the trial by what they went into."""
    training = sum(a.outcome.train_seconds for a in trial.attempts)
    scoring = sum(a.score.seconds for a in trial.attempts if a.score)
    other = sum(a.wall_seconds for a in trial.attempts) - training - scoring
    spent = {"agent": trial.agent_seconds, "training": training, "scoring": scoring, "other": other}
    return {what: round(seconds, 3) for what, seconds in spent.items()}


def open_run(
    lab: Lab,
    repo: LabRepo,
    folder: RunFolder,
    pins: Pins,
    machine: dict[str, Any],
    say: Callable[[str], None],
    data: Mapping[str, Any] | None = None,
) -> Run:
    """Starts or resumes the run; the caller holds its lock. Raises UsageError where the pins differ.

    data: what is told of the lab's data (`pinned.told_of`).
    """
    told = dict(data or {})
    if not folder.exists():
        seed = secrets.randbelow(1 << 31)
        header = Header(folder.tag, now(), repo.base, pins, _plain(lab.settings), seed, machine, data=told)
        folder.create(header)
    header = folder.header()
    whose = f"run {folder.tag}"
    refuse_other_pins(header.pins, pins, whose, header.settings, lab.settings, (header.data, told))
    refuse_other_machine(header.machine, machine, f"run {folder.tag}")
    shutil.rmtree(folder.ahead, ignore_errors=True)  # of a run on several devices that was killed
    ledger = Ledger(folder.ledger)
    for message in reconcile(repo, folder, ledger):
        say(message)
    run = Run(lab, repo, folder, ledger, header, machine)
    run.on_message = say
    run.count()
    return run


def refuse_other_machine(recorded: Mapping[str, Any], now: Mapping[str, Any], whose: str) -> None:
    """Raises UsageError where scores measured now would not compare with those on record: another GPU, driver or
    processor.
    """
    if found := other_machine(recorded, now):
        raise UsageError(
            f"the scores of {whose} were measured on {found[0]}, and trials would now run on {found[1]}: "
            "they compare only within one GPU model and driver, and one processor",
            "Go on with it on the machine and the device it was begun on (--gpus, AUTORESEARCH_GPU), "
            "or start a new run: runner go --new-tag",
        )


def _plain(settings: Settings) -> dict[str, Any]:
    return dataclasses.asdict(settings)


def remove_run(lab: Lab, repo: LabRepo, tag: str) -> list[str]:
    """Branch, refs, worktree and folder of a run; the names of what was removed. Refused while it is under way."""
    folder = RunFolder(lab.root, tag)
    if not folder.path.exists() and repo.tip(tag) is None:
        raise UsageError(
            f"there is no run {tag}", f"runs/ has: {', '.join(existing(lab.root)) or 'no run yet'}"
        )
    with folder.lock():
        removed = repo.remove_run(tag)
        shutil.rmtree(folder.path)
    return [*removed, str(folder.path)]
