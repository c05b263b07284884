"""Where the noise comes from: the seed, or the wall-clock; and whether the machine drifts meanwhile.

For the report of a calibration; no decision depends on it. Pure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.ratchet.noise import COVERAGE, checked, mean, sum_of_squares
from runner.ratchet.student import chi2_point, f_point, f_tail, t_point, t_tail

LEAST_RUN_TEST = 6  # scores; with fewer no order of them is rare


@dataclass(frozen=True)
class Drift:
    """Slope of the score in bits per byte a unit of time, its standard error, 95 % interval and two-sided p value."""

    slope: float
    stderr: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class Runs:
    """How often the scores cross their median in time order, what chance expects, and how rare so few or many are."""

    runs: int
    expected: float
    p: float


@dataclass(frozen=True)
class Sources:
    """Standard deviations in bits per byte: `clock` between trainings with one seed, `seed` on top of it.

    share: of the variance that is the seed's, from 0 to 1, with its 95 % interval; p: that seeds make no difference.
    """

    clock: float
    seed: float
    clock_df: int
    seed_df: int
    clock_low: float
    clock_high: float
    share: float
    share_low: float
    share_high: float
    p: float

    @property
    def source(self) -> str:
        """`seed` or `clock` where the interval of the share says which is the larger part, else empty."""
        return "seed" if self.share_low > 0.5 else "clock" if self.share_high < 0.5 else ""


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
        return Drift(slope, 0.0, 1.0 if slope == 0.0 else 0.0, slope, slope)
    reach = t_point((1.0 - COVERAGE) / 2.0, df) * stderr
    return Drift(slope, stderr, 2.0 * t_tail(abs(slope) / stderr, df), slope - reach, slope + reach)


def runs(scores: Sequence[float]) -> Runs | None:
    """The run test (Wald & Wolfowitz 1940) of scores in time order against their median, exact.

    Scores equal to the median are left out. Few runs: a step or a slow wave; many: a see-saw. None for fewer
    than LEAST_RUN_TEST scores, or where one side of the median is empty.
    """
    ordered = sorted(scores)
    middle = (ordered[(len(scores) - 1) // 2] + ordered[len(scores) // 2]) / 2.0
    above = [score > middle for score in scores if score != middle]
    n, m = sum(above), len(above) - sum(above)
    if len(above) < LEAST_RUN_TEST or not n or not m:
        return None
    seen = 1 + sum(a != b for a, b in itertools.pairwise(above))
    chances = {count: _chance_of_runs(count, n, m) for count in range(2, n + m + 1)}
    few = math.fsum(chance for count, chance in chances.items() if count <= seen)
    many = math.fsum(chance for count, chance in chances.items() if count >= seen)
    return Runs(seen, 1.0 + 2.0 * n * m / (n + m), min(1.0, 2.0 * min(few, many)))


def _chance_of_runs(count: int, n: int, m: int) -> float:
    """P(so many runs) among all orders of n and m signs."""
    k, odd = divmod(count, 2)
    if odd:
        ways = math.comb(n - 1, k) * math.comb(m - 1, k - 1) + math.comb(n - 1, k - 1) * math.comb(m - 1, k)
    else:
        ways = 2 * math.comb(n - 1, k - 1) * math.comb(m - 1, k - 1)
    return ways / math.comb(n + m, n)


def sources(by_seed: Mapping[int, Sequence[float]]) -> Sources | None:
    """Components of variance from several trainings with each of several seeds; None if either is missing.

    One-way analysis of variance with random effects, unequal counts allowed; a negative component is reported as 0.
    The share's interval is that of the intraclass correlation from the F distribution, exact for equal
    counts, with the usual effective count otherwise (Searle, Casella & McCulloch, Variance Components, 1992,
    sections 3.5 and 3.8).
    """
    groups = [checked(scores, f"seed {seed}") for seed, scores in by_seed.items()]
    count, total = len(groups), sum(map(len, groups))
    if count < 2 or total == count:
        return None
    clock_df, seed_df = total - count, count - 1
    squares = math.fsum(map(sum_of_squares, groups))
    within = squares / clock_df
    grand = math.fsum(map(math.fsum, groups)) / total
    between = math.fsum(len(g) * (mean(g) - grand) ** 2 for g in groups) / seed_df
    size = (total - sum(len(g) ** 2 for g in groups) / total) / seed_df
    seed = max(0.0, (between - within) / size)
    tail = (1.0 - COVERAGE) / 2.0

    def share(ratio: float) -> float:
        """Of the variance, where the ratio of mean squares to what chance makes of it is `ratio`."""
        return max(0.0, (ratio - 1.0) / (ratio + size - 1.0))

    if within > 0.0:
        f = between / within
        low, high = f / f_point(tail, seed_df, clock_df), f * f_point(tail, clock_df, seed_df)
        known = (share(f), share(low), share(high), f_tail(f, seed_df, clock_df))
    else:  # trainings with one seed agree to the last digit
        known = (1.0, 1.0, 1.0, 0.0) if between > 0.0 else (0.0, 0.0, 1.0, 1.0)
    return Sources(
        math.sqrt(within),
        math.sqrt(seed),
        clock_df,
        seed_df,
        math.sqrt(squares / chi2_point(tail, clock_df)),
        math.sqrt(squares / chi2_point(1.0 - tail, clock_df)),
        *known,
    )
