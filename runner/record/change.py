"""Two revisions of a repository compared, and files read out of one, without a checkout of either.

Only objects are read: no filter, attribute, hook or setting that a revision carries is applied, and nothing of it is
ever put on the disk here. Trusts git and the repository's own configuration; paths and contents of a revision are data.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfraError, UsageError
from runner.record.discover import top_of
from runner.record.plumbing import Git, scrub_environment

# Options of `git diff-tree`: every path that differs, a rename as two.
DIFFERING = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
REGULAR = ("100644", "100755")
LINK, SUBMODULE, NOTHING = "120000", "160000", "000000"
_WORDS = {"A": "added", "D": "deleted", "M": "changed", "T": "type changed"}
_MODES = {LINK: "a symbolic link", SUBMODULE: "a submodule"}


@dataclass(frozen=True)
class Change:
    """One path that differs. old_mode, new_mode: as git writes them; NOTHING where the path is not there."""

    path: str
    letter: str
    old_mode: str
    new_mode: str
    same_content: bool

    @property
    def what(self) -> str:
        """In words: `changed`, `added, a symbolic link`, `mode 100644 to 100755` …"""
        if self.letter == "M" and self.same_content:
            return f"mode {self.old_mode} to {self.new_mode}"
        word = _WORDS.get(self.letter, "changed")
        kind = _MODES.get(self.new_mode) or (_MODES.get(self.old_mode) if self.letter == "D" else None)
        return f"{word}, {kind}" if kind else word


@dataclass(frozen=True)
class Item:
    """A file of a revision's tree."""

    mode: str
    sha: str
    path: str


class Revisions:
    """The repository that holds `lab`, whatever is checked out there. prefix: the folder within it, as in `a/b/`."""

    def __init__(self, lab: Path) -> None:
        scrub_environment()
        lab = Path(lab).resolve()
        finder = Git(["-C", str(lab)])
        self.root = top_of(finder, lab)
        self.prefix = finder.text("rev-parse", "--show-prefix")
        self._git = Git.at(Path(finder.text("rev-parse", "--absolute-git-dir")), self.root)

    def find(self, name: str) -> str | None:
        """The commit that `name` stands for, or None."""
        if not name or "\0" in name or "\n" in name:
            return None
        return self._git.maybe("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")

    def commit(self, name: str, what: str) -> str:
        """As `find`; raises UsageError where this clone lacks it. what: `base`, `head`."""
        if found := self.find(name):
            return found
        raise UsageError(f"the {what} revision {name[:100]!r} is not in this clone", self._deeper(name))

    def merge_bases(self, base: str, head: str) -> list[str]:
        """The commits that both come from and none of which comes from another. Raises UsageError for none.

        Where there are several, no one of them says what a head changed: what it took from one and threw away of
        another looks untouched.
        """
        found = self._git.maybe("merge-base", "--all", base, head)
        if found:
            return found.splitlines()
        raise UsageError(
            f"{base[:12]} and {head[:12]} have no common history in this clone", self._deeper(head)
        )

    def _deeper(self, name: str) -> str:
        if self._git.maybe("rev-parse", "--is-shallow-repository") == "true":
            return (
                "The clone is shallow: fetch all history (actions/checkout with fetch-depth: 0; GIT_DEPTH: 0)"
            )
        return f"Fetch it first: git fetch origin {name if name.isalnum() else 'COMMIT'}"

    def changes(self, old: str, new: str) -> list[Change]:
        """All paths that differ between two commits, in git's order; a rename is a deletion and an addition."""
        fields = self._git.fields("diff-tree", *DIFFERING, old, new)
        return [change_of(raw, path) for raw, path in zip(fields[::2], fields[1::2], strict=True)]

    def files(self, commit: str, path: str = "") -> list[Item]:
        """Everything in the tree of `commit` at or below `path`, folders apart."""
        listed = self._git.fields("ls-tree", "-r", "-z", "--full-tree", commit, *(["--", path] if path else []))
        found = []
        for line in listed:
            facts, name = line.split("\t", 1)
            mode, _, sha = facts.split(" ")
            found.append(Item(mode, sha, name))
        return found

    def tree(self, commit: str, path: str) -> str | None:
        """The object at `path` of a commit; None where there is none."""
        return self._git.maybe("rev-parse", "--verify", "--quiet", f"{commit}:{path}")

    def size(self, sha: str) -> int:
        return int(self._git.text("cat-file", "-s", sha))

    def blob(self, sha: str) -> bytes:
        """Exactly the bytes of an object. Raises InfraError where the repository is damaged."""
        return self._git.data("cat-file", "blob", sha)

    def blobs(self, shas: Sequence[str]) -> dict[str, bytes]:
        """As `blob`, of many, by one git."""
        wanted = sorted(set(shas))
        found = {}
        for sha, got in zip(wanted, self._git.objects(wanted), strict=True):
            if got is None:
                raise InfraError(f"the repository lacks object {sha}", "See what git says: git fsck")
            found[sha] = got[1]
        return found

    def diff(self, old: str, new: str, path: str) -> str:
        """The unified diff of one path between two commits."""
        options = ("-p", "--no-color", "--no-ext-diff", "--no-textconv", "--text", "--no-renames", "-U3")
        names = ("--src-prefix=a/", "--dst-prefix=b/")
        return self._git.data("diff-tree", *options, *names, old, new, "--", path).decode("utf-8", "replace")


def change_of(raw: str, path: str) -> Change:
    """Of what `git diff-tree` prints with DIFFERING."""
    old_mode, new_mode, old, new, letter = raw.removeprefix(":").split(" ")
    return Change(path, letter[0], old_mode, new_mode, old == new)


def printable(path: str) -> str:
    """A path as text: bytes that are no UTF-8 as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
