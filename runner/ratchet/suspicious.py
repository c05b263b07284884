"""Scores that are too good to be believed: set aside for a person, whatever the rule would say of them.

Pure. Three signs: a score below a floor that the data suggest (`scoring/floor.py`); a jump in one step that is
large both in sigmas and as a share of the incumbent's score; and one of very many sigmas, whatever its share, once some
versions were kept, for early steps are large. They are set so wide by default that no honest step is known to
reach them; a person who looks and believes lets the version be judged after all.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.config import RatchetSettings

LEAST_SIGMA = 0.001  # of the incumbent's score; where trainings hardly differ, each honest step is many sigmas


def suspicion(
    scores: Sequence[float], incumbent: float, sigma: float, floor: float, rule: RatchetSettings, kept: int = 0
) -> str:
    """Why the best of a version's `scores` is not believable, in words; "" where it is. All in bits per byte.

    incumbent: its value. sigma: the noise, 0 where it is not known; then only the share counts. floor: 0 for none;
    one that the incumbent itself is below is wrong about this data, and does not count. kept: versions that were kept
    after the baseline.
    """
    if not scores:
        return ""
    best = min(scores)
    if best < floor <= incumbent:
        return f"{best:.4f} bits per byte is below {floor:.4f}, which the text itself hardly allows"
    gain = incumbent - best
    large = gain > rule.suspicious_share * incumbent and gain > rule.suspicious_sigmas * sigma
    late = sigma > 0 and kept >= rule.jump_after
    if large or (late and gain > rule.jump_sigmas * max(sigma, LEAST_SIGMA * incumbent)):
        sigmas = f", {gain / sigma:.0f} sigma" if sigma > 0 else ""
        return f"{gain:.4f} lower in one step than the incumbent's {incumbent:.4f} ({gain / incumbent:.0%}{sigmas})"
    return ""
