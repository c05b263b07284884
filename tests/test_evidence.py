"""Endings are told from evidence: a table of what was seen and what it is called."""

from __future__ import annotations

import pytest

from runner.sandbox.evidence import Ended, Left, classify
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
    ],
)
def test_ending(seen: Ended, left: Left, ending: Ending) -> None:
    assert classify(seen, left)[0] is ending


def test_every_failure_says_why() -> None:
    for seen, left in ((ended(3), NOTHING), (ended(0), NOTHING), (ended(killed=True), NOTHING)):
        assert classify(seen, left)[1]
