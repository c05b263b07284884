"""Placeholders of recipes: `{prompt}`, `{model}`, … in commands, environments and settings.

Settings are kept as tables and written as JSON or TOML when they are filled in, so that no value can break out of its
quotes. A value that is one placeholder alone takes its type (`"{turns}"` becomes the number). Whatever has a
placeholder without a value is left out: an entry of a table, an item of a list, and in a command a group in
brackets, as in `["--model", "{model}"]`, as a whole. Values are never looked through for placeholders again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from runner.errors import UsageError

Tree: TypeAlias = Any  # str, int, float, bool, list of trees, table of trees
Command: TypeAlias = tuple[str | tuple[str, ...], ...]
Values: TypeAlias = Mapping[str, str | int | float]

PLACEHOLDERS: Mapping[str, str] = MappingProxyType({
    "prompt": "what the agent is asked",
    "model": "the model's name",
    "gateway": "the gateway's URL, without a slash at its end",
    "base": "the base URL of the API as seen through the gateway",
    "token": "what stands in for the key",
    "home": "the program's home folder",
    "work": "its working folder, with train.py and note.txt",
    "lab": "the read-only folder with program.md, the history and prepare/",
    "out": "a folder for its report",
    "turns": "limit on turns; none where there is no limit",
    "dollars": "limit on money, likewise",
    "seconds": "limit on time",
    "price_in": "dollars for a million tokens sent, 0 if unknown",
    "price_out": "and received",
    "price_cached": "and sent again from the API's cache",
})  # fmt: skip
_HOLE = re.compile(r"\{([a-z_]+)\}")


class _Missing(Exception):
    """A placeholder without a value."""


def check_tree(where: str, key: str, raw: Any, *, command: bool = False) -> Any:
    """`raw` from a recipe's TOML, unchanged but frozen at the top. Raises UsageError for what cannot be filled in."""
    if command:
        if not isinstance(raw, list) or not raw or not isinstance(raw[0], str):
            raise UsageError(f"{where}: {key} must be a list that starts with a program")
        for item in raw:
            if not (
                isinstance(item, str) or (isinstance(item, list) and all(isinstance(i, str) for i in item))
            ):
                raise UsageError(f"{where}: {key} must hold strings and lists of strings, not {item!r}")
    elif not isinstance(raw, dict):
        raise UsageError(f"{where}: {key} must be a table")
    _known(where, key, raw)
    return tuple(tuple(i) if isinstance(i, list) else i for i in raw) if command else MappingProxyType(raw)


def _known(where: str, key: str, tree: Tree) -> None:
    if isinstance(tree, str):
        for name in _HOLE.findall(tree):
            if name not in PLACEHOLDERS:
                known = ", ".join(PLACEHOLDERS)
                raise UsageError(f"{where}: {key}: unknown placeholder {{{name}}}", f"There are: {known}")
    elif isinstance(tree, Mapping):
        for name, value in tree.items():
            _known(where, f"{key}.{name}", name)
            _known(where, f"{key}.{name}", value)
    elif isinstance(tree, list):
        for value in tree:
            _known(where, key, value)
    elif not isinstance(tree, int | float):
        raise UsageError(f"{where}: {key} must not hold {tree!r}")


def fill(tree: Tree, values: Values) -> Tree:
    """`tree` with its placeholders filled in; what has one without a value is left out."""
    try:
        return _fill(tree, values)
    except _Missing:
        return None


def fill_command(command: Command, values: Values) -> tuple[str, ...]:
    """The arguments. A group whose placeholder has no value is left out; a lone argument becomes empty text there."""
    arguments: list[str] = []
    for item in command:
        if isinstance(item, str):
            arguments.append(_text(fill(item, values)))
        else:
            try:
                arguments += [_text(_fill(part, values)) for part in item]
            except _Missing:
                continue
    return tuple(arguments)


def fill_environment(tree: Mapping[str, Tree], values: Values) -> dict[str, str]:
    """Every value as text; tables and lists as JSON, as some programs take their settings."""
    filled = fill(dict(tree), values)
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else _text(value)
        for name, value in filled.items()
    }


def _fill(tree: Tree, values: Values) -> Tree:
    if isinstance(tree, str):
        whole = _HOLE.fullmatch(tree)
        return _look(whole[1], values) if whole else _HOLE.sub(lambda hole: _text(_look(hole[1], values)), tree)
    if isinstance(tree, Mapping):
        filled = {}
        for name, value in tree.items():
            try:
                filled[_text(_fill(name, values))] = _fill(value, values)
            except _Missing:
                continue
        return filled
    if isinstance(tree, Sequence):
        items = []
        for value in tree:
            try:
                items.append(_fill(value, values))
            except _Missing:
                continue
        return items
    return tree


def _look(name: str, values: Values) -> str | int | float:
    value = values.get(name, "")
    if value == "" or value is None:
        raise _Missing
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write(name: str, tree: Mapping[str, Tree]) -> bytes:
    """A filled-in table as the content of the settings file `name`, which ends in .json or .toml."""
    if name.endswith(".json"):
        return (json.dumps(tree, indent=2, ensure_ascii=False) + "\n").encode()
    return ("\n".join(_toml(tree, ())) + "\n").encode()


def _toml(table: Mapping[str, Tree], path: tuple[str, ...]) -> list[str]:
    """Lines of TOML: plain values first, then tables and arrays of tables."""
    plain = {k: v for k, v in table.items() if not isinstance(v, Mapping) and not _tables(v)}
    lines = [f"{_quoted(name)} = {_toml_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        inner = (*path, _quoted(name))
        if isinstance(value, Mapping):
            lines += [f"[{'.'.join(inner)}]", *_toml(value, inner)]
        elif _tables(value):
            for one in value:
                lines += [f"[[{'.'.join(inner)}]]", *_toml(one, inner)]
    return lines


def _tables(value: Tree) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _toml_value(value: Tree) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(one) for one in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's escapes, and DEL which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
