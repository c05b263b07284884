"""Wrapped text with a hanging indent for a rich console of any width; no padding, so nothing trails in a file."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

LABEL = 10  # columns of the labels on the left
NARROW = 50  # below this many columns there are no labels and no indents


class Indented:
    """`body` wrapped to the console, each line behind `indent` columns; `label` stands in the first of them."""

    def __init__(self, body: Text, indent: int = LABEL, label: str = "") -> None:
        self.body, self.indent, self.label = body, indent, label

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1
        indent = self.indent if width >= NARROW else 0
        for index, line in enumerate(self.body.wrap(console, max(1, width - indent))):
            line.rstrip()
            label = self.label if index == 0 and indent else ""
            yield Text.assemble((f"{label:<{indent}}", "dim"), line) if line.plain else Text("")
