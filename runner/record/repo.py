"""The git repository that holds the lab: commits, the run's branch, the trials' refs. Never the user's checkout.

A trial's commit is built from objects alone: its parent's tree with the one file replaced, byte for byte, whatever
filters or line endings the user has set. Branches move by compare-and-swap. No hook runs, nothing is signed, no
garbage is collected. What a run's worktree holds is `worktree.py`'s. Trusts git and the human; the bytes of a
train.py and its note are data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runner.errors import InfraError, MissingError, UsageError
from runner.record.discover import identity, top_of
from runner.record.plumbing import Git, failure, scrub_environment
from runner.record.tags import check_tag
from runner.record.worktree import Worktree, holders

TRAIN = "train/train.py"
BRANCHES = "refs/heads/autoresearch/"
TRIALS = "refs/trials/"


def _nothing(step: str) -> None:
    """The hook of those who do not walk the steps."""


class LabRepo:
    """The repository of the lab at `lab_root`, which may be a subfolder of it, or in a linked worktree or submodule.

    root: top of the user's checkout. prefix: the lab within it, `""` or `"some/where/"`. base: the commit at HEAD
    when this object was made. Raises MissingError where there is no repository or no commit yet, UsageError for a
    bare repository and where train/train.py is not committed.
    """

    def __init__(self, lab_root: Path) -> None:
        scrub_environment()
        self.lab = Path(lab_root).resolve()
        finder = Git(["-C", str(self.lab)])
        self.root = top_of(finder, self.lab)
        self.prefix = finder.text("rev-parse", "--show-prefix")
        git_dir = Path(finder.text("rev-parse", "--absolute-git-dir"))
        self.common = (self.lab / finder.text("rev-parse", "--git-common-dir")).resolve()
        self._git = Git.at(git_dir, self.root)
        self._git.identify(*identity(self._git))
        self.train = self.prefix + TRAIN
        head = self._git.maybe("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if head is None:
            self._git.text(
                "for-each-ref", "--count=1"
            )  # raises in git's own words where the refs cannot be read
            raise MissingError(
                f"the git repository at {self.root} has no commit yet",
                f"cd '{self.lab}' && git add -A && git commit -m 'The lab'",
            )
        self.base = head
        self._require_train()

    def _require_train(self) -> None:
        listed = self._git.text("ls-tree", self.base, "--", self.train).split(" ")
        if listed[0] not in ("100644", "100755"):
            where = "" if self.root == self.lab else f" of the repository at {self.root}"
            raise UsageError(
                f"{self.train} is not committed as a regular file at HEAD{where}",
                f"cd '{self.lab}' && git add {TRAIN} && git commit -m 'train.py'",
            )

    @property
    def git(self) -> Git:
        """For the other modules of this package."""
        return self._git

    # What is there

    def tags(self) -> list[str]:
        """The tags of which the repository has a branch or a trial."""
        listed = self._git.text("for-each-ref", "--format=%(refname)", BRANCHES, TRIALS).splitlines()
        return sorted({name.split("/")[3 if name.startswith(BRANCHES) else 2] for name in listed})

    def tip(self, tag: str) -> str | None:
        """The commit of the run's branch, or None where there is no such branch."""
        return self._git.maybe("rev-parse", "--verify", "--quiet", branch(tag) + "^{commit}")

    def trial_sha(self, tag: str, number: int) -> str | None:
        """The commit of a trial, or None where it has none."""
        return self._git.maybe("rev-parse", "--verify", "--quiet", trial_ref(tag, number) + "^{commit}")

    def trials(self, tag: str) -> dict[int, str]:
        """Every trial that has a ref: its number and its commit. Refs there of another form are no trials."""
        prefix = f"{TRIALS}{check_tag(tag)}/"
        listed = self._git.text("for-each-ref", "--format=%(objectname) %(refname)", prefix).splitlines()
        pairs = [line.split(" ", 1) for line in listed]
        numbers = [(name.removeprefix(prefix), sha) for sha, name in pairs]
        return {int(name): sha for name, sha in numbers if name.isdecimal() and f"{int(name):04d}" == name}

    def has_commit(self, sha: str) -> bool:
        return self._git.maybe("cat-file", "-e", sha + "^{commit}") is not None

    def chain(self, sha: str, since: str, limit: int = 1_000_000) -> list[str]:
        """The commits from just after `since` up to `sha`, oldest first, by first parents."""
        arguments = ("rev-list", "--first-parent", f"--max-count={limit}", sha, f"^{since}")
        return self._git.text(*arguments).split()[::-1]

    def source(self, sha: str) -> bytes:
        """The bytes of train.py in a commit. Raises UsageError where the commit or the file in it is missing."""
        status, out, _ = self._git.run("cat-file", "blob", f"{sha}:{self.train}")
        if status:
            raise UsageError(f"the repository has no {self.train} of commit {sha[:12]}")
        return out

    def diff(self, old: str, new: str) -> str:
        """The unified diff of train.py between two commits, empty where it is the same."""
        shown = self._git.data("diff-tree", *self._diff_options(), old, new, "--", self.train)
        return shown.decode("utf-8", "replace")

    def _diff_options(self) -> list[str]:
        options = ["-p", "--no-color", "--no-ext-diff", "--no-textconv", "--text", "--no-renames", "-U3"]
        return [*options, "--src-prefix=a/", "--dst-prefix=b/", f"--relative={self.prefix}"]

    def diffs(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """As `diff`, of many (old, new) at once, by the new commit; where one is missing, those after it are too.

        One git for all: 500 take a fraction of a second, one by one several.
        """
        given = "".join(f"{new} {old}\n" for old, new in pairs if old != new)
        if not given:
            return {}
        options = ["--stdin", "--always", "-r", *self._diff_options()]
        _, out, _ = self._git.run("diff-tree", *options, "--", self.train, stdin=given.encode())
        # A line of a diff begins with a sign, a space, or `diff` and the like: only git writes a bare hash.
        parts = re.split(rb"^([0-9a-f]{40,64})\n", out, flags=re.MULTILINE)[1:]
        shown = zip(parts[::2], parts[1::2], strict=True)
        return {sha.decode(): text.decode("utf-8", "replace").lstrip("\n") for sha, text in shown}

    def dirty(self, paths: Sequence[str]) -> list[str]:
        """Those tracked files among `paths` (files or folders, relative to the lab) that differ from HEAD."""
        options = ["--porcelain=v1", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=all"]
        found = self._git.fields("status", *options, "--", *(self.prefix + path for path in paths))
        return [line[3:].removeprefix(self.prefix) for line in found]

    # What is written

    def create_branch(self, tag: str, base: str) -> None:
        """Make the run's branch at `base`; nothing if it is there already. UsageError where it is elsewhere."""
        status, _, err = self._git.run(
            "update-ref", "-m", "autoresearch: start", branch(tag), base, "0" * len(base)
        )
        if status and (found := self.tip(tag)) != base:
            why = failure(("update-ref",), status, err).what
            where = f"exists already, at {found[:12]}" if found else f"cannot be made: {why}"
            raise UsageError(
                f"the branch autoresearch/{tag} {where}", f"Use another tag, or: runner clean {tag}"
            )

    def commit_trial(self, tag: str, number: int, parent: str, source: bytes, message: str) -> str:
        """Commit `source` as train.py on top of `parent` and keep it under the trial's ref; its sha.

        The baseline (trial 0) that is its parent's own train.py is that very commit. Repeating it for a number that
        the ledger does not have yet replaces the ref.
        """
        if number == 0 and self.source(parent) == source:
            sha = parent
        else:
            tree = self._tree(parent, source)
            text = message.replace("\0", "") or f"Trial {number}"
            sha = self._git.text(
                "commit-tree", tree, "-p", parent, "-F", "-", stdin=text.encode("utf-8", "replace")
            )
        self._git.text("update-ref", "-m", f"autoresearch: trial {number}", trial_ref(tag, number), sha)
        return sha

    def _tree(self, parent: str, source: bytes) -> str:
        """The parent's tree with train.py, and nothing else, replaced."""
        *folders, name = self.train.split("/")
        mode, kind = "100644", "blob"
        sha = self._git.text("hash-object", "-w", "--no-filters", "--stdin", stdin=source)
        for depth in range(len(folders), -1, -1):
            listed = self._git.fields("ls-tree", "-z", f"{parent}:{'/'.join(folders[:depth])}")
            others = [line for line in listed if line.split("\t", 1)[1] != name]
            lines = [*others, f"{mode} {kind} {sha}\t{name}"]
            made = b"".join(os.fsencode(line) + b"\0" for line in lines)
            sha = self._git.text("mktree", "-z", "--missing", stdin=made)
            mode, kind, name = "040000", "tree", folders[depth - 1] if depth else ""
        return sha

    def set_trial(self, tag: str, number: int, sha: str) -> None:
        """Point a trial's ref at a commit that exists."""
        self._git.text("update-ref", "-m", f"autoresearch: trial {number}", trial_ref(tag, number), sha)

    def drop_trial(self, tag: str, number: int) -> None:
        self._git.text("update-ref", "-d", trial_ref(tag, number))

    def advance(
        self, tag: str, sha: str, expected_old: str, hook: Callable[[str], None] = _nothing
    ) -> list[str]:
        """Move the run's branch from `expected_old` to `sha`, then bring its worktree along; messages.

        `hook("worktree")` is called between the two. Raises UsageError where the branch is not at `expected_old`, or
        where the person has checked it out elsewhere. Trouble with the worktree alone is a message.
        """
        self._refuse_elsewhere(tag)
        status, _, err = self._git.run(
            "update-ref", "-m", f"autoresearch: keep {sha[:12]}", branch(tag), sha, expected_old
        )
        found = self.tip(tag)
        if status and found is not None and found not in (sha, expected_old):
            raise UsageError(
                f"the branch autoresearch/{tag} was moved while the run was going on: it should be at "
                f"{expected_old[:12]} and is at {found[:12]}",
                f"Start again to see what can be done: runner go --tag {tag}",
            )
        if status and found != sha:
            why = failure(("update-ref",), status, err)
            raise InfraError(f"the branch autoresearch/{tag} cannot be moved: {why.what}", why.advice)
        hook("worktree")
        try:
            return self.ensure_worktree(tag)
        except (InfraError, UsageError) as error:
            return [f"{error.what}; the branch has moved, its worktree was left as it is"]

    # The worktree

    def worktree(self, tag: str) -> Worktree:
        path = self.lab / "runs" / check_tag(tag) / "worktree"
        return Worktree(self._git, self.common, path, branch(tag), self.train)

    def _refuse_elsewhere(self, tag: str) -> None:
        own = self.worktree(tag).path.resolve()
        for path in holders(self._git, self.common, branch(tag)):
            if path.resolve() != own:
                raise UsageError(
                    f"the branch autoresearch/{tag} is checked out at {path}, and the runner must move it",
                    f"Go back to another branch there: git -C '{path}' switch -",
                )

    def ensure_worktree(self, tag: str) -> list[str]:
        """Make the run's worktree exist and hold the branch's tip; messages about edits that were moved aside.

        Raises UsageError where the branch is checked out elsewhere, or the worktree is on something else.
        """
        self._refuse_elsewhere(tag)
        return self.worktree(tag).bring_along(lambda: self.trials(tag).values())

    def remove_run(self, tag: str) -> list[str]:
        """Remove the run's worktree, branch and trial refs; messages. Edits in the worktree are moved aside first.

        Raises UsageError where the branch is checked out elsewhere.
        """
        self._refuse_elsewhere(tag)
        messages = self.worktree(tag).remove(lambda: self.trials(tag).values())
        listed = self._git.text(
            "for-each-ref", "--format=%(refname)", f"{TRIALS}{check_tag(tag)}/", branch(tag)
        )
        commands = "".join(f"delete {name}\n" for name in listed.splitlines())
        if commands:
            self._git.text("update-ref", "--stdin", stdin=commands.encode())
        return messages


def branch(tag: str) -> str:
    """The full name of a run's branch."""
    return BRANCHES + check_tag(tag)


def trial_ref(tag: str, number: int) -> str:
    """The full name of a trial's ref."""
    return f"{TRIALS}{check_tag(tag)}/{number:04d}"
