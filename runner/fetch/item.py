"""What is to be downloaded: items, and the two ways in which a person lists them. Pure but for reading the list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from runner.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MOST = 100_000  # items of one source


@dataclass(frozen=True)
class Item:
    """A file to fetch. sha256: given by whoever listed it, else "". size: bytes, 0 where it is not known.

    kind: `parquet` or `book`, by which what arrived is looked at before it is believed. title: of a book.
    """

    name: str
    url: str
    sha256: str = ""
    size: int = 0
    kind: str = "parquet"
    title: str = ""


@dataclass(frozen=True)
class Got:
    """A file that is there whole. pinned: nobody gave its digest, and the first download's is held to from now on."""

    item: Item
    path: Path
    sha256: str
    bytes: int
    pinned: bool


def item(url: str, sha256: str = "", size: int = 0, kind: str = "parquet", title: str = "") -> Item:
    """An item named by the last part of its address. Raises UsageError for an address that cannot be used."""
    parts = urlsplit(url)
    name = parts.path.rpartition("/")[2]
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url} is not an address of a file: it must begin with https:// or http://")
    if not _NAME.fullmatch(name) or name.endswith((".part", ".json")):
        raise UsageError(f"the file of {url} has no usable name: letters, digits, dots, - and _ are")
    return Item(name, url, sha256.lower(), size, kind, title)


def in_range(pattern: str) -> list[Item]:
    """The items of `https://host/shard_{00000..00169}.parquet`, both ends included; or of one plain address.

    Raises UsageError.
    """
    found = _RANGE.findall(pattern)
    if not found:
        return [item(pattern)]
    first, last = found[0]
    if len(found) > 1 or int(first) > int(last) or int(last) - int(first) >= _MOST:
        raise UsageError(f"{pattern} must hold one range such as {{00000..00169}}, of at most {_MOST} shards")
    numbers = range(int(first), int(last) + 1)
    return distinct([item(_RANGE.sub(str(number).zfill(len(first)), pattern)) for number in numbers], pattern)


def in_list(path: Path) -> list[Item]:
    """The items of a text file: on each line an address and, before or after it, its SHA-256; # begins a comment.

    Raises UsageError.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    items = []
    for number, line in enumerate(lines, 1):
        words = line.partition(" #")[0].split() if not line.lstrip().startswith("#") else []
        digests = [word for word in words if _SHA256.fullmatch(word)]
        addresses = [word for word in words if word not in digests]
        if len(addresses) > 1 or len(digests) > 1 or (digests and not addresses):
            raise UsageError(f"{path}, line {number}: an address, and if known its SHA-256, and nothing else")
        items += [item(address, "".join(digests)) for address in addresses]
    return distinct(items, str(path))


def distinct(items: Sequence[Item], where: str) -> list[Item]:
    """The items, if no two have one name: they lie in one folder. Raises UsageError."""
    names = [one.name for one in items]
    if (
        twice := next((name for name in names if names.count(name) > 1), "")
        if len(set(names)) < len(names)
        else ""
    ):
        raise UsageError(f"{where} names two files that are called {twice}")
    if len(items) > _MOST:
        raise UsageError(f"{where} lists more than {_MOST} files")
    return list(items)
