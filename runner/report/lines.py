"""The screen's lines: what is known of the run (`watched.py`) as styled text of a given width.

Pure: the same state, time and width give the same lines. Every line fits its width, and what matters less
is left out first where there is little room. Text from outside was cleaned before it came here.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from runner.report import doubts, marks, text
from runner.report.layout import LABEL, NARROW
from runner.report.watched import Training, Watched
from runner.trial import Entry, Status
from runner.usage import Usage

STATUS_STYLES = {"keep": "bold green", "discard": "dim", "crash": "red"}
_SEPARATOR = " · "
_TALL = 12  # from this many rows on an empty line keeps the live part apart from what was printed above it


def row(label: str, parts: Sequence[str | Text], width: int) -> Text:
    """One line: a label and as many of `parts`, the first ones first, as `width` columns hold."""
    result = Text(f"{label:<{LABEL}}" if width >= NARROW else "", style="dim", no_wrap=True, end="")
    head = result.cell_len
    for part in (Text(part) if isinstance(part, str) else part for part in parts):
        gap = _SEPARATOR if result.cell_len > head else ""
        room = width - result.cell_len - len(gap)
        if part.cell_len > room:
            if not gap:
                result.append(text.fit(part.plain, room), style=part.style or "none")
            break
        result.append(gap, style="dim").append_text(
            part if part.spans or part.style else Text(part.plain, "none")
        )
    result.style = ""
    result.stylize("dim", 0, head)
    return result


def status_word(entry: Entry) -> str:
    """`keep`, `discard`, `suspect` for one set aside, or how a crashed trial ended (`timeout`, `oom` …)."""
    if entry.suspicious:
        return "suspect"
    return str(entry.ending) if entry.status is Status.CRASH else str(entry.status)


def against(entry: Entry) -> float | None:
    """The trial's score minus that of the incumbent it was measured against, bits per byte."""
    if entry.val_bpb is None or entry.incumbent_bpb is None:
        return None
    return entry.val_bpb - entry.incumbent_bpb


def _bar(training: Training, now: float, width: int) -> Text:
    seconds = training.seconds(now)
    clock = f" {seconds:.0f} of {training.budget:.0f} s" if training.budget else f" {seconds:.0f} s"
    labels, seed = (LABEL, 29) if width >= NARROW else (0, 0)
    room = min(32, width - len(clock) - labels - seed)
    done, rest = marks.bar(seconds / training.budget if training.budget else 0.0, max(0, room))
    return Text.assemble((done, "cyan"), (rest, "dim"), clock)


def _loss(training: Training, width: int) -> list[str | Text]:
    if training.loss is None:
        parts: list[str | Text] = [Text("no loss reported yet", "dim")]
    else:
        picture = marks.sparkline(training.losses, min(24, max(0, width - 40)))
        parts = [Text.assemble("loss ", (f"{training.loss:.4g}", "bold"), " ", (picture, "cyan"))]
    if training.step is not None:
        parts.append(f"step {text.count(training.step)}")
    if (rate := training.rate()) is not None:
        parts.append(f"{text.count(rate)} tokens/s")
    if training.memory_mb:
        parts.append(text.megabytes(training.memory_mb))
    return parts


def attempt_name(attempt: int, seed: int) -> str:
    """`seed 7` for the first training of a trial (`attempt` 0), `training 2, seed 7` for the second, and so on."""
    return f"training {attempt + 1}, seed {seed}" if attempt > 0 else f"seed {seed}"


def _phase(state: Watched, now: float, width: int) -> list[Text]:
    if state.phase == "proposing":
        kind, until = state.pause
        parts: list[str | Text] = [state.agent, text.duration(now - state.began)]
        if kind and until > now:
            parts.append(Text(f"after {kind} asked again in {text.duration(until - now)}", "yellow"))
        return [row("proposing", parts, width)]
    if state.phase == "scoring":
        name, done, total = state.scoring
        share = f"{text.count(done)} of {text.count(total)}" if total > 0 else ""
        return [row("scoring", [part for part in (name, share) if part], width)]
    if state.phase == "training" and state.training is not None:
        seed = attempt_name(state.training.attempt, state.training.seed)
        return [
            row("training", [_bar(state.training, now, width), seed], width),
            row("", _loss(state.training, width), width),
        ]
    return []


def best(state: Watched) -> list[str | Text]:
    """The best so far and its gain over the baseline, as parts of a line."""
    if state.best is None:
        return [Text("none yet", "dim")]
    parts: list[str | Text] = [Text(text.bpb(state.best), "bold green")]
    if state.best_number == 0:
        return [*parts, "the baseline"]
    if state.best_number is not None:
        parts.append(f"trial {state.best_number}")
    if state.baseline is not None:
        parts.append(f"{text.gain(state.baseline, state.best)} under the baseline")
    return parts


def _left(state: Watched, now: float) -> list[str | Text]:
    parts: list[str | Text] = []
    if state.left is not None:
        parts.append(f"{state.left} {'trial' if state.left == 1 else 'trials'}")
        seconds = state.seconds_left(now)
        if seconds is not None:
            parts.append(f"about {text.roughly(seconds)}")
    if state.ends is not None:
        parts.append(f"{text.duration(max(0.0, state.ends - now))} until the last trial may start")
    if state.max_cost is not None:
        parts.append(
            f"${max(0.0, state.max_cost - (state.spent.cost_usd or 0.0)):.2f} of ${state.max_cost:.2f}"
        )
    return parts or ["until stopped"]


def spent(usage: Usage) -> list[str | Text]:
    """What proposers took of their models, as parts of a line; empty where none told."""
    parts: list[str | Text] = [] if usage.cost_usd is None else [f"${usage.cost_usd:.2f}"]
    if usage.tokens_in is not None or usage.tokens_out is not None:
        parts.append(f"{text.count(usage.tokens_in or 0)} tokens in, {text.count(usage.tokens_out or 0)} out")
    return [*parts, text.line(usage.model, 60)] if parts and usage.model else parts


def _agents(state: Watched, now: float) -> list[str | Text]:
    """What the proposer is doing beside a trial, and what all of it has cost."""
    ahead = state.asked is not None and state.phase in ("training", "scoring")
    asked: list[str | Text] = [f"asked ahead, {text.duration(now - (state.asked or now))}"] if ahead else []
    return [*asked, *spent(state.spent)]


def live(
    state: Watched, now: float, host: str, width: int, height: int, beside: Sequence[Text] = ()
) -> list[Text]:
    """The live part of the screen for a terminal of `width` × `height`; at most `height - 1` lines.

    now: the monotonic clock. host: one line about the machine, may be empty. beside: the lines of several trainings
    at once (`sides.py`). Empty outside of a trial.
    """
    width, room = max(1, width - 1), max(0, height - 1)  # the last column stays free: nothing ever wraps
    if state.phase == "idle" and state.number is None:
        return []
    what = state.note or ("" if state.phase == "proposing" else "…")
    head = f"trial {state.number}" if state.number is not None else ""
    first = Text(text.fit(f"{head}  {what}".rstrip(), width), no_wrap=True, end="")
    first.stylize("bold", 0, len(head))
    found = [Text("", end=""), first] if height >= _TALL else [first]
    found += [*_phase(state, now, width), *beside]
    if state.scores and state.phase != "idle":
        found.append(row("so far", list(state.scores), width))
    if state.tag:  # a trial by itself has no run around it
        found += [row("best", best(state), width), row("left", _left(state, now), width)]
    if agents := _agents(state, now):
        found.append(row("agents", agents, width))
    if host:
        found.append(row("machine", [text.line(host)], width))
    return found[:room]


def verdict(entry: Entry, width: int) -> Text:
    """A finished trial in one line of `width` columns: number, status, score, difference, note."""
    word = status_word(entry)
    note = doubts.noted(entry, text.line(entry.note, 400))
    if width < NARROW:
        plain = f"{entry.number} {word} {text.bpb(entry.val_bpb)} {note}"
        return Text(text.fit(plain, width), style=STATUS_STYLES[entry.status], no_wrap=True)
    head = Text(no_wrap=True).append(f"{entry.number:>4}  ", "dim")
    head.append(f"{word:<9}", STATUS_STYLES[entry.status])
    head.append(f"{text.bpb(entry.val_bpb):>7}", "bold" if entry.status is Status.KEEP else "")
    head.append(f"  {text.delta(against(entry)):>8}  ", "green" if entry.status is Status.KEEP else "dim")
    return head.append(text.fit(note, width - head.cell_len), "none")


class Fitted:
    """A finished trial's line, laid out for the width that the terminal has when it is printed."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield verdict(self.entry, options.max_width - 1)


def reason(entry: Entry) -> str:
    """Why it ended as it did: the ratchet's sentence, or the detail of a crash."""
    return text.line(
        entry.detail if entry.status is Status.CRASH and entry.detail else entry.verdict.reason, 400
    )


def plain_verdict(entry: Entry) -> str:
    """A finished trial in one plain line without a length limit but those of its parts."""
    parts = f"trial {entry.number}: {status_word(entry)} {text.bpb(entry.val_bpb)}"
    if (difference := against(entry)) is not None:
        parts += f" ({text.delta(difference)})"
    why = reason(entry)
    note = doubts.noted(entry, text.line(entry.note, 400))
    return f"{parts}: {note}" + (f" — {why}" if why else "")


def plain_progress(state: Watched, now: float) -> str:
    """Where the trial under way stands, in one plain line."""
    training = state.training
    if state.phase != "training" or training is None:
        name, done, total = state.scoring
        share = (
            f" {text.count(done)} of {text.count(total)}" if state.phase == "scoring" and total and done else ""
        )
        return f"trial {state.number}: {state.phase}{' ' + name if state.phase == 'scoring' else ''}{share}"
    facts = [f"{training.seconds(now):.0f} of {training.budget:.0f} s"]
    if training.step is not None:
        facts.append(f"step {text.count(training.step)}")
    if training.loss is not None:
        facts.append(f"loss {training.loss:.4g}")
    if (rate := training.rate()) is not None:
        facts.append(f"{text.count(rate)} tokens/s")
    return f"trial {state.number}: training, {', '.join(facts)}"
