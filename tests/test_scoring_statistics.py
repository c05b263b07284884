"""The estimator: exact inclusion probabilities, unbiased whatever is claimed, and how often a cheat escapes."""

import math

import numpy as np
import pytest

from runner.errors import UsageError
from runner.scoring.audit import TOLERANCES, compare, draw, draw_windows, estimate, sample_size
from runner.scoring.bits import bits_per_byte, log_probability
from runner.scoring.windows import Windows, cut, excerpts

WINDOW = 16
SHUFFLED = np.random.default_rng(9).permutation(512)


def frame(windows: int, seed: int = 0) -> tuple[Windows, np.ndarray]:
    """Windows with unequal numbers of scored positions, and true log-probabilities (N, W) at all positions."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 200, size=(windows, WINDOW + 1)).astype(np.uint16)
    scored = rng.random((windows, WINDOW)) < rng.uniform(0.6, 1.0, size=(windows, 1))
    scored[:, 3] = True
    return Windows(tokens, scored, 1), -rng.gamma(1.0, 3.0, size=(windows, WINDOW))


def peek_everywhere(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.full_like(truth, -0.01)


def peek_at_one_percent(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(truth.shape) < 0.01, -0.01, truth)


def peek_at_the_rarest(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(truth < np.quantile(truth, 0.01), -0.01, truth)


def add_a_little(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return truth + 0.005


def peek_in_whole_windows(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random((len(truth), 1)) < 0.05, -0.01, truth)


PATTERNS = [peek_everywhere, peek_at_one_percent, peek_at_the_rarest, add_a_little, peek_in_whole_windows]


def simulate(claims: np.ndarray, truth: np.ndarray, windows: Windows, n: int, times: int) -> np.ndarray:
    """(times, 2): estimate and its variance estimate, in nats over all scored positions."""
    rng = np.random.default_rng(11)
    total, population = float(claims[windows.scored].sum()), int(windows.scored.sum())
    results = np.empty((times, 2))
    for k in range(times):
        at = draw(windows, n, rng)
        found = estimate(total, population, claims[at], truth[at])
        results[k] = found.corrected, found.stderr**2
    return results


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.__name__)
def test_the_estimate_is_unbiased_whatever_is_claimed(pattern):
    windows, truth = frame(48)
    claims = pattern(truth, np.random.default_rng(1))
    exact = -float(truth[windows.scored].sum())
    found = simulate(claims, truth, windows, 24, 800)[:, 0]
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert abs(found.mean() - exact) <= 4 * error + 1e-9 * abs(exact)


@pytest.mark.parametrize("pattern", PATTERNS[1:3] + PATTERNS[4:], ids=lambda p: p.__name__)
def test_the_standard_error_is_never_too_small_and_rarely_much_too_large(pattern):
    windows, truth = frame(100)
    claims = pattern(truth, np.random.default_rng(1))
    found = simulate(claims, truth, windows, 20, 800)
    ratio = found[:, 1].mean() / found[:, 0].var(ddof=1)
    assert 0.85 < ratio < 1.6


def test_claims_equal_to_audits_leave_no_correction_and_no_error():
    windows, truth = frame(50)
    found = simulate(truth, truth, windows, 30, 5)
    assert np.allclose(found[:, 0], -truth[windows.scored].sum(), rtol=1e-12)
    assert (found[:, 1] == 0).all()


def test_every_scored_position_is_equally_likely_and_no_other_is_ever_drawn():
    windows, _ = frame(12)
    rng = np.random.default_rng(5)
    n, times = sample_size(windows.counts, 6), 4000
    hits = np.zeros(windows.scored.shape)
    for _ in range(times):
        np.add.at(hits, draw(windows, n, rng), 1)
    expected = times * n / windows.scored.sum()
    z = (hits[windows.scored] - expected) / math.sqrt(expected * (1 - expected / times))
    assert hits[~windows.scored].sum() == 0
    assert np.abs(z).max() < 4.5
    assert 0.7 < z.std() < 1.3


def test_at_most_one_position_of_a_window_is_drawn():
    windows, _ = frame(40)
    rng = np.random.default_rng(2)
    for _ in range(200):
        chosen, _ = draw(windows, 1000, rng)
        assert len(set(chosen.tolist())) == len(chosen) == sample_size(windows.counts, 1000)


def test_windows_are_drawn_in_proportion_to_what_they_score():
    counts, times, n = np.array([1, 2, 3, 4, 10]), 10_000, 2
    rng = np.random.default_rng(3)
    hits = np.zeros(5)
    for _ in range(times):
        drawn = draw_windows(counts, n, rng)
        assert len(set(drawn.tolist())) == n
        hits[drawn] += 1
    expected = n * counts / counts.sum()
    error = np.sqrt(expected * (1 - expected) / times) + 1e-12
    assert (np.abs(hits / times - expected) / error).max() < 4.5


def test_equal_windows_can_all_be_audited():
    counts = np.full(30, 8)
    drawn = draw_windows(counts, sample_size(counts, 500), np.random.default_rng(1))
    assert sorted(drawn.tolist()) == list(range(30))


@pytest.mark.parametrize("fraction", [0.002, 0.01, 0.05])
def test_a_cheat_escapes_as_often_as_the_formula_says(fraction):
    rng = np.random.default_rng(4)
    windows, _ = frame(60)
    windows = Windows(windows.tokens, np.ones_like(windows.scored), 1)
    n, times = 40, 1500
    escaped = 0
    for _ in range(times):
        cheated = rng.random(windows.scored.shape) < fraction
        escaped += not cheated[draw(windows, n, rng)].any()
    formula = (1 - fraction) ** n
    assert abs(escaped / times - formula) < 4.5 * math.sqrt(formula * (1 - formula) / times)


def test_a_cheat_gathered_in_whole_windows_does_not_escape_more_often():
    rng = np.random.default_rng(6)
    windows, _ = frame(60)
    cheated = np.zeros_like(windows.scored)
    cheated[:3] = True
    fraction = cheated[windows.scored].mean()
    n, times = 30, 1500
    escaped = np.mean([not cheated[draw(windows, n, rng)].any() for _ in range(times)])
    bound = math.exp(-n * fraction)
    assert escaped < bound + 4 * math.sqrt(bound / times)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_kind_of_difference_is_seen_alone(device):
    t, n = TOLERANCES[device], 512
    audits = np.full(n, -2.0)

    def agreement(differences):
        return compare(audits + differences, audits, SHUFFLED[:n], 2048, device)

    one = np.where(np.arange(n) == 5, -1.1 * t.position, 0.0)
    assert agreement(one).disagreements == 1
    assert not agreement(one).honest
    spread = np.where(np.arange(n) % 2 == 0, 1.1, -1.1) * t.rms
    assert agreement(spread).disagreements == 0
    assert abs(agreement(spread).mean) < t.mean
    assert not agreement(spread).honest
    shift = np.full(n, 1.1 * t.mean)
    assert agreement(shift).rms < t.rms
    assert not agreement(shift).honest
    assert agreement(shift / 1.3).honest


def test_only_a_model_worse_than_a_uniform_guess_is_borne_more():
    n, shift = 512, 1.5 * TOLERANCES["cpu"].mean
    for nats, borne in [(1.0, False), (np.log(100), False), (2 * np.log(100), True)]:
        audits = np.full(n, -nats)
        assert compare(audits + shift, audits, SHUFFLED[:n], 100, "cpu").honest is borne


def test_windows_share_no_token_and_spread_over_the_split():
    tokens = np.arange(1000, dtype=np.uint16)
    windows = cut(tokens, np.ones(1000, dtype=np.int64), 9, 45)
    assert windows.tokens.shape == (5, 10)
    assert len(np.unique(windows.tokens)) == 50
    assert windows.tokens[0, 0] == 0
    assert windows.tokens[-1, 0] == 800


def test_tokens_without_bytes_are_context_and_not_scored():
    tokens = np.array([0, 1, 2, 0, 1, 2, 2, 2] * 4, dtype=np.uint16)
    windows = cut(tokens, np.array([0, 1, 3]), 7, 1000)
    assert windows.scored[0].tolist() == [True, True, False, True, True, True, True]
    assert windows.bytes == 4 * (1 + 3 + 1 + 3 + 3 + 3)


def test_windows_without_any_scored_token_are_left_out():
    tokens = np.array([0] * 10 + [1] * 10, dtype=np.uint16)
    assert cut(tokens, np.array([0, 1]), 9, 100).tokens.tolist() == [[1] * 10]


@pytest.mark.parametrize(
    ("tokens", "bytes_of", "window"),
    [([1, 1, 1], [0, 1], 8), ([0] * 20, [0, 1], 8), ([5] * 20, [0, 1], 8)],
    ids=["short", "nothing scored", "unknown token"],
)
def test_a_split_that_cannot_be_scored_is_an_error_of_the_user(tokens, bytes_of, window):
    with pytest.raises(UsageError):
        cut(np.array(tokens, dtype=np.uint16), np.array(bytes_of), window, 100)


def test_decoys_come_from_the_pool_and_too_small_a_pool_is_an_error():
    rng = np.random.default_rng(0)
    found = excerpts(np.arange(50, dtype=np.uint16), 100, 10, rng)
    assert (np.diff(found.astype(int), axis=1) == 1).all()
    assert found.max() == 49
    assert found.min() == 0
    with pytest.raises(UsageError):
        excerpts(np.arange(9, dtype=np.uint16), 1, 10, rng)


def test_logits_are_normalised_without_overflow():
    logits = np.array([[1e30, 0.0], [-1e30, -1e30], [3.0, 1.0]], dtype=np.float32)
    found = log_probability(logits, np.array([0, 1, 1]))
    assert np.allclose(found, [0.0, -math.log(2), -2 - math.log1p(math.exp(-2))])


def test_bits_per_byte_of_a_fair_coin_a_byte_is_one():
    assert bits_per_byte(100 * math.log(2), 100) == pytest.approx(1.0)
