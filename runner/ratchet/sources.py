"""Where the noise comes from: the seed, or the wall-clock; and whether the machine drifts meanwhile.

For the report of a calibration; no decision depends on it. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.ratchet.noise import checked, mean, sum_of_squares
from runner.ratchet.student import t_tail


@dataclass(frozen=True)
class Drift:
    """Slope of the score in bits per byte a unit of time, its standard error, and its two-sided p value."""

    slope: float
    stderr: float
    p: float


@dataclass(frozen=True)
class Sources:
    """Standard deviations in bits per byte: `clock` between trainings with one seed, `seed` on top of it."""

    clock: float
    seed: float
    clock_df: int
    seed_df: int


def drift(scores: Sequence[float], times: Sequence[float]) -> Drift | None:
    """Least-squares slope of the scores over time; None for fewer than three scores or a single moment.

    Raises ValueError where the lengths differ or a value is not finite.
    """
    if len(scores) != len(times):
        raise ValueError("a time for every score")
    if len(scores) < 3 or min(times) == max(times):
        return None
    y, x = checked(scores, "scores"), [float(time) for time in times]
    centre_x, centre_y = mean(x), mean(y)
    width = sum_of_squares(x)
    slope = math.fsum((a - centre_x) * (b - centre_y) for a, b in zip(x, y, strict=True)) / width
    rest = math.fsum((b - centre_y - slope * (a - centre_x)) ** 2 for a, b in zip(x, y, strict=True))
    df = len(y) - 2
    stderr = math.sqrt(rest / df / width)
    if stderr == 0.0:
        return Drift(slope, 0.0, 1.0 if slope == 0.0 else 0.0)
    return Drift(slope, stderr, 2.0 * t_tail(abs(slope) / stderr, df))


def sources(by_seed: Mapping[int, Sequence[float]]) -> Sources | None:
    """Components of variance from several trainings with each of several seeds; None if either is missing.

    One-way analysis of variance with random effects, unequal counts allowed (Searle, Casella & McCulloch,
    Variance Components, 1992); a negative component is reported as 0.
    """
    groups = [checked(scores, f"seed {seed}") for seed, scores in by_seed.items()]
    count, total = len(groups), sum(map(len, groups))
    if count < 2 or total == count:
        return None
    within = math.fsum(map(sum_of_squares, groups)) / (total - count)
    grand = math.fsum(map(math.fsum, groups)) / total
    between = math.fsum(len(g) * (mean(g) - grand) ** 2 for g in groups) / (count - 1)
    size = (total - sum(len(g) ** 2 for g in groups) / total) / (count - 1)
    return Sources(math.sqrt(within), math.sqrt(max(0.0, (between - within) / size)), total - count, count - 1)
