"""The ratchet at scale: thousands of simulated runs at once, and the tables and the plot of docs/ratchet.md.

    runner bench-rule [--runs N] [--seed N] [--plot FILE]

Every run follows the same protocol as `standing`, and its lines are those of `bounds`; only the arithmetic is
over arrays; a test plays runs through `decide` and `Standing` with the same draws and finds the same verdicts.
Scores are in sigmas. Trains nothing; the scenarios and the printing are `study`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.config import RatchetSettings
from runner.ratchet.bounds import bounds, first_is_low, looks
from runner.ratchet.decide import ALIKE, SAME, alike_below
from runner.ratchet.noise import UNSTABLE
from runner.ratchet.standing import calibration_trials, incumbent_needs
from runner.ratchet.student import f_point

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Effects = Callable[[np.random.Generator, int, int], Floats]


@dataclass(frozen=True)
class Scenario:
    """What is simulated; the defaults are 100 proposals that change nothing under normal noise.

    effects: what a proposal adds to the incumbent's true score, by its number and that of runs; nan is a crash. noise:
    `normal`, `t3` or `contaminated`, all of standard deviation 1. calibration: factor on the deviations seen
    in the calibration. always: factor on every estimate of sigma. spread: standard deviation of proposals'
    noise. clock: None, or the share of noise left to a proposal that fixes its own seeds. simpler: None, or the
    number of the first proposal of simpler code, for `simpler_sigmas`.
    """

    name: str
    proposals: int = 100
    effects: Effects = lambda rng, number, runs: np.zeros(runs)
    noise: str = "normal"
    calibration: float = 1.0
    always: float = 1.0
    spread: float = 1.0
    clock: float | None = None
    simpler: int | None = None


@dataclass
class Result:
    """Means over all runs, by proposal where an array; after the last proposal otherwise.

    kept, wrong: share of runs that kept it; that kept it though it was not better. trainings: all so far.
    improvement: of the incumbent's true score over the baseline's; reported: of the reported one, the
    baseline's own error included. bias: of the incumbent's reported score, less its true one. reruns: trainings
    a proposal beyond its first and the calibration.
    """

    kept: Floats
    wrong: Floats
    trainings: Floats
    improvement: Floats
    reported: float = 0.0
    bias: float = 0.0
    reruns: float = 0.0


def stream(rng: np.random.Generator, noise: str, shape: tuple[int, int]) -> Floats:
    """Noise of mean 0 and standard deviation 1. `contaminated`: one in ten of five times the scale (Tukey)."""
    if noise == "t3":
        return rng.standard_t(3, shape) / math.sqrt(3.0)
    normal = rng.standard_normal(shape)
    if noise == "contaminated":
        return np.where(rng.random(shape) < 0.1, 5.0 * normal, normal) / math.sqrt(0.9 + 0.1 * 25.0)
    return normal


def each(function: Callable[..., float], *columns: Any) -> Floats:
    """`function` of every row of whole numbers, called once for each different row."""
    rows = np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)
    different, back = np.unique(rows, axis=0, return_inverse=True)
    return np.array([function(*map(int, row)) for row in different], dtype=float)[back.reshape(-1)]


@dataclass
class Groups:
    """A growing group of scores for every run: count, mean and sum of squares (Welford)."""

    count: Ints
    mean: Floats
    squares: Floats

    @classmethod
    def empty(cls, runs: int) -> Groups:
        return cls(np.zeros(runs, dtype=np.int64), np.zeros(runs), np.zeros(runs))

    def add(self, at: Ints, scores: Floats) -> None:
        self.count[at] += 1
        off = scores - self.mean[at]
        self.mean[at] += off / self.count[at]
        self.squares[at] += off * (scores - self.mean[at])

    def clear(self, at: Ints) -> None:
        self.count[at], self.mean[at], self.squares[at] = 0, 0.0, 0.0

    @property
    def df(self) -> Ints:
        return np.maximum(self.count - 1, 0)


@dataclass
class Runs:
    """The state of all runs. `noise` holds every run's own draws, taken one after the other."""

    rule: RatchetSettings
    scenario: Scenario
    noise: Floats
    result: Result = field(init=False)

    def __post_init__(self) -> None:
        self.runs = runs = len(self.noise)
        self.result = Result(*np.zeros((4, self.scenario.proposals)))
        self.taken = np.zeros(runs, dtype=np.int64)
        self.incumbent, self.truth = Groups.empty(runs), np.zeros(runs)
        self.theirs = np.full((runs, 8), math.inf)  # the incumbent's scores one by one
        self.squares, self.df = np.zeros(runs), np.zeros(runs, dtype=np.int64)  # of closed groups
        self.age = np.zeros(runs, dtype=np.int64)
        everyone = np.arange(runs)
        for _ in range(calibration_trials(self.rule)):
            self.train_incumbent(everyone)
        self.incumbent.squares *= self.scenario.calibration**2

    def draw(self, at: Ints) -> Floats:
        taken = self.taken[at]
        self.taken[at] += 1
        return self.noise[at, taken]

    def train_incumbent(self, at: Ints) -> None:
        scores = self.truth[at] + self.draw(at)
        self.incumbent.add(at, scores)
        place = self.incumbent.count[at] - 1
        if len(at) and place.max() >= self.theirs.shape[1]:
            self.theirs = np.pad(self.theirs, ((0, 0), (0, 8)), constant_values=math.inf)
        self.theirs[at, place] = scores

    def due(self, action: str, at: Ints) -> None:
        """The trainings of the incumbent that are due after `action` in the runs `at`."""

        def count(counted: int, age: int) -> float:
            return incumbent_needs(action, counted, age, self.rule)

        left = each(count, self.incumbent.count[at], self.age[at])
        while len(at := at[left > 0]):
            left = left[left > 0] - 1
            self.train_incumbent(at)

    def verdicts(
        self, at: Ints, candidate: Groups, fresh: Groups, trials: int, beyond: float
    ) -> tuple[Flags, Flags]:
        """Of the runs `at`: which keep and which discard, as `decide` does; beyond: sigmas of loss allowed."""
        df = self.df[at] + self.incumbent.df[at] + fresh.df[at]
        squares = self.squares[at] + self.incumbent.squares[at] + fresh.squares[at]
        sigma = np.sqrt(squares / np.maximum(df, 1)) * self.scenario.always
        size = np.where(df > 0, np.maximum(sigma, 1e-12), 1e-12)
        gain = self.incumbent.mean[at] - candidate.mean[at] + beyond * size
        counts = self.incumbent.count[at]
        keep = each(lambda n, d: bounds(trials, n, d, self.rule, beyond).keep, counts, df)
        drop = each(lambda n, d: bounds(trials, n, d, self.rule, beyond).drop, counts, df)
        kept = gain > keep * size
        dropped = ~kept & (gain <= drop * size)
        if trials == 1:
            lower = (self.theirs[at] < (candidate.mean[at] - beyond * size)[:, None]).sum(axis=1)
            dropped |= ~kept & (each(lambda low, n: first_is_low(low, n, self.rule), lower, counts) == 0.0)
        if trials > 1:
            squares = np.where(sigma > 0, candidate.squares[at] / np.maximum(sigma, 1e-12) ** 2, math.inf)
            alike = squares < alike_below(ALIKE, trials)
            kept &= ~alike
            dropped |= alike if trials == looks(self.rule) else squares < alike_below(SAME, trials)
        return kept, dropped

    def propose(self, number: int, effect: Floats) -> Flags:
        """One proposal in every run. Returns which kept it."""
        candidate, fresh = Groups.empty(self.runs), Groups.empty(self.runs)
        kept = np.zeros(self.runs, dtype=bool)
        at = np.flatnonzero(~np.isnan(effect))
        self.taken[np.isnan(effect)] += 1  # a crash took its training
        shorter = self.scenario.simpler is not None and number >= self.scenario.simpler
        beyond = self.rule.simpler_sigmas if shorter else 0.0
        own = self.noise[np.arange(self.runs), -1 - number] if self.scenario.clock is not None else None
        for trials in range(1, looks(self.rule) + 1):
            if trials > 1:
                self.due("rerun", at)
            scatter = self.draw(at) * self.scenario.spread
            if own is not None:
                share = self.scenario.clock or 0.0
                scatter = share * scatter + math.sqrt(1.0 - share**2) * own[at]
            scores = self.truth[at] + effect[at] + scatter
            candidate.add(at, scores)
            if trials > 1:
                fresh.add(at, scores)
            keep, drop = self.verdicts(at, candidate, fresh, trials, beyond)
            kept[at[keep]] = True
            at = at[~(keep | drop)]
            if not len(at):
                break
        self.close(kept, effect, candidate, fresh)
        self.result.kept[number] = kept.mean()
        self.result.wrong[number] = (kept & (effect >= 0)).mean()
        self.result.trainings[number] = self.taken.mean()
        self.result.improvement[number] = -self.truth.mean()
        return kept

    def close(self, kept: Flags, effect: Floats, candidate: Groups, fresh: Groups) -> None:
        """What `Standing.decided` does, and the trainings that are then due."""
        df = self.df + self.incumbent.df
        known = (df > 0) & (fresh.df > 0)
        variance = (self.squares + self.incumbent.squares) / np.maximum(df, 1)
        line = np.full(self.runs, math.inf)
        line[known] = each(
            lambda d1, d2: f_point(UNSTABLE, d1, d2), fresh.df[known], np.minimum(df[known], 200)
        )
        stable = ~known | (fresh.squares <= fresh.df * variance * np.where(known, line, 1.0))
        self.squares += np.where(stable, fresh.squares, 0.0)
        self.df += np.where(stable, fresh.df, 0)
        self.age += 1
        self.due("discard", np.flatnonzero(~kept))
        at = np.flatnonzero(kept)
        self.squares[at] += self.incumbent.squares[at]
        self.df[at] += self.incumbent.df[at]
        self.truth[at] += effect[at]
        self.age[at] = 0
        self.incumbent.clear(at)
        self.theirs[at] = math.inf
        if self.rule.rule == "greedy":
            self.incumbent.add(at, candidate.mean[at])
        self.due("keep", at)


def simulate(rule: RatchetSettings, scenario: Scenario, runs: int, seed: int = 1) -> Result:
    """Plays `runs` runs. Raises IndexError if one used up its draws."""
    rng = np.random.default_rng(seed)
    state = Runs(rule, scenario, stream(rng, scenario.noise, (runs, 60 + 5 * scenario.proposals)))
    first = state.incumbent.mean.copy()
    for number in range(scenario.proposals):
        state.propose(number, scenario.effects(rng, number, runs))
    result = state.result
    result.reruns = (float(state.taken.mean()) - calibration_trials(rule)) / scenario.proposals - 1.0
    result.bias = float((state.incumbent.mean - state.truth).mean())
    result.reported = float((first - state.incumbent.mean).mean())
    return result
