"""What a calibration says: the noise, its source, its drift, and what can be seen through it. Pure.

In go the trainings of one version, with their seeds and times; out come numbers and sentences. It trains nothing,
and no decision depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from runner.config import RatchetSettings
from runner.ratchet.noise import Noise, estimate, mean, smallest_gain
from runner.ratchet.sources import Drift, Runs, Sources, drift, runs, sources

TRIALS_SHOWN = (1, 2, 4)
PER_HOUR = 3600.0
RARE = 0.05  # a p value below it is called a drift


@dataclass(frozen=True)
class Training:
    """One scored training of the version. began: seconds on one clock for all."""

    seed: int
    val_bpb: float
    began: float


@dataclass(frozen=True)
class Calibration:
    """The report. noise: over different seeds, one training each. drift: bits per byte an hour. gains: the
    smallest true gain in bits per byte that so many trainings of a candidate show, None while sigma is unknown.
    """

    trainings: tuple[Training, ...]
    mean: float
    noise: Noise
    drift: Drift | None
    runs: Runs | None
    sources: Sources | None
    alpha: float
    power: float
    incumbent_trials: int
    gains: tuple[float | None, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: everything, with null where nothing is known."""
        whole: dict[str, Any] = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        whole["gains"] = {str(n): gain for n, gain in zip(TRIALS_SHOWN, self.gains, strict=True)}
        if self.sources:
            whole["sources"]["source"] = self.sources.source
        return whole


def _plain(value: Any) -> Any:
    if isinstance(value, Noise):
        known = asdict(value)
        return known if value.known else {**known, "sigma": None, "low": None, "high": None}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return asdict(value) if isinstance(value, Training | Drift | Runs | Sources) else value


def by_seed(trainings: Sequence[Training]) -> dict[int, list[float]]:
    """Scores of each seed, in order."""
    found: dict[int, list[float]] = {}
    for training in trainings:
        found.setdefault(training.seed, []).append(training.val_bpb)
    return found


def independent(trainings: Sequence[Training]) -> tuple[float, ...]:
    """One score a seed, its first: repeats of a seed share what the seed did, and would make sigma too small."""
    return tuple(scores[0] for scores in by_seed(trainings).values())


def calibrate(trainings: Sequence[Training], rule: RatchetSettings) -> Calibration:
    """The report on at least one training. Raises ValueError on none, or on a score that is not finite.

    The smallest gains are at the rule's own level and at the power that its futility leaves, against
    `incumbent_trials` trainings of the incumbent; see `noise.smallest_gain`.
    """
    if not trainings:
        raise ValueError("no trainings")
    given = sorted(trainings, key=lambda training: training.began)
    scores = [training.val_bpb for training in given]
    noise = estimate([independent(given)])
    power = 1.0 - rule.futility
    gains = tuple(
        smallest_gain(noise, n, rule.incumbent_trials, rule.alpha, power) if noise.known else None
        for n in TRIALS_SHOWN
    )
    slope = drift(scores, [(training.began - given[0].began) / PER_HOUR for training in given])
    return Calibration(
        tuple(given), mean(scores), noise, slope, runs(scores), sources(by_seed(given)),
        rule.alpha, power, rule.incumbent_trials, gains,
    )  # fmt: skip


def sentences(found: Calibration) -> list[str]:
    """The report for a person, a fact a line."""
    return [_mean(found), *_noise(found), *_source(found), *_drift(found), *_gains(found)]


def _mean(found: Calibration) -> str:
    count, seeds = len(found.trainings), len(by_seed(found.trainings))
    several = f"{count} training{'s' * (count != 1)} with {seeds} seed{'s' * (seeds != 1)}"
    error = f" ± {found.noise.sigma / math.sqrt(seeds):.4f}" if found.noise.known else ""
    return f"mean      {found.mean:.4f}{error} bits per byte over {several}"


def _noise(found: Calibration) -> list[str]:
    noise = found.noise
    if not noise.known:
        return ["sigma     unknown: it takes trainings with at least two different seeds"]
    said = [
        f"sigma     {noise.sigma:.4f}, 95 % interval {noise.low:.4f} to {noise.high:.4f} "
        f"({noise.df} degrees of freedom)"
    ]
    if noise.high > 2 * noise.low:
        said.append("          a factor of more than two is open: more trainings would narrow it")
    return said


def _source(found: Calibration) -> list[str]:
    known = found.sources
    if known is None:
        return ["source    unknown: it takes repeats of one seed beside other seeds"]
    if known.clock == 0.0 and known.seed > 0.0:
        return ["source    the seed: trainings with one seed agree to the last digit"]
    which = {"seed": "mostly the seed", "clock": "mostly the wall-clock (what differs between equal seeds)"}
    said = which.get(known.source, f"cannot be told from {len(found.trainings)} trainings")
    return [
        f"source    {said}: the seed has {known.share:.0%} of the variance, 95 % interval "
        f"{known.share_low:.0%} to {known.share_high:.0%}",
        f"          one seed again {known.clock:.4f} ({known.clock_low:.4f} to {known.clock_high:.4f}), "
        f"seeds on top of it {known.seed:.4f}; p {known.p:.2g} that seeds make no difference",
    ]


def _drift(found: Calibration) -> list[str]:
    slope = found.drift
    if slope is None:
        return ["drift     unknown: it takes three trainings"]
    verdict = "drifts: scores taken far apart do not compare well" if slope.p < RARE else "none seen"
    said = [
        f"drift     {verdict}: {slope.slope:+.4f} bits per byte an hour, 95 % interval "
        f"{slope.low:+.4f} to {slope.high:+.4f}, p {slope.p:.2g}"
    ]
    if found.runs:
        odd = (
            " (a step, or a slow wave)" if found.runs.p < RARE and found.runs.runs < found.runs.expected else ""
        )
        said.append(
            f"          {found.runs.runs} runs about the median where {found.runs.expected:.1f} are expected, "
            f"p {found.runs.p:.2g}{odd}"
        )
    return said


def _gains(found: Calibration) -> list[str]:
    if not found.noise.known:
        return []
    said = [
        f"can show  at level {found.alpha:g} with power {found.power:g}, against {found.incumbent_trials} "
        "trainings of the incumbent:"
    ]
    for count, gain in zip(TRIALS_SHOWN, found.gains, strict=True):
        said.append(f"          {count} training{'s' * (count != 1)}: a true gain of {gain:.4f} bits per byte")
    return said
