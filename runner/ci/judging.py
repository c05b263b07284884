"""Trains what has to be trained and has the loop judge it; then samples. Everything in containers, as in any run.

Joins `assemble.py`, `evaluate.py` and `loop.py` with the cache. A verdict is given once for a pair: the second job that
asks is told what the first was. Faults of the machine are raised, and never become a verdict.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner import assemble, ratchet
from runner.agents import takeback
from runner.ci import cache
from runner.ci import result as results
from runner.ci.cache import Scores
from runner.ci.gate import Gate
from runner.ci.onetrial import (
    BASE_NOTE,
    HEAD_NOTE,
    CachedBench,
    Memory,
    Once,
    Trainer,
    Version,
    usable,
    worth_keeping,
)
from runner.ci.result import Result
from runner.config import SampleSettings
from runner.errors import InfraError, UsageError
from runner.evaluate import Evaluator
from runner.lab import Lab
from runner.loop import Loop
from runner.parts import Limits, Watcher
from runner.trial import Entry, Pins, Role

SAMPLE = 4_000  # characters of one text
STARTS = 3  # of trainings of one head that did not end; then a person must look


class BaseFailed(InfraError):
    """The base's own train.py does not end with a score: nothing can be said about a change to it."""


class Restarted(InfraError):
    """Jobs on this head keep ending before they are done: by a weak machine, or by who hopes for another seed."""


class Drifted(InfraError):
    """The base scores otherwise than it did: this machine is not as it was."""


@dataclass(frozen=True)
class Places:
    """Folders. out: for logs and curves; state: see `cache.py`; work: for checkpoints, gone after the job."""

    out: Path
    state: Path
    work: Path


@dataclass(frozen=True)
class Judgement:
    """The result and the two entries that it was made from; none where nothing was trained."""

    result: Result
    entries: Sequence[Entry]


def judge(
    gate: Gate, lab: Lab, places: Places, watcher: Watcher, say: Callable[[str], None], *, fresh: bool
) -> Judgement:
    """The verdict on the head of a gate that lets it pass. Raises UsageError, MissingError, InfraError."""
    with assemble.workshop(lab, watcher) as shop:
        if lab.settings.ratchet.max_vram_mb and shop.gpu is None:
            raise UsageError("ratchet.max_vram_mb is set, and trials run without a GPU", "Set it to 0")
        trainer = Evaluator(lab, shop.sandbox, watcher)
        pins, machine = shop.pins(), shop.machine()
        return decide(gate, trainer, pins, machine, places, watcher, say, fresh=fresh)


def decide(
    gate: Gate,
    trainer: Trainer,
    pins: Pins,
    machine: Mapping[str, Any],
    places: Places,
    watcher: Watcher,
    say: Callable[[str], None],
    *,
    fresh: bool,
) -> Judgement:
    """As `judge`, with something that trains and scores under `pins` on `machine`."""
    rule = gate.settings.ratchet
    base = Version(gate.result.base.sha, gate.base_source, BASE_NOTE)
    head = Version(gate.result.head.sha, gate.head_source, HEAD_NOTE)
    memory = Memory(base, head, pins, machine, rule)
    scores = Scores(places.state, cache.key(pins, machine), say)
    pair = cache.pair(takeback.form(base.source), takeback.form(head.source), rule)
    if fresh:
        scores.forget(base.digest, pair)
    if before := scores.judged(pair):
        if before.entries[1].proposal != head.digest:
            say("What was judged then differs from this head in comments or layout.")
        return _again(gate.result, before)
    begun = scores.begun(pair)
    if begun.unfinished >= STARTS:
        raise Restarted(
            f"a training of this head was started {begun.unfinished} times and not brought to its end",
            "Nothing is said of the change. Once it is known why, a maintainer has it judged anew with --fresh",
        )
    known = usable(scores.known(base.digest).attempts, rule)
    if len(known) >= ratchet.calibration_trials(rule):
        memory.known_base(known)
    bench = CachedBench(
        trainer, scores, base, head, watcher, f"ci-{secrets.token_hex(6)}",
        gate.settings.trial.budget_seconds, places.out, places.work, pair,
        known=[] if memory.entries else list(known), begun=list(begun.attempts),
    )  # fmt: skip
    with watcher.step("what score the text allows"):
        floor = scores.floor(trainer.floor)
    noise = ratchet.UNKNOWN if fresh else scores.noise(base.digest, rule)
    _run(Loop(Once(head.proposal), bench, memory, watcher, rule, floor=floor, known=noise), base, memory)
    seeds = {attempt.seed for _, attempt in bench.trained}
    _require_steady(memory.entries, seeds, noise, scores)
    samples = _samples(bench, scores, gate.settings.sample, say)
    shown = [{key: value for key, value in one.items() if key != "how"} for one in samples]
    before = scores.judge(pair, memory.entries, shown, begun.unfinished)
    if before is None:
        _remember(memory, scores, samples)
    scores.drop(pair)
    if before is not None:
        return _again(gate.result, before)  # two jobs at once are not two chances
    told = results.judged(memory.entries, seeds)
    return Judgement(replace(gate.result, **told, samples=shown, unfinished=begun.unfinished), memory.entries)


def _run(loop: Loop, base: Version, memory: Memory) -> None:
    try:
        loop.run(base.proposal, Limits(trials=1))
    except UsageError as error:
        if memory.entries:
            raise
        what = error.what.replace("the baseline train.py", "the base's own train.py")
        raise BaseFailed(f"{what}; nothing is said about the change", "Mend the base first") from None


def _require_steady(entries: Sequence[Entry], fresh: set[int], noise: ratchet.Noise, scores: Scores) -> None:
    """Raises Drifted where the base, trained in this job, does not score what it did in earlier ones.

    A base that was measured in a busy hour would let everything pass that is measured in a quiet one.
    """
    base = [a for a in entries[0].attempts if a.score]
    base += [a for a in entries[1].attempts if a.role is Role.INCUMBENT and a.score]
    old = [a.score.val_bpb for a in base if a.score and a.seed not in fresh]
    new = [a.score.val_bpb for a in base if a.score and a.seed in fresh]
    if not old or not new:
        return
    found = ratchet.reproduces(old, new, noise)
    if found is None or found.same:
        return
    scores.forget(entries[0].proposal)
    raise Drifted(
        f"the base now scores {found.again:.4f} where earlier jobs had {found.recorded:.4f} (p {found.p:.2g}): "
        "this machine is not as it was",
        "The base's known scores were dropped: start the job again and it is measured anew",
    )


def _again(known: Result, before: cache.Judged) -> Judgement:
    """The verdict of an earlier job as that of this one."""
    told = results.judged(before.entries, ())
    samples = [{key: str(value) for key, value in one.items()} for one in before.samples]
    told |= {"samples": samples, "remembered": before.time, "unfinished": before.unfinished}
    return Judgement(replace(known, **told), before.entries)


def _remember(memory: Memory, scores: Scores, samples: Sequence[Mapping[str, Any]]) -> None:
    """Keep what may count for the head once it is merged."""
    head = memory.entries[1]
    if counted := worth_keeping(head):
        own = [_of(one, "head") for one in samples if "head" in one]
        scores.add(head.proposal, counted, base=False, samples=own)


def _samples(
    bench: CachedBench, scores: Scores, settings: SampleSettings, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """What both sides write after the same prompts. A fault of it is told, no more: no verdict depends on it."""
    how = f"{settings.length} {settings.temperature} {settings.seed}"
    found: dict[str, dict[str, str]] = {}
    for side, version in (("base", bench.base), ("head", bench.head)):
        checkpoint = bench.checkpoint(side)
        if checkpoint is None:
            old = [one for one in scores.known(version.digest).samples if one.get("how") == how]
            found[side] = {str(one.get("prompt")): str(one.get("text")) for one in old}
            continue
        drawn = settings.length, settings.temperature, settings.seed
        try:
            texts = bench.trainer.sample(bench.tag, version.source, checkpoint, settings.prompts, *drawn)
        except Exception as error:  # of a tokenizer's library, too
            say(f"no sample could be drawn from the {side}: {error}")
            continue
        cut = [one[:SAMPLE] for one in texts]
        found[side] = dict(zip(settings.prompts, cut, strict=True))
        if side == "base":
            own = [{"how": how, "prompt": p, "text": t} for p, t in found[side].items()]
            scores.add(version.digest, [], base=True, samples=own)
    sides = {p: {side: texts[p] for side, texts in found.items() if p in texts} for p in settings.prompts}
    return [{"how": how, "prompt": prompt, **texts} for prompt, texts in sides.items() if texts]


def _of(sample: Mapping[str, Any], side: str) -> dict[str, Any]:
    return {"how": sample["how"], "prompt": sample["prompt"], "text": sample[side]}
