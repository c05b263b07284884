"""A recorded trial judged again, by the loop itself, from what is on record: the trainings, in their order.

The bench gives back what was trained then and refuses what the rule asks for and the record does not have; so that
what comes out is what the loop would decide, not what a second reading of the rule would. Trains nothing, knows no
files and no git. Trusts nothing in the entry but its types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runner import ratchet
from runner.errors import UsageError
from runner.loop import Loop
from runner.parts import Trial, Values
from runner.ratchet import Basis, Noise, Standing
from runner.ratchet.noise import UNKNOWN
from runner.relay import Silent
from runner.trial import Attempt, Entry, History, Proposal, Role, Status, Verdict

CLOSE = 1e-9  # bits per byte; two roads to one float may differ in its last digit


class Differs(Exception):
    """The trainings on record are not those that the rule asks for."""


@dataclass
class Judged:
    """What the loop makes of a trial: status, verdict, values; suspicious: why it would be set aside, if it would."""

    status: Status
    verdict: Verdict
    values: Values
    suspicious: str


def judge(entry: Entry, standing: Standing, basis: Basis, sources: tuple[bytes, bytes] = (b"", b"")) -> Judged:
    """The trial on record, judged again against `standing`, that of the trials before it.

    sources: train.py of the incumbent and of the trial, which only `prefer_simpler` looks at. Raises Differs.
    """
    proposal = Proposal(sources[1], entry.note, entry.agent, entry.derived_from)
    bench, record = _Bench(list(entry.attempts)), _Record(entry)
    accepted = frozenset({proposal.digest} if basis.accepted else ())
    loop = Loop(
        _Nobody(), bench, record, Silent(), basis.rule, standing,
        floor=basis.floor, accepted=accepted, known=basis.known,
    )  # fmt: skip
    trial = Trial(entry.number, proposal, sources[0])
    try:
        loop.one(trial)
    except UsageError as error:  # a baseline that fails is never recorded
        raise Differs(error.what) from None
    except (ValueError, StopIteration, ArithmeticError) as error:
        raise Differs(f"the rule cannot judge it: {error}") from None
    if bench.left:
        raise Differs(f"the rule is sure after {len(trial.attempts)}, and {len(entry.attempts)} are on record")
    assert record.judged is not None
    return record.judged


def differences(entry: Entry, judged: Judged) -> list[tuple[str, str]]:
    """Kind and sentence of each way in which the entry says other than `judged`."""
    found: list[tuple[str, str]] = []
    if bool(entry.suspicious) != bool(judged.suspicious):
        said = ("is set aside as suspicious", "is not set aside as suspicious")
        said = said if entry.suspicious else said[::-1]
        found.append(("suspicion-differs", f"it {said[0]}, and by its scores it {said[1]}"))
    if (entry.status, entry.verdict.action) != (judged.status, judged.verdict.action):
        theirs, ours = f"{entry.status} ({entry.verdict.action})", f"{judged.status} ({judged.verdict.action})"
        found.append(
            ("verdict-differs", f"it is recorded as {theirs}, and its scores make it {ours} by the rule")
        )
    values = {
        "val_bpb": (entry.val_bpb, judged.values.own),
        "incumbent_bpb": (entry.incumbent_bpb, judged.values.incumbent),
        "best_bpb": (entry.best_bpb, judged.values.best),
    }
    for name, (theirs_, ours_) in values.items():
        if not _alike(theirs_, ours_):
            found.append(("value-differs", f"{name} is recorded as {theirs_}, and the scores give {ours_}"))
    ours_all, theirs_all = judged.verdict.numbers, entry.verdict.numbers
    for name in sorted({*ours_all, *theirs_all}):
        if not _alike(theirs_all.get(name), ours_all.get(name)):
            pair = f"{name} as {theirs_all.get(name)}, and the scores give {ours_all.get(name)}"
            found.append(("numbers-differ", f"its verdict rests on {pair}"))
            break  # one altered score moves most of them
    return found


def _alike(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= CLOSE * max(1.0, abs(a), abs(b))


def implied_noise(entry: Entry, standing: Standing) -> Noise:
    """What must have been known of the noise beside the run for the verdict to rest on the sigma that it states.

    standing: without any such noise. For records that do not say. UNKNOWN where no noise could have led there.
    """
    numbers = entry.verdict.numbers
    sigma, df = numbers.get("sigma", 0.0), int(numbers.get("df", 0))
    during, _ = ratchet.replay.split(entry.attempts)
    own = standing.trained(*ratchet.scores(during, Role.INCUMBENT)).noise(
        ratchet.scores(entry.attempts, Role.CANDIDATE)
    )
    past_df, past = df - own.df, sigma * sigma * df - own.squares
    if past_df <= 0 or past < 0 or df > 1_000_000:
        return UNKNOWN
    known = (past / past_df) ** 0.5
    return Noise(known, past_df, known, known, past_df + 1)


class _Bench:
    """Gives the recorded trainings back, in their order and to those who ask for that role."""

    def __init__(self, left: list[Attempt]) -> None:
        self.left = left

    def attempt(self, trial: Trial, role: Role) -> Attempt:
        done = len(trial.attempts)
        if not self.left:
            raise Differs(
                f"after {done} trainings the rule asks for one more ({role}), and the record has none"
            )
        if self.left[0].role is not role:
            wanted = f"the rule asks for training {done + 1} as {role}"
            raise Differs(f"{wanted}, and the record has it as {self.left[0].role}")
        return self.left.pop(0)


@dataclass
class _Record:
    """Keeps what the loop would have written."""

    entry: Entry
    judged: Judged | None = None
    entries: Sequence[Entry] = field(default_factory=tuple)

    def history(self) -> History:
        raise NotImplementedError

    def write(self, trial: Trial, verdict: Verdict, status: Status, values: Values) -> Entry:
        self.judged = Judged(status, verdict, values, trial.suspicious)
        return self.entry


class _Nobody:
    name = "record"

    def propose(self, history: History) -> Proposal:
        raise NotImplementedError
