"""Many of git's objects and refs at once, for those who check a whole run. Reads only.

Names of commits that come out of a record are untrusted: only what looks like one reaches git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.errors import InfraError
from runner.record.change import DIFFERING, Change, change_of
from runner.record.repo import LabRepo
from runner.trial import digest

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_WHO = re.compile(rb"^committer .*> (-?\d{1,18}) [+-]\d{4}$", re.MULTILINE)
_AT_ONCE = 200  # files held in memory together


@dataclass(frozen=True)
class Commit:
    """message: as it was written, with its last newline. seconds: since the epoch, of the committer."""

    parents: tuple[str, ...]
    message: str
    seconds: int


def is_sha(text: str) -> bool:
    return _SHA.fullmatch(text) is not None


def refs(repo: LabRepo, prefix: str) -> dict[str, str]:
    """Every ref under `prefix`, by its full name, and the object that it names."""
    listed = repo.git.text("for-each-ref", "--format=%(objectname) %(refname)", prefix).splitlines()
    return {name: sha for sha, name in (one.split(" ", 1) for one in listed)}


def contents(repo: LabRepo, asked: Iterable[str]) -> list[bytes | None]:
    """The bytes of each blob asked for, by a name that is this program's own."""
    return [got[1] if got is not None and got[0] == "blob" else None for got in repo.git.objects(list(asked))]


def sizes(repo: LabRepo, asked: Sequence[str]) -> list[int]:
    """The bytes of each object asked for, 0 where there is none."""
    listed = repo.git.text(
        "cat-file", "--batch-check=%(objectsize)", stdin="".join(f"{n}\n" for n in asked).encode()
    )
    return [int(line) if line.isdecimal() else 0 for line in listed.splitlines()]


def commits(repo: LabRepo, shas: Iterable[str]) -> dict[str, Commit]:
    """The commits among `shas` that the repository has."""
    asked = sorted({sha for sha in shas if is_sha(sha)})
    found = {}
    for sha, got in zip(asked, repo.git.objects(asked), strict=True):
        if got is not None and got[0] == "commit":
            head, _, message = got[1].partition(b"\n\n")
            parents = tuple(p.decode() for p in re.findall(rb"^parent ([0-9a-f]+)$", head, re.MULTILINE))
            when = _WHO.search(head)
            found[sha] = Commit(parents, message.decode("utf-8", "replace"), int(when[1]) if when else 0)
    return found


def sources(repo: LabRepo, shas: Iterable[str]) -> dict[str, str]:
    """The digest of train.py in each of these commits that has one."""
    asked = sorted({sha for sha in shas if is_sha(sha)})
    found = {}
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        for sha, got in zip(some, repo.git.objects([f"{sha}:{repo.train}" for sha in some]), strict=True):
            if got is not None and got[0] == "blob":
                found[sha] = digest(got[1])
    return found


def changes(repo: LabRepo, pairs: Iterable[tuple[str, str]]) -> dict[str, list[Change]]:
    """What differs between each (parent, commit), by the commit. Both must be in the repository."""
    given = "".join(f"{sha} {parent}\n" for parent, sha in pairs)
    if not given:
        return {}
    status, out, err = repo.git.run("diff-tree", "--stdin", "--always", *DIFFERING, stdin=given.encode())
    if status:
        raise InfraError(f"git diff-tree failed: {err.strip()}")
    found: dict[str, list[Change]] = {}
    parts, sha = iter(out.split(b"\0")), ""
    for part in parts:
        if part.startswith(b":"):
            found[sha].append(change_of(part.decode(), os.fsdecode(next(parts))))
        elif part:
            sha = part.decode()
            found.setdefault(sha, [])
    return found


def walk(repo: LabRepo, tip: str, base: str, limit: int) -> list[str]:
    """The commits that `tip` has and `base` has not, parents first, at most `limit`."""
    listed = repo.git.text(
        "rev-list", "--topo-order", "--reverse", f"--max-count={limit}", tip, f"^{base}", "--"
    )
    return listed.split()


def descends(repo: LabRepo, tip: str, base: str) -> bool:
    return repo.git.maybe("merge-base", "--is-ancestor", base, tip) is not None
