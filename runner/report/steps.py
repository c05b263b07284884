"""One set-up step as a person sees it: wheels, image, data. Pure; the screen draws it and owns the clock."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from runner.report import marks, text

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES = 8  # of the spinner, a second


@dataclass(eq=False)
class Step:
    """A step under way. what: cleaned text. began: monotonic seconds. fraction: done so far, or None."""

    what: str
    began: float
    detail: str = ""
    fraction: float | None = None

    def tell(self, detail: str, fraction: float | None) -> None:
        self.detail = text.line(detail, 200)
        self.fraction = text.finite(fraction)

    def live(self, now: float, width: int) -> Text:
        """One line of at most `width` columns: spinner, name, bar, elapsed, detail."""
        sign = _SPINNER[int((now - self.began) * _FRAMES) % len(_SPINNER)]
        head = f"{sign} {self.what}"
        tail = f"  {text.duration(now - self.began)}"
        room = min(24, width - len(head) - len(tail) - 8)
        line = Text(text.fit(head, width), no_wrap=True, end="")
        line.stylize("cyan", 0, 1)
        if self.fraction is not None and room >= 8:
            done, rest = marks.bar(self.fraction, room)
            line.append("  ").append(done, "cyan").append(rest, "dim")
            line.append(f" {100 * max(0.0, min(1.0, self.fraction)):3.0f} %")
        if line.cell_len + len(tail) <= width:
            line.append(tail, "dim")
        if self.detail and width - line.cell_len > 8:
            line.append(f"  {text.fit(self.detail, width - line.cell_len - 2)}", "dim")
        return line

    def plain(self, now: float) -> str:
        """Where it stands, in one plain line."""
        share = "" if self.fraction is None else f" {100 * self.fraction:.0f} %"
        detail = f" {self.detail}" if self.detail else ""
        return f"{self.what}:{share}{detail} ({text.duration(now - self.began)})"

    def plain_end(self, now: float, ending: str) -> str:
        """How it ended; `ending` is empty when it went well, else a word."""
        took = text.duration(now - self.began)
        return f"{self.what}: {ending} after {took}" if ending else f"{self.what}: done in {took}"

    def styled_end(self, now: float, ending: str) -> Text:
        took = text.duration(now - self.began)
        if ending:
            return Text.assemble(("✗", "bold red"), f" {self.what} ", (f"{ending} after {took}", "red"))
        return Text.assemble(("✓", "green"), f" {self.what}  ", (took, "dim"))
