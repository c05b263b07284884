"""Settings from a lab's `runner.toml`, from a record, and from a command line; all checked alike."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

from runner.config.checks import section_of, value_of
from runner.config.sections import Settings
from runner.errors import UsageError

PRESETS = Path(__file__).parents[1] / "presets"


def preset(name: str) -> dict[str, Any]:
    """The preset of this name, a source of data as a file beside this program; {} if there is none."""
    path = PRESETS / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if name.isidentifier() and path.is_file() else {}


def _with_preset(raw: dict[str, Any]) -> dict[str, Any]:
    """`raw` with the settings of the preset that is its source, where it says nothing of them itself."""
    data = raw.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if not isinstance(source, str):
        return raw
    for dotted, value in preset(source).get("settings", {}).items():
        section, key = dotted.split(".")
        said = raw.get(section, {})
        if isinstance(said, dict):
            raw = raw | {section: {key: value} | said}
    return raw


def from_dict(raw: dict[str, Any], where: str = "settings") -> Settings:
    """Settings from parsed TOML, those of a preset of data where it says nothing of them.

    Raises UsageError on anything unknown or out of range.
    """
    raw = _with_preset(raw)
    hints = get_type_hints(Settings)
    for name in raw:
        if name not in hints:
            raise UsageError(f"{where}: unknown section [{name}]", f"It knows: {', '.join(hints)}")
    return Settings(**{name: section_of(where, name, hints[name], section) for name, section in raw.items()})


def load(path: Path, source: str = "") -> Settings:
    """The settings in a lab's `runner.toml`. source: of data, in the place of the one that stands there.

    Raises UsageError where the file is missing, is not TOML, or says what is not allowed.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"{path} does not exist: this folder is not a lab",
            "Go to a folder with runner.toml, or make one: runner new DIR",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    data = raw.get("data", {})
    return from_dict(
        raw | {"data": data | {"source": source}} if source and isinstance(data, dict) else raw, str(path)
    )


def override(settings: Settings, changes: dict[str, Any]) -> Settings:
    """`settings` with dotted keys replaced, checked as in the file: `{"trial.budget_seconds": 60}`.

    A source of data brings nothing with it here: what it brings depends on what the file says (`load`).
    """
    for key, value in changes.items():
        section, name = key.split(".")
        old = getattr(settings, section)
        hints = get_type_hints(type(old))
        new = dataclasses.replace(old, **{name: value_of("command line", key, value, hints[name])})
        settings = dataclasses.replace(settings, **{section: new})
    return settings
