"""Many of git's objects and refs at once, for those who check a whole run. Reads only.

Names of commits that come out of a record are untrusted: only what looks like one reaches git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.errors import InfraError
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


@dataclass(frozen=True)
class Change:
    """One path that a commit changes. mode: of the file after it, 000000 where it was removed."""

    path: str
    mode: str


def is_sha(text: str) -> bool:
    return _SHA.fullmatch(text) is not None


def refs(repo: LabRepo, prefix: str) -> dict[str, str]:
    """Every ref under `prefix`, by its full name, and the object that it names."""
    listed = repo.git.text("for-each-ref", "--format=%(objectname) %(refname)", prefix).splitlines()
    return {name: sha for sha, name in (one.split(" ", 1) for one in listed)}


def _batch(repo: LabRepo, asked: Iterable[str]) -> Iterator[tuple[str, bytes] | None]:
    """Kind and content of each object asked for, None where there is none."""
    names = list(asked)
    out = (
        repo.git.data("cat-file", "--batch", stdin="".join(f"{n}\n" for n in names).encode()) if names else b""
    )
    at = 0
    for _ in names:
        end = out.index(b"\n", at)
        head = out[at:end].split(b" ")
        if head[-1] in (b"missing", b"ambiguous") or len(head) < 3:
            yield None
            at = end + 1
            continue
        size = int(head[-1])
        yield head[-2].decode(), out[end + 1 : end + 1 + size]
        at = end + size + 2


def contents(repo: LabRepo, asked: Iterable[str]) -> list[bytes | None]:
    """The bytes of each blob asked for, by a name that is this program's own."""
    return [got[1] if got is not None and got[0] == "blob" else None for got in _batch(repo, asked)]


def commits(repo: LabRepo, shas: Iterable[str]) -> dict[str, Commit]:
    """The commits among `shas` that the repository has."""
    asked = sorted({sha for sha in shas if is_sha(sha)})
    found = {}
    for sha, got in zip(asked, _batch(repo, asked), strict=True):
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
        for sha, got in zip(some, _batch(repo, [f"{sha}:{repo.train}" for sha in some]), strict=True):
            if got is not None and got[0] == "blob":
                found[sha] = digest(got[1])
    return found


def changes(repo: LabRepo, pairs: Iterable[tuple[str, str]]) -> dict[str, list[Change]]:
    """What differs between each (parent, commit), by the commit. Both must be in the repository."""
    given = "".join(f"{sha} {parent}\n" for parent, sha in pairs)
    if not given:
        return {}
    options = [
        "--stdin",
        "--always",
        "-r",
        "--raw",
        "-z",
        "--no-renames",
        "--no-abbrev",
        "--ignore-submodules=none",
    ]
    status, out, err = repo.git.run("diff-tree", *options, stdin=given.encode())
    if status:
        raise InfraError(f"git diff-tree failed: {err.strip()}")
    found: dict[str, list[Change]] = {}
    parts, sha = iter(out.split(b"\0")), ""
    for part in parts:
        if part.startswith(b":"):
            found[sha].append(Change(os.fsdecode(next(parts)), part.split(b" ")[1].decode()))
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
