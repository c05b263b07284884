"""What an agent's program says of its own run: tokens, money, model, closing message. Read by a recipe's selectors.

The output is untrusted: the program reads whatever the model writes, so all of this may be invented, cut off, not JSON
at all, or 50 MB of anything. Nothing here raises for any bytes; what cannot be read is None. It is a report for people;
limits are held where requests are counted, not here.

A selector is a path through JSON, `usage.input_tokens`, `*` standing for every value or item and `@` for every key.
Where there are many objects a condition stands before it: `type=turn.completed: usage.input_tokens`, several joined by
commas. Numbers of all that is found are summed; of texts the last counts. With `format = "text"` a selector is a
regular expression with one group, tried on every line. Where the report is a file and no selector finds the closing
message, the end of stdout stands in for it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.agents.recipe import Report
from runner.report import text

READ_BYTES = 8 << 20  # of a report at most: as much of its end, where reports stand
LINE_BYTES = 2 << 20
LINES = 50_000
MESSAGE_CHARACTERS = 2000
_LIMIT = 1e12  # tokens or dollars: more is no number to believe
_UNITS = {"": 1, "k": 1e3, "m": 1e6}
_NUMBER = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*([kKmM]?)")


@dataclass(frozen=True)
class AgentReport:
    """What was found; None and "" where nothing was. `tokens_in` counts cached ones too.

    done: the program wrote the record that it ends with. error: what it says went wrong, one line, "" if nothing.
    """

    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    model: str = ""
    message: str = ""
    done: bool = False
    error: str = ""


def read_result(
    report: Report, stdout: bytes, files: Mapping[str, bytes] | None = None, stderr: bytes = b""
) -> AgentReport:
    """The report in `stdout`, or in the one of `files` (content by path under `{out}`) that `report` names.

    stderr: looked through for an error of the same form, where there is no closing record: some write it there.
    """
    aside = report.source != "stdout"
    content = ((files or {}).get(report.source, b"") if aside else stdout)[-READ_BYTES:]
    found = _Found(report.format, content)
    done = found.first(report.done)
    cost = found.total(report.cost)
    message = found.last(report.message)[:MESSAGE_CHARACTERS]
    if aside and not report.message:
        message = stdout[-4 * MESSAGE_CHARACTERS :].decode("utf-8", "replace")[-MESSAGE_CHARACTERS:]
    error = found.failure(report.failed)
    if not error and done is None and stderr:
        error = _Found(report.format, stderr[-READ_BYTES:]).failure(report.failed)
    return AgentReport(
        tokens_in=_whole(found.total(report.tokens_in)),
        tokens_cached=_whole(found.total(report.tokens_cached)),
        tokens_out=_whole(found.total(report.tokens_out)),
        cost_usd=cost or None,  # programs say 0 where they do not know the price
        model=text.line(found.last(report.model), 80),
        message=text.clean(message).strip()[:MESSAGE_CHARACTERS],
        done=done is not None,
        error=text.line(_say(error), 300),
    )


class _Found:
    """The records of one report, and what selectors find in them."""

    def __init__(self, format: str, content: bytes) -> None:
        self._lines = content.decode("utf-8", "replace").splitlines()[-LINES:] if format == "text" else []
        self._records = list(_whole_json(content) if format == "json" else _json_lines(content))
        self._text = format == "text"

    def all(self, selectors: tuple[str, ...]) -> Iterator[Any]:
        for selector in selectors:
            if self._text:
                yield from (match[1] for line in self._lines for match in re.finditer(selector, line[:4096]))
                continue
            conditions, path = split(selector)
            for record in self._records:
                if all(any(_same(v, want) for v in _walk(record, where)) for where, want in conditions):
                    yield from _walk(record, path)

    def first(self, selectors: tuple[str, ...]) -> Any:
        return next((value for value in self.all(selectors) if value is not None), None)

    def failure(self, selectors: tuple[str, ...]) -> Any:
        found = (value for value in self.all(selectors) if value not in (None, "", False, 0, "0", "false"))
        return next(found, "")

    def last(self, selectors: tuple[str, ...]) -> str:
        texts = [value for value in self.all(selectors) if isinstance(value, str) and value.strip()]
        return texts[-1] if texts else ""

    def total(self, selectors: tuple[str, ...]) -> float | None:
        numbers = [number for value in self.all(selectors) if (number := _number(value)) is not None]
        total = sum(numbers) if numbers else None
        return total if total is not None and total <= _LIMIT else None


def split(selector: str) -> tuple[list[tuple[list[str], str]], list[str]]:
    """Conditions (path, wanted text) and path of a selector."""
    before, colon, path = selector.rpartition(": ")
    conditions = []
    for one in before.split(",") if colon else []:
        where, _, wanted = one.partition("=")
        conditions.append((where.strip().split("."), wanted.strip()))
    return conditions, path.strip().split(".")


def _walk(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        every = {"*": list(value.values()), "@": list(value)}
        inner = every[step] if step in every else [value[step]] if step in value else []
    elif isinstance(value, list):
        inner = value if step == "*" else []
    else:
        inner = []
    for one in inner:
        yield from _walk(one, rest)


def _same(value: Any, wanted: str) -> bool:
    return isinstance(value, str | int | bool) and str(value).lower() == wanted.lower()


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        if not found or len(found[1]) > 20:
            return None
        value = float(found[1].replace(",", "")) * _UNITS[found[2].lower()]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LIMIT and math.isfinite(value) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _say(error: Any) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return str(error["message"])
    return "it says that it failed" if error is True else json.dumps(error, default=str)[:1000]


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _json_lines(content: bytes) -> Iterator[Any]:
    for line in content.splitlines()[-LINES:]:
        if line.lstrip()[:1] == b"{" and len(line) <= LINE_BYTES and (record := _parse(line)) is not None:
            yield record


def _whole_json(content: bytes) -> Iterator[Any]:
    """One JSON value, or the list's items if it is a list. Other lines may stand before and after it.

    It begins at the output's start or that of a line, and ends with the last bracket of its kind. At most 11 places
    are tried.
    """
    content = content.strip()
    starts = [0, *[match.start() + 1 for match in re.finditer(rb"\n[\[{]", content)][-10:]]
    for start in starts:
        closing = b"]" if content[start : start + 1] == b"[" else b"}"
        value = _parse(content[start : content.rfind(closing) + 1])
        if isinstance(value, dict | list):
            yield from value if isinstance(value, list) else [value]
            return
