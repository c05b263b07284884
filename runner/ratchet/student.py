"""Quantiles of Student's t, chi-square and F: the three distributions that small samples need.

Does not use scipy, which would be the largest dependency for its smallest use; tests compare with printed
tables. Pure; degrees of freedom are whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

_TINY = 1e-300


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22)."""
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1.0), _TINY)
    value = d
    for m in range(1, 400):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            d = 1.0 / (1.0 + coefficient * d or _TINY)
            c = 1.0 + coefficient / c or _TINY
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):  # the fraction converges fast on the other side
        return 1.0 - _beta(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) * _beta_fraction(x, a, b) / a


def t_tail(t: float, df: int) -> float:
    """P(T > t) for Student's t with `df` degrees of freedom, t ≥ 0 (DLMF 8.17; Abramowitz & Stegun 26.7.1)."""
    return 0.5 * _beta(df / (df + t * t), df / 2.0, 0.5)


def f_tail(f: float, df1: int, df2: int) -> float:
    """P(F > f) for the F distribution (Abramowitz & Stegun 26.6.2)."""
    return _beta(df2 / (df2 + df1 * f), df2 / 2.0, df1 / 2.0)


def chi2_tail(x: float, df: int) -> float:
    """P(X > x) for chi-square: one minus the series of the incomplete gamma function (DLMF 8.11.4)."""
    if x <= 0.0:
        return 1.0
    a, half = df / 2.0, x / 2.0
    if half > a + 20.0 * math.sqrt(a) + 40.0:
        return 0.0  # beyond double precision
    term = total = 1.0
    step = a
    while term > 1e-17 * total:
        step += 1.0
        term *= half / step
        total += term
    return max(0.0, 1.0 - math.exp(a * math.log(half) - half - math.lgamma(a + 1.0) + math.log(total)))


def _solve(tail: Callable[[float], float], p: float) -> float:
    """The x ≥ 0 where the falling function `tail` crosses `p`, by doubling and bisection."""
    low, high = 0.0, 1.0
    while tail(high) > p:
        low, high = high, 2.0 * high
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if tail(middle) > p else (low, middle)
    return (low + high) / 2.0


@cache
def t_point(p: float, df: int) -> float:
    """The t that is exceeded with probability `p` in (0, 0.5]. Raises ValueError on any other p or df < 1."""
    _check(0.0 < p <= 0.5, df)
    return _solve(lambda t: t_tail(t, df), p)


@cache
def f_point(p: float, df1: int, df2: int) -> float:
    """The F that is exceeded with probability `p` in (0, 1). Raises ValueError on any other p or df < 1."""
    _check(0.0 < p < 1.0, min(df1, df2))
    return _solve(lambda f: f_tail(f, df1, df2), p)


@cache
def chi2_point(p: float, df: int) -> float:
    """The x that chi-square exceeds with probability `p` in (0, 1). Raises ValueError on another p or df < 1."""
    _check(0.0 < p < 1.0, df)
    return _solve(lambda x: chi2_tail(x, df), p)


def _check(probability: bool, df: int) -> None:
    if not probability or df < 1:
        raise ValueError("a quantile needs a probability within its range and at least one degree of freedom")
