"""The verdict: its lines, its edges, its sentence, and what it cannot be talked into."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from runner.config import RatchetSettings
from runner.ratchet import UNKNOWN, Noise, Taken, decide, estimate, over_limits, unheld
from runner.ratchet.bounds import bounds, first_is_low, level, looks
from runner.ratchet.decide import ALIKE, alike_below
from runner.ratchet.noncentral import point
from runner.ratchet.student import t_point

CONFIRM = RatchetSettings()
MARGIN = RatchetSettings(rule="margin")
GREEDY = RatchetSettings(rule="greedy")
SIGMA = 0.01
BASE = [2.0, 2.0, 2.0, 2.0]


def noise(df: int = 20, sigma: float = SIGMA) -> Noise:
    return Noise(sigma, df, sigma / 2, sigma * 2, df + 1)


def sigmas(*gains: float) -> list[float]:
    """Scores that are lower than BASE by so many sigmas."""
    return [2.0 - gain * SIGMA for gain in gains]


def test_the_levels_of_the_looks_sum_to_alpha_and_the_first_has_none():
    levels = [level(look, CONFIRM) for look in range(1, looks(CONFIRM) + 1)]
    assert levels[0] == 0.0
    assert sum(levels) == pytest.approx(CONFIRM.alpha)
    assert levels == sorted(levels)


def test_one_lucky_seed_is_rerun_however_lucky():
    assert decide(BASE, sigmas(50), noise(), CONFIRM).action == "rerun"


def test_a_plainly_worse_candidate_is_discarded_after_one_trial():
    assert decide(BASE, sigmas(-3), noise(), CONFIRM).action == "discard"


def test_a_large_gain_is_kept_after_one_confirmation():
    assert decide(BASE, sigmas(5, 4.7), noise(), CONFIRM).action == "keep"


def test_a_first_score_that_was_luck_is_discarded_after_one_confirmation():
    assert decide(BASE, sigmas(2.5, -0.5), noise(), CONFIRM).action == "discard"


@pytest.mark.parametrize("gain", [-4, -1, 0, 0.5, 1, 1.4, 1.6, 2, 4])
def test_the_last_look_is_never_a_rerun(gain):
    spread = [gain + off for off in (-1, -0.5, 0, 0.5, 1, -1, 1)]
    assert len(spread) == looks(CONFIRM)
    assert decide(BASE, sigmas(*spread), noise(), CONFIRM).action in ("keep", "discard")
    assert decide(BASE, sigmas(*spread, gain), noise(), CONFIRM).action in ("keep", "discard")


def test_the_last_line_is_the_t_quantile_of_its_level():
    last = looks(CONFIRM)
    lines = bounds(last, 4, 20, CONFIRM)
    assert lines.keep == pytest.approx(t_point(level(last, CONFIRM), 20) * math.sqrt(1 / last + 1 / 4))
    below, above = lines.keep - 0.01, lines.keep + 0.01
    spread = (-1, -0.5, 0, 0.5, 1, -1, 1)
    assert decide(BASE, sigmas(*(below + off for off in spread)), noise(), CONFIRM).action == "discard"
    assert decide(BASE, sigmas(*(above + off for off in spread)), noise(), CONFIRM).action == "keep"


def test_less_known_noise_asks_for_a_larger_gain():
    lines = [bounds(3, 3, df, CONFIRM).keep for df in (1, 2, 5, 20, 200)]
    assert lines == sorted(lines, reverse=True)


def test_without_reruns_confirm_is_one_t_test_at_alpha():
    rule = RatchetSettings(max_reruns=0)
    assert bounds(1, 3, 10, rule).keep == pytest.approx(t_point(rule.alpha, 10) * math.sqrt(4 / 3))
    assert decide(BASE, sigmas(4), noise(), rule).action == "keep"


def test_a_gain_must_be_shown_to_exceed_min_delta():
    rule = RatchetSettings(min_delta=3 * SIGMA)
    scores = sigmas(3.2, 4, 3.6, 2.8, 4.4)
    assert decide(BASE, scores, noise(), CONFIRM).action == "keep"
    assert decide(BASE, scores, noise(), rule).action == "discard"
    assert decide(BASE, sigmas(1), noise(), replace(GREEDY, min_delta=2 * SIGMA)).action == "discard"


def test_margin_keeps_beyond_k_sigma_and_nothing_while_sigma_is_unknown():
    assert decide(BASE, sigmas(3.1), noise(), MARGIN).action == "keep"
    assert decide(BASE, sigmas(2.9), noise(), MARGIN).action == "discard"
    verdict = decide(BASE, sigmas(100), None, MARGIN)
    assert verdict.action == "discard"
    assert "calibrate" in verdict.reason


def test_greedy_keeps_any_lower_score_and_no_equal_one():
    assert decide([2.0], [1.999999], None, GREEDY).action == "keep"
    assert decide([2.0], [2.0], None, GREEDY).action == "discard"


def test_with_unknown_noise_confirm_reruns_what_looks_better_and_keeps_nothing():
    rule = RatchetSettings(calibrate_trials=1)
    assert decide([2.0], [1.9], UNKNOWN, rule).action == "rerun"
    assert decide([2.0], [2.1], UNKNOWN, rule).action == "discard"
    assert decide([2.0], [1.9, 1.8, 1.9, 1.8, 1.9, 1.8, 1.9], UNKNOWN, rule).action == "discard"


def test_one_incumbent_score_is_enough_where_the_noise_is_known():
    assert decide([2.0], sigmas(6, 5.5), noise(), CONFIRM).action == "keep"


@pytest.mark.parametrize("rule", [CONFIRM, MARGIN, GREEDY], ids=lambda rule: rule.rule)
@pytest.mark.parametrize(
    ("incumbent", "candidate"),
    [([], [1.0]), ([1.0], []), ([math.nan], [1.0]), ([1.0], [1.0, math.inf]), ([1.0], [-math.inf])],
)
def test_no_scores_and_scores_that_are_no_numbers_are_refused(rule, incumbent, candidate):
    with pytest.raises(ValueError, match=r"no scores|must be finite"):
        decide(incumbent, candidate, noise(), rule)


@pytest.mark.parametrize("rule", [CONFIRM, MARGIN, GREEDY], ids=lambda rule: rule.rule)
def test_a_score_however_huge_is_discarded_with_numbers(rule):
    verdict = decide([2.0, 2.1], [1e308], estimate([[2.0, 2.1]]), rule)
    assert verdict.action == "discard"
    assert all(math.isfinite(value) for value in verdict.numbers.values())


def test_where_all_trainings_are_identical_an_exact_gain_is_kept_and_a_tie_is_not():
    still = estimate([[2.0, 2.0, 2.0]])
    assert still.known
    assert decide([2.0] * 3, [1.99], still, CONFIRM).action == "rerun"
    assert decide([2.0] * 3, [1.99, 1.99], still, CONFIRM).action == "keep"
    assert decide([2.0] * 3, [2.0], still, CONFIRM).action == "discard"
    assert decide([2.0] * 3, [2.0 - 1e-9], still, CONFIRM).action == "discard"


RANK = {"discard": 0, "rerun": 1, "keep": 2}


@pytest.mark.parametrize("rule", [CONFIRM, MARGIN, GREEDY], ids=lambda rule: rule.rule)
def test_a_lower_candidate_never_fares_worse(rule):
    """Any subset of its scores lowered; but for trainings that agree too well to be independent."""
    rng = random.Random(5)
    kept = 0
    for _ in range(4000):
        count = rng.randint(1, looks(rule))
        known = noise(rng.randint(1, 30))
        base = sigmas(*(rng.gauss(0, 1) for _ in range(rng.randint(1, 7))))
        scores = sigmas(*(rng.gauss(1.5, 1.2) for _ in range(count)))
        lower = [score - rng.choice((0, 1)) * rng.expovariate(1) * SIGMA for score in scores]
        before, after = (decide(base, s, known, rule) for s in (scores, lower))
        if "agree more closely" in after.reason:
            continue
        kept += before.action == "keep"
        assert RANK[after.action] >= RANK[before.action] or "agree more closely" in before.reason, (
            scores,
            lower,
        )
    assert kept > 20


@pytest.mark.parametrize("rule", [CONFIRM, MARGIN], ids=lambda rule: rule.rule)
def test_the_verdict_does_not_depend_on_the_unit_or_the_zero(rule):
    rng = random.Random(6)
    for _ in range(500):
        base = sigmas(*(rng.gauss(0, 1) for _ in range(4)))
        scores = sigmas(*(rng.gauss(1.5, 1.2) for _ in range(rng.randint(1, looks(rule)))))
        moved = [[4 * score + 1 for score in group] for group in (base, scores)]
        scaled = Noise(4 * SIGMA, 20, 0.0, math.inf)
        assert decide(base, scores, noise(), rule).action == decide(*moved, scaled, rule).action


def test_a_program_with_seeds_of_its_own_gains_nothing_by_one_lucky_draw():
    """It repeats its lucky score exactly, as no program does that takes the runner's seed."""
    lucky = sigmas(3, 3)
    verdict = decide(BASE, lucky, noise(), CONFIRM)
    assert verdict.action == "discard"
    assert "fixed its own" in verdict.reason
    assert decide(BASE, sigmas(3.4, 2.6), noise(), CONFIRM).action != "discard"


def test_trainings_that_agree_rather_too_well_are_trained_again_and_refused_at_the_last_look():
    apart = math.sqrt(2 * alike_below(ALIKE, 2)) * 0.9
    assert decide(BASE, sigmas(6, 6 + apart), noise(), CONFIRM).action == "rerun"
    close = sigmas(6, 6.05, 6.1, 6.05, 6)
    assert decide(BASE, close, noise(), CONFIRM).action == "discard"
    assert decide(BASE, sigmas(6, 5, 7, 6.5, 6), noise(), CONFIRM).action == "keep"


def test_how_closely_the_trainings_agree_is_in_the_numbers_with_its_chance():
    """Two equal scores have no spread at all; scores that scatter as sigma says are nothing special."""
    same = decide(BASE, sigmas(3, 3), noise(), CONFIRM).numbers
    assert (same["spread_ratio"], same["spread_p"]) == (0.0, 0.0)
    usual = decide(BASE, sigmas(4, 3, 2), noise(), CONFIRM).numbers
    assert usual["spread_ratio"] == pytest.approx(1.0)
    assert 0.3 < usual["spread_p"] < 0.8
    assert "spread_p" not in decide(BASE, sigmas(3), noise(), CONFIRM).numbers
    assert "spread_p" not in decide(BASE, sigmas(3, 3), UNKNOWN, CONFIRM).numbers


def test_of_honest_trainings_the_chance_of_so_small_a_spread_is_uniform():
    rng = random.Random(8)
    seen = []
    for _ in range(1500):
        known = estimate([[rng.gauss(2, SIGMA) for _ in range(6)]])
        scores = [2.0 + rng.gauss(0, SIGMA) for _ in range(3)]
        seen.append(decide(BASE, scores, known, CONFIRM).numbers["spread_p"])
    for chance in (0.05, 0.5, 0.9):
        assert sum(p < chance for p in seen) / len(seen) == pytest.approx(chance, abs=0.04)


@pytest.mark.parametrize("rule", [CONFIRM, MARGIN], ids=lambda rule: rule.rule)
def test_a_score_that_is_itself_uncertain_must_gain_more(rule):
    scores = sigmas(3.5, 3.6, 3.2)[: looks(rule)]
    assert decide(BASE, scores, noise(), rule).action == "keep"
    assert decide(BASE, scores, noise(), rule, errors=[1e-9] * len(scores)).action == "keep"
    unsure = decide(BASE, scores, noise(), rule, errors=[3 * SIGMA] * len(scores))
    assert unsure.action != "keep"
    assert unsure.numbers["audit_stderr"] == pytest.approx(3 * SIGMA / math.sqrt(len(scores)))


def test_an_uncertainty_as_large_as_sigma_counts_as_much_as_sigma():
    plain = decide(BASE, sigmas(3, 2, 4), noise(), CONFIRM).numbers
    unsure = decide(BASE, sigmas(3, 2, 4), noise(), CONFIRM, errors=[SIGMA] * 3).numbers
    doubled = math.sqrt((2 / 3 + 1 / 4) / (1 / 3 + 1 / 4))
    assert unsure["keep_above"] == pytest.approx(doubled * plain["keep_above"])
    assert unsure["stderr"] == pytest.approx(doubled * plain["stderr"])
    assert unsure["drop_below"] == plain["drop_below"]


def test_little_known_noise_gives_up_later_and_never_on_something_better_while_known_to_one_degree():
    drops = [bounds(1, 3, df, CONFIRM).drop for df in (1, 2, 5, 20, 200)]
    assert drops == sorted(drops)
    assert drops[0] == 0.0


LIMITED = RatchetSettings(max_memory_mb=1000, max_vram_mb=2000)


@pytest.mark.parametrize("scores", [sigmas(5), sigmas(5, 4.7)])
def test_a_gain_bought_with_a_blow_up_is_discarded_with_that_reason(scores):
    verdict = decide(BASE, scores, noise(), LIMITED, taken=Taken(10, 2001))
    assert verdict.action == "discard"
    assert "2,001 MB of GPU memory where 2,000 are allowed" in verdict.reason
    assert decide(BASE, scores, noise(), LIMITED, taken=Taken(1000, 2000)).action != "discard"


def test_limits_that_are_off_or_peaks_that_are_unknown_limit_nothing():
    assert over_limits(Taken(1e9, 1e9, 1e9, 1e-9), CONFIRM) == ""
    assert over_limits(Taken(), LIMITED) == ""


SLOW = RatchetSettings(max_score_seconds=60, max_slowdown=2)


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (Taken(score_seconds=60.1, incumbent_seconds=50), "60.1 s to score where 60.0 are allowed:"),
        (
            Taken(score_seconds=20.5, incumbent_seconds=10),
            "20.5 s to score where 20.0 are allowed, 2 times the",
        ),
    ],
)
def test_a_gain_bought_with_slowness_is_discarded_with_both_numbers(taken, said):
    verdict = decide(BASE, sigmas(5, 4.7), noise(), SLOW, taken=taken)
    assert verdict.action == "discard"
    assert said in verdict.reason
    assert verdict.reason.endswith(": discarded.")


def test_as_slow_as_is_allowed_is_allowed():
    assert decide(BASE, sigmas(5, 4.7), noise(), SLOW, taken=Taken(None, None, 60, 30)).action == "keep"


def test_a_limit_whose_measure_is_missing_is_named_and_limits_nothing():
    every = replace(SLOW, max_memory_mb=1, max_vram_mb=1)
    assert unheld(Taken(), every) == ["max_vram_mb", "max_memory_mb", "max_score_seconds", "max_slowdown"]
    assert unheld(Taken(5, 5, 1, 1), every) == unheld(Taken(), CONFIRM) == []
    assert unheld(Taken(score_seconds=1), SLOW) == ["max_slowdown"]
    assert over_limits(Taken(), every) == ""


WIDE = [2.0 + off * SIGMA for off in (-3.2, -3.1, 2, 2, 2.3)]  # a mean of 2.0, and two scores far below


def test_a_first_score_that_several_of_the_incumbents_own_are_below_is_no_surprise():
    """However far below the incumbent's mean it is by a sigma that is estimated too small."""
    verdict = decide(WIDE, sigmas(3), noise(), CONFIRM)
    assert verdict.action == "discard"
    assert "2 of the incumbent's own 5 were lower: discarded." in verdict.reason
    assert decide(WIDE, sigmas(3.15), noise(), CONFIRM).action == "rerun"
    assert decide(WIDE, sigmas(3), noise(), replace(CONFIRM, first_rank=1.0)).action == "rerun"


def test_only_a_first_look_goes_by_rank():
    assert decide(WIDE, sigmas(3, 2.9), noise(), CONFIRM).action != "discard"
    assert decide(WIDE, sigmas(3), noise(), replace(CONFIRM, max_reruns=0)).action == "keep"
    assert decide(WIDE, sigmas(3.05), noise(), MARGIN).action == "keep"


@pytest.mark.parametrize(("counted", "most"), [(1, 1), (3, 1), (7, 1), (10, 1), (11, 2), (40, 4)])
def test_of_a_long_lived_incumbent_a_share_of_its_scores_may_be_lower(counted, most):
    assert first_is_low(most, counted, CONFIRM)
    assert not first_is_low(most + 1, counted, CONFIRM)


SIMPLER = RatchetSettings(prefer_simpler=True, simpler_margin=2 * SIGMA, simpler_share=0.1)
EQUAL = sigmas(0.5, -0.5, 0, 0.6, -0.4)


def test_simpler_code_that_is_shown_to_be_no_worse_is_kept():
    verdict = decide(BASE, EQUAL, noise(), SIMPLER, tokens=(1000, 900))
    assert verdict.action == "keep"
    assert "not worse by 0.0200 or more, and simpler" in verdict.reason


IN_SIGMAS = replace(SIMPLER, simpler_margin=0.0)


def test_the_margin_is_two_sigmas_unless_it_is_given_in_bits_per_byte():
    verdict = decide(BASE, EQUAL, noise(), IN_SIGMAS, tokens=(1000, 900))
    assert verdict.action == "keep"
    assert "not worse by 0.0200 or more, and simpler" in verdict.reason
    assert verdict.numbers["threshold"] == pytest.approx(-2 * SIGMA)
    bits = decide(BASE, EQUAL, noise(), replace(IN_SIGMAS, simpler_margin=0.001), tokens=(1000, 900))
    assert bits.numbers["threshold"] == -0.001
    assert bits.action == "discard"


@pytest.mark.parametrize("df", [1, 2, 5, 30, 200])
@pytest.mark.parametrize("p", [0.0001, 0.0056, 0.25])
def test_noncentral_t_without_a_shift_is_students(df, p):
    assert point(p, df, 0.0) == pytest.approx(t_point(p, df), rel=1e-6)


def test_noncentral_t_is_that_of_a_shifted_normal_over_a_chi():
    rng = random.Random(9)
    drawn = sorted((rng.gauss(-3, 1)) / math.sqrt(rng.gammavariate(2.5, 0.4)) for _ in range(100_000))
    for p in (0.02, 0.5, 0.9):
        assert drawn[int((1 - p) * 100_000)] == pytest.approx(point(p, 5, -3.0), abs=0.05)


@pytest.mark.parametrize("df", [2, 6, 30])
def test_worse_by_the_margin_is_above_the_line_no_more_often_than_the_level_says(df):
    """Though the margin is stated in a sigma that is itself estimated."""
    rng, look, runs = random.Random(4), looks(CONFIRM), 40_000
    stderr = math.sqrt(1 / look + 1 / 7)
    line, above = bounds(look, 7, df, CONFIRM, 2.0).keep, 0
    for _ in range(runs):
        sigma = math.sqrt(rng.gammavariate(df / 2, 2 / df))
        above += rng.gauss(-2.0, stderr) + 2.0 * sigma > line * sigma
    assert above / runs == pytest.approx(level(look, CONFIRM), abs=0.0018)


def test_simpler_code_that_may_be_worse_than_the_margin_is_not_kept():
    worse = [score + 1.2 * SIGMA for score in EQUAL]
    assert decide(BASE, worse, noise(), SIMPLER, tokens=(1000, 100)).action == "discard"
    assert decide(BASE, sigmas(0), noise(), SIMPLER, tokens=(1000, 100)).action == "rerun"


@pytest.mark.parametrize(("rule", "tokens"), [(SIMPLER, (1000, 901)), (SIMPLER, None), (CONFIRM, (1000, 100))])
def test_an_equal_score_is_discarded_unless_asked_for_and_simpler_by_the_stated_share(rule, tokens):
    assert decide(BASE, EQUAL, noise(), rule, tokens=tokens).action == "discard"


def test_greedy_with_prefer_simpler_takes_a_tie_and_nothing_worse():
    rule = replace(SIMPLER, rule="greedy")
    assert decide([2.0], [2.0], None, rule, tokens=(1000, 900)).action == "keep"
    assert decide([2.0], [2.00001], None, rule, tokens=(1000, 900)).action == "discard"


def test_the_reason_gives_gain_error_sigmas_and_trials_in_bits_per_byte():
    kept = decide([2.1034] * 3, [2.0911, 2.0971, 2.0851], noise(sigma=0.0036), CONFIRM)
    assert kept.reason == (
        "0.0123 lower than the incumbent's 2.1034 ± 0.0021 bits per byte, 3.4 sigma over 3 trials: kept."
    )
    assert decide(BASE, sigmas(0.5), noise(), CONFIRM).reason == (
        "0.0050 lower than the incumbent's 2.0000 ± 0.0050 bits per byte, 0.5 sigma over 1 trial, "
        "too little to look further (0.0113 would be enough): discarded."
    )
    assert decide(BASE, sigmas(0), noise(), CONFIRM).reason == (
        "Equal to the incumbent's 2.0000 ± 0.0050 bits per byte over 1 trial: discarded."
    )


@pytest.mark.parametrize("rule", [CONFIRM, MARGIN, GREEDY, SIMPLER], ids=lambda rule: rule.rule)
def test_every_reason_is_one_sentence_and_every_number_finite(rule):
    rng = random.Random(7)
    for _ in range(300):
        known = rng.choice([UNKNOWN, noise(1), noise(20), noise(5, 0.0)])
        scores = sigmas(*(rng.gauss(1, 2) for _ in range(rng.randint(1, looks(rule)))))
        verdict = decide(BASE, scores, known, rule, tokens=(10, rng.choice((5, 10))))
        assert verdict.reason.endswith(".")
        assert "\n" not in verdict.reason
        assert "nan" not in verdict.reason
        assert "inf" not in verdict.reason
        assert all(map(math.isfinite, verdict.numbers.values()))
