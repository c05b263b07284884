"""The floor of believable scores: what it says of texts whose entropy is known, and that honest work stays above."""

import math
import time
from pathlib import Path

import numpy as np
import pytest

from runner.scoring.floor import FACTOR, floor_bpb

RNG = np.random.default_rng(1)
ONE = np.ones(256, dtype=np.int64)


def chain(length: int, choices: int, seed: int) -> np.ndarray:
    """Tokens each of which is one of `choices` equally likely ones that follow from the token before."""
    rng = np.random.default_rng(seed)
    tokens, steps = [0], rng.integers(choices, size=length)
    for step in steps:
        tokens.append((7 * tokens[-1] + 31 * int(step) + 1) % 256)
    return np.array(tokens, dtype=np.uint16)


def test_the_floor_of_noise_is_the_entropy_over_the_factor():
    train, validation = RNG.integers(256, size=(2, 50_000)).astype(np.uint16)
    assert floor_bpb(train, validation, ONE) == pytest.approx(8 / FACTOR, rel=0.05)


@pytest.mark.parametrize("choices", [2, 4, 16])
def test_the_floor_of_a_chain_is_little_above_its_entropy_over_the_factor(choices):
    found = FACTOR * floor_bpb(chain(300_000, choices, 1), chain(30_000, choices, 2), ONE)
    assert math.log2(choices) <= found < 1.1 * math.log2(choices)


def test_text_that_repeats_itself_has_a_low_floor_though_training_knows_nothing_of_it():
    train = RNG.integers(256, size=50_000).astype(np.uint16)
    piece = RNG.integers(256, size=500).astype(np.uint16)
    assert floor_bpb(train, np.tile(piece, 40), ONE) < 0.3 / FACTOR * 2


def test_bits_are_per_byte_of_text_and_separators_do_not_count():
    train, validation = RNG.integers(2, size=(2, 20_000)).astype(np.uint16)
    mixed = np.where(np.arange(20_000) % 4 == 0, 2, validation).astype(np.uint16)
    lengths = np.array([3, 3, 0])
    known = floor_bpb(train, validation, lengths)
    assert known == pytest.approx(1 / 3 / FACTOR, rel=0.05)
    assert floor_bpb(mixed, mixed, lengths) == pytest.approx(known, rel=0.3)


def test_where_nothing_is_scored_there_is_no_floor():
    assert floor_bpb(RNG.integers(2, size=100), np.zeros(50, dtype=np.uint16), np.array([0, 1])) == 0.0


def test_without_training_text_the_floor_is_that_of_the_packed_text():
    validation = RNG.integers(256, size=20_000).astype(np.uint16)
    assert 0 < floor_bpb(validation[:0], validation, ONE) < 12 / FACTOR


def test_ten_megabytes_take_seconds():
    train = RNG.integers(2048, size=4_000_000).astype(np.uint16)
    began = time.process_time()
    floor_bpb(train, train[:300_000], np.full(2048, 3))
    assert time.process_time() - began < 15


@pytest.mark.skipif(
    not (Path(__file__).parents[1] / "data" / "val.npy").exists(), reason="no data prepared here"
)
def test_the_lab_s_own_data_leaves_room_below_what_its_models_reach():
    folder = Path(__file__).parents[1] / "data"
    found = floor_bpb(*(np.load(folder / f"{name}.npy") for name in ("train", "val", "token_bytes")))
    assert 0.01 < found < 0.2
