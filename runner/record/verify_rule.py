"""Every verdict made again from the scores on record, and every seed drawn again.

Each trial is judged by `rejudge.py`, the loop itself, against the standing of the trials before it and under what its
own line says that the verdict rested on. Records from before lines said so are judged under the header's settings;
where that gives another verdict and a person's word or noise measured beside the run explains it, it is a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from runner import ratchet, rejudge
from runner.config import RatchetSettings
from runner.errors import RunnerError, UsageError
from runner.ratchet import Basis, Noise, Standing
from runner.ratchet.noise import UNKNOWN
from runner.record.verify_report import Finder
from runner.seeds import seed_for
from runner.trial import Entry, Role

# How headers were judged that lack these settings: by no rank, by bits, and never by a jump's sigmas alone.
BEFORE = {"first_rank": 1.0, "simpler_sigmas": 0.0, "jump_sigmas": 1_000_000.0}
Source = Callable[[str], bytes]  # train.py of a commit; raises UsageError


@dataclass(frozen=True)
class Rule:
    """What a run was to be judged by. settings: [ratchet] of its header. floor: of floor.json, 0 for none."""

    settings: RatchetSettings
    floor: float
    source: Source


def check(entries: Sequence[Entry], rule: Rule, found: Finder) -> None:
    """entries: trials 0 to n without a gap; what follows from a verdict is not asked of those behind one."""
    says = any("floor" in entry.basis for entry in entries)
    standing = _Folded()
    guess = UNKNOWN
    told: set[str] = set()
    for index, entry in enumerate(entries):
        _ending(entry, found)
        known = entries[:index]
        if says and "floor" not in entry.basis:
            found.add("basis-missing", f"trial {entry.number}", "it says nothing of it, and other trials do")
        if says:
            basis = _basis(entry, rule.settings, found)
            if basis is not None:
                if entry.number and rule.floor and basis.floor != rule.floor:
                    said = f"no score below {basis.floor} was to be believed, and floor.json says {rule.floor}"
                    found.add("floor-differs", f"trial {entry.number}", said)
                _tell(entry, basis, rule.settings, told, found)
                _judge(entry, [basis], standing, known, rule, found)
        else:
            guess = _judge(
                entry, _guesses(entry, guess, rule, standing, known), standing, known, rule, found
            ).known
    found.counts["verdicts"] = len(entries)


class _Folded:
    """`ratchet.standing_of`, without folding all of a run again for each of its trials."""

    def __init__(self) -> None:
        self._reached: dict[tuple[RatchetSettings, Noise], tuple[int, Standing]] = {}

    def after(self, entries: Sequence[Entry], basis: Basis) -> Standing:
        """The standing after `entries`, which only grow. Raises ValueError or ArithmeticError where it has none."""
        done, standing = self._reached.get((basis.rule, basis.known), (0, Standing(past=basis.known)))
        for entry in entries[done:]:
            standing = ratchet.after(standing, entry, basis.rule)
        self._reached[basis.rule, basis.known] = len(entries), standing
        return standing


def _basis(entry: Entry, usual: RatchetSettings, found: Finder) -> Basis | None:
    try:
        return ratchet.basis_of(entry.basis, usual)
    except (RunnerError, ValueError, TypeError, KeyError, AttributeError) as error:
        found.add("basis-unreadable", f"trial {entry.number}", str(error))
        return None


def _tell(entry: Entry, basis: Basis, usual: RatchetSettings, told: set[str], found: Finder) -> None:
    """Notes, once for each change, of what a verdict rested on that is not in the header and not in the ledger."""
    where = f"from trial {entry.number} on"
    changed = [f"{k} {v!r}" for k, v in vars(basis.rule).items() if getattr(usual, k) != v]
    if (now := ", ".join(changed)) and now not in told:
        told.add(now)
        found.note(f"{where} the rule had other settings than at the start: {now}")
    if basis.known.known and (noise := f"{basis.known.sigma:.6f} {basis.known.df}") not in told:
        told.add(noise)
        found.note(
            f"{where} noise measured by runner calibrate is counted in, sigma {basis.known.sigma:.4f} with "
            f"{basis.known.df} degrees of freedom: those trainings are not in the ledger, and cannot be checked from it"
        )
    if basis.accepted:
        found.note(f"trial {entry.number} was judged whatever its score, because a person had accepted it")


def _guesses(entry: Entry, guess: Noise, rule: Rule, standing: _Folded, known: Sequence[Entry]) -> list[Basis]:
    """What may have been the basis of a verdict that does not say, likeliest first."""
    plain = Basis(rule.settings, guess, rule.floor)
    bases = [plain, replace(plain, floor=0.0)]
    try:
        implied = rejudge.implied_noise(entry, standing.after(known, Basis(rule.settings)))
    except (ValueError, ArithmeticError):
        implied = UNKNOWN
    if implied.known:
        bases += [replace(plain, known=implied), replace(plain, known=implied, floor=0.0)]
    return [*bases, *(replace(basis, accepted=True) for basis in (bases[0], bases[-1]))]


def _judge(
    entry: Entry, bases: Sequence[Basis], standing: _Folded, known: Sequence[Entry], rule: Rule, found: Finder
) -> Basis:
    """The first basis under which the verdict comes out as recorded; else findings, and the first."""
    wrong: list[tuple[str, str]] = []
    for basis in bases:
        here, reason = _differences(entry, partial(standing.after, known, basis), basis, rule)
        if not here:
            _explained(entry, basis, bases[0], found)
            if reason:
                found.note(
                    f"trial {entry.number}: this version of the program words the reason otherwise: {reason}"
                )
            return basis
        wrong = wrong or here
    for kind, said in wrong:
        found.add(kind, f"trial {entry.number}", said)
    return bases[0]


def _explained(entry: Entry, basis: Basis, first: Basis, found: Finder) -> None:
    if basis.known != first.known:
        found.note(
            f"trial {entry.number} was judged with noise that was measured beside the run "
            f"(sigma {basis.known.sigma:.4f}): that cannot be checked, and all else agrees with it"
        )
    if basis.accepted:
        found.note(
            f"trial {entry.number} was judged though its score is suspicious: a person must have accepted it"
        )


def _differences(
    entry: Entry, standing: Callable[[], Standing], basis: Basis, rule: Rule
) -> tuple[list[tuple[str, str]], str]:
    """What the entry says other than the rule, and this version's reason where the recorded one is another."""
    sources = (b"", b"")
    try:
        if basis.rule.prefer_simpler and entry.number:
            sources = (rule.source(entry.parent_commit), rule.source(entry.commit))
        judged = rejudge.judge(entry, standing(), basis, sources)
    except UsageError as error:
        return [("trainings-differ", f"it cannot be judged: {error.what}")], ""
    except (ValueError, ArithmeticError) as error:
        return [("trainings-differ", f"the trials before it give no standing: {error}")], ""
    except rejudge.Differs as error:
        return [("trainings-differ", str(error))], ""
    reason = judged.verdict.reason
    return rejudge.differences(entry, judged), reason if reason != entry.verdict.reason else ""


def _ending(entry: Entry, found: Finder) -> None:
    own = [a for a in entry.attempts if a.role is not Role.INCUMBENT]
    failed = next((a for a in own if a.ending.value != "ok"), None)
    ended = failed or (own[-1] if own else None)
    where = f"trial {entry.number}"
    if ended is None:
        found.add("ending-differs", where, "it has no training of its own")
    elif (entry.ending, entry.detail) != (ended.ending, ended.detail):
        said = f"it is recorded as {entry.ending} ({entry.detail})"
        found.add("ending-differs", where, f"{said}, and its trainings as {ended.ending} ({ended.detail})")
    for number, attempt in enumerate(entry.attempts):
        if (attempt.ending.value == "ok") != (attempt.score is not None):
            said = (
                f"training {number + 1} ended {attempt.ending} and has {'a' if attempt.score else 'no'} score"
            )
            found.add("ending-differs", where, said)


def seeds(entries: Sequence[Entry], seed: int, found: Finder) -> None:
    """Every training's seed is the one that the run's own seed gives it."""
    for entry in entries:
        for index, attempt in enumerate(entry.attempts):
            wanted = seed_for(seed, entry.number, index)
            if attempt.seed != wanted:
                said = f"training {index + 1} has the seed {attempt.seed}, and the runner drew {wanted}"
                found.add("seed-foreign", f"trial {entry.number}", said)
    found.counts["trainings"] = sum(len(entry.attempts) for entry in entries)


def settings_of(raw: Mapping[str, Any]) -> RatchetSettings:
    """[ratchet] of a header; settings younger than it are as they were before there were any. Raises UsageError."""
    from runner.config import from_dict

    told = raw.get("ratchet", {})
    return from_dict({"ratchet": {**BEFORE, **told} if isinstance(told, dict) else told}, "run.json").ratchet
