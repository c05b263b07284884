"""The noise: quantiles against printed tables, the estimate, what counts, and where noise comes from."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from runner.config import RatchetSettings
from runner.ratchet import (
    UNKNOWN,
    Standing,
    calibration_trials,
    confirmations,
    counted_after_keep,
    drift,
    estimate,
    incumbent_needs,
    runs,
    smallest_gain,
    sources,
    update,
)
from runner.ratchet.student import chi2_point, f_point, t_point

CONFIRM, MARGIN, GREEDY = (RatchetSettings(rule=rule) for rule in ("confirm", "margin", "greedy"))


@pytest.mark.parametrize(
    ("p", "df", "printed"),
    [(0.05, 1, 6.314), (0.01, 2, 6.965), (0.025, 10, 2.228), (0.001, 5, 5.893), (0.01, 120, 2.358)],
)
def test_t_is_the_printed_table(p, df, printed):
    assert t_point(p, df) == pytest.approx(printed, abs=6e-4)


@pytest.mark.parametrize(
    ("p", "df", "printed"),
    [(0.975, 1, 0.000982), (0.975, 2, 0.0506), (0.025, 2, 7.378), (0.01, 10, 23.209), (0.95, 100, 77.929)],
)
def test_chi_square_is_the_printed_table(p, df, printed):
    assert chi2_point(p, df) == pytest.approx(printed, rel=1e-3)


@pytest.mark.parametrize(
    ("p", "d1", "d2", "printed"), [(0.05, 2, 10, 4.103), (0.01, 4, 6, 9.148), (0.05, 1, 1, 161.4)]
)
def test_f_is_the_printed_table(p, d1, d2, printed):
    assert f_point(p, d1, d2) == pytest.approx(printed, rel=1e-3)


@pytest.mark.parametrize("bad", [(0.0, 3), (0.6, 3), (0.1, 0)])
def test_a_quantile_outside_its_range_is_refused(bad):
    with pytest.raises(ValueError, match="probability"):
        t_point(*bad)


def test_one_group_is_its_sample_standard_deviation():
    scores = [2.1, 2.13, 2.07, 2.12]
    noise = estimate([scores])
    assert noise.sigma == pytest.approx(statistics.stdev(scores))
    assert (noise.df, noise.trainings, noise.source) == (3, 4, "4 trainings of 1 version")


def test_pooling_ignores_the_differences_between_versions_and_single_scores():
    noise = estimate([[1.0, 1.2], [5.0, 5.2], [9.0], []])
    assert noise.sigma == pytest.approx(statistics.stdev([1.0, 1.2]))
    assert noise.df == 2


def test_the_interval_covers_sigma_as_often_as_it_says():
    rng = random.Random(1)
    hits = 0
    for _ in range(2000):
        noise = estimate([[rng.gauss(0, 1) for _ in range(3)], [rng.gauss(7, 1) for _ in range(2)]])
        hits += noise.low <= 1.0 <= noise.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_update_is_the_estimate_of_all_groups_together():
    groups = [[1.0, 1.2, 1.1], [3.0, 3.1], [2.0, 2.3]]
    step, whole = update(estimate(groups[:1]), groups[1:]), estimate(groups)
    assert (step.df, step.trainings) == (whole.df, whole.trainings)
    assert (step.sigma, step.low, step.high) == pytest.approx((whole.sigma, whole.low, whole.high))


def test_an_estimate_of_very_many_trainings_has_its_interval():
    rng = random.Random(2)
    noise = estimate([[rng.gauss(0, 1) for _ in range(6000)]])
    assert 0.95 < noise.low < noise.sigma < noise.high < 1.05


def test_a_version_that_diverges_at_times_does_not_blind_the_run():
    before = estimate([[2.0, 2.01, 1.99, 2.0, 2.01]])
    assert update(before, [[2.0, 12.0]]) == before
    assert update(before, [[2.0, 2.02]]).df == before.df + 1


def test_huge_scores_do_not_overflow():
    assert math.isfinite(estimate([[1e308, -1e308]]).sigma)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        estimate([[1.0, bad]])


def test_nothing_is_known_from_single_scores():
    assert estimate([[1.0], [2.0]]) == UNKNOWN
    assert not UNKNOWN.known


def test_more_trials_show_a_smaller_gain():
    noise = estimate([[2.0, 2.01, 1.99]])
    gains = [smallest_gain(noise, trials) for trials in (1, 2, 4)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx((6.965 + 0.8416) * 0.01 * math.sqrt(1 + 1 / 3), rel=1e-3)
    assert smallest_gain(UNKNOWN, 1) == math.inf


def test_the_first_score_never_speaks_about_the_noise_and_none_counts_after_a_keep():
    assert confirmations([1.0, 2.0, 3.0]) == (2.0, 3.0)
    assert counted_after_keep([1.0, 2.0], CONFIRM) == counted_after_keep([1.0], MARGIN) == ()
    assert counted_after_keep([1.0], GREEDY) == (1.0,)


def test_trainings_due():
    assert [calibration_trials(rule) for rule in (CONFIRM, MARGIN, GREEDY)] == [3, 3, 1]
    assert [incumbent_needs("keep", 0, 0, rule) for rule in (CONFIRM, MARGIN, GREEDY)] == [2, 2, 0]
    assert incumbent_needs("rerun", CONFIRM.incumbent_trials - 1, 1, CONFIRM) == 1
    assert incumbent_needs("rerun", CONFIRM.incumbent_trials, 1, CONFIRM) == 0
    due = [age for age in range(1, 50) if incumbent_needs("discard", 9, age, CONFIRM)]
    assert due == [24, 48]
    assert not any(incumbent_needs("discard", 9, age, GREEDY) for age in range(1, 50))


def test_a_standing_after_a_keep_starts_from_no_scores_and_remembers_the_noise():
    start = Standing().trained(2.0, 2.02, 2.01)
    kept = start.decided("keep", [1.9, 1.91, 1.93], CONFIRM)
    assert kept.incumbent == ()
    assert kept.age == 0
    assert kept.noise().df == 2 + 1
    assert kept.needs("keep", CONFIRM) == 2
    with pytest.raises(ValueError, match="no scores"):
        kept.value  # noqa: B018
    assert kept.trained(1.92, 1.94).value == pytest.approx(1.93)


def test_a_discard_or_a_crash_leaves_the_incumbent_and_ages_it():
    start = Standing().trained(2.0, 2.02, 2.01)
    assert start.decided("discard", (), CONFIRM) == Standing((2.0, 2.02, 2.01), 1)
    assert start.decided("discard", [1.9, 2.1], CONFIRM).noise() == start.noise()


def test_the_candidate_under_way_speaks_about_the_noise_but_for_its_first_score():
    start = Standing().trained(2.0, 2.02)
    assert start.noise([1.0, 2.0]) == start.noise()
    assert start.noise([1.0, 2.0, 2.02]).df == 2


def test_drift_is_found_and_its_absence_too():
    times = [float(hour) for hour in range(12)]
    rng = random.Random(3)
    still = [2.0 + rng.gauss(0, 0.01) for _ in times]
    moving = [score + 0.01 * time for score, time in zip(still, times, strict=True)]
    found, none = drift(moving, times), drift(still, times)
    assert found is not None
    assert none is not None
    assert found.p < 0.001 < 0.05 < none.p
    assert found.slope == pytest.approx(0.01, abs=3 * found.stderr)
    assert drift([1.0, 2.0], [0.0, 1.0]) is None
    assert drift([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]) is None


def test_seed_and_clock_are_told_apart():
    rng = random.Random(4)
    seeds = {seed: rng.gauss(2, 0.03) for seed in range(200)}
    found = sources({seed: [rng.gauss(centre, 0.01) for _ in range(2)] for seed, centre in seeds.items()})
    assert found is not None
    assert found.clock == pytest.approx(0.01, rel=0.15)
    assert found.seed == pytest.approx(0.03, rel=0.15)
    assert sources({1: [2.0], 2: [2.1]}) is None
    assert sources({1: [2.0, 2.1]}) is None


def test_the_interval_of_a_slope_covers_it_as_often_as_it_says():
    rng = random.Random(9)
    hits = 0
    for _ in range(1500):
        found = drift([0.3 * time + rng.gauss(0, 1) for time in range(6)], list(range(6)))
        assert found is not None
        hits += found.low <= 0.3 <= found.high
    assert hits / 1500 == pytest.approx(0.95, abs=0.02)


def test_the_run_test_is_the_printed_table_and_sees_a_step_and_a_see_saw():
    """Swed and Eisenhart's table: of 5 and 5, two runs at most have the chance 2/252."""
    step = runs([1, 1.1, 1.2, 1.3, 1.4, 2, 2.1, 2.2, 2.3, 2.4])
    assert step is not None
    assert (step.runs, step.expected) == (2, 6.0)
    assert step.p == pytest.approx(2 * 2 / 252)
    see_saw = runs([1, 2, 1.1, 2.1, 1.2, 2.2, 1.3, 2.3, 1.4, 2.4])
    assert see_saw is not None
    assert see_saw.p == pytest.approx(2 * 2 / 252)


def test_few_scores_or_equal_ones_have_no_run_test():
    assert runs([1.0, 2.0, 1.0, 2.0]) is None
    assert runs([1.0] * 12) is None


def test_the_chances_of_all_numbers_of_runs_sum_to_one():
    from runner.ratchet.sources import _chance_of_runs

    assert sum(_chance_of_runs(count, 4, 7) for count in range(2, 12)) == pytest.approx(1.0)


@pytest.mark.parametrize("seed_sigma", [0.0, 1.0, 3.0])
def test_the_interval_of_the_seeds_share_covers_it_as_often_as_it_says(seed_sigma):
    rng = random.Random(10)
    share = seed_sigma**2 / (1 + seed_sigma**2)
    hits, count = 0, 800
    for _ in range(count):
        centres = [rng.gauss(0, seed_sigma) for _ in range(6)]
        found = sources({k: [rng.gauss(centre, 1) for _ in range(2)] for k, centre in enumerate(centres)})
        assert found is not None
        hits += found.share_low <= share <= found.share_high
    assert hits / count >= 0.93


def test_where_one_seed_repeats_to_the_last_digit_the_seed_is_the_whole_source():
    found = sources({1: [2.0, 2.0], 2: [2.1, 2.1], 3: [2.05]})
    assert found is not None
    assert (found.source, found.clock, found.share, found.p) == ("seed", 0.0, 1.0, 0.0)
    nothing = sources({1: [2.0, 2.0], 2: [2.0]})
    assert nothing is not None
    assert nothing.source == ""
