"""A coding agent as data: what its recipe says, checked when it is read.

A recipe is a small TOML file: the packages with their versions, the command that runs the program without a person
in front of it, its environment and settings, its model's API and which header carries the key, and where its report
stands in its output. The recipes of this program lie beside this module in `recipes/`; a lab's own in its folder
`agents/`, and win over one of ours with the same name. A lab's recipe is trusted like its `runner.toml`: a person
wrote it, no agent can. Nothing is started here; `plan.py` fills in a recipe, `usage.py` reads what its program leaves.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from runner.agents.nouns import BOUND, Api, Install, Key, Recipe, Report
from runner.agents.template import Command, Tree, check_tree
from runner.errors import UsageError

__all__ = ["Api", "Install", "Key", "Recipe", "Report", "find", "load", "names", "url_parts"]

BUILT_IN = Path(__file__).with_name("recipes")
FOLDER = "agents"  # of a lab
DIALECTS = ("anthropic", "responses", "chat", "gemini")
FORMATS = ("json", "lines", "text")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+_-]*")


def names(lab: Path | None = None) -> list[str]:
    """The names of all recipes, a lab's own included, in order."""
    return sorted({path.stem for folder in _folders(lab) for path in folder.glob("*.toml")})


def find(name: str, lab: Path | None = None) -> Recipe:
    """The recipe called `name`, the lab's own first. Raises UsageError where there is none, or it is wrong."""
    if _NAME.fullmatch(name):
        for folder in _folders(lab):
            path = folder / f"{name}.toml"
            if path.is_file():
                return load(path)
    raise UsageError(f"there is no agent {name!r}", f"There are: {', '.join(names(lab))}; see runner agents")


def load(path: Path) -> Recipe:
    """The recipe in `path`. Raises UsageError that names the file and the key for whatever is not allowed."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    where = str(path)
    if not _NAME.fullmatch(path.stem):
        raise UsageError(f"{where}: its name must be small letters, digits and hyphens")
    recipe: Recipe = _table(where, "", Recipe, {**raw, **_reserved(where, raw, path)})
    _check(where, recipe)
    return recipe


def _folders(lab: Path | None) -> list[Path]:
    return [folder for folder in ((lab / FOLDER) if lab else None, BUILT_IN) if folder and folder.is_dir()]


def _reserved(where: str, raw: Mapping[str, Any], path: Path) -> dict[str, Any]:
    for key in ("name", "where"):
        if key in raw:
            raise UsageError(f"{where}: unknown key {key}", "An agent's name is that of its file")
    return {"name": path.stem, "where": path}


def _table(where: str, prefix: str, kind: type[Any], raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise UsageError(f"{where}: {prefix.rstrip('.')} must be a table")
    hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
    for key in raw:
        if key not in known:
            raise UsageError(f"{where}: unknown key {prefix}{key}", f"It knows: {', '.join(known)}")
    for key, about in known.items():
        if key not in raw and about.default is MISSING and about.default_factory is MISSING:
            raise UsageError(f"{where}: {prefix}{key} is missing")
    return kind(**{key: _value(where, prefix + key, hints[key], value) for key, value in raw.items()})


def _value(where: str, key: str, kind: Any, value: Any) -> Any:
    if kind in (Install, Api, Report):
        return _table(where, f"{key}.", kind, value)
    if kind == Command or kind == Mapping[str, Tree]:
        return check_tree(where, key, value, command=kind == Command)
    if kind == tuple[Key, ...]:
        if not isinstance(value, list):
            raise UsageError(f"{where}: {key} must be an array of tables")
        return tuple(_table(where, f"{key}[{at}].", Key, one) for at, one in enumerate(value))
    if kind == tuple[str, ...]:
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise UsageError(f"{where}: {key} must be a list of strings")
        return tuple(value)
    if kind == Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise UsageError(f"{where}: {key} must be a table of strings")
        return MappingProxyType(value)
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise UsageError(f"{where}: {key} must be of type {kind.__name__}, not {value!r}")
    return value


def _check(where: str, recipe: Recipe) -> None:
    """What types alone do not say."""
    install, api, report = recipe.install, recipe.api, recipe.report
    if bool(install.npm) == bool(install.pip):
        raise UsageError(f"{where}: install must name packages in one of npm and pip")
    pins = {**install.npm_and_node, **install.pip}
    for package, version in pins.items():
        if not _VERSION.fullmatch(version):
            raise UsageError(f"{where}: install: {package} must be pinned to one version, not {version!r}")
    if install.python and not all(BOUND.fullmatch(one) for one in install.python.split(",")):
        raise UsageError(f"{where}: install.python must be like >=3.10,<3.13, not {install.python!r}")
    if api.dialect not in DIALECTS:
        raise UsageError(f"{where}: api.dialect must be one of {', '.join(DIALECTS)}, not {api.dialect!r}")
    if report.format not in FORMATS:
        raise UsageError(f"{where}: report.format must be one of {', '.join(FORMATS)}, not {report.format!r}")
    _selectors(where, report)
    url_parts(where, "api.url", api.url)
    if not api.keys:
        raise UsageError(f"{where}: api.keys is empty", "Name the variable that holds the key, and its header")
    for at, key in enumerate(api.keys):
        if key.value.count("{key}") != 1:
            raise UsageError(f"{where}: api.keys[{at}].value must hold {{key}} once")
    for name in recipe.files:
        if not _relative(name) or Path(name).suffix not in (".json", ".toml"):
            raise UsageError(
                f"{where}: files: {name!r} must be a path under the home that ends in .json or .toml"
            )


def _selectors(where: str, report: Report) -> None:
    """In text they are regular expressions with one group."""
    for name, selectors in vars(report).items():
        for one in selectors if report.format == "text" and isinstance(selectors, tuple) else ():
            try:
                groups = re.compile(one).groups
            except re.error as error:
                raise UsageError(f"{where}: report.{name}: {one!r} is no regular expression: {error}") from None
            if groups != 1:
                raise UsageError(f"{where}: report.{name}: {one!r} must have one group, not {groups}")


def _relative(name: str) -> bool:
    return bool(name) and not name.startswith("/") and ".." not in Path(name).parts


def url_parts(where: str, key: str, url: str) -> tuple[str, str]:
    """The origin (`https://host:port`) and the path (`/v1` or "") of a base URL. Raises UsageError for another."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        good = None
    if not good or parts.query or parts.fragment or parts.username or not re.fullmatch(r"[!-~]+", url):
        raise UsageError(f"{where}: {key} must be http://HOST… or https://HOST…, not {url!r}")
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
