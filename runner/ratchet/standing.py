"""Where a run stands: the incumbent's counted scores, the noise so far, and which trainings are due.

What makes the incumbent's value free of luck is here. The scores by which a version was chosen never count
for it (but for `greedy`, which is luck's own rule): a kept version is scored afresh. The incumbent is trained
again with every rerun of a candidate, and after a fixed number of proposals. Pure: a Standing is a value,
rebuilt from the ledger by the same calls. It trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.config import RatchetSettings
from runner.ratchet.noise import UNKNOWN, Noise, checked, mean, plausible, pool


def calibration_trials(rule: RatchetSettings) -> int:
    """Trainings of the baseline before the first proposal: one for `greedy`, which asks for no noise."""
    return 1 if rule.rule == "greedy" else rule.calibrate_trials


def confirmations(candidate: Sequence[float]) -> tuple[float, ...]:
    """The scores that did not select their candidate: all but the first. These may speak about the noise."""
    return tuple(candidate[1:])


def counted_after_keep(candidate: Sequence[float], rule: RatchetSettings) -> tuple[float, ...]:
    """Which of the scores that got a version kept count for it as the incumbent: none, it is scored afresh.

    Every one of them took part in the choice, if only by when the reruns stopped. `greedy` counts them all, as
    the original does.
    """
    return tuple(candidate) if rule.rule == "greedy" else ()


def incumbent_needs(action: str, counted: int, age: int, rule: RatchetSettings) -> int:
    """How many trainings of the incumbent are due after a verdict, before anything else.

    action: the verdict's; after a keep the incumbent is the version just kept. counted: its counted scores.
    age: proposals decided since it became the incumbent, this one included.

    After "keep", `rescore_trials`. After "rerun", one, until `incumbent_trials` are counted: the comparison
    needs it as much as the candidate's, and it is shared by all later ones. After "discard", one in every
    `refresh_every` proposals, whatever the scores: an incumbent is replaced more easily when its value is
    unlucky, so that of the survivor is lucky until it is looked at again.
    """
    if rule.rule == "greedy":
        return 0
    if action == "keep":
        return max(0, rule.rescore_trials - counted)
    if rule.rule == "margin":
        return 0
    if action == "rerun":
        return int(counted < rule.incumbent_trials)
    return int(rule.refresh_every > 0 and age % rule.refresh_every == 0)


@dataclass(frozen=True)
class Standing:
    """incumbent: its counted scores. age: proposals decided against it. past: noise of all closed groups.

    kept: versions kept after the baseline. seconds: of the incumbent's fastest scoring, None where it is not known.
    """

    incumbent: tuple[float, ...] = ()
    age: int = 0
    past: Noise = UNKNOWN
    kept: int = 0
    seconds: float | None = None

    @property
    def value(self) -> float:
        """The incumbent's score in bits per byte. Raises ValueError before its first."""
        return mean(checked(self.incumbent, "the incumbent"))

    def noise(self, candidate: Sequence[float] = ()) -> Noise:
        """The estimate for a decision: closed groups, the incumbent's, the confirmations of the candidate."""
        return pool(self.past, [self.incumbent, confirmations(candidate)])

    def trained(self, *scores: float) -> Standing:
        """After fresh trainings of the incumbent: calibration, rescoring, or what was due."""
        return replace(self, incumbent=self.incumbent + scores)

    def needs(self, action: str, rule: RatchetSettings) -> int:
        """`incumbent_needs` here and now; call it after `decided` where the action was keep or discard."""
        return incumbent_needs(action, len(self.incumbent), self.age, rule)

    def decided(self, action: str, candidate: Sequence[float], rule: RatchetSettings) -> Standing:
        """After a proposal's last verdict, "keep" or "discard"; its reruns, if stable, speak about the noise.

        candidate: its scores, possibly none after a crash.
        """
        group = confirmations(candidate)
        if not plausible(group, self.noise()):
            group = ()
        if action == "keep":
            closed = pool(self.past, [self.incumbent, group])
            return Standing(counted_after_keep(candidate, rule), 0, closed, self.kept + 1)
        return replace(self, age=self.age + 1, past=pool(self.past, [group]))
