"""What a program that works on a run does now, as `current.json` has it: cleaned, and as lines for `runner status`.

Pure. The file is written by this program, but it is a file: every value is checked before it is shown. Where several
devices train side by side each of them has its place in `slots`; what stands beside them is what is decided next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from runner.report import text
from runner.report.layout import LABEL

SLOTS = 64  # devices shown
_TRAINING = ("number", "attempt", "seed", "budget_seconds", "seconds", "step", "loss", "tokens", "memory_mb")
_NUMBERS = (*_TRAINING, "since", "updated", "left", "ends", "max_cost", "asking")
_WORDS = ("phase", "note", "agent", "slot")

Rows = list[tuple[str, list[str | Text]]]


def cleaned(raw: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The facts that are known, JSON-serialisable; None where nothing is under way."""
    if not raw:
        return None
    beside = slots(raw)
    return _facts(raw) | ({"slots": [_facts(slot) for slot in beside]} if beside else {})


def slots(raw: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What trains on each of several devices, as the file has it: those with a name and a trial."""
    found = raw.get("slots")
    known = found if isinstance(found, list) else []
    return [
        one
        for one in known[:SLOTS]
        if isinstance(one, Mapping)
        and isinstance(one.get("slot"), str)
        and text.finite(one.get("number")) is not None
    ]


def alone(raw: Mapping[str, Any]) -> bool:
    """Whether it tells of one training itself: where several devices train, only `slots` do."""
    return "budget_seconds" in raw


def _facts(raw: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: text.finite(raw[key]) for key in _NUMBERS if key in raw}
    found.update({key: text.line(raw[key], 200) for key in _WORDS if isinstance(raw.get(key), str)})
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in found.items()
    }


def rows(now: Mapping[str, Any]) -> Rows:
    """One labelled line, or one for what is decided next and one for each device. now: of `cleaned`."""
    beside = now.get("slots") or []
    if not beside:
        return [("now", _parts(now))]
    head: list[str | Text] = _parts({k: v for k, v in now.items() if k != "note" and k != "phase"})
    said = "is decided next" if now.get("phase") == "training" else str(now.get("phase") or "")
    head.insert(1 if now.get("number") is not None else 0, said)
    return [("now", [part for part in head if part]),
            *((text.fit(slot["slot"], LABEL - 1), _parts(slot)) for slot in beside)]  # fmt: skip


def _parts(now: Mapping[str, Any]) -> list[str | Text]:
    parts = [f"trial {now['number']}"] if now.get("number") is not None else []
    if now.get("phase"):
        parts.append(now["phase"])
    if now.get("seconds") is not None and now.get("budget_seconds"):
        parts.append(f"{now['seconds']:.0f} of {now['budget_seconds']:.0f} s")
    if now.get("loss") is not None:
        parts.append(f"loss {now['loss']:.4g}")
    if now.get("phase") == "proposing" and now.get("since"):
        parts += [now.get("agent", ""), f"for {text.duration(time.time() - now['since'])}"]
    if now.get("left") is not None:
        parts.append(f"{now['left']:.0f} {'trial' if now['left'] == 1 else 'trials'} left")
    return [*parts, now["note"]] if now.get("note") else [*parts]
