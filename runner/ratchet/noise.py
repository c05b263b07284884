"""The noise between trainings of one version: how it is estimated, kept up, and what it lets one see.

A score is its version's true mean plus noise of standard deviation sigma, in bits per byte. Sigma is taken
to be the same for all versions and is pooled from every set of trainings of one version under fresh seeds.
Pure: knows no files. Does not say where the noise comes from; see `sources`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from runner.ratchet.student import chi2_point, f_point, t_point

CEILING = 1e9  # bits per byte; a finite score beyond it is as bad as this one, and squares do not overflow
UNSTABLE = 0.001  # chance that a candidate's reruns are wrongly left out of the estimate
COVERAGE = 0.95  # of the interval of sigma


@dataclass(frozen=True)
class Noise:
    """Sigma in bits per byte, its degrees of freedom (0: unknown) and its 95 % interval.

    trainings: how many it was made from. The interval is that of a normal sample (chi-square); with heavy
    tails it is too narrow.
    """

    sigma: float
    df: int
    low: float
    high: float
    trainings: int = 0

    @property
    def known(self) -> bool:
        return self.df > 0

    @property
    def squares(self) -> float:
        """The sum of squares within groups that sigma was made from."""
        return self.sigma * self.sigma * self.df

    @property
    def source(self) -> str:
        """What it was made from, in words."""
        versions = self.trainings - self.df
        return f"{self.trainings} trainings of {versions} version{'s' * (versions != 1)}"


UNKNOWN = Noise(0.0, 0, 0.0, math.inf)


def checked(scores: Sequence[float], what: str) -> list[float]:
    """The scores as floats within ±CEILING. Raises ValueError if there are none, or one is not finite."""
    values = [float(score) for score in scores]
    if not values:
        raise ValueError(f"{what}: no scores")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{what}: {values} must be finite")
    return [max(-CEILING, min(CEILING, value)) for value in values]


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def sum_of_squares(values: Sequence[float]) -> float:
    """About their own mean; exactly 0 for equal values."""
    if len(values) < 2 or min(values) == max(values):
        return 0.0
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values)


def _noise(squares: float, df: int, trainings: int) -> Noise:
    if df < 1:
        return UNKNOWN
    sigma = math.sqrt(squares / df)
    tail = (1.0 - COVERAGE) / 2.0
    low = math.sqrt(squares / chi2_point(tail, df))
    high = math.sqrt(squares / chi2_point(1.0 - tail, df))
    return Noise(sigma, df, low, high, trainings)


def pool(noise: Noise, groups: Iterable[Sequence[float]]) -> Noise:
    """`noise` with every group's variance within itself added; a group is trainings of one version.

    Groups of fewer than two scores add nothing. Raises ValueError on a score that is not finite.
    """
    squares, df, trainings = noise.squares, noise.df, noise.trainings
    for group in groups:
        if len(group) > 1:
            squares += sum_of_squares(checked(group, "a group of trainings"))
            df += len(group) - 1
            trainings += len(group)
    return _noise(squares, df, trainings)


def estimate(groups: Iterable[Sequence[float]]) -> Noise:
    """Pooled within-group variance of all `groups` and its interval; `UNKNOWN` if no group has two scores."""
    return pool(UNKNOWN, groups)


def plausible(group: Sequence[float], noise: Noise) -> bool:
    """Whether a group scatters as `noise` says. False for a version that is unstable in a way of its own.

    A version that diverges under some seeds would swell the estimate for the rest of the run. The test is
    the F test of one variance against the pooled others, as in the removal of outlying variances from a
    repeatability estimate (Cochran 1941; ISO 5725-2, section 7.3.3), at a chance of UNSTABLE.
    """
    if len(group) < 2 or not noise.known:
        return True
    df = len(group) - 1
    squares = sum_of_squares(checked(group, "a group of trainings"))
    return squares <= df * noise.sigma**2 * f_point(UNSTABLE, df, noise.df) or noise.sigma == 0.0


def update(noise: Noise, groups: Iterable[Sequence[float]]) -> Noise:
    """`noise` after more reruns: each group in turn is pooled if `plausible`, else left out."""
    for group in groups:
        if plausible(group, noise):
            noise = pool(noise, [group])
    return noise


def smallest_gain(
    noise: Noise, trials: int, incumbent_trials: int = 3, alpha: float = 0.01, power: float = 0.8
) -> float:
    """The true gain, in bits per byte, that `trials` trainings of a candidate show with `power`.

    Of a single t test of two means at one-sided level `alpha` against `incumbent_trials` trainings:
    (t(alpha) + z(power)) · sigma · √(1/trials + 1/incumbent_trials), the usual sample-size formula with t in
    place of z for the level. Infinite while the noise is unknown. Raises ValueError on counts below one.
    """
    if trials < 1 or incumbent_trials < 1:
        raise ValueError("trainings are counted from one")
    if not noise.known:
        return math.inf
    factor = t_point(alpha, noise.df) + NormalDist().inv_cdf(power)
    return factor * noise.sigma * math.sqrt(1.0 / trials + 1.0 / incumbent_trials)
