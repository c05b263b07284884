"""The two conversations of a score: the audit, and in another container the claims.

Each builds its batches as it goes, so that no more than one batch of logits is ever held. All randomness
comes from generators that the operating system seeds, one for each purpose: what a container sees of one
(an order, a decoy) tells it nothing of another.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.scoring.bits import log_probability
from runner.scoring.client import ModelClient
from runner.scoring.protocol import ModelFault
from runner.scoring.windows import Windows, excerpts
from runner.trial import Ending

COVERS = 3  # positions asked for in each audited row beside the real one
RAMP = (1, 2, 4)  # real rows of the first audit batches: what is across rows must show before it is known
ROUNDING_NATS = 1e-4  # a claimed log-probability this far above 0 is still one

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What both conversations share. decoys (P,): training tokens; rows: of every batch."""

    windows: Windows
    decoys: NDArray[Any]
    vocabulary: int
    rows: int


def fresh_rng() -> np.random.Generator:
    """A generator seeded by the operating system."""
    return np.random.default_rng(secrets.randbits(256))


def _batches(count: int, rows: int, ramp: tuple[int, ...] = ()) -> Iterator[slice]:
    start = 0
    sizes = iter(ramp)
    while start < count:
        stop = min(count, start + min(rows, next(sizes, rows)))
        yield slice(start, stop)
        start = stop


def audit(
    client: ModelClient, plan: Plan, chosen: NDArray[Any], positions: NDArray[Any], progress: Progress
) -> NDArray[np.float64]:
    """a (n,): log p(target) in nats at `positions` (n,) of windows `chosen` (n,), normalised here.

    A row is the window up to and including the position, then a decoy to the window's full length. A batch
    that is not full is filled with rows of training text, so all have one shape. Raises ModelFault.
    """
    rng = fresh_rng()
    window = plan.windows.scored.shape[1]
    answers = np.empty(len(chosen))
    covers = min(COVERS, window - 1)
    for part in _batches(len(chosen), plan.rows, RAMP):
        real = part.stop - part.start
        tokens = excerpts(plan.decoys, plan.rows, window, rng)
        asked = np.stack([rng.choice(window, covers + 1, replace=False) for _ in range(plan.rows)])
        place = rng.permutation(plan.rows)[:real]
        column = rng.integers(covers + 1, size=real)
        for row, slot, w, t in zip(place, column, chosen[part], positions[part], strict=True):
            decoy = tokens[row, : window - 1 - t].copy()
            tokens[row, : t + 1], tokens[row, t + 1 :] = plan.windows.tokens[w, : t + 1], decoy
            _ask_for(asked[row], int(slot), int(t))
        logits = client.logits(tokens, asked, plan.vocabulary)[place, column]
        targets = plan.windows.tokens[chosen[part], positions[part] + 1]
        answers[part] = log_probability(logits, targets)
        progress(part.stop, len(chosen))
    return answers


def _ask_for(asked: NDArray[Any], slot: int, position: int) -> None:
    """Put `position` at `slot` of the distinct positions `asked` (K,), which stay distinct."""
    asked[asked == position] = asked[slot]
    asked[slot] = position


@dataclass(frozen=True)
class Claims:
    """What the claims container said, in nats.

    sums (N,): Σ c over the scored positions of each window. audited (n,): c at the audited ones. order (n,): when
    they were claimed. repeat: how much more, on the mean of a position, the first windows were given when they were
    asked for again; what was learnt in between shows here.
    """

    sums: NDArray[np.float64]
    audited: NDArray[np.float64]
    order: NDArray[np.int64]
    repeat: float


def claim(
    client: ModelClient, plan: Plan, chosen: NDArray[Any], positions: NDArray[Any], progress: Progress
) -> Claims:
    """Whole windows in random order, the last batch filled with training text; the first windows once more.

    When in the second half is drawn: who knew it could forget for that batch what it has learnt. Raises ModelFault.
    """
    rng = fresh_rng()
    tokens, scored = plan.windows.tokens, plan.windows.scored
    count, width = tokens.shape
    sums = np.empty(count)
    order = rng.permutation(count)
    audited = np.empty(len(chosen))
    slot = {int(w): k for k, w in enumerate(chosen)}

    def ask(which: NDArray[Any]) -> NDArray[np.float64]:
        batch = excerpts(plan.decoys, plan.rows, width, rng) if len(which) < plan.rows else tokens[which]
        place = rng.permutation(plan.rows)[: len(which)]
        batch[place] = tokens[which]
        claims = client.claims(batch)[place].astype(np.float64)
        if claims.max() > ROUNDING_NATS:
            raise ModelFault(Ending.INVALID, "the model claims a probability above 1")
        return np.where(scored[which], claims, 0.0)

    parts = list(_batches(count, plan.rows))
    first, gained = order[: plan.rows], 0.0
    again = int(rng.integers((len(parts) + 1) // 2, len(parts) + 1))
    for number, part in enumerate(parts):
        if number == again:
            gained = float(ask(first).sum() - sums[first].sum())
        which = order[part]
        claims = ask(which)
        sums[which] = claims.sum(axis=1)
        for w, row in zip(which.tolist(), claims, strict=True):
            if w in slot:
                audited[slot[w]] = row[positions[slot[w]]]
        progress(part.stop, count)
    if again == len(parts):
        gained = float(ask(first).sum() - sums[first].sum())
    return Claims(sums, audited, np.argsort(order)[chosen], gained / max(1, int(scored[first].sum())))
