"""Several trainings at once, one line each: the model of what trains on each device, and its lines.

Pure. The screen tells it what happened, as it does `watched.py`; text from outside was cleaned before it came here.
"""

from __future__ import annotations

from rich.text import Text

from runner.report import lines, text
from runner.report.layout import LABEL, NARROW
from runner.report.marks import bar
from runner.report.watched import Side, Watched

_BAR = 12


def rows(state: Watched, now: float, width: int) -> list[Text]:
    """A line for each device that trains, in the order of their names, `width` columns at most."""
    return [
        lines.row(text.fit(name, LABEL - 1) if width >= NARROW else "", _parts(side, now), width)
        for name, side in sorted(state.sides.items())
    ]


def _parts(side: Side, now: float) -> list[str | Text]:
    training = side.training
    head: str | Text = f"trial {side.number}"
    if side.phase == "scoring":
        name, done, total = side.scoring
        share = f" {text.count(done)} of {text.count(total)}" if total > 0 else ""
        return [head, f"scoring {name}{share}"]
    seconds = training.seconds(now)
    done_, rest = bar(seconds / training.budget if training.budget else 0.0, _BAR)
    clock = f" {seconds:.0f} of {training.budget:.0f} s" if training.budget else f" {seconds:.0f} s"
    return [
        head,
        Text.assemble((done_, "cyan"), (rest, "dim"), clock),
        *([] if training.loss is None else [f"loss {training.loss:.4g}"]),
        *([f"training {training.attempt + 1}"] if training.attempt else []),
        side.note,
    ]


def plain(state: Watched, now: float) -> list[str]:
    """The same where there is no terminal."""
    found = []
    for name, side in sorted(state.sides.items()):
        training = side.training
        if side.phase == "scoring":
            said, done, total = side.scoring
            facts = [
                f"scoring {said}" + (f" {text.count(done)} of {text.count(total)}" if total and done else "")
            ]
        else:
            facts = ["training", f"{training.seconds(now):.0f} of {training.budget:.0f} s"]
            facts += [] if training.step is None else [f"step {text.count(training.step)}"]
            facts += [] if training.loss is None else [f"loss {training.loss:.4g}"]
        found.append(f"trial {side.number}: {', '.join(facts)} ({name})")
    return found
