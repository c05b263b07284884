"""What makes a run's scores comparable, and the names of what is no longer as it was when the run began.

Pins are digests; the header of a run also says what some of them were made from, so that a difference can be told in
words. Reads no files; a header from before it told of the data names less.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from runner.config import Settings
from runner.data import Manifest
from runner.errors import UsageError
from runner.lab import meaning
from runner.trial import Pins

_FILES = {
    "tokenizer.json": "tokenizer",
    "token_bytes.npy": "byte lengths of the tokens",
    "train.npy": "training split",
    "val.npy": "validation split",
    "holdout.npy": "holdout split",
}
_SHORT = 12  # hexadecimal digits of a digest that a person is shown


def told_of(manifest: Manifest) -> dict[str, Any]:
    """What a run's header says of its data: source, shape and the digest of every file."""
    files = {name: stated["sha256"] for name, stated in manifest.raw["files"].items()}
    shape = {"vocab_size": manifest.vocab_size, "window": manifest.window}
    return {"source": manifest.source, **shape, "tokens": dict(manifest.tokens), "files": files}


def refuse_other_pins(
    recorded: Pins,
    now: Pins,
    whose: str,
    then: Mapping[str, Any] | None = None,
    today: Settings | None = None,
    data: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> None:
    """Raises UsageError that names what has changed since `recorded`.

    then, today: the settings of the run's header and the lab's. data: `told_of` the data then and now, {} for unknown.
    """
    changed = [f.name for f in dataclasses.fields(Pins) if getattr(recorded, f.name) != getattr(now, f.name)]
    if not changed:
        return
    current = dataclasses.asdict(today) if today else {}
    why = {"settings": _settings(then or {}, current), "data": _data(then or {}, current, data)}
    named = [f"{name} ({'; '.join(why[name])})" if why.get(name) else name for name in changed]
    raise UsageError(
        f"{whose} was trained under another {', '.join(named)}: new scores do not compare with its own",
        "Put that back as it was, or start a new run: runner go --new-tag",
    )


def _settings(then: Mapping[str, Any], today: Mapping[str, Any]) -> list[str]:
    try:
        old, new = meaning(then), meaning(today)
    except (KeyError, TypeError, ValueError):  # a header that says nothing of them
        return []
    return [said for section in old for said in _changes(f"{section}.", old[section], new[section])]


def _data(
    then: Mapping[str, Any], today: Mapping[str, Any], data: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> list[str]:
    """By the manifests where both are known, else by the settings that the data was made under."""
    old, new = data
    if not (old and new):
        return _changes("data.", _table(then, "data"), _table(today, "data"))
    shape = {key: value for key, value in old.items() if key != "files"}
    said = _changes("", shape, {key: new.get(key) for key in shape})
    before, after = _table(old, "files"), _table(new, "files")
    return said + [
        f"{what}: {_digest(before.get(name))}, now {_digest(after.get(name))}"
        for name, what in _FILES.items()
        if before.get(name) != after.get(name)
    ]


def _changes(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    def value(table: Mapping[str, Any], key: str) -> str:
        return repr(table[key]) if key in table else "unknown"

    return [
        f"{prefix}{key}: {value(old, key)}, now {value(new, key)}"
        for key in sorted({*old, *new})
        if value(old, key) != value(new, key)
    ]


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _digest(value: Any) -> str:
    return str(value)[:_SHORT] if value else "none"
