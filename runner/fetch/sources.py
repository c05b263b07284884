"""Which files a source is made of: presets, lists and ranges of addresses, as items in a folder of downloads.

A preset is a file in `runner/presets`, data and not code. What a source of the lab's own disk is made of is not
asked here: it needs no download.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import config
from runner.config import DataSettings
from runner.errors import UsageError
from runner.fetch import item
from runner.fetch.item import Item


@dataclass(frozen=True)
class Wanted:
    """The files of a source, in order; of shards the last is held out. kind: `parquet` or `books`."""

    kind: str
    items: tuple[Item, ...]
    folder: Path
    column: str
    parallel: int = 4


def home(settings: DataSettings, lab_root: Path) -> Path:
    """Where downloads are kept: as the lab says, else in the user's cache (XDG base directory specification)."""
    if settings.downloads:
        return lab_root / Path(settings.downloads).expanduser()
    named = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return cache / "autoresearch-runner" / "downloads"


def of(settings: DataSettings, lab_root: Path) -> Wanted | None:
    """The files to download for the lab's source; None where it needs none. Raises UsageError."""
    kind, _, where = settings.source.partition(":")
    column = settings.column or "text"
    if not where:
        preset = config.preset(kind)
        return _of_preset(kind, preset, settings, lab_root) if preset else None
    if kind != "parquet":
        return None
    if "://" in where:
        return _wanted(item.in_range(where), where, column, settings, lab_root)
    path = lab_root / Path(where).expanduser()
    if not path.is_file():
        return None
    items = item.in_list(path)
    return _wanted(items, "\n".join(one.url for one in items), column, settings, lab_root)


def _wanted(items: list[Item], identity: str, column: str, settings: DataSettings, lab_root: Path) -> Wanted:
    folder = home(settings, lab_root) / hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Wanted("parquet", _chosen(items, settings.shards), folder, column)


def _chosen(items: list[Item], shards: int) -> tuple[Item, ...]:
    """The first so many shards for training, or all, and the last."""
    if len(items) < 2:
        raise UsageError("this source names one shard: at least 2 are needed, the last of which is held out")
    training = items[:-1][:shards] if shards else items[:-1]
    return (*training, items[-1])


def _of_preset(name: str, preset: dict[str, Any], settings: DataSettings, lab_root: Path) -> Wanted:
    base = (settings.base_url or preset["base_url"]).rstrip("/")
    own = "" if base == preset["base_url"] else "-" + hashlib.sha256(base.encode()).hexdigest()[:16]
    folder = home(settings, lab_root) / f"{name}{own}"
    parallel = int(preset.get("parallel", 4))
    if preset["kind"] == "books":
        books = [
            item.item(f"{base}/{preset['files'].format(number=number)}", kind="book", title=title)
            for number, title in preset["books"].items()
        ]
        return Wanted("books", tuple(item.distinct(books, name)), folder, "", parallel)
    files = preset["files"]
    if isinstance(files, str):
        items = item.in_range(f"{base}/{files}")
    else:
        sizes = preset.get("bytes", [0] * len(files))
        items = [item.item(f"{base}/{file}", size=size) for file, size in zip(files, sizes, strict=True)]
    column = settings.column or preset.get("column", "text")
    chosen = _chosen(items, settings.shards or int(preset.get("shards", 0)))
    return Wanted("parquet", chosen, folder, column, parallel)


def pins(raw: dict[str, Any] | None) -> dict[str, str]:
    """The digests by address that the lab's data of before were made from. raw: their manifest."""
    try:
        shards = (raw or {})["source"]["fetched"]["shards"]
        return {str(shard["url"]): str(shard["sha256"]) for shard in shards}
    except (KeyError, TypeError):
        return {}


def as_json(source: str, got: list[item.Got]) -> dict[str, Any]:
    """What the builder is told, and writes in the manifest: where each file came from, and its digest."""
    shards = [
        {
            "name": one.item.name,
            "url": one.item.url,
            "sha256": one.sha256,
            "bytes": one.bytes,
            "pinned": one.pinned,
        }
        for one in got
    ]
    return {"source": source, "shards": shards}
