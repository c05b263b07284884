"""The proposers that need no model: `sweep`, `random` beside it as the control arm, and `same`.

All start from the incumbent's source and change values of annotated constants (`constants.py`), keeping every
other byte. They hold no state that matters: what is known is read from the ledger's entries each time, and
random choices come from the run's seed and the number of the trial, so a resumed run goes on as it would have.

`sweep` mixes local moves around the incumbent (`moves.py`) with the suggestions of a tree-structured Parzen
estimator (Bergstra et al., 2011), asked for a few constants at a time once enough trials are known.
`random` draws the same number of constants uniformly from their domains, and learns nothing.
`same` changes a comment only: what its trials differ by is noise.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from runner.agents import moves
from runner.agents.annotations import Value
from runner.agents.constants import EXAMPLE, Constant, find, rewrite, skeleton
from runner.agents.observations import Observation, observe
from runner.errors import UsageError
from runner.trial import History, Proposal, digest

TPE_AFTER = 12  # scored trials, before the estimator is asked at all
TPE_SHARE = 0.5  # of the proposals from then on
DRAWS = 200  # until a version is found that was not tried before

Draw = Callable[[Sequence[Constant], Sequence[Observation], random.Random], dict[str, Value]]


class SweepProposer:
    """Local moves around the incumbent, mixed with a Parzen estimator's suggestions."""

    name = "sweep"

    def __init__(self) -> None:
        self._given: set[str] = set()

    def propose(self, history: History) -> Proposal:
        """A version not tried before. Raises UsageError if nothing is annotated, or nothing new is left."""
        return _propose(self.name, history, _informed, self._given)


class RandomProposer:
    """The control arm: as many constants as the sweep changes, drawn without regard to what is known."""

    name = "random"

    def __init__(self) -> None:
        self._given: set[str] = set()

    def propose(self, history: History) -> Proposal:
        """A version not tried before. Raises UsageError if nothing is annotated, or nothing new is left."""
        return _propose(self.name, history, _blind, self._given)


class SameProposer:
    """The incumbent again, with another comment at its end: for experiments on the ratchet itself (A/A)."""

    name = "same"

    def propose(self, history: History) -> Proposal:
        number = history.number
        source = re.sub(rb"(\r\n|\r|\n)# same as trial before: \d+(\r\n|\r|\n)?\Z", rb"\1", history.incumbent)
        end = re.search(rb"\r\n|\r|\n", source)
        newline = end.group() if end else b"\n"
        joint = b"" if source.endswith((b"\n", b"\r")) else newline
        source += joint + b"# same as trial before: %d" % number + newline
        return Proposal(source, f"no change (A/A {number})", self.name, digest(history.incumbent))


def _propose(name: str, history: History, draw: Draw, given: set[str]) -> Proposal:
    constants = find(history.incumbent, "the incumbent's train.py")
    if not constants:
        raise UsageError(
            f"{name}: train.py has no annotated constants, so there is nothing to vary",
            f"Annotate a line at its top level, for instance: {EXAMPLE}",
        )
    observations = observe(history, constants)
    rng = random.Random(f"{history.seed}/{name}/{history.number}")
    parent, frame = digest(history.incumbent), skeleton(history.incumbent)
    base = {c.name: c.value for c in constants}
    tried = {entry.proposal for entry in history.entries} | given | {parent}
    alike = [entry.meta for entry in history.entries if entry.meta.get("skeleton") == frame]
    tried_values = [meta.get(which) for meta in alike for which in ("params", "base")]
    for attempt in range(DRAWS):
        # Where the neighbourhood is used up, half of the draws come from the whole domain.
        source_of = _blind if attempt >= DRAWS // 4 and attempt % 2 else draw
        changes = {n: v for n, v in source_of(constants, observations, rng).items() if v != base[n]}
        source = rewrite(history.incumbent, changes)
        params = {**base, **changes}
        if digest(source) in tried or params in tried_values:
            continue
        given.add(digest(source))
        meta: dict[str, Any] = {"params": params, "base": base, "parent": parent, "skeleton": frame}
        return Proposal(source, describe(constants, changes), name, parent, meta)
    raise UsageError(
        f"{name}: no version is left that was not tried",
        "Widen the ranges in train.py, or annotate more constants",
    )


def describe(constants: Sequence[Constant], changes: dict[str, Value]) -> str:
    """The changes in words: `MATRIX_LR 0.04 → 0.055, DEPTH 4 → 5`."""
    return ", ".join(
        f"{c.name} {c.text} → {c.literal(changes[c.name])}" for c in constants if c.name in changes
    )


def _blind(
    constants: Sequence[Constant], observations: Sequence[Observation], rng: random.Random
) -> dict[str, Value]:
    size = min(rng.choice(moves.SIZES), len(constants))
    return {c.name: moves.uniform(c, rng) for c in rng.sample(list(constants), size)}


def _informed(
    constants: Sequence[Constant], observations: Sequence[Observation], rng: random.Random
) -> dict[str, Value]:
    scored = sum(seen.bpb is not None for seen in observations)
    if scored < TPE_AFTER or rng.random() >= TPE_SHARE:
        return moves.move(constants, observations, rng)
    from runner.agents import tpe  # Optuna takes a fifth of a second to import

    known = moves.records(constants, observations)
    size = min(rng.choice(moves.SIZES), len(constants))
    return tpe.suggest(moves.pick(constants, known, size, rng), observations, rng.getrandbits(32))
