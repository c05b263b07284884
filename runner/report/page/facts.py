"""What a run comes to, as numbers for the page's head: gain, rates, where the time went, money, GPU, holdout.

Pure: entries, the run's header and `holdout.json` as read, in; a JSON-serialisable dict out. Scores in bits per byte,
times in seconds. Metadata of agents and `holdout.json` are read tolerantly: what is not a finite number is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.record.faults import Faults
from runner.report import doubts, text
from runner.report import status as standing
from runner.report.series import prepare
from runner.trial import Entry

DIGITS = 7  # that matter, of a number in the page
_PARTS = ("training", "scoring", "agent", "other")


def number(value: Any, digits: int = DIGITS) -> float | int | None:
    """A finite number with as many digits as matter, else None; whole numbers as such, since they are shorter."""
    found = text.finite(value)
    if found is None:
        return None
    rounded = float(f"{found:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def numbers(raw: Mapping[str, Any], limit: int = 24) -> dict[str, float | int]:
    """The finite numbers of a mapping, its keys cleaned."""
    found = ((text.line(str(key), 40), number(value, 6)) for key, value in list(raw.items())[:limit])
    return {key: value for key, value in found if value is not None}


def times(entries: Sequence[Entry], created: str) -> dict[str, float | int | None]:
    """Seconds by what they went into. `waiting`: between the run's start and its last verdict, and none of the others.

    Pauses of the run are waiting too.
    """
    spent = dict.fromkeys(_PARTS, 0.0)
    for entry in entries:
        for part, seconds in entry.timings.items():
            spent[part if part in spent else "other"] += text.finite(seconds) or 0.0
    began, ended = text.moment(created), text.moment(entries[-1].time) if entries else None
    elapsed = ended - began if began is not None and ended is not None else 0.0
    return {part: number(s) for part, s in spent.items()} | {
        "waiting": number(max(0.0, elapsed - sum(spent.values())))
    }


def gpu(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """The GPU of the last trial by name, the most memory any training took of it, and what was read of it."""
    raw = entries[-1].machine.get("gpu") if entries else None
    if not raw:
        return None
    first = raw[0] if isinstance(raw, list) else raw
    name = str(first.get("name", "GPU")) if isinstance(first, Mapping) else str(first)
    peaks = [peak for entry in entries if (peak := text.finite(entry.peak_vram_mb)) is not None]
    told = {k: v for k, v in first.items() if k != "minor"} if isinstance(first, Mapping) else {}
    readings = numbers({**doubts.totals(entries), **told})
    return {"name": text.line(name, 80), "peak_mb": number(max(peaks)) if peaks else None, "readings": readings}


def holdout(raw: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The last look at text that no decision has seen (`holdouts.py`): scores, gain, optimism gap and its error."""
    looks, baseline = (raw or {}).get("looks"), (raw or {}).get("baseline")
    last = looks[-1] if isinstance(looks, list) and looks else None
    if not isinstance(last, Mapping):
        return None
    before = baseline.get("holdout_bpb") if isinstance(baseline, Mapping) else None
    names = {
        "best": "holdout_bpb",
        "gain": "holdout_gain",
        "gap": "optimism",
        "error": "optimism_stderr",
    }
    return {"baseline": number(before), **{key: number(last.get(name)) for key, name in names.items()}}


def run_facts(
    entries: Sequence[Entry],
    tag: str,
    created: str,
    current: Mapping[str, Any] | None,
    made: str,
    faults: Faults | None = None,
) -> dict[str, Any]:
    """Where the run stands and what it was worth; the staircase's line and band. See `model.py` for the rest.

    Money and tokens count what faults of the proposer cost, as everywhere.
    """
    found = standing.status(tag, entries, current, faults=faults)
    split, series = times(entries, created), prepare(entries)
    hours = sum(split[part] or 0 for part in ("training", "scoring")) / 3600
    gain, dollars = text.finite(found["gain_bpb"]), number(found["cost_usd"])
    paid = {"usd": dollars, "tokens_in": found["tokens_in"], "tokens_out": found["tokens_out"]}
    chosen = ("state", "proposals", "kept", "discarded", "crashed", "best_trial", "current")
    return {
        "tag": tag,
        "created": text.line(created, 40),
        "made": made,
        **{key: found[key] for key in chosen},
        "baseline": number(found["baseline_bpb"]),
        "best": number(found["best_bpb"]),
        "gain": number(gain),
        "percent": number(found["gain_percent"]),
        "sigma": number(found["sigma_bpb"]),
        "times": split,
        "hours": number(hours),
        "per_hour": number(gain / hours) if gain is not None and hours else None,
        "cost": None if set(paid.values()) == {None} else paid,
        "per_cost": number(gain / dollars) if gain is not None and dollars else None,
        "gpu": gpu(entries),
        "low": number(series.low),
        "high": number(series.high),
        "levels": [[level.number, number(level.value)] for level in series.levels],
        "band": [[band.number, number(band.low), number(band.high)] for band in series.band],
    }
