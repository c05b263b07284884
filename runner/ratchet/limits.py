"""Soft limits: what a version may take of memory and of time at scoring, whatever its gain.

Pure. Numbers are the host's and the kernel's, none is a statement of the program's. A limit whose measure is not
known limits nothing; `unheld` says so. Training has no limit of speed here: it is a fixed time, and what is slow in it
has fewer steps and a worse score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.config import RatchetSettings
from runner.trial import Attempt


@dataclass(frozen=True)
class Taken:
    """memory_mb, vram_mb: a candidate's peaks. score_seconds: of its fastest scoring, which a busy machine can only
    slow; incumbent_seconds: the incumbent's likewise. None: not known.
    """

    memory_mb: float | None = None
    vram_mb: float | None = None
    score_seconds: float | None = None
    incumbent_seconds: float | None = None


NOTHING = Taken()


def taken(own: Sequence[Attempt], incumbent_seconds: float | None) -> Taken:
    """own: the candidate's trainings."""
    return Taken(
        max((a.outcome.peak_memory_mb for a in own if a.outcome.peak_memory_mb is not None), default=None),
        max((a.outcome.peak_vram_mb for a in own if a.outcome.peak_vram_mb is not None), default=None),
        fastest(own),
        incumbent_seconds,
    )


def fastest(attempts: Iterable[Attempt], known: float | None = None) -> float | None:
    """Seconds of the fastest scoring of `attempts`, and of `known`."""
    seconds = [attempt.score.seconds for attempt in attempts if attempt.score]
    return min([*seconds, *([known] if known is not None else [])], default=None)


def _allowed(used: Taken, rule: RatchetSettings) -> list[tuple[str, float | None, float, str]]:
    """Of every limit that is on: its setting, what is taken, what is allowed, and a sentence for both."""
    found: list[tuple[str, float | None, float, str]] = [
        ("max_vram_mb", used.vram_mb, rule.max_vram_mb, "{:,.0f} MB of GPU memory where {:,.0f} are allowed"),
        ("max_memory_mb", used.memory_mb, rule.max_memory_mb, "{:,.0f} MB of memory where {:,.0f} are allowed"),
        ("max_score_seconds", used.score_seconds, rule.max_score_seconds, "{:.1f} s to score where {:.1f} are allowed"),
    ]  # fmt: skip
    if rule.max_slowdown > 0:
        words = f"{{:.1f}} s to score where {{:.1f}} are allowed, {rule.max_slowdown:g} times the incumbent's"
        most = rule.max_slowdown * (used.incumbent_seconds or 0.0)
        found.append(("max_slowdown", used.score_seconds if most > 0 else None, most or 1.0, words))
    return [one for one in found if one[2] > 0]


def over_limits(used: Taken, rule: RatchetSettings) -> str:
    """What a candidate takes too much of, in words; empty if nothing, or if it is not known."""
    for _, amount, limit, words in _allowed(used, rule):
        if amount is not None and amount > limit:
            return f"it takes {words.format(amount, limit)}"
    return ""


def unheld(used: Taken, rule: RatchetSettings) -> list[str]:
    """The settings of limits that are on and say nothing, because what they limit is not known."""
    return [setting for setting, amount, _, _ in _allowed(used, rule) if amount is None]
