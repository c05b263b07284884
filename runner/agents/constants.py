"""The annotated constants of a train.py: find them, and write new values without touching another byte.

A constant is annotated by a comment that trails its assignment at the top level of the file:

    MATRIX_LR = 0.04  # range: 0.005..0.2 log — of the hidden matrices
    DEPTH = 4         # range: 2..8
    ACTIVATION = "relu2"  # choices: "relu2", "gelu", "silu"; feed-forward layers

`range` is for an int or a float literal (an int stays an int), `log` for one that is searched by ratio;
`choices` lists ints, floats, strings, True or False. A value outside its own range or choices is taken as
a sign that they are too narrow: they are widened to hold it, and `warnings` says so. Positions come from
`ast` and `tokenize`, never from a search through the text.

Does not run the file. Parses it in this process, so what an outside program wrote goes through
`takeback.check` first.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from runner.agents.annotations import Domain, Value, parse
from runner.errors import UsageError
from runner.trial import digest

EXAMPLE = "MATRIX_LR = 0.04  # range: 0.005..0.2 log"
SIGNIFICANT_DIGITS = 3

_NEWLINE = re.compile(rb"\r\n|\r|\n")  # what Python's own tokenizer ends a line with
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Constant:
    """One annotated constant. `start`, `end` are byte offsets of its literal, `text`, in the source."""

    name: str
    line: int
    value: Value
    text: str
    start: int
    end: int
    domain: Domain

    def holds(self, value: object) -> bool:
        """Whether `value` is of this constant's type and in its domain."""
        if self.domain.choices:
            return any(type(value) is type(choice) and value == choice for choice in self.domain.choices)
        return (
            isinstance(value, int | float)
            and type(value) is type(self.value)
            and self.domain.low <= value <= self.domain.high
        )

    def canonical(self, value: float) -> Value:
        """The nearest value of the range that a person would write: 0.055, not 0.05500000001."""
        low, high = self.domain.low, self.domain.high
        if isinstance(self.value, int):
            return int(min(max(round(value), low), high))
        digits = 1 - math.floor(math.log10(high - low))  # a hundredth of the range, or finer
        if value:
            digits = max(digits, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))
        return min(max(round(float(value), digits), low), high)

    def literal(self, value: Value) -> str:
        """The text to write for `value`, in the manner of the literal that it replaces."""
        text = repr(value)
        if isinstance(value, str):
            return f'"{text[1:-1]}"' if self.text[0] == '"' and '"' not in value else text
        if type(value) is int and "_" in self.text:
            return f"{value:_}"
        return re.sub(r"e([+-])0*(\d+)$", lambda m: f"e{m[1].strip('+')}{m[2]}", text)  # 1e-05 → 1e-5


def find(source: bytes, where: str = "train.py") -> tuple[Constant, ...]:
    """The annotated constants of `source`, in the order of the file; empty if there are none.

    Raises UsageError, naming `where` and the line, if the source is no Python in UTF-8, or an annotation at
    the top level is malformed. A comment anywhere else (in a function, on a line of its own) is just a comment.
    """
    tree, comments = _parse(source, where)
    starts = [len(_BOM) if source.startswith(_BOM) else 0, *(m.end() for m in _NEWLINE.finditer(source))]
    found: dict[str, Constant] = {}
    lines: set[int] = set()
    for statement in tree.body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            continue
        line = statement.value.end_lineno or statement.lineno
        try:
            constant = _constant(statement, line, comments.get(line, ""), source, starts)
        except ValueError as error:
            _malformed(where, line, str(error))
        if constant is None:
            continue
        if line in lines:
            _malformed(where, line, "two assignments share one annotation")
        if constant.name in found:
            _malformed(where, line, f"{constant.name} is annotated on line {found[constant.name].line} too")
        lines.add(line)
        found[constant.name] = constant
    return tuple(found.values())


def rewrite(source: bytes, changes: Mapping[str, Value]) -> bytes:
    """`source` with the literals of the named constants replaced; every other byte as it was.

    A value equal to the present one leaves its literal as written. Raises KeyError for a name that is not
    annotated, ValueError for a value that its annotation does not allow, UsageError as `find`.
    """
    constants = {constant.name: constant for constant in find(source)}
    parts: list[tuple[int, int, bytes]] = []
    for name, value in changes.items():
        constant = constants[name]
        if not constant.holds(value):
            raise ValueError(f"{name} = {value!r} is not what its annotation on line {constant.line} allows")
        if value != constant.value:
            parts.append((constant.start, constant.end, constant.literal(value).encode()))
    for start, end, literal in sorted(parts, reverse=True):
        source = source[:start] + literal + source[end:]
    return source


def skeleton(source: bytes) -> str:
    """Digest of `source` without its annotated literals: equal for two versions that differ in values only."""
    for constant in sorted(find(source), key=lambda c: c.start, reverse=True):
        source = source[: constant.start] + b"\0" + source[constant.end :]
    return digest(source)


def warnings(constants: tuple[Constant, ...]) -> list[str]:
    """One line for each constant whose value is outside its annotation as written."""
    return [
        f"line {c.line}: {c.name} = {c.text} is outside its own annotation, which is widened to hold it"
        for c in constants
        if c.domain.outside
    ]


def _malformed(where: str, line: int, what: str) -> NoReturn:
    raise UsageError(f"{where}, line {line}: {what}", f"An annotated constant looks like: {EXAMPLE}")


def _parse(source: bytes, where: str) -> tuple[ast.Module, dict[int, str]]:
    """The syntax tree, and the comment of each line. Columns are bytes, after a byte order mark if any."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            raise UsageError(f"{where}: declares the encoding {encoding}; it must be UTF-8")
        text = source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: is not UTF-8: {error}") from None
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError) as error:
        raise UsageError(f"{where}: does not parse as Python: {error}") from None
    return tree, {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _constant(
    statement: ast.Assign | ast.AnnAssign, line: int, comment: str, source: bytes, starts: list[int]
) -> Constant | None:
    """The constant of one top-level assignment, None without an annotation; ValueError for a malformed one."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    node = statement.value
    assert node is not None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    domain = parse(comment, value)
    if domain is None:
        return None
    if len(targets) != 1 or not isinstance(targets[0], ast.Name):
        raise ValueError("only NAME = literal can be annotated")
    start = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
    return Constant(targets[0].id, line, value, source[start:end].decode(), start, end, domain)
