"""The nouns that flow through a run: Proposal → Outcome → Score → Attempt → Verdict → Entry.

All are frozen dataclasses without behaviour beyond conversion to and from JSON. They import nothing of
ours. Numbers that came out of a container (exit code, peak memory) are evidence about an untrusted
program, not statements by it: no field here is ever parsed from a log.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

_Noun = TypeVar("_Noun", bound="Outcome | Score | Attempt | Verdict | Pins | Entry")


class Ending(StrEnum):
    """How one training and its scoring ended. `INFRA` is our own fault and is raised, never recorded."""

    OK = "ok"
    CRASH = "crash"  # the program ended by itself without success
    TIMEOUT = "timeout"  # killed at the deadline without a complete checkpoint
    OOM = "oom"  # the kernel killed it, or a child of it, for memory
    OVERFLOW = "overflow"  # it filled /out, or the log
    INVALID = "invalid"  # no checkpoint, a broken one, or answers that are no log-probabilities
    AUDIT = "audit"  # its claims and its audit disagree: it looks at what it predicts
    INFRA = "infra"  # engine, machine, ourselves


class Role(StrEnum):
    """What one training within a trial was for."""

    CANDIDATE = "candidate"  # the proposal, for the decision
    INCUMBENT = "incumbent"  # the incumbent again, to know its value better
    AFRESH = "afresh"  # the proposal once it was chosen: these scores count for it, the choosing ones do not


class Status(StrEnum):
    """What became of a trial, in the words of the original's results.tsv."""

    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"


def digest(data: bytes) -> str:
    """SHA-256 of `data` in hex: the identity of a train.py everywhere in this program."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Proposal:
    """A version of train.py with a one-line description.

    source: the bytes of train.py (UTF-8, bounded).
    note: one line of plain text, what is tried and why.
    agent: who proposed it (`baseline`, `sweep`, `random`, `command`, an agent's name).
    parent: digest of the train.py that it was derived from; empty for the baseline.
    meta: what the agent wants back on resume (parameters), and what it took (`runner/usage.py`: tokens_in,
    tokens_out, cost_usd, model); JSON-serialisable, never trusted.
    """

    source: bytes
    note: str
    agent: str
    parent: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest(self.source)


@dataclass(frozen=True)
class Outcome:
    """What one train container left: how it ended, by evidence of the engine and the kernel.

    train_seconds: from process start to its end or kill. overrun_seconds: how long after its deadline the
    container was gone, 0 if it ended by itself. log: path of the bounded log, relative to the run folder.
    telemetry: what was seen of GPU and host meanwhile (`machine/telemetry.py`); under `again` the trainings before this
    one that were thrown away for a mark. marks: why it is not to be believed (`machine/marks.py`). Both are empty in
    records from before there were such fields.
    """

    ending: Ending
    detail: str
    exit_code: int | None
    train_seconds: float
    overrun_seconds: float = 0.0
    peak_memory_mb: float | None = None
    peak_vram_mb: float | None = None
    log: str = ""
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """What the host computed. Bits are per byte of text; see docs/scoring.md.

    val_bpb: the difference estimator. stderr_bpb: its own standard error from the audit's sampling (0 for a
    model whose claims equal its audit). tokens, bytes: what was scored. positions: audited positions.
    disagreements: audited positions beyond tolerance. correction_bpb: what the audit moved the score by. seconds, and
    bytes on the wire: of the two conversations that count, not of containers that were too slow and thrown away.
    """

    val_bpb: float
    stderr_bpb: float
    tokens: int
    bytes: int
    positions: int
    disagreements: int
    correction_bpb: float
    max_difference_nats: float
    seconds: float
    sent_bytes: int = 0
    received_bytes: int = 0


@dataclass(frozen=True)
class Attempt:
    """One training with one seed, and its score. `score` is None unless `ending` is ok.

    role: whether of the proposal or of the incumbent, and what for. numbers: what a refusal by the audit rests on.
    """

    seed: int
    ending: Ending
    detail: str
    outcome: Outcome
    score: Score | None
    wall_seconds: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    role: Role = Role.CANDIDATE

    @property
    def val_bpb(self) -> float | None:
        return self.score.val_bpb if self.score else None


@dataclass(frozen=True)
class Verdict:
    """What the ratchet says. `action` is "keep", "discard" or "rerun"; `reason` one sentence for a person.

    numbers: what the decision was made from (means, standard errors, thresholds), for the record.
    """

    action: str
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pins:
    """What makes two scores comparable. A run's pins are fixed at its start; see docs/ratchet.md."""

    prepare: str  # digest of the code under prepare/
    data: str  # digest of the data manifest: tokens, tokenizer, split
    image: str  # id of the trial image
    scoring: str  # digest of the host's scoring code
    settings: str  # digest of the settings that change what a score means


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: one trial with everything. Trial 0 is the baseline.

    val_bpb: what it counts as, None for a crash: the mean of its fresh scores if it was kept, else of those it
    was judged by. incumbent_bpb: the value of the incumbent it was measured against (None for the baseline);
    best_bpb: the incumbent's value after it. suspicious: why its score was set aside for a person to look at, ""
    where it was not. derived_from: digest of the train.py that its proposer was shown, which is not the incumbent's
    where it was asked for ahead of time; "" where that is not known. basis: what the verdict rested on beside the
    scores (`ratchet/basis.py`); empty in records from before there was such a field.
    """

    number: int
    time: str  # UTC, ISO 8601, when it was decided
    commit: str
    parent_commit: str
    proposal: str  # digest of its train.py
    note: str
    agent: str
    status: Status
    ending: Ending
    detail: str
    val_bpb: float | None
    incumbent_bpb: float | None
    best_bpb: float | None
    attempts: tuple[Attempt, ...]
    verdict: Verdict
    pins: Pins
    meta: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)  # GPU, driver, engine, kernel
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds: agent, training, scoring, other
    suspicious: str = ""
    derived_from: str = ""
    basis: Mapping[str, Any] = field(default_factory=dict)

    @property
    def peak_memory_mb(self) -> float | None:
        return _peak(a.outcome.peak_memory_mb for a in self.attempts if a.role is not Role.INCUMBENT)

    @property
    def peak_vram_mb(self) -> float | None:
        return _peak(a.outcome.peak_vram_mb for a in self.attempts if a.role is not Role.INCUMBENT)


def _peak(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


@dataclass(frozen=True)
class History:
    """What a proposer is given: the trials so far, oldest first, and the train.py of the incumbent.

    program: the text of program.md. seed: the run's own seed, for a proposer's random choices. under_way: proposals
    that are being tried and have no result yet, where one is asked for ahead of time.
    """

    tag: str
    entries: tuple[Entry, ...]
    incumbent: bytes
    program: str
    seed: int
    under_way: tuple[Proposal, ...] = ()

    @property
    def number(self) -> int:
        """Of the trial that a proposal made from this is meant for."""
        return len(self.entries) + len(self.under_way)


def to_json(noun: Any) -> dict[str, Any]:
    """A frozen dataclass of this module as a JSON-serialisable dict."""
    return dataclasses.asdict(noun)


def _noun(kind: type[_Noun], values: dict[str, Any]) -> _Noun:
    """`kind(**values)`; in a third of the time where every field is given, as ten thousand trials want it."""
    if values.keys() != kind.__dataclass_fields__.keys():
        return kind(**values)
    made = object.__new__(kind)
    made.__dict__.update(values)
    return made


def _attempt(raw: Mapping[str, Any]) -> Attempt:
    left = {"telemetry": {}, **raw["outcome"]}
    told = {"ending": Ending(left["ending"]), "marks": tuple(left.get("marks", ()))}
    outcome = _noun(Outcome, {**left, **told})
    score = _noun(Score, raw["score"]) if raw["score"] else None
    known = {"ending": Ending(raw["ending"]), "role": Role(raw["role"]), "outcome": outcome, "score": score}
    return _noun(Attempt, {**raw, **known})


def attempt_from_json(raw: Mapping[str, Any]) -> Attempt:
    """The inverse of `to_json` for an Attempt. Raises KeyError, TypeError or ValueError on anything else."""
    return _attempt(raw)


def entry_from_json(raw: Mapping[str, Any]) -> Entry:
    """The inverse of `to_json` for an Entry. Raises KeyError, TypeError or ValueError on anything else."""
    known = {
        "status": Status(raw["status"]),
        "ending": Ending(raw["ending"]),
        "attempts": tuple([_attempt(a) for a in raw["attempts"]]),
        "verdict": _noun(Verdict, raw["verdict"]),
        "pins": _noun(Pins, raw["pins"]),
    }
    return _noun(Entry, {**raw, **known})
