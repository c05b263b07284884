"""Annotated constants: what is found, what is refused, and that a rewrite touches nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runner.agents import constants, moves
from runner.agents.constants import find, rewrite
from runner.errors import UsageError

TRAIN = '''\
"""A small train.py. RANGE_IN_TEXT = 3  # range: 1..5"""

# LR = 0.1  # range: 0.01..1.0
MATRIX_LR = 0.04     # range: 0.005..0.2 log — of the hidden matrices
EMBED_LR: float = 3e-4  # range: 1e-5..1e-2 log ; Größe
DEPTH = 4            # range: 2..8
VOCAB = 50_000       # range: 10_000..100_000
BETA = -0.5          # range: -1..0
ACTIVATION = "relu2" # choices: "relu2", 'ge,lu', "si;lu" — feed-forward
TIED = True  # choices: True, False
WIDTH = 64  # choices: 64, 96, 128 -- multiples of 32
PLAIN = 7  # of no interest


def train():
    steps = 3  # range: 1..5
    return "DEPTH = 4  # range: 2..8", steps
'''
SOURCE = TRAIN.encode()
REAL = Path(__file__).parent.parent / "train" / "train.py"


def one(line: str) -> constants.Constant:
    (found,) = find(line.encode())
    return found


def test_only_top_level_assignments_with_a_trailing_annotation_are_found() -> None:
    names = [constant.name for constant in find(SOURCE)]
    assert names == ["MATRIX_LR", "EMBED_LR", "DEPTH", "VOCAB", "BETA", "ACTIVATION", "TIED", "WIDTH"]


def test_ranges_take_the_type_of_the_literal() -> None:
    found = {constant.name: constant for constant in find(SOURCE)}
    assert (found["DEPTH"].domain.low, found["DEPTH"].domain.high) == (2, 8)
    assert [type(v) for v in (found["BETA"].domain.low, found["BETA"].domain.high)] == [float, float]
    assert found["MATRIX_LR"].domain.log
    assert not found["DEPTH"].domain.log


def test_choices_may_hold_what_separates_them() -> None:
    found = {constant.name: constant.domain.choices for constant in find(SOURCE)}
    assert found["ACTIVATION"] == ("relu2", "ge,lu", "si;lu")
    assert found["TIED"] == (True, False)
    assert found["WIDTH"] == (64, 96, 128)


def test_a_rewrite_changes_the_literals_and_not_one_byte_more() -> None:
    changes = {"MATRIX_LR": 0.055, "DEPTH": 5, "VOCAB": 64_000, "ACTIVATION": "si;lu", "TIED": False}
    expected = (
        TRAIN.replace("MATRIX_LR = 0.04 ", "MATRIX_LR = 0.055 ")
        .replace("DEPTH = 4            #", "DEPTH = 5            #")
        .replace("VOCAB = 50_000", "VOCAB = 64_000")
        .replace('ACTIVATION = "relu2"', 'ACTIVATION = "si;lu"')
        .replace("TIED = True", "TIED = False")
    )
    assert rewrite(SOURCE, changes).decode() == expected


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_and_byte_order_mark_are_kept(newline: str, mark: bytes) -> None:
    text = f"LR = 0.1  # range: 0.01..1.0 log{newline}\fB = 2 # range: 1..3{newline}# ü"
    changed = rewrite(mark + text.encode(), {"LR": 0.2, "B": 3})
    assert changed == mark + text.replace("0.1 ", "0.2 ").replace("B = 2", "B = 3").encode()


def test_positions_hold_behind_characters_of_several_bytes() -> None:
    source = "GRÖẞE = 'é'\n\"é\"; LR = 0.1  # range: 0.01..1.0\n".encode()
    assert rewrite(source, {"LR": 0.2}) == source.replace(b"0.1 ", b"0.2 ")


def test_no_change_gives_back_the_same_bytes() -> None:
    assert rewrite(SOURCE, {constant.name: constant.value for constant in find(SOURCE)}) == SOURCE
    assert rewrite(b"LR = 1e-3  # range: 1e-4..1e-2\n", {"LR": 0.001}) == b"LR = 1e-3  # range: 1e-4..1e-2\n"


def test_random_rewrites_compile_and_read_back_as_written() -> None:
    rng = random.Random(1)
    for _ in range(300):
        changes = {c.name: moves.uniform(c, rng) for c in find(SOURCE)}
        changed = rewrite(SOURCE, changes)
        compile(changed, "train.py", "exec")
        assert {c.name: c.value for c in find(changed)} == changes
        assert constants.skeleton(changed) == constants.skeleton(SOURCE)


@pytest.mark.parametrize(
    ("line", "raw", "text"),
    [
        ("A = 0.04  # range: 0.005..0.2 log", 0.05500000001, "0.055"),
        ("A = 3e-4  # range: 1e-6..1e-2 log", 0.0000123456, "1.23e-5"),
        ("A = 2.0  # range: 1..4", 3.0000001, "3.0"),
        ("A = 0.999  # range: 0.999..0.9999", 0.99943512, "0.99944"),
        ("A = 0.0  # range: 0..0.5", 0.0, "0.0"),
        ("A = 1500.0  # range: 1000..5000", 2345.6, "2350.0"),
        ("A = 4  # range: 2..8", 5.4, "5"),
        ("A = 0.04  # range: 0.0123456..0.2", 0.0123456, "0.0123456"),
    ],
)
def test_values_are_written_as_a_person_would(line: str, raw: float, text: str) -> None:
    constant = one(line)
    assert constant.literal(constant.canonical(raw)) == text


@pytest.mark.parametrize(
    "line",
    [
        "A = 3  # range: 1-5",
        "A = 3  # range: 5..1",
        "A = 3  # range: 0.5..5",
        "A = 3  # range: 1..5 logs",
        "A = 3  # range: 1..5, of something",
        "A = 0.5  # range: 0..1 log",
        "A = 0.5  # range: 0..1e999",
        "A = 1e999  # range: 0..1",
        "A = 0.5  # range: low..high",
        "A = 2 * 3  # range: 1..9",
        "A = B = 3  # range: 1..9",
        "A, B = 3, 4  # range: 1..9",
        "A = 3; B = 4  # range: 1..9",
        "A = True  # range: 0..1",
        "A = 'x'  # range: 1..2",
        "A = 'x'  # choices: 'x'",
        "A = 'x'  # choices: x, y",
        "A = 'x'  # choices: 'x', 'y' or so",
        "A = 'x'  # choices: 'x',, 'y'",
        "A = 1  # choices: 1, 1.0",
        "A = None  # choices: None, 1",
    ],
)
def test_a_malformed_annotation_names_its_line(line: str) -> None:
    with pytest.raises(UsageError, match=r"train\.py, line 3: "):
        find(f"import os\n\n{line}\n".encode())


def test_a_name_annotated_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="line 2: A is annotated on line 1 too"):
        find(b"A = 1  # range: 1..3\nA = 2  # range: 1..3\n")


@pytest.mark.parametrize("source", [b"A = (\n", b"A = '\xff'\n", b"# coding: latin-1\nA = 1\n", b"A = 1\0\n"])
def test_what_is_no_python_in_utf8_is_a_usage_error(source: bytes) -> None:
    with pytest.raises(UsageError, match=r"train\.py"):
        find(source)


def test_a_value_outside_its_range_widens_it_and_is_reported() -> None:
    found = find(b"A = 0.5  # range: 0.01..0.2\nB = 'z'  # choices: 'x', 'y'\nC = 2  # range: 1..3\n")
    assert (found[0].domain.low, found[0].domain.high) == (0.01, 0.5)
    assert found[1].domain.choices == ("x", "y", "z")
    assert [warning.split(":")[0] for warning in constants.warnings(found)] == ["line 1", "line 2"]


def test_a_value_that_the_annotation_does_not_allow_is_never_written() -> None:
    for name, value in (("DEPTH", 9), ("DEPTH", 4.0), ("TIED", 1), ("ACTIVATION", "tanh")):
        with pytest.raises(ValueError, match=name):
            rewrite(SOURCE, {name: value})


@pytest.mark.skipif(not REAL.exists(), reason="train/train.py is not there")
def test_every_constant_of_the_real_train_py_can_be_varied() -> None:
    source = REAL.read_bytes()
    found = find(source, str(REAL))
    assert len(found) >= 5
    assert constants.warnings(found) == []
    rng = random.Random(2)
    for constant in found:
        changed = rewrite(source, {constant.name: moves.step(constant, moves.Record(), rng)})
        compile(changed, "train.py", "exec")
        assert sum(a != b for a, b in zip(source.splitlines(), changed.splitlines(), strict=True)) == 1
