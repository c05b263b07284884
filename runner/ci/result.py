"""What a judgement says, as one value: for result.json, the summary, JUnit and the step's outputs. Pure.

`verdict` is about the head only where it is `better`, `not-better` or `refused`. Trouble of the machine, of the
settings or of the base is `error`, whatever was found until then.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from runner.ci.event import Request
from runner.ratchet.noise import COVERAGE
from runner.ratchet.student import t_point
from runner.trial import Attempt, Ending, Entry, Pins, Role, Score, Status

BETTER, NOT_BETTER, REFUSED, ERROR = "better", "not-better", "refused", "error"
EXIT = {BETTER: 0, NOT_BETTER: 1, REFUSED: 1}
PATHS = 1000  # of a list in result.json


@dataclass(frozen=True)
class Side:
    """One revision. rev: as it was asked for; train: digest of its train.py, "" where it is not known."""

    rev: str = ""
    sha: str = ""
    train: str = ""


@dataclass(frozen=True)
class Training:
    """One training. of: `base` or `head`. known: from an earlier job. counts: whether its score enters the delta."""

    of: str
    attempt: Attempt
    known: bool
    counts: bool


@dataclass(frozen=True)
class Result:
    """Everything that is said. record: what became of the run's record, a word or findings. Bits are per byte.

    unfinished: jobs that started a training of this head and did not bring it to its end.
    """

    verdict: str
    cause: str
    reason: str
    exit_code: int
    base: Side = Side()
    head: Side = Side()
    merge_base: str = ""
    request: Request | None = None
    refused: Sequence[tuple[str, str]] = ()
    outside: Sequence[tuple[str, str]] = ()
    gate: Sequence[tuple[str, str]] = ()
    record: str | Sequence[str] = "not applicable"
    trainings: Sequence[Training] = ()
    val_bpb: float | None = None
    base_bpb: float | None = None
    interval: tuple[float, float] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    rule: str = ""
    budget_seconds: float | None = None
    pins: Pins | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[Mapping[str, str]] = ()
    remembered: str = ""
    unfinished: int = 0
    messages: Sequence[str] = ()
    seconds: float = 0.0
    diff: str = ""
    log: bytes = b""  # the end of what the head's last training printed, where it failed
    train_path: str = "train/train.py"

    @property
    def delta(self) -> float | None:
        """Head less base: negative is better."""
        return None if self.val_bpb is None or self.base_bpb is None else self.val_bpb - self.base_bpb


def judged(entries: Sequence[Entry], fresh: Collection[int]) -> dict[str, Any]:
    """The fields of a Result that follow from the two entries. fresh: seeds of the trainings of this job."""
    base, head = entries
    kept = head.status is Status.KEEP
    afresh = kept and any(a.role is Role.AFRESH and a.score for a in head.attempts)
    counted = Role.AFRESH if afresh else Role.CANDIDATE
    trainings = [Training("base", a, a.seed not in fresh, a.score is not None) for a in base.attempts]
    for attempt in head.attempts:
        of_base = attempt.role is Role.INCUMBENT
        counts = attempt.score is not None and (of_base or attempt.role is counted)
        trainings.append(Training("base" if of_base else "head", attempt, attempt.seed not in fresh, counts))
    verdict, cause, reason = _verdict(head)
    measured = head.val_bpb is not None
    return {
        "verdict": verdict,
        "cause": cause,
        "reason": reason,
        "exit_code": EXIT[verdict],
        "trainings": tuple(trainings),
        "val_bpb": head.val_bpb,
        "base_bpb": head.incumbent_bpb,
        "interval": _interval(head, trainings) if measured else None,
        "numbers": dict(head.verdict.numbers),
        "pins": head.pins,
        "machine": head.machine,
    }


def _verdict(head: Entry) -> tuple[str, str, str]:
    if head.suspicious:
        return REFUSED, "suspicious", f"Too good to be believed, a person must look at it: {head.suspicious}."
    if head.ending is Ending.AUDIT:
        return REFUSED, "audit", f"Its claims and its audit disagree: {head.detail}."
    if head.status is Status.CRASH:
        return NOT_BETTER, "failed", head.verdict.reason
    if head.status is Status.KEEP:
        return BETTER, "better", head.verdict.reason
    return NOT_BETTER, "worse", head.verdict.reason


def _interval(head: Entry, trainings: Sequence[Training]) -> tuple[float, float] | None:
    """Of head less base at 95 %: Student's, with the noise that the verdict rests on and both audits' own errors."""
    sigma, df = head.verdict.numbers.get("sigma"), int(head.verdict.numbers.get("df", 0))
    own = [t.attempt.score for t in trainings if t.counts and t.of == "head" and t.attempt.score]
    others = [t.attempt.score for t in trainings if t.counts and t.of == "base" and t.attempt.score]
    if sigma is None or df < 1 or not own or not others or head.val_bpb is None or head.incumbent_bpb is None:
        return None
    spread = sigma * math.sqrt(1 / len(own) + 1 / len(others))
    reach = t_point((1 - COVERAGE) / 2, df) * math.hypot(spread, _audit(own), _audit(others))
    delta = head.val_bpb - head.incumbent_bpb
    return delta - reach, delta + reach


def _audit(scores: Sequence[Score]) -> float:
    """The standard error of the mean that the audits of these scores leave, in bits per byte."""
    return math.sqrt(math.fsum(score.stderr_bpb**2 for score in scores)) / len(scores)


def plain(result: Result) -> dict[str, Any]:
    """As in result.json."""
    sigma, df = result.numbers.get("sigma"), result.numbers.get("df", 0)
    record = result.record if isinstance(result.record, str) else list(result.record)
    return {
        "version": 1,
        "verdict": result.verdict,
        "cause": result.cause,
        "reason": result.reason,
        "exit_code": result.exit_code,
        "base": asdict(result.base),
        "head": asdict(result.head),
        "merge_base": result.merge_base,
        "request": asdict(result.request) if result.request else None,
        "refused": _paths(result.refused),
        "outside": _paths(result.outside),
        "record": record,
        "val_bpb": result.val_bpb,
        "base_bpb": result.base_bpb,
        "delta": result.delta,
        "interval": list(result.interval) if result.interval else None,
        "noise": {"sigma": sigma, "df": int(df)} if sigma is not None and df else None,
        "trainings": [_training(one) for one in result.trainings],
        "numbers": dict(result.numbers),
        "rule": result.rule,
        "budget_seconds": result.budget_seconds,
        "pins": asdict(result.pins) if result.pins else None,
        "machine": dict(result.machine),
        "samples": [dict(one) for one in result.samples],
        "remembered": result.remembered or None,
        "unfinished": result.unfinished,
        "messages": list(result.messages),
        "seconds": result.seconds,
    }


def _paths(found: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "change": what} for path, what in found[:PATHS]]


def _training(one: Training) -> dict[str, Any]:
    attempt, score = one.attempt, one.attempt.score
    names = ("positions", "disagreements", "correction_bpb", "max_difference_nats")
    return {
        "of": one.of,
        "role": str(attempt.role),
        "seed": attempt.seed,
        "ending": str(attempt.ending),
        "detail": attempt.detail,
        "val_bpb": attempt.val_bpb,
        "stderr_bpb": score.stderr_bpb if score else None,
        "train_seconds": attempt.outcome.train_seconds,
        "wall_seconds": attempt.wall_seconds,
        "known": one.known,
        "counts": one.counts,
        "audit": {name: getattr(score, name) for name in names} if score else dict(attempt.numbers) or None,
    }
