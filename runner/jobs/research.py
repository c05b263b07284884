"""`runner go`: builds the parts of the loop, lets it run, scores the holdout text, shows what it found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import click

from runner import assemble, holdouts, track
from runner import lab as labs
from runner.abreast import Abreast, Anywhere, Trainer
from runner.agents import constants
from runner.agents.chosen import ChosenFirst
from runner.agents.fault import AgentFault
from runner.current import Teller
from runner.errors import InfraError, RunnerError, UsageError
from runner.evaluate import Evaluator
from runner.jobs import calibrate, proposers, report, samples
from runner.lab import Lab
from runner.loop import Loop
from runner.notify.notifier import Notifier, Post
from runner.notify.senders import Sender, senders
from runner.parts import Bench, Limits, Watcher
from runner.pinned import told_of
from runner.pool import Pool
from runner.ratchet import Noise
from runner.record import faults
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, atomic_write
from runner.report import consoles
from runner.report.page.material import end_of
from runner.report.screen import Screen
from runner.report.status import summary
from runner.run import Run, RunBench, choose_tag, open_run
from runner.scoring.protocol import ModelFault
from runner.track import follow
from runner.track.follow import Following
from runner.trial import Ending, Entry, Proposal, Score

LOG_TAIL = 4000  # bytes of a trial's log that a proposer is shown


def go(
    lab: Lab,
    *,
    tag: str,
    new_tag: bool,
    max_trials: int | None,
    max_hours: float | None,
    until: float | None,
    max_cost: float | None,
    accept: int | None,
    holdout: bool,
    trackers: Sequence[str] = (),
    gpus: str = "",
) -> None:
    """One run, started or resumed, until a limit or an interrupt; then a table of it.

    accept: a trial set aside as suspicious, to be judged first, whatever its score. holdout: whether to score the
    holdout text at the end, where that is due. gpus: the devices that train side by side (`machine/several.py`).
    """
    repo = LabRepo(lab.root)
    folder = RunFolder(lab.root, choose_tag(lab, repo, tag, new=new_tag))
    source = labs.read_source(lab.train_py, lab.settings.trial.source_kb)
    told = senders(lab.settings.notify, lab.root)
    for name in trackers:
        track.check(name)
    with folder.lock(), ExitStack() as stack:
        screen = stack.enter_context(Screen(consoles.progress()))
        for path in repo.dirty(["train/train.py", "prepare", "program.md"]):
            screen.message(f"{path} differs from the last commit; this run uses the file as it is")
        for warning in constants.warnings(constants.find(source)):
            screen.message(warning)
        shop = stack.enter_context(assemble.workshop(lab, screen, gpus))
        ends = None if max_hours is None else time.time() + 3600 * max_hours
        if lab.settings.ratchet.max_vram_mb and shop.gpu is None:
            raise UsageError("ratchet.max_vram_mb is set, and trials run without a GPU", "Set it to 0")
        teller = Teller(screen, folder, max_trials, ends, max_cost)
        run = open_run(lab, repo, folder, shop.pins(), shop.machine(), teller.message, told_of(shop.manifest))
        pages = report.Pages(lab.root, folder)
        stack.callback(_finish, screen, run, pages)
        bench, evaluator = _bench(stack, lab, shop, run, teller)
        run.on_kept = lambda entry: _keep_sample(run, pages, evaluator, entry.number)
        wrong = faults.read(folder.faults).usage
        screen.resume(folder.tag, max_trials, run.entries, hours=max_hours, cost=max_cost, spent=wrong)
        watcher: Watcher = stack.enter_context(_notified(lab, run, teller, told))
        for name in sorted(set(trackers)):
            watcher = stack.enter_context(_tracked(lab, run, watcher, name))
        limits = Limits(max_trials, max_hours, until, max_cost)
        proposer = stack.enter_context(
            proposers.proposer(lab, screen.step, _log_tail(run), folder.path, limits)
        )
        chosen = None if accept is None else _accepted(run, accept)
        loop = Loop(
            teller.asked(ChosenFirst(chosen, proposer) if chosen else proposer),
            bench,
            run,
            watcher,
            lab.settings.ratchet,
            agent=lab.settings.agent,
            faults=teller.telling(faults.FaultLog(folder.faults)),
            floor=0.0 if max_trials == 0 else _floor(run, evaluator, teller),
            accepted=frozenset({chosen.digest} if chosen else ()),
            known=_measured(run, teller),
            devices=len(shop.sandboxes),
        )
        try:
            loop.run(Proposal(source, "the lab's train.py", "baseline"), limits)
        except (KeyboardInterrupt, AgentFault):
            if holdout and holdouts.due(run.entries, holdouts.read(folder.holdout)):
                teller.message("the holdout text was not scored at this end: runner go --max-trials 0 does it")
            raise
        if holdout:
            _score_holdout(run, evaluator, teller)


def _bench(
    stack: ExitStack, lab: Lab, shop: assemble.Workshop, run: Run, teller: Teller
) -> tuple[Bench, Evaluator | Anywhere]:
    """Where trials are trained, and who draws samples and scores the holdout text."""
    if len(shop.sandboxes) == 1:
        evaluator = Evaluator(lab, shop.sandbox, teller)
        return RunBench(run, evaluator, teller), evaluator
    _crowded(shop, teller)
    devices = [
        Trainer(slot.name, Evaluator(lab, sandbox, teller.slot(slot.name)), sandbox)
        for slot, sandbox in zip(shop.slots, shop.sandboxes, strict=True)
    ]
    pool = Pool(devices, teller.message)
    bench = Abreast(run, pool, teller)
    stack.callback(bench.close)
    stack.enter_context(pool)
    return bench, Anywhere(pool)


def _crowded(shop: assemble.Workshop, teller: Teller) -> None:
    """Tells where trainings side by side may want more memory than the engine's machine has."""
    there = int(shop.engine.raw.get("MemTotal") or 0) >> 20
    count, each = len(shop.sandboxes), shop.lab.settings.trial.memory(gpu=shop.gpu is not None)
    if count * each > there:
        teller.message(
            f"{count} trainings side by side may take {count * each:,} MiB of memory, and the machine has {there:,}: "
            "the kernel may end one of them. Lower trial.memory_mb, or name fewer devices"
        )


def _notified(lab: Lab, run: Run, watcher: Watcher, told: Sequence[Sender]) -> Notifier:
    """`watcher`, and whoever `[notify]` names beside it."""
    events = lab.settings.notify.events if told else ()
    post, folder = Post(told, watcher.message), run.folder
    return Notifier(watcher, post, folder.tag, events, lambda: run.entries, lambda: faults.read(folder.faults))


def _tracked(lab: Lab, run: Run, watcher: Watcher, name: str) -> Following:
    later = f"runner track {run.folder.tag} --to {name}"
    return Following(watcher, follow.command(lab.root, run.folder.tag, name), name, later)


def _finish(screen: Screen, run: Run, pages: report.Pages) -> None:
    """However a run ends: nothing is under way any more, and what it has found is shown."""
    run.folder.set_current(None)
    screen.close()
    if run.entries:
        wrong, held = faults.read(run.folder.faults), holdouts.read(run.folder.holdout)
        consoles.results().print(summary(run.folder.tag, run.entries, faults=wrong, holdout=held))
        if run.folder.plot.exists():
            click.echo(f"plot: {run.folder.plot}", err=True)
        report.refresh(pages, run.on_message)


def _measured(run: Run, teller: Teller) -> Noise:
    """What `runner calibrate` found under the pins of this run."""
    noise = calibrate.measured(run.folder, run.header.pins, run.header.machine)
    if noise.known:
        teller.message(
            f"noise known from a calibration: sigma {noise.sigma:.4f} ({noise.df} degrees of freedom)"
        )
    return noise


def _accepted(run: Run, number: int) -> Proposal:
    """A trial that a person believes, as a proposal of theirs: trained and judged anew, under fresh seeds."""
    entry = run.entries[number] if number < len(run.entries) else None
    if entry is None or not entry.suspicious:
        raise UsageError(
            f"trial {number} of {run.folder.tag} was not set aside as suspicious", "See: runner status"
        )
    note = f"trial {number} again, accepted by a person: {entry.note}"
    return Proposal(run.repo.source(entry.commit), note, "person", entry.derived_from, {"accepts": number})


def _floor(run: Run, evaluator: Evaluator | Anywhere, watcher: Watcher) -> float:
    """The floor for scores, reckoned once for a run: its pins fix what it depends on."""
    try:
        return float(json.loads(run.folder.floor.read_bytes())["bpb"])
    except (OSError, ValueError, TypeError, KeyError):
        with watcher.step("what score the text allows"):
            floor = evaluator.floor()
        atomic_write(run.folder.floor, json.dumps({"bpb": floor}).encode())
        return floor


def _score_holdout(run: Run, evaluator: Evaluator | Anywhere, watcher: Watcher) -> None:
    """Once for each incumbent. A fault of it is told, no more: the run is over, and nothing depends on it."""

    def score(entry: Entry) -> Sequence[Score]:
        with watcher.step(f"holdout text, trial {entry.number}"):
            source = run.repo.source(entry.commit)
            try:
                return evaluator.holdout(run.folder.tag, source, run.checkpoint(entry.number))
            except ModelFault as fault:
                if fault.ending in (Ending.AUDIT, Ending.INVALID):
                    raise holdouts.Refused(entry, fault.detail) from None
                raise InfraError(
                    f"trial {entry.number}: {fault.detail}"
                ) from None  # a slow machine: another time

    try:
        holdouts.look(run.folder.holdout, run.entries, score)
    except (RunnerError, OSError) as error:
        watcher.message(f"the holdout text could not be scored: {error}")


def _keep_sample(run: Run, pages: report.Pages, evaluator: Evaluator | Anywhere, number: int) -> None:
    """Texts from a version just kept, beside its other files. A fault of it is told, no more."""
    try:
        samples.keep(run.folder, run.repo, evaluator, number, run.lab.settings.sample)
    except Exception as error:  # of a tokenizer's library, too: nothing depends on a sample
        run.on_message(f"no sample could be drawn from trial {number}: {error}")
    report.refresh(pages, run.on_message)


def _log_tail(run: Run) -> Callable[[int], str]:
    def tail(number: int) -> str:
        if number >= len(run.entries):
            return ""
        return end_of(run.folder.log_of(run.entries[number]), LOG_TAIL).decode("utf-8", "replace")

    return tail
