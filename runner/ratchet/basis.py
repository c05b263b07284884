"""What a verdict rested on beside the scores, as it is recorded with each trial. Pure.

A run may be resumed under other settings of the rule, with noise that was measured beside it meanwhile, or to judge a
version that a person accepted. With this a verdict can be made again from the record alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runner.config import RatchetSettings, Settings, override
from runner.ratchet.noise import CEILING, UNKNOWN, Noise

MOST_DF = 1_000_000  # degrees of freedom; a trained noise has some tens


@dataclass(frozen=True)
class Basis:
    """known: noise measured beside the run. floor: bits per byte below which no score is believed, 0 for none.
    accepted: whether a person had looked at the version and believed it.
    """

    rule: RatchetSettings
    known: Noise = UNKNOWN
    floor: float = 0.0
    accepted: bool = False

    def plain(self) -> dict[str, Any]:
        """For the record, without what says nothing; `floor` is always there."""
        told: dict[str, Any] = {"rule": asdict(self.rule), "floor": self.floor}
        if self.known.known:
            told["noise"] = asdict(self.known)
        if self.accepted:
            told["accepted"] = True
        return told


def shortened(told: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """`plain` without the settings of the rule that are those of the run's header, `usual`."""
    rule = {
        key: value for key, value in told.get("rule", {}).items() if key not in usual or usual[key] != value
    }
    rest = {key: value for key, value in told.items() if key != "rule"}
    return {"rule": rule, **rest} if rule else rest


def basis_of(told: Mapping[str, Any], usual: RatchetSettings) -> Basis:
    """The inverse of `shortened`. Raises UsageError, ValueError or TypeError on anything else.

    The baseline's also has `header`, the digest of run.json, which is not looked at here.
    """
    if strange := set(told) - {"rule", "noise", "floor", "accepted", "header"}:
        raise ValueError(f"its basis holds {sorted(strange)}")
    changes = {f"ratchet.{key}": value for key, value in told.get("rule", {}).items()}
    rule = override(Settings(ratchet=usual), changes).ratchet
    known = Noise(**told["noise"]) if "noise" in told else UNKNOWN
    floor = float(told.get("floor", 0.0))
    numbers = (
        (known.sigma, known.low, floor) if not known.known else (known.sigma, known.low, known.high, floor)
    )
    sane = all(math.isfinite(number) and 0 <= number <= CEILING for number in numbers)
    if not sane or type(known.df) is not int or not 0 <= known.df <= MOST_DF:
        raise ValueError("its basis holds a number that is none")
    return Basis(rule, known, floor, told.get("accepted", False) is True)
