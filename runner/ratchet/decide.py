"""The ratchet's verdict on a candidate: keep, discard or rerun, with the numbers and a sentence that says why.

Pure: scores in, Verdict out. It trains nothing and remembers nothing; what counts as the incumbent's score
and when a training is due is `standing`'s. It trusts that scores come from fresh seeds of the runner's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.config import RatchetSettings
from runner.ratchet.bounds import Bounds, bounds, first_is_low, looks
from runner.ratchet.limits import NOTHING, Taken, over_limits
from runner.ratchet.noise import UNKNOWN, Noise, checked, mean, sum_of_squares
from runner.ratchet.student import chi2_point, f_tail
from runner.trial import Verdict

RESOLUTION = 1e-6  # bits per byte; as fine as a score is reported, and the least that sigma is taken for
ALIKE = 0.01  # chance that honest trainings agree so well that a keep is put off, and refused at the last look
SAME = 0.001  # chance that they agree so well that no further one is asked for


def decide(
    incumbent: Sequence[float],
    candidate: Sequence[float],
    noise: Noise | None,
    rule: RatchetSettings,
    *,
    tokens: tuple[int, int] | None = None,
    taken: Taken = NOTHING,
    errors: Sequence[float] = (),
) -> Verdict:
    """What to do with a candidate after its trainings so far.

    incumbent: the incumbent's counted scores. candidate: all scores of the candidate's trainings, in order.
    Both in bits per byte. tokens: of Python, the incumbent's and the candidate's, for `prefer_simpler`.
    taken: of memory and time, for the limits. errors: standard errors of the candidate's scores by
    the audit's sampling, none for an honest model; they are added in quadrature. Raises ValueError on no scores,
    or one that is not finite. Lower scores never turn a keep into a discard, unless they make the trainings agree
    too well.
    """
    base, scores = checked(incumbent, "the incumbent"), checked(candidate, "the candidate")
    noise = noise or UNKNOWN
    sigma = max(noise.sigma, RESOLUTION)
    threshold, beyond = _threshold(tokens, sigma, rule)
    gain = mean(base) - mean(scores)
    unsure = math.sqrt(math.fsum(error * error for error in errors)) / len(scores)
    stderr = math.hypot(sigma * math.sqrt(1 / len(scores) + 1 / len(base)), unsure)
    lines = _widened(
        bounds(len(scores), len(base), noise.df, rule, beyond), unsure / sigma, len(scores), len(base), rule
    )
    numbers = {
        "candidate": mean(scores),
        "incumbent": mean(base),
        "gain": gain,
        "gain_sigmas": gain / sigma if noise.known else math.nan,
        "stderr": stderr,
        "audit_stderr": unsure if errors else math.nan,
        "sigma": noise.sigma,
        "df": float(noise.df),
        "threshold": threshold,
        "keep_above": threshold + lines.keep * sigma,
        "drop_below": threshold + lines.drop * sigma,
        "trials": float(len(scores)),
        "incumbent_trials": float(len(base)),
        **spread(scores, noise),
    }
    numbers = {name: value for name, value in numbers.items() if math.isfinite(value)}
    said = _comparison(base, scores, noise)
    over = over_limits(taken, rule)
    action = judge((gain - threshold) / sigma, lines)
    lower = sum(theirs < scores[0] + threshold for theirs in base)
    if action == "rerun" and len(scores) == 1 and not first_is_low(lower, len(base), rule):
        return Verdict(
            "discard", f"{said}, but {lower} of the incumbent's own {len(base)} were lower: discarded.", numbers
        )
    if action != "discard" and over:
        return Verdict("discard", f"{said}, but {over}: discarded.", numbers)
    if rule.rule == "confirm":
        cautious = caution(action, len(scores), likeness(scores, noise), rule)
        if cautious != action:
            return Verdict(cautious, said + _suspicion(cautious, len(scores), noise), numbers)
    return Verdict(action, said + _ending(action, gain, threshold, lines, noise, len(scores), rule), numbers)


def _threshold(tokens: tuple[int, int] | None, sigma: float, rule: RatchetSettings) -> tuple[float, float]:
    """The gain, in bits per byte, that must be shown to be exceeded: superiority, or non-inferiority.

    And in how many sigmas that is stated, 0 where in bits. For `greedy` a simpler version needs an equal score, as far
    as scores are told apart.
    """
    if tokens is None or not is_simpler(*tokens, rule):
        return rule.min_delta, 0.0
    if rule.rule == "greedy":
        return -RESOLUTION, 0.0
    if rule.simpler_margin > 0:
        return -rule.simpler_margin, 0.0
    return -rule.simpler_sigmas * sigma, rule.simpler_sigmas


def _widened(lines: Bounds, unsure: float, trials: int, incumbent_trials: int, rule: RatchetSettings) -> Bounds:
    """`lines` for a candidate whose mean has a standard error of its own of `unsure` sigmas: more must be shown."""
    if rule.rule == "greedy" or not unsure:
        return lines
    variance = 1.0 if rule.rule == "margin" else 1.0 / trials + 1.0 / incumbent_trials
    keep = lines.keep * math.sqrt(1.0 + unsure**2 / variance)
    return Bounds(keep, keep if lines.keep == lines.drop else lines.drop)


def spread(scores: Sequence[float], noise: Noise) -> dict[str, float]:
    """How far the candidate's trainings scatter, in sigmas, and the chance that honest ones scatter so little.

    The lower tail of F, for sigma is itself estimated. Empty where it says nothing: one score, sigma unknown or zero.
    """
    squares = likeness(scores, noise)
    if math.isinf(squares):
        return {}
    ratio = squares / (len(scores) - 1)
    p = f_tail(1.0 / ratio, noise.df, len(scores) - 1) if ratio > 0.0 else 0.0
    return {"spread_ratio": math.sqrt(ratio), "spread_p": p}


def judge(gain: float, lines: Bounds) -> str:
    """The action for a gain beyond the threshold, in sigmas."""
    return "keep" if gain > lines.keep else "discard" if gain <= lines.drop else "rerun"


def likeness(scores: Sequence[float], noise: Noise) -> float:
    """The sum of squares of the candidate's scores in units of sigma², chi-square if seeds are independent.

    Infinite where it says nothing: one score, or a sigma that is unknown or zero.
    """
    if len(scores) < 2 or noise.df == 0 or noise.sigma <= RESOLUTION:
        return math.inf
    return sum_of_squares(scores) / noise.sigma**2


def caution(action: str, trials: int, squares: float, rule: RatchetSettings) -> str:
    """`action` after a look at whether trainings under different seeds agree too well to be independent.

    A program that fixes its own seeds repeats one draw, and reruns cannot tell its luck from a gain. What
    the wall-clock leaves of the noise is compared with sigma: the lower tail of chi-square.
    """
    if action == "discard" or trials < 2 or squares >= alike_below(ALIKE, trials):
        return action
    return "discard" if trials >= looks(rule) or squares < alike_below(SAME, trials) else "rerun"


def alike_below(chance: float, trials: int) -> float:
    """The sum of squares in units of sigma² that honest trainings fall below with `chance`."""
    return chi2_point(1.0 - chance, trials - 1)


def is_simpler(incumbent_tokens: int, candidate_tokens: int, rule: RatchetSettings) -> bool:
    """Whether `prefer_simpler` is on and the candidate is shorter by the stated share."""
    return rule.prefer_simpler and candidate_tokens <= (1.0 - rule.simpler_share) * incumbent_tokens


def _comparison(base: Sequence[float], scores: Sequence[float], noise: Noise) -> str:
    gain = mean(base) - mean(scores)
    error = f" ± {noise.sigma / math.sqrt(len(base)):.4f}" if noise.known else ""
    size = f"{abs(gain):.4f} {'lower' if gain > 0 else 'higher'} than" if abs(gain) >= 5e-5 else "Equal to"
    sigmas = f", {abs(gain) / noise.sigma:.1f} sigma" if noise.sigma > RESOLUTION and abs(gain) >= 5e-5 else ""
    trials = "1 trial" if len(scores) == 1 else f"{len(scores)} trials"
    return f"{size} the incumbent's {mean(base):.4f}{error} bits per byte{sigmas} over {trials}"


def _suspicion(action: str, trials: int, noise: Noise) -> str:
    agree = (
        f", but {trials} trainings under different seeds agree more closely than sigma {noise.sigma:.4f} allows"
    )
    if action == "discard":
        return f"{agree}, as if it fixed its own: discarded."
    return f"{agree}: trained again with a fresh seed."


def _ending(
    action: str, gain: float, threshold: float, lines: Bounds, noise: Noise, trials: int, rule: RatchetSettings
) -> str:
    """The second half of the sentence: the line that the gain was held against, and what follows."""
    sigma = max(noise.sigma, RESOLUTION)
    if action == "keep":
        plain = gain > rule.min_delta + lines.keep * sigma
        return ": kept." if plain else f", not worse by {-threshold:.4f} or more, and simpler: kept."
    if action == "rerun":
        return ": promising, trained again with a fresh seed."
    if gain <= min(threshold, 0.0):
        return ": discarded."
    if gain <= threshold:
        return f", not more than the least gain that counts, {threshold:.4f}: discarded."
    if not noise.known:
        return ", and nothing is known of the noise (runner calibrate): discarded."
    if trials < looks(rule):
        return (
            f", too little to look further ({threshold + lines.drop * sigma:.4f} would be enough): discarded."
        )
    return f", within what luck can do (more than {threshold + lines.keep * sigma:.4f} is needed): discarded."
