"""A Result as Markdown for the step's summary and a comment. Pure; everything of others goes through `markdown.py`.

At most LIMIT bytes: a comment of GitHub's holds 65,536 characters, a step's summary of older runners 128 KiB. The diff
gets what is left by the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.ci import result as results
from runner.ci.chart import chart
from runner.ci.markdown import code, fence, folded, prose, table
from runner.ci.result import Result, Training
from runner.report import text

LIMIT = 60_000
SAMPLE = 1_500  # bytes of one text
LOG, LOG_LINES = 6_000, 40
DIFF = 24_000
PATHS = 50  # of a list
_SIGNS = {results.BETTER: "✅", results.NOT_BETTER: "❌", results.REFUSED: "⛔", results.ERROR: "⚠️"}
_TITLES = {
    results.BETTER: "Better",
    results.NOT_BETTER: "Not better",
    results.REFUSED: "Refused",
    results.ERROR: "No verdict",
}


def summary(result: Result) -> str:
    """The whole summary; never longer than LIMIT bytes."""
    before, after = _before(result), _after(result)
    left = LIMIT - sum(len(part.encode()) + 2 for part in (*before, *after)) - 400
    diff = _diff(result, min(DIFF, left))
    parts = [part for part in (*before, diff, *after) if part]
    whole = "\n\n".join(parts) + "\n"
    if len(whole.encode()) > LIMIT:  # thousands of trainings or findings: what says the verdict stays
        whole = "\n\n".join([*before[:3], "The rest is too long to be shown here; see result.json."]) + "\n"
    return whole


def _before(result: Result) -> list[str]:
    title = f"### {_SIGNS[result.verdict]} runner ci: {_TITLES[result.verdict]}"
    parts = [title, f"**Why:** {prose(result.reason)}", _asked(result)]
    if result.verdict == results.ERROR:
        parts.append(
            "Nothing is said about the change: it was not judged. Start the job again once this is mended."
        )
    if result.remembered:
        parts.append(
            f"This pair was judged before, on {code(result.remembered)}, and a second try is not a second chance: "
            "the verdict of then is repeated. A maintainer can have it judged anew with --fresh."
        )
    if result.unfinished:
        times = "once" if result.unfinished == 1 else f"{result.unfinished} times"
        parts.append(
            f"A training of this head was started and not brought to its end {times}, by jobs that were cancelled or "
            "failed. Its seed is kept, and so starting anew is no second chance."
        )
    parts += [_list("Refused: of a lab only train.py may change", result.refused, opened=True), _record(result)]
    parts.append(_list("This changes what CI itself does; a person should read it", result.gate, opened=True))
    return [part for part in (*parts, _numbers(result), _plot(result)) if part]


def _after(result: Result) -> list[str]:
    parts = [_trainings(result.trainings), _log(result), _samples(result)]
    parts += [_list("Also changed, outside of the lab: not judged", result.outside), _pins(result)]
    if result.messages:
        parts.append(folded("Messages", fence("\n".join(result.messages[-40:]), 4_000)))
    return [part for part in parts if part]


def _asked(result: Result) -> str:
    rows = []
    if asked := result.request:
        number = f" {asked.number}" if asked.number is not None else ""
        fork = ", from a fork" if asked.fork else ""
        rows.append(("request", f"{asked.kind.replace('_', ' ')}{number}{fork}"))
        rows += [(name, code(value)) for name, value in (("title", asked.title), ("by", asked.author)) if value]
    for name, side in (("base", result.base), ("head", result.head)):
        if side.sha:
            train = f", train.py {code(side.train[:12])}" if side.train else ""
            branch = result.request.branch if result.request and name == "head" else ""
            shown = f", {code(branch)}" if branch else ""
            rows.append((name, f"{code(side.sha[:12])}{shown}{train}"))
    return table(("", ""), rows) if rows else ""


def _numbers(result: Result) -> str:
    if result.delta is None:
        return ""
    sigma, df = result.numbers.get("sigma"), result.numbers.get("df", 0)
    noise = f"{sigma:.4f} ({df:.0f} degrees of freedom)" if sigma is not None and df else "not known"
    between = " to ".join(text.delta(end) for end in result.interval) if result.interval else "not known"
    rows = [
        ("val_bpb of the base", text.bpb(result.base_bpb)),
        ("val_bpb of the head", text.bpb(result.val_bpb)),
        ("head − base (lower is better)", f"**{text.delta(result.delta)}**"),
        ("95 % interval", between),
        ("noise between trainings, σ", noise),
        ("rule", f"{prose(result.rule)}, {result.budget_seconds or 0:g} s a training"),
    ]
    return table(("", ""), rows)


def _plot(result: Result) -> str:
    drawn = chart(result)
    return fence(drawn, 2_000, "text") if drawn else ""


def _trainings(trainings: Sequence[Training]) -> str:
    if not trainings:
        return ""
    head = ("of", "val_bpb", "± audit", "audited", "differ", "correction", "seconds", "seed", "")
    rows = [_row(one) for one in trainings[:100]]
    more = f"\n\n{len(trainings) - 100} more are in result.json." if len(trainings) > 100 else ""
    return folded("Trainings", table(head, rows, right=range(1, 8)) + more)


def _log(result: Result) -> str:
    shown = "\n".join(text.block(result.log, LOG_LINES))
    return folded("The end of its log", fence(shown, LOG, "text")) if shown else ""


def _row(one: Training) -> tuple[str, ...]:
    attempt, score = one.attempt, one.attempt.score
    words = [] if one.counts else ["not counted"]
    words += ["from an earlier job"] if one.known else []
    if score is None:
        said = ": ".join(part for part in (str(attempt.ending), attempt.detail) if part)
        return (
            one.of,
            "–",
            "–",
            "–",
            "–",
            "–",
            f"{attempt.outcome.train_seconds:.1f}",
            str(attempt.seed),
            prose(said, 200),
        )
    return (
        one.of,
        f"{score.val_bpb:.6f}",
        f"{score.stderr_bpb:.1e}",
        text.count(score.positions),
        text.count(score.disagreements),
        f"{score.correction_bpb:+.1e}".replace("-", "−"),
        f"{attempt.outcome.train_seconds:.1f}",
        str(attempt.seed),
        ", ".join(words),
    )


def _samples(result: Result) -> str:
    parts = []
    for one in result.samples:
        parts.append(f"After {code(one.get('prompt', ''))}:")
        for side in ("base", "head"):
            if side in one:
                parts += [f"{side}:", fence(one[side], SAMPLE, "text")]
    title = "Samples: what the checkpoints write, same prompt and seed"
    return folded(title, "\n\n".join(parts)) if parts else ""


def _diff(result: Result, left: int) -> str:
    if not result.diff or left < 500:
        return "The diff is in diff.patch." if result.diff else ""
    return folded("Diff of train.py", fence(result.diff, left, "diff"))


def _record(result: Result) -> str:
    if result.record == "absent":
        return ""  # the reason of the refusal says it
    if result.record == "verified":
        return "The run's record was verified from end to end."
    if isinstance(result.record, str):
        return ""
    found = "\n".join(f"- {code(one)}" for one in result.record[:PATHS])
    return f"The record of the run does not verify:\n\n{found}"


def _list(title: str, found: Sequence[tuple[str, str]], *, opened: bool = False) -> str:
    if not found:
        return ""
    lines = [f"- {code(path)}: {prose(what)}" for path, what in found[:PATHS]]
    if len(found) > PATHS:
        lines.append(f"- and {len(found) - PATHS} more, in result.json")
    return folded(f"{title} ({len(found)})", "\n".join(lines), opened=opened)


def _pins(result: Result) -> str:
    if result.pins is None:
        return ""
    rows = [
        (name, code(str(getattr(result.pins, name))[:80]))
        for name in ("prepare", "data", "image", "scoring", "settings")
    ]
    rows += [(name, code(value)) for name, value in _machine(result.machine)]
    rows.append(("took", text.duration(result.seconds)))
    return folded("Pins and machine", table(("", ""), rows))


def _machine(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    gpu = machine.get("gpu")
    found = [("GPU", f"{gpu.get('name')}, driver {gpu.get('driver')}" if gpu else "none")]
    found.append(("processor", f"{machine.get('cpu') or 'unknown'}, {machine.get('cores')} cores"))
    engine = machine.get("engine")
    if isinstance(engine, Mapping):
        found.append(
            ("engine", " ".join(str(engine[name]) for name in ("name", "version") if engine.get(name)))
        )
    return found
