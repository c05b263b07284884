"""The tables and the plot of docs/ratchet.md: which scenarios are simulated, and how they are printed.

Prints markdown. Trains nothing, decides nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from runner.config import RatchetSettings
from runner.ratchet.simulate import Effects, Floats, Result, Scenario, simulate

RULES = {
    "confirm": RatchetSettings(),
    "margin, 3σ": RatchetSettings(rule="margin"),
    "margin, 2σ": RatchetSettings(rule="margin", margin_sigmas=2.0),
    "greedy": RatchetSettings(rule="greedy"),
}
NOTHING = Scenario("normal noise")
HARDER = (
    NOTHING,
    Scenario("t noise with 3 degrees of freedom", noise="t3"),
    Scenario("contaminated noise, a tenth of 5 times the scale", noise="contaminated"),
    Scenario("calibration sees σ 1.5 times too large", calibration=1.5),
    Scenario("calibration sees σ 1.5 times too small", calibration=1 / 1.5),
    Scenario("every estimate 1.5 times too large, for good", always=1.5),
    Scenario("every estimate 1.5 times too small, for good", always=1 / 1.5),
    Scenario("proposals twice as noisy as the incumbent", spread=2.0),
)
SEEDS = tuple(
    Scenario(f"fixed seeds, {share:.0%} of the noise from the clock", clock=share) for share in (0.0, 0.1, 0.3)
)
AFTER = (0, 30, 50)  # proposals that change nothing, before one that is simpler
CRASHES, WORSE, BETTER = 0.1, 0.6, 0.08  # of proposals in the mixed scenarios; the rest change nothing


def mixed(low: float, high: float, gain: float) -> Effects:
    """Crashes, worse by `low` to `high` sigma, better by an exponential gain of that mean, the rest nothing."""

    def effects(rng: np.random.Generator, number: int, runs: int) -> Floats:
        which = rng.random(runs)
        effect = np.where(which < CRASHES + WORSE, rng.uniform(low, high, runs), 0.0)
        better = which > 1.0 - BETTER
        return np.where(which < CRASHES, math.nan, np.where(better, -rng.exponential(gain, runs), effect))

    return effects


MIXED = (
    Scenario("plainly worse (1 to 5 σ), gains of 2 σ in the mean", effects=mixed(1.0, 5.0, 2.0)),
    Scenario("slightly worse (0 to 2 σ), gains of 1 σ in the mean", effects=mixed(0.0, 2.0, 1.0)),
    Scenario("slightly worse (0 to 2 σ), gains of 3 σ in the mean", effects=mixed(0.0, 2.0, 3.0)),
)


def power(rule: RatchetSettings, scenario: Scenario, gain: float, before: int, runs: int, seed: int) -> float:
    """Share of runs that keep a true gain, in sigmas, proposed after `before` proposals that change nothing."""

    def effects(rng: np.random.Generator, number: int, runs: int) -> Floats:
        return np.full(runs, -gain if number == before else 0.0)

    played = simulate(rule, replace(scenario, proposals=before + 1, effects=effects), runs, seed)
    return float(played.kept[before])


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def nothing_changes(runs: int, seed: int) -> str:
    rows = []
    for name, rule in RULES.items():
        done = simulate(rule, NOTHING, runs, seed)
        powers = [power(rule, NOTHING, gain, before, runs, seed) for gain in (2.0, 3.0) for before in (0, 50)]
        rows.append([name, *_null(done), *(f"{p:.2f}" for p in powers)])
    return table([*_NULL, "2σ first", "2σ after 50", "3σ first", "3σ after 50"], rows)


def harder(runs: int, seed: int) -> str:
    rule, rows = RULES["confirm"], []
    for scenario in HARDER:
        powers = [power(rule, scenario, gain, before, runs, seed) for gain in (2.0, 3.0) for before in (0, 50)]
        greedy = simulate(RULES["greedy"], scenario, runs, seed).kept.sum()
        done = simulate(rule, scenario, runs, seed)
        rows.append([scenario.name, *_null(done), f"{greedy:.1f}", *(f"{p:.2f}" for p in powers)])
    return table([*_NULL, "greedy keeps", "2σ first", "2σ after 50", "3σ first", "3σ after 50"], rows)


def simpler(runs: int, seed: int) -> str:
    """Of `prefer_simpler`: the share of simpler versions that is kept, after as many proposals that change nothing."""
    rows = []
    for sigmas in (1.0, 1.5, 2.0, 2.5, 3.0):
        rule = replace(RULES["confirm"], prefer_simpler=True, simpler_sigmas=sigmas)
        for what, gain in (("equal", 0.0), ("worse by the margin", -sigmas)):
            kept = [power(rule, replace(NOTHING, simpler=before), gain, before, runs, seed) for before in AFTER]
            rows.append([f"{sigmas:g} σ, {what}", *(f"{share:.{2 if gain == 0.0 else 4}f}" for share in kept)])
    return table(["margin, and simpler", "first", *(f"after {before}" for before in AFTER[1:])], rows)


def own_seeds(runs: int, seed: int) -> str:
    rows = []
    for scenario in SEEDS:
        kept = [f"{simulate(rule, scenario, runs, seed).kept.sum():.2f}" for rule in RULES.values()]
        rows.append([scenario.name, *kept])
    return table(["false keeps per 100", *RULES], rows)


def mixture(scenario: Scenario, runs: int, seed: int) -> tuple[str, dict[str, Result]]:
    rows, results = [], {}
    for name, rule in RULES.items():
        done = results[name] = simulate(rule, scenario, runs, seed)
        kept, wrong, spent = done.kept.sum(), done.wrong.sum(), done.trainings
        same = float(np.interp(103.0, spent, done.improvement))
        cells = [f"{kept:.1f}", f"{wrong:.2f}", f"{done.improvement[-1]:.2f}", f"{done.reported:.2f}"]
        rows.append(
            [name, *cells, f"{spent[-1]:.0f}", f"{100 * done.improvement[-1] / spent[-1]:.2f}", f"{same:.2f}"]
        )
    head = ["rule", "kept", "of them not better", "true improvement, σ", "reported, σ", "trainings"]
    return table([*head, "true improvement per 100 trainings", "after 103 trainings"], rows), results


_NULL = ("", "false keeps per 100", "reruns a proposal", "bias, σ")


def _null(done: Result) -> list[str]:
    return [f"{done.kept.sum():.2f}", f"{done.reruns:.3f}", f"{done.bias:+.3f}"]


def plot(path: Path, runs: int, seed: int, mixes: dict[str, Result]) -> None:
    """Three panels: keeps of nothing over proposals, power over the true gain, improvement over trainings."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    gains = np.linspace(0.0, 5.0, 21)
    for name, rule in RULES.items():
        done = simulate(rule, NOTHING, runs, seed)
        left.plot(np.arange(1, 101), np.cumsum(done.kept), label=name)
        middle.plot(gains, [power(rule, NOTHING, float(gain), 0, runs, seed) for gain in gains], label=name)
        right.plot(mixes[name].trainings, mixes[name].improvement, label=name)
    left.set(title="100 proposals that change nothing", xlabel="proposals", ylabel="kept, mean", ylim=(0, None))
    middle.set(title="A true gain, first after calibration", xlabel="true gain, σ", ylabel="share kept")
    right.set(title="Mixed proposals", xlabel="trainings", ylabel="true improvement, σ")
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=110)


def study(runs: int, seed: int, to: Path | None) -> None:
    """Prints the tables of docs/ratchet.md, and draws its plot where `to` is given. Takes minutes."""
    began = time.monotonic()
    print(f"{runs} runs of 100 proposals, seed {seed}\n\n## Rules\n")
    print(nothing_changes(runs, seed))
    print("## confirm under worse conditions\n\n" + harder(runs, seed))
    print("## Proposals that fix their own seeds\n\n" + own_seeds(runs, seed))
    print("## Simpler code, with prefer_simpler: kept\n\n" + simpler(runs, seed))
    mixes = [mixture(scenario, runs, seed) for scenario in MIXED]
    for scenario, (printed, _) in zip(MIXED, mixes, strict=True):
        print(f"## Mixed proposals: {scenario.name}\n\n{printed}")
    if to:
        plot(to, runs, seed, mixes[0][1])
    print(f"{time.monotonic() - began:.0f} s")
