"""Quantiles of the noncentral t distribution: what a margin in sigmas needs where sigma itself is estimated.

Of a candidate that is worse by k sigma, gain + k·sigma is normal, but with an estimate s of sigma (gain + k·s)/s is not
Student's t: a sigma that is estimated too large would widen the margin, too. Pure; degrees of freedom are whole.
"""

from __future__ import annotations

import math
from functools import cache

PANELS = 400  # of Simpson's rule; without a shift the quantiles are those of Student's t to seven digits
_REACH = 12.0  # standard deviations of the estimate of sigma that are integrated over


@cache
def _spread(df: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights over s/sigma, whose square is chi-square over df; denser near 0, where few degrees reach."""
    width = _REACH / math.sqrt(2.0 * df)
    low, high = max(0.0, 1.0 - width), 1.0 + width
    log = math.log(2.0) + df / 2.0 * math.log(df / 2.0) - math.lgamma(df / 2.0)
    found = []
    for at in range(1, PANELS + 1):
        y = at / PANELS
        s = low + (high - low) * y**3
        simpson = (1.0 if at == PANELS else 4.0 if at % 2 else 2.0) / (3.0 * PANELS)
        density = math.exp(log + (df - 1) * math.log(s) - df * s * s / 2.0)
        found.append((s, simpson * density * 3.0 * (high - low) * y * y))
    return tuple(found)


def tail(t: float, df: int, shift: float) -> float:
    """P((Z + shift)/S > t), Z standard normal and S² chi-square over `df` (Johnson & Welch 1940)."""
    root = math.sqrt(0.5)
    return 0.5 * math.fsum(weight * math.erfc((t * s - shift) * root) for s, weight in _spread(df))


@cache
def point(p: float, df: int, shift: float) -> float:
    """The t that is exceeded with probability `p` in (0, 1). Raises ValueError on any other p, or df below 1."""
    if not 0.0 < p < 1.0 or df < 1:
        raise ValueError("a quantile needs a probability within its range and at least one degree of freedom")
    step = 1.0
    while tail(shift - step, df, shift) < p:
        step *= 2.0
    low, step = shift - step, 1.0
    while tail(shift + step, df, shift) > p:
        step *= 2.0
    high = shift + step
    while high - low > 1e-9 * max(1.0, abs(low)):
        middle = (low + high) / 2.0
        low, high = (middle, high) if tail(middle, df, shift) > p else (low, middle)
    return (low + high) / 2.0
