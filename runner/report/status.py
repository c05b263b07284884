"""`runner status` and the totals at the end of `runner go`: where a run stands, as a dict and for a person.

Pure: the ledger's entries and the dict of `current.json` in, text out. That dict is written by this program
but read from a file: every value is checked or cleaned before it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from runner.record.faults import Faults
from runner.report import lines, tables, text, under_way
from runner.report.tally import Tally
from runner.trial import Entry, Status
from runner.usage import Usage

LAST = 5  # verdicts shown


def status(
    tag: str,
    entries: Sequence[Entry],
    current: Mapping[str, Any] | None = None,
    *,
    faults: Faults | None = None,
    holdout: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where the run `tag` stands, of all its entries; see `of`."""
    return of(tag, Tally.of(entries), current, faults=faults, holdout=holdout)


def of(
    tag: str,
    tally: Tally,
    current: Mapping[str, Any] | None = None,
    *,
    faults: Faults | None = None,
    holdout: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where the run `tag` stands, JSON-serialisable.

    current: the dict of `current.json` while a program works on the run (`under_way.py`), None when none does.
    faults: of the run's proposers. holdout: what `holdout.json` holds. Tokens and money count trials and faults.
    Counts leave the baseline out. Scores in bits per byte, times in seconds.
    """
    now, faults = under_way.cleaned(current), faults or Faults()
    baseline, spent = tally.baseline, tally.spent(faults.usage)
    value = None if tally.best_trial is None else tally.best_bpb or tally.best_value
    gain = baseline - value if baseline is not None and value is not None else None
    return {
        "tag": tag,
        "state": (now.get("phase") or "running") if now else "stopped" if tally.trials else "new",
        "trials": tally.trials,
        "proposals": tally.proposals,
        "kept": tally.statuses.get(Status.KEEP, 0),
        "discarded": tally.statuses.get(Status.DISCARD, 0),
        "crashed": tally.statuses.get(Status.CRASH, 0),
        "endings": dict(tally.endings),
        "baseline_bpb": baseline,
        "best_bpb": value,
        "best_trial": tally.best_trial,
        "best_commit": tally.best_commit,
        "best_note": tally.best_note,
        "gain_bpb": gain,
        "gain_percent": 100 * gain / baseline if gain is not None and baseline else None,
        "trials_since_best": None if tally.best_trial is None else (tally.last or 0) - tally.best_trial,
        "sigma_bpb": tally.noise,
        "mean_trial_seconds": tally.mean_wall,
        "total_seconds": tally.seconds,
        "first_time": tally.first_time,
        "last_time": tally.last_time,
        "suspicious": list(tally.suspicious),
        "marked": tally.marked,
        "faults": dict(faults.counts),
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "cost_usd": spent.cost_usd,
        "models": spent.model,
        "holdout": _holdout(holdout or {}),
        "current": now,
    }


def _holdout(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest look at the holdout text and how many there were, None before the first."""
    looks, refused = (
        [look for look in found.get(k) or () if isinstance(look, dict)] for k in ("looks", "refused")
    )
    if not looks and not refused:
        return None
    latest = looks[-1] if looks else {}
    keys = ("trial", "holdout_bpb", "validation_gain", "holdout_gain", "optimism", "optimism_stderr")
    numbers = {key: text.finite(latest.get(key)) for key in keys}
    return {**numbers, "looks": len(looks), "refused": [text.finite(look.get("trial")) for look in refused]}


def totals(facts: Mapping[str, Any]) -> str:
    """Kept, discarded and crashed in one phrase."""
    parts = [f"{facts['kept']} of {facts['proposals']} proposals kept", f"{facts['discarded']} discarded"]
    if facts["crashed"]:
        kinds = ", ".join(f"{n} {name}" for name, n in facts["endings"].items() if name not in ("ok", "crash"))
        parts.append(f"{facts['crashed']} crashed" + (f" ({kinds})" if kinds else ""))
    return ", ".join(parts)


def _facts(found: Mapping[str, Any]) -> list[tuple[str, list[str | Text]]]:
    rows: list[tuple[str, list[str | Text]]] = []
    if found["best_bpb"] is None:
        rows.append(("best", [Text("no trial has been kept yet", "dim")]))
    else:
        name = "the baseline" if found["best_trial"] == 0 else f"trial {found['best_trial']}"
        best: list[str | Text] = [
            Text(text.bpb(found["best_bpb"]), "bold green"),
            name,
            text.line(str(found["best_commit"]))[:7],
        ]
        if found["best_trial"]:
            best.append(text.line(found["best_note"], 200))
        rows.append(("best", best))
    if found["gain_bpb"]:
        gain = text.gain(found["baseline_bpb"], found["best_bpb"])
        rows.append(("gain", [gain, f"from the baseline's {text.bpb(found['baseline_bpb'])}"]))
    since = found["trials_since_best"]
    stale = [f"none kept in the last {since}"] if since and found["proposals"] else []
    rows.append(("trials", [totals(found), *stale]))
    if found["mean_trial_seconds"]:
        total = text.duration(found["total_seconds"])
        rows.append(("time", [f"{text.duration(found['mean_trial_seconds'])} a trial", f"{total} in all"]))
    if found["sigma_bpb"]:
        rows.append(("noise", [f"σ {text.bpb(found['sigma_bpb'])} bpb between seeds"]))
    return rows + _beside(found)


def _beside(found: Mapping[str, Any]) -> list[tuple[str, list[str | Text]]]:
    """What the agents took and did wrong, what a person should look at, what the holdout text says."""
    rows: list[tuple[str, list[str | Text]]] = []
    usage = Usage(found["tokens_in"], found["tokens_out"], found["cost_usd"], found["models"])
    if spent := lines.spent(usage):
        rows.append(("agents", spent))
    if found["faults"]:
        most = sorted(found["faults"].items(), key=lambda pair: -pair[1])
        rows.append(("faults", [f"{n} {text.line(kind, 20)}" for kind, n in most]))
    if found["marked"]:
        shown = [f"{n} {mark}" for mark, n in found["marked"].items()]
        rows.append(("marked", [Text("trainings", "yellow"), *shown, "see runner log and runner show N"]))
    if found["suspicious"]:
        look = ", ".join(f"runner diff {number}" for number in found["suspicious"][-3:])
        rows.append(
            ("suspect", [Text(f"{len(found['suspicious'])} set aside, not kept", "yellow"), f"look: {look}"])
        )
    if held := found["holdout"]:
        rows.append(("holdout", _held(held)))
    return rows


def _held(held: Mapping[str, Any]) -> list[str | Text]:
    parts: list[str | Text] = []
    if held["holdout_gain"] is not None and held["optimism"] is not None:
        error = "" if held["optimism_stderr"] is None else f" ± {held['optimism_stderr']:.4f}"
        parts += [
            f"gain {held['holdout_gain']:.4f}",
            f"{held['validation_gain'] or 0.0:.4f} on validation",
            f"optimism {held['optimism']:+.4f}{error}",
            f"looked at {held['looks']} {'time' if held['looks'] == 1 else 'times'}",
        ]
    if held["refused"]:
        parts.append(Text(f"{len(held['refused'])} gave no score there: see runner.log", "yellow"))
    return parts


class View:
    """`status` for a person; fits any width."""

    def __init__(self, found: Mapping[str, Any], entries: Sequence[Entry]) -> None:
        self.found, self.entries = found, entries

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1
        head = Text(text.line(self.found["tag"], max(1, width - 12)), style="bold", no_wrap=True)
        yield head.append(f"  {self.found['state']}", "none" if self.found["current"] else "dim")
        for label, parts in _facts(self.found):
            yield _ended(lines.row(label, parts, width))
        if self.found["current"]:
            for label, parts in under_way.rows(self.found["current"]):
                yield _ended(lines.row(label, parts, width))
        if self.entries:
            yield ""
        for entry in self.entries[-LAST:]:
            yield lines.verdict(entry, width)


def _ended(line: Text) -> Text:
    line.end = "\n"
    return line


def summary(
    tag: str,
    entries: Sequence[Entry],
    limit: int = 60,
    *,
    faults: Faults | None = None,
    holdout: Mapping[str, Any] | None = None,
) -> RenderableType:
    """The end of `runner go`: the last `limit` trials, each with its verdict and why, then the totals."""
    found = status(tag, entries, faults=faults, holdout=holdout)
    shown = entries[-limit:]
    parts: list[RenderableType] = []
    if len(shown) < len(entries):
        parts.append(Text(f"{len(entries) - len(shown)} earlier trials: runner log --limit 0", style="dim"))
    closing: list[RenderableType] = [_Row(label, row) for label, row in _facts(found)]
    return Group(*parts, tables.Table(shown, reasons=True), "", *closing)


class _Row:
    """A labelled line laid out when the width is known."""

    def __init__(self, label: str, parts: list[str | Text]) -> None:
        self.label, self.parts = label, parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _ended(lines.row(self.label, self.parts, options.max_width - 1))
