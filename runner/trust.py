"""Whether a training is believed, by the marks that it got from what was watched of the machine (`machine/marks.py`).

A marked one is done again with the same seed, at most twice; then it is believed with its mark: a machine that is
always so must go on, and once it was found to be so it is not asked thrice for every trial. A training that failed
while the GPU itself was in trouble says nothing of the proposal, and is a fault of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from runner.errors import InfraError
from runner.machine import marks
from runner.trial import Attempt, Ending, Outcome

RERUNS = 2  # of one training


class Trust:
    """Of one device. how: `rerun` or `mark`, trial.distrust. say: messages for people."""

    def __init__(self, how: str, say: Callable[[str], None]) -> None:
        self._how, self._say = how, say
        self._usual: frozenset[str] = frozenset()  # marks that this device's trainings have, however often done

    def believes(self, outcome: Outcome, thrown: int) -> bool:
        """Whether a training counts, before which `thrown` others were thrown away.

        Raises InfraError where it failed and the GPU may be why.
        """
        if outcome.ending is not Ending.OK:
            broken(outcome.marks, f"it ended with {outcome.ending}: {outcome.detail}")
        doubts = marks.RERUN & frozenset(outcome.marks)
        self._usual &= doubts
        if self._how == "mark" or doubts <= self._usual:
            return True
        why = " and ".join(marks.SAID[mark] for mark in outcome.marks if mark in doubts)
        if thrown < RERUNS:
            self._say(f"a training is thrown away and done again, {thrown + 1} of {RERUNS} times: {why}")
            return False
        self._usual = doubts
        self._say(
            f"after {RERUNS + 1} trainings it is still so, and believed with its mark ({', '.join(sorted(doubts))}): "
            f"{why}. While it lasts none is done again for it"
        )
        return True


def broken(found: Sequence[str], what: str) -> None:
    """Raises InfraError if there is a mark among `found` of a GPU in trouble; what: how the program ended."""
    if trouble := [mark for mark in found if mark in marks.BROKEN]:
        why = " and ".join(marks.SAID[mark] for mark in trouble)
        raise InfraError(
            f"{why}; {what}",
            "See nvidia-smi -q and the kernel's log (NVRM: Xid); a GPU may need a reset, or to be replaced",
        )


def again(attempt: Attempt, thrown: Sequence[Attempt], waited: float) -> Attempt:
    """`attempt` with the record of those `thrown` away before it. Its wall-clock is that of all, and `waited`."""
    wall = attempt.wall_seconds + waited + sum(one.wall_seconds for one in thrown)
    attempt = replace(attempt, wall_seconds=round(wall, 3))
    if not thrown:
        return attempt
    told = {**attempt.outcome.telemetry, "again": [_told(one) for one in thrown]}
    return replace(attempt, outcome=replace(attempt.outcome, telemetry=told))


def _told(thrown: Attempt) -> dict[str, Any]:
    left = thrown.outcome
    return {"marks": list(left.marks), "ending": str(left.ending), "train_seconds": left.train_seconds}
