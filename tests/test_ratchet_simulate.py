"""The simulation is the ratchet: the same verdicts as `decide` and `Standing`; and small runs of its claims."""

from __future__ import annotations

import numpy as np
import pytest

from runner.config import RatchetSettings
from runner.ratchet import Standing, calibration_trials, decide
from runner.ratchet.simulate import Runs, Scenario, simulate, stream
from runner.report.bench_rule import MIXED, RULES, mixed, mixture, plot, power

CONFIRM, GREEDY = RULES["confirm"], RULES["greedy"]
RUNS, PROPOSALS = 40, 40


def play(rule: RatchetSettings, draws, effects, tokens=None):
    """One run, one training at a time, through the pure functions that the loop calls. Yields what it kept."""
    left = iter(draws)
    truth, standing = 0.0, Standing()
    for _ in range(calibration_trials(rule)):
        standing = standing.trained(next(left))
    for effect in effects:
        scores: list[float] = []
        action = "discard"
        if np.isnan(effect):
            next(left)
        else:
            while True:
                scores.append(truth + effect + next(left))
                action = decide(standing.incumbent, scores, standing.noise(scores), rule, tokens=tokens).action
                if action != "rerun":
                    break
                for _ in range(standing.needs("rerun", rule)):
                    standing = standing.trained(truth + next(left))
        standing = standing.decided(action, scores, rule)
        truth += effect if action == "keep" else 0.0
        for _ in range(standing.needs(action, rule)):
            standing = standing.trained(truth + next(left))
        yield action == "keep", standing.value


@pytest.mark.parametrize("noise", ["normal", "contaminated"])
@pytest.mark.parametrize("name", list(RULES))
def test_simulated_verdicts_are_those_of_decide(name, noise):
    rng = np.random.default_rng(11)
    draws = stream(rng, noise, (RUNS, 40 + 8 * PROPOSALS))
    effects = np.stack([mixed(0.0, 2.0, 3.0)(rng, number, RUNS) for number in range(PROPOSALS)])
    state = Runs(RULES[name], Scenario("test", PROPOSALS), draws)
    kept = np.stack([state.propose(number, effects[number]) for number in range(PROPOSALS)])
    for run in range(RUNS):
        played = list(play(RULES[name], draws[run], effects[:, run]))
        assert [k for k, _ in played] == list(kept[:, run])
        assert played[-1][1] == pytest.approx(state.incumbent.mean[run], abs=1e-9)
    assert kept.sum() > RUNS


def test_simulated_verdicts_on_simpler_code_are_those_of_decide():
    rule = RatchetSettings(prefer_simpler=True)
    rng = np.random.default_rng(12)
    draws = stream(rng, "normal", (RUNS, 40 + 8 * PROPOSALS))
    effects = np.stack([mixed(0.0, 2.0, 3.0)(rng, number, RUNS) for number in range(PROPOSALS)])
    state = Runs(rule, Scenario("test", PROPOSALS, simpler=0), draws)
    kept = np.stack([state.propose(number, effects[number]) for number in range(PROPOSALS)])
    for run in range(RUNS):
        assert [k for k, _ in play(rule, draws[run], effects[:, run], (10, 1))] == list(kept[:, run])
    assert kept.sum() > RUNS


def test_equal_and_simpler_is_kept_more_often_than_not_and_worse_by_the_margin_hardly_ever():
    rule = RatchetSettings(prefer_simpler=True)
    shorter = Scenario("simpler", simpler=0)
    assert power(rule, shorter, 0.0, 0, 2000, seed=6) > 0.5
    assert power(rule, shorter, -rule.simpler_sigmas, 0, 4000, seed=6) <= rule.alpha


def test_proposals_that_change_nothing_are_hardly_kept_and_cost_little():
    done = simulate(CONFIRM, Scenario("nothing"), 600, seed=2)
    greedy = simulate(GREEDY, Scenario("nothing"), 600, seed=2)
    assert done.kept.sum() < 0.5
    assert done.reruns < 0.3
    assert abs(done.bias) < 0.12
    assert greedy.kept.sum() > 3.5


@pytest.mark.parametrize(("gain", "least"), [(2.0, 0.55), (3.0, 0.9)])
def test_true_gains_are_found(gain, least):
    assert power(CONFIRM, Scenario("gain"), gain, 0, 4000, seed=3) >= least


@pytest.mark.parametrize("noise", ["t3", "contaminated"])
def test_heavy_tails_are_not_taken_for_gains(noise):
    assert simulate(CONFIRM, Scenario("tails", noise=noise), 600, seed=4).kept.sum() < 1.1


def test_what_greedy_reports_is_better_than_what_it_has():
    done = simulate(GREEDY, MIXED[1], 300, seed=5)
    honest = simulate(CONFIRM, MIXED[1], 300, seed=5)
    assert done.reported > done.improvement[-1] + 1.0
    assert abs(honest.reported - honest.improvement[-1]) < 0.4


@pytest.mark.parametrize("noise", ["normal", "t3", "contaminated"])
def test_every_noise_has_unit_variance(noise):
    assert stream(np.random.default_rng(1), noise, (400, 1000)).std() == pytest.approx(1.0, abs=0.05)


def test_the_mixed_table_has_every_rule_and_the_plot_is_drawn(tmp_path):
    printed, results = mixture(MIXED[0], 5, seed=1)
    assert [line.split(" |")[0] for line in printed.splitlines()[2:]] == [f"| {name}" for name in RULES]
    plot(tmp_path / "plot.png", 5, 1, results)
    assert (tmp_path / "plot.png").stat().st_size > 10_000
