"""What the trials so far say about the annotated constants: read out of a ledger, nothing kept elsewhere.

A sweep's proposals carry their constants in `meta`: `params` (all of them, after the change), `base` (all of
them, before) and `parent` (digest of the version before). Trials of other agents count as far as their digest
is known: the baseline's constants are the `base` of the first proposal that was made from it. `meta` is never
trusted: a value that the present annotation does not hold is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.agents.annotations import Value
from runner.agents.constants import Constant
from runner.trial import Entry, History, digest


@dataclass(frozen=True)
class Observation:
    """One trial. `bpb` is None if it ended without a score.

    `gain`: bits per byte below the incumbent of its time, None without a score or an incumbent.
    `changes`: the constants that differ from the version that it was made from, as (before, after).
    """

    params: Mapping[str, Value]
    changes: Mapping[str, tuple[Value, Value]]
    bpb: float | None
    gain: float | None
    kept: bool


def observe(history: History, constants: Sequence[Constant]) -> list[Observation]:
    """The trials whose constants are known, oldest first."""
    known = {digest(history.incumbent): {c.name: c.value for c in constants}}
    for entry in history.entries:
        parent = entry.meta.get("parent")
        if isinstance(parent, str):
            known.setdefault(parent, _held(entry.meta.get("base"), constants))
    found = []
    for entry in history.entries:
        if entry.suspicious:  # its score is not believed, so it says nothing
            continue
        params = _held(entry.meta.get("params"), constants) or known.get(entry.proposal, {})
        if params:
            found.append(_observation(entry, params, _held(entry.meta.get("base"), constants)))
    return found


def _observation(entry: Entry, params: dict[str, Value], base: dict[str, Value]) -> Observation:
    bpb = entry.val_bpb if entry.val_bpb is not None and math.isfinite(entry.val_bpb) else None
    measured = bpb is not None and entry.incumbent_bpb is not None
    return Observation(
        params=params,
        changes={
            name: (base[name], params[name]) for name in params if name in base and base[name] != params[name]
        },
        bpb=bpb,
        gain=entry.incumbent_bpb - bpb if measured else None,  # type: ignore[operator]
        kept=entry.status == "keep",
    )


def _held(raw: object, constants: Sequence[Constant]) -> dict[str, Value]:
    if not isinstance(raw, Mapping):
        return {}
    return {c.name: raw[c.name] for c in constants if c.name in raw and c.holds(raw[c.name])}
