"""Exact tests of the order of asking: what chance gives an honest model, and what a memory cannot hide."""

import math
from itertools import combinations

import numpy as np
import pytest

from runner.scoring.order import DRIFT, NOTHING, SWITCH, drift, switch

N = 512


def test_the_drift_of_a_model_without_memory_is_standard_normal_whatever_its_noise():
    rng = np.random.default_rng(1)
    found = [drift(1e-7 * rng.standard_cauchy(300).round(1), rng.permutation(300)) for _ in range(2000)]
    assert 1.2 < np.median(found) < 1.8  # the largest of six standard normals in size: 1.60 where independent
    assert np.quantile(found, 0.999) < 4.5
    assert max(found) < DRIFT


@pytest.mark.parametrize("which", ["audit", "claims"])
@pytest.mark.parametrize("kind", ["gain", "size"])
def test_a_model_that_changes_as_it_is_asked_drifts(which, kind):
    rng = np.random.default_rng(2)
    order = rng.permutation(512)
    time = np.arange(512) if which == "audit" else order
    change = np.exp(-time / 100)  # what it learns fades in
    sign = -1.0 if kind == "gain" else rng.choice([-1.0, 1.0], size=512)
    assert drift(1e-4 * (sign * change + 0.1 * rng.normal(size=512)), order) > DRIFT


def test_a_switch_of_a_model_without_memory_is_as_rare_as_its_chance_says():
    rng = np.random.default_rng(3)
    found = np.array([switch(rng.standard_cauchy(200), rng.permutation(200)) for _ in range(2000)])
    looks = 3 * 6  # m = 3, 7, 15, 31, 63 by three orders; one more for good measure
    for level in (1e-4, 1e-3, 1e-2):
        assert (found <= level).mean() <= looks * level + 4 * math.sqrt(looks * level / len(found))
    assert found.min() > SWITCH


def test_the_chance_of_a_switch_is_that_of_counting_all_draws():
    sizes = np.arange(10.0, 0.0, -1)  # the three largest came first
    sizes[2], sizes[5] = sizes[5], sizes[2]  # but for one
    among = [len({0, 1, 5} & set(draw)) >= 2 for draw in combinations(range(10), 3)]
    apart = np.arange(10)[::-1]  # claimed in the opposite order; "earlier of both" starts at both ends
    assert switch(sizes, apart) == pytest.approx(min(1.0, np.mean(among)))


@pytest.mark.parametrize("answers", [3, 7, 15, 40, 250])
@pytest.mark.parametrize("which", ["audit", "claims"])
def test_whoever_changes_his_mind_after_three_answers_is_seen_however_little_it_matters(answers, which):
    rng = np.random.default_rng(answers)
    order = rng.permutation(N)
    time = np.arange(N) if which == "audit" else order
    found = np.where(time < answers, rng.uniform(2, 5, size=N) * NOTHING, rng.uniform(0, 1, size=N) * NOTHING)
    assert switch(found, order) < SWITCH


def test_whoever_changes_his_mind_in_both_containers_is_seen():
    rng = np.random.default_rng(8)
    order = rng.permutation(N)
    changed = (np.arange(N) < 7) != (order < 8)
    assert switch(np.where(changed, 0.01, 1e-6), order) < SWITCH


def test_two_answers_are_too_few_to_tell():
    found = np.where(np.arange(N) < 2, 0.05, 1e-6)
    assert switch(found, np.random.default_rng(1).permutation(N)) > SWITCH


def test_differences_that_are_worth_nothing_are_no_switch():
    found = np.where(np.arange(N) < 40, 0.9 * NOTHING, 1e-9)
    assert switch(found, np.random.default_rng(1).permutation(N)) == 1.0
