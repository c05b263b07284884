"""What an agent's proposal took of its model, in tokens and money, as far as it was told.

A noun that imports nothing of ours. The numbers come from outside (an agent's own report, a gateway's count): what is
no finite number of zero or more is taken as not told, so that a report cannot lower the sum of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KEYS = ("tokens_in", "tokens_out", "cost_usd", "model")
_TOKENS, _USD = 1e15, 1e9  # more is no report of a proposal
_MODEL_CHARACTERS = 100


@dataclass(frozen=True)
class Usage:
    """None, or "" for the model: not told. tokens_in counts what the model read, tokens_out what it wrote."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    model: str = ""

    def plain(self) -> dict[str, Any]:
        """What is told, under `KEYS`."""
        found = {key: getattr(self, key) for key in KEYS}
        return {key: value for key, value in found.items() if value not in (None, "")}


def usage_of(raw: object) -> Usage:
    """The usage in a mapping such as `Proposal.meta`. Never raises; whatever is not believable is left out."""
    if not isinstance(raw, Mapping):
        return Usage()
    tokens = {key: _number(raw.get(key), _TOKENS) for key in ("tokens_in", "tokens_out")}
    model = raw.get("model")
    named = "".join(c for c in model if c.isprintable()) if isinstance(model, str) else ""
    return Usage(
        **{key: None if value is None else int(value) for key, value in tokens.items()},
        cost_usd=_number(raw.get("cost_usd"), _USD),
        model=named[:_MODEL_CHARACTERS],
    )


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of what was told; None where nothing was. model: all of them, in order of appearance."""
    tokens_in = tokens_out = cost = None
    models: dict[str, None] = {}
    for used in usages:
        tokens_in = _plus(tokens_in, used.tokens_in)
        tokens_out = _plus(tokens_out, used.tokens_out)
        cost = _plus(cost, used.cost_usd)
        if used.model:
            models[used.model] = None
    return Usage(
        None if tokens_in is None else int(tokens_in),
        None if tokens_out is None else int(tokens_out),
        cost,
        ", ".join(models)[:_MODEL_CHARACTERS],
    )


def larger(one: float | None, other: float | None) -> float | None:
    """Of two who say what the same thing cost, the one who says more: nobody can say less than the other saw."""
    told = [cost for cost in (one, other) if cost is not None]
    return max(told) if told else None


def _plus(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other


def _number(value: object, limit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= limit else None  # false for NaN
