"""Where the rules draw their lines, in sigmas: the gain from which is kept, the gain up to which is dropped.

`confirm` is a group-sequential t test with a look after every training of the candidate. The chance of a
false keep is spent over the looks by a spending function (Lan & DeMets 1983), here the power family of Kim &
DeMets (1987), and turned into a bound by the t quantile at the nominal level of each look (the
significance-level approach of Pocock 1977). Early discards are by spending of the chance of a miss (Pampallona,
Tsiatis & Kim 2001). docs/ratchet.md derives both.

Pure. Knows counts and degrees of freedom, no scores.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

from runner.config import RatchetSettings
from runner.ratchet import noncentral
from runner.ratchet.student import t_point

SPENDING_POWER = 3.0  # cubic: little is spent on the first looks, as with O'Brien and Fleming's bounds
MOST_DF = 200  # beyond it t is normal to three digits, and the table of quantiles stays small


class Bounds(NamedTuple):
    """Gains in sigmas. Above `keep` is kept; otherwise below or at `drop` is discarded; between is rerun."""

    keep: float
    drop: float


def looks(rule: RatchetSettings) -> int:
    """How often a candidate is trained at most."""
    return 1 + rule.max_reruns if rule.rule == "confirm" else 1


def level(look: int, rule: RatchetSettings) -> float:
    """The nominal one-sided level of a look, from 1; they sum to alpha.

    Nothing is kept at the first look, which selected the candidate, unless reruns are switched off.
    """
    reruns = rule.max_reruns
    if reruns == 0:
        return rule.alpha
    spent = [rule.alpha * (k / reruns) ** SPENDING_POWER for k in range(reruns + 1)]
    return spent[look - 1] - spent[look - 2] if look > 1 else 0.0


@cache
def bounds(trials: int, incumbent_trials: int, df: int, rule: RatchetSettings, beyond: float = 0.0) -> Bounds:
    """The lines after `trials` of the candidate, against `incumbent_trials`, sigma known to `df` degrees.

    beyond: where what must be exceeded is no gain but a loss of so many sigmas. The lines are counted from there in
    estimated sigmas, and allow for the margin's own share in the error of sigma (noncentral t). With sigma unknown (df
    0) `confirm` keeps nothing and reruns what looks better; `margin` keeps nothing.
    """
    if rule.rule == "greedy":
        return Bounds(0.0, 0.0)
    if rule.rule == "margin":
        line = rule.margin_sigmas if df > 0 else math.inf
        return Bounds(line, line)
    look = min(trials, looks(rule))
    stderr = math.sqrt(1.0 / trials + 1.0 / incumbent_trials)
    alpha = level(look, rule)
    keep = math.inf
    if alpha > 0.0 and df > 0:
        keep = _shown(alpha, min(df, MOST_DF), stderr, beyond)
    if look == looks(rule):
        return Bounds(keep, keep)
    drop = rule.design_sigmas + NormalDist().inv_cdf(rule.futility) * stderr
    return Bounds(keep, drop * trust(df))


def _shown(alpha: float, df: int, stderr: float, beyond: float) -> float:
    if not beyond:
        return t_point(alpha, df) * stderr
    return noncentral.point(alpha, df, -beyond / stderr) * stderr + beyond


def first_is_low(lower: int, incumbent_trials: int, rule: RatchetSettings) -> bool:
    """Whether a first score, with `lower` of the incumbent's below it, is among the lowest, and so worth a second look.

    An order statistic: it needs no sigma, so that one estimated too small does not send every second proposal round
    again. Always true but for `confirm` with reruns.
    """
    if rule.rule != "confirm" or not rule.max_reruns:
        return True
    return lower <= math.ceil(rule.first_rank * incumbent_trials)


def trust(df: int) -> float:
    """The share of the line for giving up that is used while sigma is known to `df` degrees of freedom only.

    A sigma from few trainings may be far too large, and a gain must not be given up for that; a needless rerun,
    while little is known, also teaches sigma. (df − 1)/(df + 1), chosen by simulation: docs/ratchet.md.
    """
    return max(0, df - 1) / (df + 1)
