"""Which positions are audited, and what claims and audits together say: survey sampling, pure.

The derivations, with the probability that a cheat escapes, are in docs/scoring.md. Trusts only its
random generator, which must be seeded by the operating system and used for nothing a container sees later.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.scoring.order import DRIFT, SWITCH, drift, switch
from runner.scoring.windows import Windows


@dataclass(frozen=True)
class Tolerance:
    """The largest difference of claim and audit, its root mean square and its mean that noise explains, nats.

    repeat: the mean difference of two claims of the same windows in one container.
    For a model that knows more than nothing; of one that is k times as surprised as a uniform guess would be,
    whose logits are large and wrong, k times as much is borne: it has nothing to gain.
    """

    position: float
    rms: float
    mean: float
    repeat: float


# Measured over honest models in float32 and bfloat16: docs/scoring.md, "Tolerances".
TOLERANCES = {
    "cpu": Tolerance(position=0.1, rms=0.01, mean=0.002, repeat=1e-4),
    "cuda": Tolerance(position=1.0, rms=0.1, mean=0.01, repeat=0.01),
}


def sample_size(counts: NDArray[Any], wanted: int) -> int:
    """Positions that can be audited, at most one a window and each scored position equally likely."""
    return max(1, min(wanted, int(counts.sum()) // int(counts.max())))


def draw_windows(counts: NDArray[Any], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`size` different windows, window w with probability exactly size · counts[w] / Σ counts.

    The pivotal method (Deville and Tillé, Biometrika 85, 1998) in integers, over the windows in random
    order: two windows meet, the one keeps what the other loses, until each is in or out. The drawn
    indicators are negatively associated (Brändén and Jonasson, Scand. J. Statist. 39, 2012).
    """
    whole = int(counts.sum())
    weights = [size * int(c) for c in counts]
    if max(weights) > whole:
        raise ValueError("a window would have to be drawn more than once")
    order = rng.permutation(len(weights)).tolist()
    drawn: list[int] = []
    left, mass = order[0], weights[order[0]]
    for right in order[1:]:
        other = weights[right]
        total = mass + other
        if mass == whole:
            drawn.append(left)
            left, mass = right, other
        elif total <= whole:  # one of the two is out; the other carries both masses
            if total and int(rng.integers(total)) >= mass:
                left = right
            mass = total
        else:  # one of the two is in; the other carries the rest
            if int(rng.integers(2 * whole - total)) < whole - other:
                drawn.append(left)
                left = right
            else:
                drawn.append(right)
            mass = total - whole
    if mass:
        drawn.append(left)  # the masses sum to size · whole, so what is left is whole
    return np.array(drawn, dtype=np.int64)


def draw(
    windows: Windows, wanted: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Audited windows (n,) and positions (n,), in random order; every scored position has probability n/M."""
    counts = windows.counts
    chosen = rng.permutation(draw_windows(counts, sample_size(counts, wanted), rng))
    positions = [int(rng.choice(np.flatnonzero(windows.scored[w]))) for w in chosen]
    return chosen, np.array(positions, dtype=np.int64)


@dataclass(frozen=True)
class Estimate:
    """Sums over all M scored positions, in nats of surprise.

    claimed: −Σ c. corrected: the difference estimator of −Σ a. stderr: its standard error by sampling.
    """

    claimed: float
    corrected: float
    stderr: float


def estimate(claimed_sum: float, population: int, claims: NDArray[Any], audits: NDArray[Any]) -> Estimate:
    """The difference estimator: −[Σ c − (M/n) Σ_audited (c − a)].

    claimed_sum: Σ c over the M = `population` scored positions. claims, audits (n,): c and a, nats, at the
    audited ones, drawn by `draw`. Särndal, Swensson and Wretman, Model Assisted Survey Sampling, section 6.3;
    the variance is Hansen and Hurwitz's, M² s²/n, whose expectation is at least the true one for this design.
    """
    differences = np.asarray(claims, dtype=np.float64) - np.asarray(audits, dtype=np.float64)
    n = len(differences)
    correction = population / n * math.fsum(differences)
    spread = float(np.var(differences, ddof=1)) if n > 1 else 0.0
    return Estimate(-claimed_sum, -claimed_sum + correction, population * math.sqrt(spread / n))


@dataclass(frozen=True)
class Agreement:
    """How claims and audits compare. disagreements: positions beyond tolerance; mean, rms, largest: nats.

    drift: how strongly the differences follow the order in which either container was asked, in standard
    deviations of what chance gives. switch: the chance of finding the largest of them so early. See order.py.
    repeat: what the first windows gained, a position, when they were claimed again at the end.
    """

    positions: int
    disagreements: int
    mean: float
    rms: float
    largest: float
    drift: float
    switch: float
    repeat: float
    tolerance: Tolerance

    @property
    def honest(self) -> bool:
        """Whether numerical noise explains all differences."""
        within = self.rms <= self.tolerance.rms and abs(self.mean) <= self.tolerance.mean
        return self.disagreements == 0 and within and not self.ordered and not self.learns

    @property
    def learns(self) -> bool:
        """Whether claims change with what was sent in between."""
        return not abs(self.repeat) <= self.tolerance.repeat

    @property
    def ordered(self) -> bool:
        """Whether the differences follow the order of asking, as a memory makes them."""
        return self.drift > DRIFT or self.switch < SWITCH


def compare(
    claims: NDArray[Any],
    audits: NDArray[Any],
    order: NDArray[Any],
    vocabulary: int,
    device: str,
    repeat: float = 0.0,
) -> Agreement:
    """Claims (n,) beside audits (n,), in nats, both finite, in the order of the audit.

    order (n,): when each was claimed. device: `cpu` or `cuda`, whose tolerance is used. repeat: see `Agreement`.
    """
    surprise = max(1.0, -float(np.mean(audits)) / math.log(vocabulary))
    base = TOLERANCES[device]
    tolerance = Tolerance(*(surprise * bound for bound in astuple(base)))
    differences = np.asarray(claims, dtype=np.float64) - np.asarray(audits, dtype=np.float64)
    sizes = np.abs(differences)
    return Agreement(
        positions=len(sizes),
        disagreements=int((sizes > tolerance.position).sum()),
        mean=float(np.mean(differences)),
        rms=float(np.sqrt(np.mean(sizes**2))),
        largest=float(sizes.max()),
        drift=drift(differences, order),
        switch=switch(differences, order),
        repeat=repeat,
        tolerance=tolerance,
    )
