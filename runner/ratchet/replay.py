"""The ratchet's standing from the record: the same fold whether a run goes on or is resumed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runner.config import RatchetSettings
from runner.ratchet.limits import fastest
from runner.ratchet.noise import UNKNOWN, Noise
from runner.ratchet.standing import Standing
from runner.trial import Attempt, Entry, Role, Status


def scores(attempts: Iterable[Attempt], role: Role) -> tuple[float, ...]:
    """The scores of the attempts in that role that ended ok, in order."""
    return tuple(a.score.val_bpb for a in attempts if a.role is role and a.score)


def after(standing: Standing, entry: Entry, rule: RatchetSettings) -> Standing:
    """The standing once `entry` is recorded."""
    told = not entry.suspicious and entry.status is not Status.CRASH
    own = scores(entry.attempts, Role.CANDIDATE) if told else ()  # a doubtful score says nothing of the noise
    if entry.number == 0:
        return replace(standing.trained(*own), seconds=fastest(entry.attempts))
    during, later = split(entry.attempts)
    action = "keep" if entry.status is Status.KEEP else "discard"
    standing = standing.trained(*scores(during, Role.INCUMBENT)).decided(action, own, rule)
    fresh = scores(later, Role.AFRESH if action == "keep" else Role.INCUMBENT)
    if not standing.incumbent and not fresh:  # kept under `greedy`, before the run went on under another rule
        fresh = own
    theirs = [a for a in entry.attempts if (a.role is not Role.INCUMBENT) == (action == "keep")]
    return replace(standing.trained(*fresh), seconds=fastest(theirs, standing.seconds))


def split(attempts: Sequence[Attempt]) -> tuple[Sequence[Attempt], Sequence[Attempt]]:
    """The attempts until the decision, and those that followed from it."""
    last = max((i for i, a in enumerate(attempts) if a.role is Role.CANDIDATE), default=-1)
    return attempts[: last + 1], attempts[last + 1 :]


def standing_of(entries: Iterable[Entry], rule: RatchetSettings, known: Noise = UNKNOWN) -> Standing:
    """The standing after all of `entries`, oldest first. known: noise that was measured beside the run."""
    standing = Standing(past=known)
    for entry in entries:
        standing = after(standing, entry, rule)
    return standing
