"""Tags: the names of runs. Pure; a tag that passes here is a branch name to git and a folder name everywhere."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection

from runner.errors import UsageError

_GRAMMAR = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def check_tag(tag: str) -> str:
    """`tag` itself. Raises UsageError where it is no tag.

    The last three conditions are those of git-check-ref-format(1) that the grammar leaves open.
    """
    if _GRAMMAR.fullmatch(tag) and ".." not in tag and not tag.endswith((".", ".lock")):
        return tag
    raise UsageError(
        f"{tag!r} cannot be a tag",
        "1 to 64 of a-z 0-9 . _ -, first a letter or a digit; no '..', no '.' or '.lock' at the end: "
        "for example nov23 or wider-mlp.",
    )


def default_tag(existing: Collection[str], today: datetime.date) -> str:
    """A tag of today that is not among `existing`: `nov23`, then `nov23-2`, `nov23-3`, whatever the locale."""
    day = f"{_MONTHS[today.month - 1]}{today.day}"
    tag, count = day, 1
    while tag in existing:
        count += 1
        tag = f"{day}-{count}"
    return tag
