"""One trial as the page holds it: JSON-serialisable, every text cleaned and bounded, every number finite.

Pure. The long parts (diff, log, curves) come in already cut to their share of the page; see `model.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.report import doubts, lines, text
from runner.report.page import limits
from runner.report.page.facts import number, numbers
from runner.report.page.material import Points, thin
from runner.report.series import sigma
from runner.trial import Attempt, Entry
from runner.usage import usage_of

ATTEMPTS = 24  # of a trial, shown; a rule asks for fewer
_HASH = 12


def filled(raw: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty: the page reads a missing key as nothing to say."""
    return {key: value for key, value in raw.items() if value not in (None, "", [], {})}


def attempt(raw: Attempt) -> dict[str, Any]:
    score, left = raw.score, raw.outcome
    facts: dict[str, Any] = {
        "role": str(raw.role),
        "ending": str(raw.ending),
        "bpb": number(raw.val_bpb),
        "detail": _remarks(raw),
        "train": number(left.train_seconds, 4),
        "wall": number(raw.wall_seconds, 4),
        "over": number(left.overrun_seconds, 3),
        "memory": number(left.peak_memory_mb, 4),
        "vram": number(left.peak_vram_mb, 4),
        "exit": left.exit_code,
        "numbers": numbers(raw.numbers),
    }
    if score is not None:
        facts |= {"audited": score.positions, "disagree": score.disagreements, "bytes": score.bytes}
        facts["correction"] = number(score.correction_bpb, 2)
    return {"seed": number(raw.seed, 15), **filled(facts)}


def _remarks(raw: Attempt) -> str:
    """How it ended, its marks, and what was seen of its GPU."""
    parts = [limits.short(raw.detail, 200), doubts.sentence(raw), doubts.gpu(raw)]
    return limits.short("; ".join(part for part in parts if part), 480)


def curve(points: Points, most: int) -> dict[str, list[Any]] | None:
    """Steps and losses, for drawing, and learning rates where they were told; None where there is no line to draw."""
    if len(points) < 2:
        return None
    shown = thin(points, most)
    found = {"x": [number(p.step, 6) for p in shown], "y": [number(p.loss, 4) for p in shown]}
    rates = [number(p.lr, 3) for p in shown]
    return found | ({"lr": rates} if any(rate is not None for rate in rates) else {})


def trial(entry: Entry) -> dict[str, Any]:
    """What the table and the chart need, and the facts of the trial."""
    used = usage_of(entry.meta)
    facts = {
        "why": limits.short(lines.reason(entry), 480),
        "bpb": number(entry.val_bpb),
        "against": number(entry.incumbent_bpb),
        "best": number(entry.best_bpb),
        "sigma": number(sigma(entry)),
        "numbers": numbers(entry.verdict.numbers),
        "times": numbers(entry.timings, 10),
        "usd": number(used.cost_usd),
        "tokens_in": used.tokens_in,
        "tokens_out": used.tokens_out,
        "model": limits.short(used.model, 80),
        "suspicious": limits.short(entry.suspicious, 240),
        "parent": text.line(entry.parent_commit, 64)[:_HASH],
    }
    return {
        "n": entry.number,
        "time": text.line(entry.time, 40),
        "status": str(entry.status),
        "word": lines.status_word(entry),
        "note": limits.short(entry.note, 420),
        "agent": limits.short(entry.agent, 80),
        "commit": text.line(entry.commit, 64)[:_HASH],
        "digest": text.line(entry.proposal, 64)[:_HASH],
        **filled(facts),
        "attempts": attempts(entry.attempts),
    }


def attempts(found: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [attempt(one) for one in found[:ATTEMPTS]]
