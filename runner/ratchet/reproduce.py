"""Whether a version trained again scores what is recorded of it. Pure: two sets of scores and the run's noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.ratchet.noise import Noise, checked, mean, pool
from runner.ratchet.student import t_point, t_tail

LEVEL = 0.01  # two-sided; of versions that are what they were, so many are said not to reproduce


@dataclass(frozen=True)
class Reproduction:
    """recorded, again: the means, in bits per byte. difference: again less recorded, with its standard error, its
    interval at 1 − LEVEL, and the two-sided p value. df: of sigma. same: whether the difference is within it.
    """

    recorded: float
    again: float
    difference: float
    stderr: float
    low: float
    high: float
    p: float
    sigma: float
    df: int
    same: bool

    @property
    def sentence(self) -> str:
        verdict = "reproduces" if self.same else "does not reproduce"
        size = abs(self.difference)
        apart = (
            f"{size:.4f} {'higher' if self.difference > 0 else 'lower'}" if size >= 5e-5 else "no difference"
        )
        return (
            f"It {verdict}: {self.again:.4f} again, {self.recorded:.4f} recorded, {apart}; "
            f"{1 - LEVEL:.0%} interval of the difference {self.low:+.4f} to {self.high:+.4f} (p {self.p:.2g})."
        )


def reproduces(recorded: Sequence[float], again: Sequence[float], noise: Noise) -> Reproduction | None:
    """Student's t test of two means with a pooled sigma (Student 1908; Fisher 1925), two-sided at LEVEL.

    noise: the run's, without these scores; the scatter within each set is pooled with it. None where sigma stays
    unknown, which takes two scores in one of the sets at least. Raises ValueError on none or not finite ones.
    """
    first, second = checked(recorded, "the recorded scores"), checked(again, "the new scores")
    known = pool(noise, [first, second])
    if not known.known:
        return None
    difference = mean(second) - mean(first)
    stderr = known.sigma * math.sqrt(1.0 / len(first) + 1.0 / len(second))
    reach = t_point(LEVEL / 2.0, known.df) * stderr
    p = 2.0 * t_tail(abs(difference) / stderr, known.df) if stderr > 0.0 else float(difference == 0.0)
    return Reproduction(
        mean(first), mean(second), difference, stderr, difference - reach, difference + reach,
        p, known.sigma, known.df, p >= LEVEL,
    )  # fmt: skip
