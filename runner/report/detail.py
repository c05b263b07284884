"""`runner show N` and `runner diff N`: one trial whole, for a person and as a dict.

Pure: the entry and what the caller read of the trial's folder (log, curves, samples, diff) in, text out. All of it
comes from outside and is cleaned; what is long is cut to what a person reads, and said to be cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from runner.report import doubts, left, lines, text
from runner.report.layout import Indented
from runner.report.page.material import Points, Sample
from runner.trial import Attempt, Entry, Role, to_json

_LOG_LINES = 20
_DIFF_LINES = 1000
_DIFF_COLUMNS = 500  # of one line
_ROLES = {Role.CANDIDATE: "", Role.AFRESH: "scored afresh, ", Role.INCUMBENT: "the incumbent again, "}


def _row(label: str, value: str, style: str = "none") -> Indented | None:
    """A labelled fact; None where there is nothing to say."""
    return Indented(Text(value, style), label=label) if value else None


def _outcome(attempt: Attempt) -> str:
    left = attempt.outcome
    parts = [f"trained {text.duration(left.train_seconds)}"]
    if left.overrun_seconds:
        parts.append(f"gone {text.duration(left.overrun_seconds)} after its deadline")
    if left.peak_memory_mb:
        parts.append(f"memory {text.megabytes(left.peak_memory_mb)}")
    if left.peak_vram_mb:
        parts.append(f"GPU memory {text.megabytes(left.peak_vram_mb)}")
    if left.exit_code:
        parts.append(f"exit code {left.exit_code}")
    return ", ".join([*parts, f"{text.duration(attempt.wall_seconds)} in all"])


def _audit(attempt: Attempt) -> str:
    score = attempt.score
    if score is None:
        return ", ".join(part for part in (text.line(attempt.detail, 400), _numbers(attempt.numbers)) if part)
    return (
        f"{text.count(score.bytes)} bytes scored, {text.count(score.positions)} positions audited, "
        f"{text.count(score.disagreements)} in disagreement, correction {score.correction_bpb:.1e} bpb"
    )


def _attempts(entry: Entry) -> list[Indented | None]:
    rows: list[Indented | None] = []
    for index, attempt in enumerate(entry.attempts):
        value = text.bpb(attempt.val_bpb) if attempt.score else str(attempt.ending)
        head = f"{value}  {_ROLES[attempt.role]}seed {attempt.seed}, {_outcome(attempt)}"
        rows.append(_row("scores" if index == 0 else "", head))
        rows.append(_row("", _audit(attempt), "dim"))
        rows.append(_row("", doubts.sentence(attempt), "yellow"))
        rows.append(
            _row("", "; ".join(part for part in (doubts.gpu(attempt), doubts.host(attempt)) if part), "dim")
        )
    return rows


def _numbers(numbers: Mapping[str, float]) -> str:
    pairs = ((text.line(str(key), 40), text.finite(value)) for key, value in list(numbers.items())[:20])
    return ", ".join(f"{key} {value:.5g}" for key, value in pairs if value is not None)


def _machine(machine: Mapping[str, Any]) -> str:
    """What it was trained on: names and numbers of a nested record, the innermost ones, in its order."""

    def told(key: str, value: Any, depth: int) -> list[str]:
        if isinstance(value, Mapping) and depth < 3:
            inner = [part for k, v in list(value.items())[:8] for part in told(str(k), v, depth + 1)]
            return [f"{text.line(key, 20)} ({', '.join(inner)})"] if inner else []
        if isinstance(value, list | tuple):
            return [part for one in value[:4] for part in told(key, one, depth)]
        return [f"{text.line(key, 20)} {text.line(str(value), 80)}"] if value else []

    return ", ".join(part for key, value in list(machine.items())[:12] for part in told(str(key), value, 0))


def _facts(entry: Entry) -> list[Indented]:
    against = f" ({text.delta(lines.against(entry))} against the incumbent)" if entry.incumbent_bpb else ""
    times = ", ".join(
        f"{text.line(str(name), 20)} {text.duration(seconds)}"
        for name, seconds in list(entry.timings.items())[:10]
    )
    pins = entry.pins
    rows = [
        _row("note", text.line(entry.note), "bold"),
        _row("proposed", f"by {text.line(entry.agent, 60)}, decided {text.line(entry.time, 40)}"),
        _row(
            "verdict",
            f"{lines.status_word(entry)} {text.bpb(entry.val_bpb)}{against}",
            lines.STATUS_STYLES[entry.status],
        ),
        _row("", lines.reason(entry)),
        _row("", _numbers(entry.verdict.numbers), "dim"),
        *_attempts(entry),
        _row("time", times),
        _row("machine", _machine(entry.machine)),
        _row("commit", f"{text.line(entry.commit, 64)} on {text.line(entry.parent_commit, 64)}"),
        _row("digests", f"train.py {entry.proposal[:16]}  prepare {pins.prepare[:16]}  data {pins.data[:16]}"),
        _row("", f"image {pins.image[:23]}  scoring {pins.scoring[:16]}  settings {pins.settings[:16]}"),
    ]
    return [row for row in rows if row is not None]


def coloured(diff: str | bytes, limit: int = _DIFF_LINES) -> Text:
    """A unified diff in colours, its first `limit` lines."""
    result = Text()
    found = text.clean(diff).rstrip("\n").split("\n")
    for shown in found[:limit]:
        style = "none"
        if shown.startswith(("+++", "---", "diff ", "index ")):
            style = "bold"
        elif shown.startswith("@@"):
            style = "cyan"
        elif shown.startswith(("+", "-")):
            style = "green" if shown[0] == "+" else "red"
        result.append(text.fit(shown, _DIFF_COLUMNS) + "\n", style)
    if len(found) > limit:
        result.append(f"… {len(found) - limit} more lines\n", "dim")
    result.rstrip()
    return result


def show(
    entry: Entry,
    *,
    diff: str | bytes = "",
    log: str | bytes = b"",
    curves: Sequence[Points] = (),
    samples: Sequence[Sample] = (),
    log_path: str = "",
) -> RenderableType:
    """One trial whole. diff: unified, against its parent. log: any size, its tail is shown. curves: of each attempt."""
    parts: list[RenderableType] = [Text(f"trial {entry.number}", style="bold"), *_facts(entry)]
    if text.clean(diff).strip():
        parts += [left.title("diff against its parent"), coloured(diff)]
    parts += left.curves(entry.attempts, curves)
    if tail := [line for line in text.block(log, _LOG_LINES) if line]:
        where = f"log, last lines ({text.line(log_path, 200)})" if log_path else "log, last lines"
        parts += [left.title(where), Indented(Text("\n".join(tail), "dim"), 2)]
    return Group(*parts, *left.samples(samples))


def as_dict(entry: Entry, *, diff: str = "", samples: Sequence[Sample] = ()) -> dict[str, Any]:
    """The same for `--json`: the ledger's object, `diff` and `samples`; untrusted text as it was given.

    `sample` is the first text alone.
    """
    drawn = [{"prompt": one.prompt, "text": one.text} for one in samples]
    return {**to_json(entry), "diff": diff, "sample": drawn[0]["text"] if drawn else "", "samples": drawn}
