"""What a training reports of itself: numbers that are finite and few, whatever it writes."""

from __future__ import annotations

import pytest

from runner.curve import CURVE_POINTS, Curve, parse_reading
from runner.relay import Silent


class Quiet(Silent):
    def reading(self, reading: object) -> None: ...


def test_a_line_of_progress_is_read_with_its_learning_rate() -> None:
    line = b'@ {"step": 3, "loss": 2.5, "tokens": 4096, "rate": 1200, "lr": 0.04}'
    assert parse_reading(line) == {"step": 3.0, "loss": 2.5, "tokens": 4096.0, "rate": 1200.0, "lr": 0.04}


def test_a_line_of_an_older_train_py_is_read_without_one() -> None:
    assert parse_reading(b'@ {"step": 3, "loss": 2.5}') == {"step": 3.0, "loss": 2.5}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "1e15", '"0.04"', "true", "null", "[1]", "{}"])
def test_a_learning_rate_that_is_no_number_is_left_out(value: str) -> None:
    found = parse_reading(f'@ {{"step": 3, "loss": 2.5, "lr": {value}}}'.encode())
    assert found == {"step": 3.0, "loss": 2.5}


def test_a_curve_of_any_length_is_bounded() -> None:
    curve = Curve(Quiet())
    for step in range(CURVE_POINTS + 500):
        curve.line(b'@ {"step": %d, "loss": 1, "lr": 0.1}' % step)
    assert len(curve.points) == CURVE_POINTS
    assert set(curve.points[-1]) == {"step", "loss", "lr"}
