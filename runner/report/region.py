"""The live part of the screen as rich draws it, safe against resizing and against text of unknown width.

It neither knows what it shows (`lines.py`) nor when (`painter.py`). Trusts the lines to hold no control codes.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment
from rich.text import Text


class Region:
    """The live part as rich sees it, written with the terminal's line wrap off.

    A character that a terminal draws wider than `rich` measures it would else wrap a line, and each frame
    would climb one line short.
    """

    def __init__(self, build: Callable[[int, int], list[Text]]) -> None:
        self.build = build
        self.drawn: list[int] = []  # columns of each line of the last frame
        self.hidden = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = [] if self.hidden else self.build(console.width, console.height)
        self.drawn = [part.cell_len for part in found]
        if found:
            yield Segment("\x1b[?7l", None, [(ControlType.CARRIAGE_RETURN,)])
            yield Text("\n", no_wrap=True, overflow="ignore", end="").join(found)
            yield Segment("\x1b[?7h", None, [(ControlType.CARRIAGE_RETURN,)])

    def settle(self, console: Console) -> None:
        """Before a frame on a terminal that got narrower: climb the rows into which old lines were wrapped."""
        rows = sum(max(1, -(-columns // max(1, console.width))) for columns in self.drawn)
        extra = min(rows - len(self.drawn), console.height - 1)
        for _ in range(extra):
            console.control(Control((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)))
