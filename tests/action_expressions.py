"""The part of GitHub's expressions that our action and workflows use: names, texts, == != ! && ||, two functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\|\||&&|==|!=|[!(),])|([A-Za-z_][\w.-]*)|(\d+))")


class Unknown(Exception):
    """An expression that this evaluator does not know: make it know it, or keep the file simple."""


def fill(text: Any, context: Mapping[str, Any]) -> Any:
    """`text` with every `${{ … }}` evaluated; values of another kind are strings as the service writes them."""
    if not isinstance(text, str):
        return str(text).lower() if isinstance(text, bool) else text
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: plain(evaluate(found[1], context)), text, flags=re.DOTALL)


def plain(value: Any) -> str:
    return (
        {None: "", True: "true", False: "false"}.get(value, str(value))
        if not isinstance(value, int) or isinstance(value, bool)
        else str(value)
    )


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """The value of an expression without its `${{ }}`. `always()` is True. Raises Unknown."""
    text = text.strip()
    if text.startswith("${{"):
        text = text[3:-2].strip()
    parser = _Parser(text, context)
    value = parser.either()
    if parser.rest.strip():
        raise Unknown(text)
    return value


class _Parser:
    def __init__(self, text: str, context: Mapping[str, Any]) -> None:
        self.rest, self.context = text, context

    def peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self.rest)

    def take(self, sign: str) -> bool:
        found = self.peek()
        if found and found[2] == sign:
            self.rest = self.rest[found.end() :]
            return True
        return False

    def either(self) -> Any:
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.equal()
        while self.take("&&"):
            other = self.equal()
            value = value and other
        return value

    def equal(self) -> Any:
        value = self.single()
        if self.take("=="):
            return plain(value).casefold() == plain(self.single()).casefold()
        if self.take("!="):
            return plain(value).casefold() != plain(self.single()).casefold()
        return value

    def single(self) -> Any:
        if self.take("!"):
            return not self.single()
        if self.take("("):
            value = self.either()
            if not self.take(")"):
                raise Unknown(self.rest)
            return value
        found = self.peek()
        if not found or found[2]:
            raise Unknown(self.rest)
        self.rest = self.rest[found.end() :]
        if found[1] is not None:
            return found[1].replace("''", "'")
        if found[4]:
            return int(found[4])
        return self.call(found[3]) if self.take("(") else self.look(found[3])

    def call(self, name: str) -> Any:
        arguments = []
        while not self.take(")"):
            arguments.append(self.either())
            self.take(",")
        if name == "always":
            return True
        if name == "format":
            return str(arguments[0]).format(*map(plain, arguments[1:]))
        raise Unknown(name)

    def look(self, name: str) -> Any:
        if name in ("true", "false"):
            return name == "true"
        value: Any = self.context
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value
