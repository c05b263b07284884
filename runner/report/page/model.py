"""Everything a page shows, as one JSON-serialisable dict: the run, its trials, the samples, the holdout's score.

Pure: the ledger's entries and the material of the run's folder in, bounded and cleaned data out. The budgets below
keep 500 trials under 2 MB together with the page itself; of more, each adds its facts, about 1 kB.
`docs/report.md` documents the dict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runner.record.files import now
from runner.record.run import Header
from runner.report import text
from runner.report.page import limits
from runner.report.page.facts import holdout, run_facts
from runner.report.page.material import Detail, Material, Sample
from runner.report.page.trials import curve, trial
from runner.trial import Entry

# Bytes of the page for the long parts of all trials: so many, or what 2 MB leave beside the facts of the trials.
LONG, LIMIT, LEAST = 1_040_000, 1_800_000, 120_000
# The shares of them, and the most that one trial, or one text, takes.
DIFFS, DIFF = 0.43, 24_000
LOGS, LOG = 0.15, 3_000
CURVES, CURVE = 0.29, 4_000
SAMPLES, SAMPLE = 0.13, 2_400
_POINT, _RATE = 14, 8  # bytes of a point of a curve, and of the learning rate beside it


def build(
    entries: Sequence[Entry],
    header: Header,
    material: Material,
    current: Mapping[str, Any] | None = None,
    *,
    after: int = 0,
    note: str = "",
) -> dict[str, Any]:
    """The data of the page.

    current: as in `status.status`, while a program works on the run. after: only the trials from this number on are
    given in full, for a page that has the others. note: a sentence for the page's foot, such as that git is missing.
    """
    facts = run_facts(entries, header.tag, header.created, current, now(), material.faults)
    facts["holdout"] = holdout(material.holdout)
    facts |= {"note": text.line(note, 300), **_settings(header)}
    shown = [trial(entry) for entry in entries]
    taken = sum(limits.size(json.dumps(one, ensure_ascii=False)) for one in shown)
    budget = max(LEAST, min(LONG, LIMIT - taken))
    long = _long([material.details[entry.number] for entry in entries], after, budget)
    return {
        "version": 1,
        "run": facts,
        "trials": [one | more for one, more in zip(shown[after:], long, strict=True)],
        "samples": _samples(material.samples, int(budget * SAMPLES)),
    }


def _settings(header: Header) -> dict[str, Any]:
    """What of the settings a reader wants to know; absent in a header of another version."""
    trials, rule = header.settings.get("trial"), header.settings.get("ratchet")
    budget = text.finite(trials.get("budget_seconds")) if isinstance(trials, Mapping) else None
    name = rule.get("rule") if isinstance(rule, Mapping) else None
    return {"budget": budget, "rule": text.line(name, 20) if isinstance(name, str) else None}


def _long(everyone: Sequence[Detail], after: int, budget: int) -> list[dict[str, Any]]:
    """Diff, log and curves of the trials from `after` on, cut to their fair shares among everyone's."""
    diffs = min(DIFF, limits.share([d.diff.size if d.diff else 0 for d in everyone], int(budget * DIFFS)))
    logs = min(LOG, limits.share([d.log.size for d in everyone], int(budget * LOGS)))
    points = [sum(len(found) for found in d.curves) * _point(d) for d in everyone]
    share = min(CURVE, limits.share(points, int(budget * CURVES)))
    return [_one(detail, diffs, logs, share) for detail in everyone[after:]]


def _point(detail: Detail) -> int:
    """Bytes of one point of a trial's curves."""
    return _POINT + (_RATE if any(point.lr is not None for found in detail.curves for point in found) else 0)


def _one(detail: Detail, diffs: int, logs: int, share: int) -> dict[str, Any]:
    shown, missing = detail.diff.cut(diffs) if detail.diff else ("", 0)
    tail, _ = detail.log.cut(logs)
    drawn = sum(len(found) > 1 for found in detail.curves) or 1
    curves = [curve(found, max(3, share // _point(detail) // drawn)) for found in detail.curves]
    more = detail.diff is not None and detail.diff.more
    found = {"diff": shown, "cut": missing + more, "log": tail, "log_name": detail.log_name if tail else ""}
    result: dict[str, Any] = {key: value for key, value in found.items() if value}
    if detail.diff is None:
        result["no_diff"] = True
    if any(curves):
        result["curves"] = curves
    return result


def _samples(found: Mapping[int, Sequence[Sample]], budget: int) -> dict[str, list[dict[str, str]]]:
    """By the trial's number as a string, as JSON has it; each text at most its share of the page."""
    texts = {number: [(one.prompt, _said(one.text)) for one in several] for number, several in found.items()}
    sizes = [limits.size(said) for several in texts.values() for _, said in several]
    cap = min(SAMPLE, limits.share(sizes, budget))
    return {
        str(number): [
            {"prompt": limits.short(prompt, 200), "text": limits.fitted(said, cap)} for prompt, said in several
        ]
        for number, several in texts.items()
    }


def _said(raw: str) -> str:
    return text.clean(raw, 4_096).strip()
