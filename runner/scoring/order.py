"""Whether the differences of claims and audits know when they were asked for: exact permutation tests, pure.

A model without memory cannot know when it is asked, and the host asks in random order. So its differences,
whatever their noise, are as likely in any other order: what is found here needs no tolerance and no model of
the noise. Derivations and what it means for a cheat: docs/scoring.md, "Order".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRIFT = 5.5  # chance takes an honest model beyond it at most once in four million scorings
SWITCH = 5e-8  # for each of up to 24 looks: chance goes below it at most once in 800,000 honest scorings
NOTHING = 1e-4  # nats; a smaller difference is worth nothing, whenever it arose


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Mean ranks (n,) of `values` (n,), centred and scaled to length 1; zeros where all are equal."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ranks = ranks - ranks.mean()
    return np.asarray(ranks / max(float(np.linalg.norm(ranks)), 1e-12), dtype=np.float64)


def _times(order: NDArray[Any]) -> list[NDArray[Any]]:
    """When each position was asked for: in the audit (their own order), in the claims, and the earlier of both."""
    audited = np.arange(len(order))
    claimed = np.argsort(np.argsort(order))
    return [audited, claimed, np.minimum(audited, claimed)]


def drift(differences: NDArray[Any], order: NDArray[Any]) -> float:
    """How far the differences (n,) follow when in the claims (n,), or in the audit (their own order), they arose.

    The largest of six rank correlations (Spearman's), of the difference and its size with either order and with
    the earlier of both, times √(n − 1). For a model without memory each is standard normal.
    """
    kinds = [_ranks(differences), _ranks(np.abs(differences))]
    found = max(abs(float(k @ _ranks(t))) for k in kinds for t in _times(order))
    return found * math.sqrt(max(1, len(differences) - 1))


def switch(differences: NDArray[Any], order: NDArray[Any]) -> float:
    """The smallest chance, over all looks, that the earliest answers hold so many of the largest differences.

    A model that answers in one way until it has seen enough, and in another from then on, differs from itself at
    the earliest m positions and nowhere else. At each m = 3, 7, 15, … and by each order: k of the earliest m are
    among the m largest differences; chance has k or more with the hypergeometric probability
    Σ_{i ≥ k} C(m, i)·C(n − m, m − i) / C(n, m). Differences below NOTHING count as equal, and of equal ones the
    later count as larger, which only makes the chance larger.
    """
    n = len(differences)
    sizes = np.abs(np.asarray(differences, dtype=np.float64))
    sizes[sizes < NOTHING] = 0.0
    least = 1.0
    for time in _times(order):
        when = np.argsort(time, kind="stable")
        largest = np.lexsort((-np.arange(n), -sizes[when]))  # places in time, largest difference first
        m = 3
        while m <= n // 2:
            hits = int((largest[:m] < m).sum())
            least = min(least, _tail(n, m, hits))
            m = 2 * m + 1
    return least


def _tail(n: int, m: int, hits: int) -> float:
    """Chance that m of n drawn without replacement hit at least `hits` of m marked ones."""
    ways = sum(math.comb(m, i) * math.comb(n - m, m - i) for i in range(hits, m + 1))
    return ways / math.comb(n, m)
