"""Endings are told from evidence: a table of what was seen and what it is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.sandbox.evidence import Ended, Left, classify
from runner.sandbox.leftover import read
from runner.trial import Ending

NOTHING, CHECKPOINT, FULL = Left(False, False), Left(True, False), Left(False, True)


def ended(code: int | None = 0, *, killed: bool = False, oom: bool = False) -> Ended:
    return Ended(None if killed else code, killed, 10.0, 0.1 if killed else 0.0, oom, 100.0)


@pytest.mark.parametrize(
    ("seen", "left", "ending"),
    [
        (ended(0), CHECKPOINT, Ending.OK),
        (ended(killed=True), CHECKPOINT, Ending.OK),
        (ended(killed=True), NOTHING, Ending.TIMEOUT),
        (ended(killed=True), FULL, Ending.OVERFLOW),
        (ended(0), NOTHING, Ending.INVALID),
        (ended(1), NOTHING, Ending.CRASH),
        (ended(1), CHECKPOINT, Ending.CRASH),
        (ended(137), NOTHING, Ending.CRASH),  # says 137 by itself: no evidence of a kill
        (ended(124), NOTHING, Ending.CRASH),
        (ended(1), FULL, Ending.OVERFLOW),
        (ended(0), FULL, Ending.OVERFLOW),
        (ended(0), Left(True, True), Ending.OK),
        (ended(137, oom=True), NOTHING, Ending.OOM),
        (ended(1, oom=True), CHECKPOINT, Ending.OOM),
        (ended(0, oom=True), CHECKPOINT, Ending.OK),  # a child died, the training did not mind
        (ended(killed=True, oom=True), CHECKPOINT, Ending.OK),
        (ended(killed=True, oom=True), NOTHING, Ending.OOM),  # it waited for a child that had died
        (ended(0), Left(True, False, strange=True), Ending.INVALID),  # a link beside the weights
        (ended(killed=True), Left(True, False, strange=True), Ending.INVALID),
        (ended(0), Left(True, False, oversized=True), Ending.OVERFLOW),  # sparse
        (ended(killed=True), Left(True, False, oversized=True), Ending.OVERFLOW),
        (ended(1), Left(True, False, strange=True, oversized=True), Ending.CRASH),
        (replace(ended(), exit_code=None, flooded=True), CHECKPOINT, Ending.OVERFLOW),
        (replace(ended(), exit_code=None, flooded=True), NOTHING, Ending.OVERFLOW),
    ],
)
def test_ending(seen: Ended, left: Left, ending: Ending) -> None:
    assert classify(seen, left)[0] is ending


def test_every_failure_says_why() -> None:
    for seen, left in ((ended(3), NOTHING), (ended(0), NOTHING), (ended(killed=True), NOTHING)):
        assert classify(seen, left)[1]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (b"2048 60\n", NOTHING),
        (b"0 60\n", FULL),
        (b"2048 0\n", FULL),
        (b"2047 59\nF 21\n", CHECKPOINT),
        (b"2047 59\n40\n", NOTHING),
        (b"2047 59\nS F 21\n", Left(True, False, strange=True)),
        (b"2047 59\nF 1099511627797\n", Left(True, False, oversized=True)),
        (b"2047 59\nF Infinity\n", Left(True, False, oversized=True)),
    ],
)
def test_what_the_keeper_says_of_out(said: bytes, left: Left) -> None:
    assert read(said, 8) == left


@pytest.mark.parametrize(
    "said", [b"", b"2048", b"a b", b"1 2 F", b"1 2 X 3", b"1 2 F 3 F", b"-1 2", b"sh: error"]
)
def test_what_the_keeper_cannot_have_said_is_no_evidence(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"^\["):
        read(said, 8)
