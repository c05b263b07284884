"""`runner replay N`: trains a recorded trial's version again and says whether it reproduces.

Under the pins of its record or not at all. It reads the ledger and writes nothing there: logs and a report go to
`replays/` in the run's folder.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import click

from runner import assemble, ratchet
from runner.errors import InfraError
from runner.evaluate import Evaluator, Job
from runner.jobs import views
from runner.jobs.calibrate import as_recorded, measured
from runner.lab import Lab
from runner.machine.several import other_machine
from runner.ratchet.noise import UNKNOWN, Noise
from runner.ratchet.reproduce import Reproduction, reproduces
from runner.record.files import atomic_write, fresh, stamp
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.report import consoles
from runner.report.screen import Screen
from runner.trial import Attempt, Ending, Entry, Role, Status, digest


@dataclass(frozen=True)
class Answer:
    """Whether it reproduces, in words and numbers. None: it cannot be told."""

    same: bool | None
    sentence: str
    numbers: Reproduction | None = None


def recorded(entries: Sequence[Entry], number: int) -> list[Attempt]:
    """The trainings on record that speak for the version of trial `number`, fairest first.

    Of a kept version those after it was chosen, and what it was trained again while it was the incumbent; the
    scores that chose it are lucky ones. Of any other all that it had.
    """
    entry = entries[number]
    if entry.status is not Status.KEEP:
        roles = (Role.CANDIDATE, Role.AFRESH) if entry.status is Status.CRASH else (Role.CANDIDATE,)
        return [a for a in entry.attempts if a.role in roles]
    own = [a for a in entry.attempts if a.role is Role.AFRESH]
    if not own:  # the baseline, and versions that a rule keeps by one score
        own = [a for a in entry.attempts if a.role is Role.CANDIDATE]
    for later in entries[number + 1 :]:
        own += [a for a in later.attempts if a.role is Role.INCUMBENT and a.score]
        if later.status is Status.KEEP:
            break
    return own


def noise_without(entries: Sequence[Entry], number: int, known: Noise = UNKNOWN) -> Noise:
    """The run's noise without the version of trial `number`, whose scatter `reproduces` adds itself.

    Groups are those of `Standing`: the counted trainings of each incumbent, the reruns of each candidate. known:
    what calibrations found.
    """
    groups: list[tuple[float, ...]] = []
    for at, entry in enumerate(entries):
        if at == number:
            continue
        if entry.status is Status.KEEP:
            groups.append(tuple(a.score.val_bpb for a in recorded(entries, at) if a.score))
        if at and not entry.suspicious and entry.status is not Status.CRASH:
            groups.append(ratchet.confirmations(ratchet.scores(entry.attempts, Role.CANDIDATE)))
    return ratchet.update(known, groups)


def judge(old: Sequence[Attempt], new: Sequence[Attempt], noise: Noise) -> Answer:
    """The answer from the trainings on record and the new ones, one at least of each."""
    was, became = _failed(old), _failed(new)
    if was or became:
        ended = [f"{attempt.ending} ({attempt.detail})" if attempt else "ok" for attempt in (was, became)]
        alike = bool(was and became and was.ending is became.ending)
        verb = "reproduces" if alike else "does not reproduce"
        return Answer(alike, f"It {verb}: it ended {ended[1]} again, {ended[0]} on record.")
    scores = [[a.score.val_bpb for a in attempts if a.score] for attempts in (old, new)]
    found = reproduces(scores[0], scores[1], noise)
    if found is None:
        return Answer(None, "It cannot be told: nothing is known of the noise. Ask for more: --trials 3.")
    return Answer(found.same, found.sentence, found)


def _failed(attempts: Sequence[Attempt]) -> Attempt | None:
    return next((a for a in attempts if a.ending is not Ending.OK), None)


def run(lab: Lab, number: int, tag: str, trials: int, *, same_seeds: bool, as_json: bool) -> bool:
    """Trains it `trials` times, prints the answer; whether it reproduces. Raises UsageError, InfraError."""
    facts = again(lab, number, tag, trials, same_seeds=same_seeds, quiet=as_json)
    if as_json:
        click.echo(json.dumps(facts))
    return bool(facts["reproduces"])


def again(
    lab: Lab, number: int, tag: str, trials: int, *, same_seeds: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """The object of `runner replay --json`; unless `quiet`, told on stdout too. Raises UsageError, InfraError."""
    folder = views.run_folder(lab.root, tag)
    with ExitStack() as stack:
        stack.enter_context(folder.lock())
        entries = Ledger(folder.ledger).entries
        entry = views.entry(folder, entries, number)
        lab = as_recorded(lab, folder)
        screen = stack.enter_context(Screen(consoles.progress()))
        shop = stack.enter_context(assemble.workshop(lab, screen))
        shop.refuse_other(folder.header(), f"trial {number} of {folder.tag}", entry.pins)
        if other := moved(entry.machine, shop.machine()):
            screen.message(f"{other}: scores may differ for that")
        source = _source(lab, folder, entry)
        old = recorded(entries, number)
        place = fresh(folder.path / "replays" / f"{number:04d}-{stamp()}")
        new: list[Attempt] = []
        evaluator = Evaluator(lab, shop.sandbox, screen)
        for index, seed in enumerate(_seeds(old, trials, same=same_seeds)):
            screen.training(number, f"again: {entry.note}", index, seed, lab.settings.trial.budget_seconds)
            new.append(evaluator.attempt(Job(folder.tag, number, index, source, seed, place)))
            screen.scored(number, new[-1])
            if new[-1].ending is not Ending.OK:
                break
        screen.close()
    answer = judge(old, new, noise_without(entries, number, measured(folder, entry.pins, entry.machine)))
    facts = _facts(folder, entry, old, new, answer, same_seeds=same_seeds)
    atomic_write(place / "replay.json", (json.dumps(facts, indent=1) + "\n").encode())
    if not quiet:
        _print(entry, old, new, answer, facts)
    return facts


def moved(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, in what this machine is not the one on record; empty where it is, or nothing is known.

    No refusal: whether a version reproduces elsewhere may be what is asked.
    """
    if found := other_machine(then, now):
        return f"it was trained on {found[0]}, and is now trained on {found[1]}"
    return "this machine, or its engine, is not as it was then" if then and dict(then) != dict(now) else ""


def _source(lab: Lab, folder: RunFolder, entry: Entry) -> bytes:
    source = LabRepo(lab.root).source(entry.commit)
    if digest(source) != entry.proposal:
        raise InfraError(
            f"the commit of trial {entry.number} holds another train.py than its ledger entry says",
            f"Compare {folder.trial(entry.number) / 'train.py'} with git show {entry.commit[:12]}",
        )
    return source


def _seeds(old: Sequence[Attempt], trials: int, *, same: bool) -> Iterator[int]:
    """The recorded seeds over and over, or fresh ones."""
    if same:
        return islice(cycle(attempt.seed for attempt in old), trials)
    return (secrets.randbelow(1 << 31) for _ in range(trials))


def _facts(
    folder: RunFolder,
    entry: Entry,
    old: Sequence[Attempt],
    new: Sequence[Attempt],
    answer: Answer,
    *,
    same_seeds: bool,
) -> dict[str, Any]:
    """The object of `runner replay --json`."""
    known = {attempt.seed: attempt.val_bpb for attempt in old}
    identical = [known.get(a.seed) == a.val_bpb for a in new] if same_seeds else None
    return {
        "tag": folder.tag,
        "trial": entry.number,
        "status": str(entry.status),
        "reproduces": answer.same,
        "sentence": answer.sentence,
        "same_seeds": same_seeds,
        "identical": identical,
        "recorded": [_attempt(attempt) for attempt in old],
        "again": [_attempt(attempt) for attempt in new],
        "test": dataclasses.asdict(answer.numbers) if answer.numbers else None,
        "incumbent_bpb": entry.incumbent_bpb,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "seed": attempt.seed,
        "ending": str(attempt.ending),
        "detail": attempt.detail,
        "val_bpb": attempt.val_bpb,
    }


def _print(
    entry: Entry,
    old: Sequence[Attempt],
    new: Sequence[Attempt],
    answer: Answer,
    facts: Mapping[str, Any],
) -> None:
    click.echo(f"trial {entry.number}, {entry.status}: {entry.note}")
    for name, attempts in (("recorded", old), ("again", new)):
        for attempt in attempts:
            score = str(attempt.ending) if attempt.val_bpb is None else f"{attempt.val_bpb:.6f}"
            click.echo(f"{name:9} {score:>10}  seed {attempt.seed}")
    if facts["identical"]:
        click.echo(f"{sum(facts['identical'])} of {len(new)} equal to the last digit under the same seed")
    click.echo(answer.sentence)
    if answer.numbers and entry.incumbent_bpb is not None:
        gain = entry.incumbent_bpb - answer.numbers.again
        way = "better" if gain > 0 else "worse"
        click.echo(f"Against the incumbent of its time, {entry.incumbent_bpb:.4f}: {abs(gain):.4f} {way}.")
