"""What a trial's trainings left besides their scores, for `runner show N`: the curve of each, and all its samples.

Pure: readings and texts in, lines out. Both were written by untrusted programs: numbers are checked once more, text is
cleaned, and of everything so much is shown as a person reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from runner.report import marks, text
from runner.report.layout import NARROW, Indented
from runner.report.page.material import Points, Sample
from runner.trial import Attempt, Role

_TRAININGS = 24  # of a trial
_COLUMNS = 40  # of a sparkline
_SAMPLE_CHARACTERS = 28_000  # of one text: what all of a version may have
_PROMPT_COLUMNS = 200


class Loss:
    """One training's loss as a sparkline, and what it came to in words; fits any width."""

    def __init__(self, attempt: Attempt, points: Points) -> None:
        self.attempt, self.points = attempt, points

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1
        indent = 2 if width >= NARROW else 0
        picture = marks.sparkline([point.loss for point in self.points], min(_COLUMNS, max(1, width - indent)))
        yield Indented(Text(picture, "cyan"), indent)
        yield Indented(Text(self.words(), "dim"), indent)

    def words(self) -> str:
        """Such as `seed 7, the incumbent again: 5.81 → 2.34 over 412 steps, learning rate at last 0.0004`."""
        again = ", the incumbent again" if self.attempt.role is Role.INCUMBENT else ""
        first, last = self.points[0], self.points[-1]
        rate = next((point.lr for point in reversed(self.points) if point.lr is not None), None)
        parts = [f"{first.loss:.4g} → {last.loss:.4g} over {text.count(last.step)} steps"]
        parts += [] if rate is None else [f"learning rate at last {rate:.3g}"]
        return f"seed {self.attempt.seed}{again}: {', '.join(parts)}"


def curves(attempts: Sequence[Attempt], found: Sequence[Points]) -> list[RenderableType]:
    """The losses of those trainings that reported any; empty where none did."""
    told = [(one, points) for one, points in zip(attempts, found, strict=False) if points]
    rows: list[RenderableType] = [Loss(one, points) for one, points in told[:_TRAININGS]]
    return [title("training loss, as the program reported it"), *rows] if rows else []


def samples(found: Sequence[Sample]) -> list[RenderableType]:
    """Every sample under its prompt."""
    rows: list[RenderableType] = []
    for sample in found:
        said = text.clean(sample.text, _SAMPLE_CHARACTERS).strip()
        if said:
            prompt = text.line(sample.prompt, _PROMPT_COLUMNS)
            rows += [title(f"sample after “{prompt}”" if prompt else "sample"), Indented(Text(said), 2)]
    return rows


def title(what: str) -> Text:
    return Text(f"\n{what}", style="bold")
