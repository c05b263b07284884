"""Tables of trials: `runner log` and the end of `runner go`, as text for a person, JSON and CSV.

Columns are laid out by hand: ten thousand trials must not take seconds. Notes and details are untrusted:
cleaned here for terminals and spreadsheets, left as they are in JSON, which escapes them. Prints nothing.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from runner.errors import UsageError
from runner.report import doubts, lines, text
from runner.report.layout import NARROW
from runner.report.watched import wall
from runner.trial import Entry, Status

_NOTE_COLUMNS = 24  # that a note gets before other columns are left out
_INDENT = 6
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would compute


def since(when: str, now: datetime | None = None) -> datetime:
    """The moment meant by `90m`, `2h`, `3d`, or an ISO date or time (UTC unless it says otherwise).

    Raises UsageError on anything else.
    """
    now = datetime.now(UTC) if now is None else now
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|min|m|h|d|w)", when.strip())
    try:
        if match:
            return now - timedelta(seconds=float(match[1]) * _UNITS[match[2]])
        moment = datetime.fromisoformat(when.strip())
    except (ValueError, OverflowError):
        raise UsageError(f"--since {when!r} is no time", "Use 90m, 2h, 3d or 2026-01-31T22:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment(entry: Entry) -> datetime | None:
    """When the trial was decided, in UTC; None where its time cannot be read."""
    try:
        found = datetime.fromisoformat(entry.time)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def select(
    entries: Iterable[Entry],
    *,
    kept: bool = False,
    crashed: bool = False,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[Entry]:
    """Entries that pass every filter given; `limit` takes no more than so many. kept and crashed: either.

    Given the newest first, so that a limit means the last ones and no more are read than asked for; gives the oldest
    first.
    """
    wanted = {status for status, asked in ((Status.KEEP, kept), (Status.CRASH, crashed)) if asked}
    found = (
        entry
        for entry in entries
        if (not wanted or entry.status in wanted)
        and (since is None or ((decided := moment(entry)) is not None and decided >= since))
    )
    return list(islice(found, None if limit is None else max(0, limit)))[::-1]


def record(entry: Entry) -> dict[str, Any]:
    """One trial as flat values for JSON and CSV; text as it was given, untrusted."""
    return {
        "number": entry.number,
        "time": entry.time,
        "commit": entry.commit,
        "status": str(entry.status),
        "ending": str(entry.ending),
        "val_bpb": text.finite(entry.val_bpb),
        "incumbent_bpb": text.finite(entry.incumbent_bpb),
        "delta_bpb": text.finite(lines.against(entry)),
        "best_bpb": text.finite(entry.best_bpb),
        "trainings": len(entry.attempts),
        "seeds": [attempt.seed for attempt in entry.attempts],
        "roles": [str(attempt.role) for attempt in entry.attempts],
        "scores": [text.finite(attempt.val_bpb) for attempt in entry.attempts],
        "wall_seconds": round(wall(entry), 3),
        "peak_memory_mb": text.finite(entry.peak_memory_mb),
        "peak_vram_mb": text.finite(entry.peak_vram_mb),
        "agent": entry.agent,
        "note": entry.note,
        "detail": entry.detail,
        "reason": entry.verdict.reason,
        "suspicious": entry.suspicious,
        "marks": doubts.marks(entry),
    }


def as_json(entries: Iterable[Entry]) -> str:
    """A JSON array of `record`s; ASCII, so that nothing in it can reach a terminal as a control code."""
    return json.dumps([record(entry) for entry in entries], indent=1, allow_nan=False)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join("" if part is None else str(part) for part in value)
    if isinstance(value, str):
        value = text.line(value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value


def as_csv(entries: Iterable[Entry]) -> str:
    """The same as CSV with a header; text cleaned, and quoted where a spreadsheet would take it for a formula."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    rows = [record(entry) for entry in entries]
    writer.writerow(rows[0] if rows else ("number",))
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return target.getvalue()


@dataclass(frozen=True)
class _Column:
    title: str
    width: int
    right: bool = False
    rank: int = 0  # the highest leave first where there is little room


_COLUMNS = (
    _Column("trial", 5, True),
    _Column("status", 8),
    _Column("val_bpb", 7, True),
    _Column("delta", 8, True, 2),
    _Column("decided (UTC)", 16, False, 3),
    _Column("took", 12, True, 4),
    _Column("memory", 7, True, 5),
    _Column("agent", 8, False, 6),
)
_END_COLUMNS = _COLUMNS[:4]
_ALWAYS = 3  # columns that stay however narrow it gets


def _values(entry: Entry) -> tuple[str, ...]:
    return (
        str(entry.number),
        lines.status_word(entry),
        text.bpb(entry.val_bpb),
        text.delta(lines.against(entry)),
        text.line(entry.time, 19).replace("T", " ")[:16],
        text.duration(wall(entry)),
        text.megabytes(entry.peak_vram_mb or entry.peak_memory_mb),
        text.line(entry.agent, 8),
    )


_FAINT, _BOLD, _PLAIN = Style(dim=True), Style(bold=True), Style()
_STYLES = {Status(name): Style.parse(style) for name, style in lines.STATUS_STYLES.items()}


class Table:
    """Rows of trials for a rich console of any width; what matters least leaves first.

    reasons: under each trial a line why it was kept or not.
    """

    def __init__(self, entries: Sequence[Entry], *, reasons: bool = False) -> None:
        self.entries = entries
        self.reasons = reasons
        self.columns = _END_COLUMNS if reasons else _COLUMNS

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1
        if width < NARROW:
            yield from (lines.verdict(entry, width) for entry in self.entries)
            return
        shown = list(range(len(self.columns)))
        while sum(self.columns[i].width + 2 for i in shown) + _NOTE_COLUMNS > width and len(shown) > _ALWAYS:
            shown.remove(max(shown, key=lambda i: self.columns[i].rank))
        used = sum(self.columns[i].width + 2 for i in shown)
        head = "".join(_pad(self.columns[i].title, self.columns[i]) for i in shown) + "note"
        yield Segment(text.fit(head, width), _FAINT)
        yield Segment.line()
        for entry in self.entries:
            values = _values(entry)
            for i in shown:
                yield Segment(_pad(values[i], self.columns[i]), self._style(entry, i))
            yield Segment(text.line(doubts.noted(entry, entry.note), width - used), _PLAIN)
            yield Segment.line()
            if self.reasons and (why := lines.reason(entry)):
                yield Segment(" " * (_INDENT + 1))
                yield Segment(text.fit(why, width - _INDENT - 1), _FAINT)
                yield Segment.line()

    @staticmethod
    def _style(entry: Entry, column: int) -> Style:
        if column == 1:
            return _STYLES[entry.status]
        if column == 2 and entry.status is Status.KEEP:
            return _BOLD
        return _PLAIN if column in (0, 2, 3) else _FAINT


def _pad(value: str, column: _Column) -> str:
    value = text.fit(value, column.width)
    space = " " * (column.width - cell_len(value))
    return f"{space}{value}  " if column.right else f"{value}{space}  "
