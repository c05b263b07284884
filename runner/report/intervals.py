"""How sure a plotted best is: of one run from its incumbent's own trainings, of several runs from the runs themselves.

Pure. One run: the incumbent's value is the mean of n scores under fresh seeds, its standard error is sigma / sqrt(n),
and 95 % lie within t of them, with the degrees of freedom that sigma was estimated with (Student's t; sigma and its
degrees as the last verdict noted them, or the baseline's own scores before the first). That is the error of measuring,
not how another run would end.

Several runs: the median of all such runs lies between the k-th lowest and the k-th highest of n with probability
1 - 2 P(Binomial(n, 1/2) < k), whatever the scores' distribution (David and Nagaraja, Order Statistics, 3rd edition,
section 7.1). k is the largest with which that is at least 95 %; below six runs there is none, and the range of all is
given with the probability that it has: 50 % of two runs, 75 % of three, 94 % of five.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb, sqrt

from runner.ratchet import scores
from runner.ratchet.noise import sum_of_squares
from runner.ratchet.student import t_point
from runner.report import text
from runner.trial import Entry, Role, Status

LEVEL = 0.95


def errors(entries: Iterable[Entry]) -> list[float | None]:
    """Half the width of the interval about the incumbent's value after each trial; None where no noise is known."""
    found: list[float | None] = []
    count, sigma, freedom = 0, None, 0
    for entry in entries:
        own = scores(entry.attempts, Role.CANDIDATE)
        if entry.number == 0:
            count, (sigma, freedom) = len(own), _noise(own)
        elif entry.status is Status.KEEP:
            count = len(scores(entry.attempts, Role.AFRESH) or own)
        else:
            count += len(scores(entry.attempts, Role.INCUMBENT))
        noted, df = (text.finite(entry.verdict.numbers.get(key)) for key in ("sigma", "df"))
        if noted is not None and noted > 0 and df is not None and df >= 1:
            sigma, freedom = noted, int(df)
        found.append(sigma * t_point((1 - LEVEL) / 2, freedom) / sqrt(count) if sigma and count else None)
    return found


def _noise(own: Sequence[float]) -> tuple[float | None, int]:
    """The standard deviation of scores of one version, and its degrees of freedom."""
    if len(own) < 2:
        return None, 0
    return sqrt(sum_of_squares(own) / (len(own) - 1)), len(own) - 1


def ranks(runs: int) -> tuple[int, float]:
    """Which lowest and highest of so many runs bound their median (1: the outermost), and how surely they do."""
    best = 1
    while best + 1 <= (runs + 1) // 2 and _coverage(runs, best + 1) >= LEVEL:
        best += 1
    return best, _coverage(runs, best)


def _coverage(runs: int, rank: int) -> float:
    return 1 - sum(comb(runs, i) for i in range(rank)) / float(2 ** (runs - 1))
