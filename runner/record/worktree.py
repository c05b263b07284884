"""A run's worktree: the branch as files, for a person to read. Nothing is trained from it, so it may lag or be lost.

It is brought to the branch's tip without ever destroying what a person changed in it: that is moved aside first.
All commands name its git directory and itself, after checking that the two point at each other, since a worktree
without its `.git` file would otherwise be taken for the user's own checkout. Filters of the user's configuration
do not run here: the files are what is committed, train.py to the byte.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runner.errors import UsageError
from runner.record.files import atomic_write, explained, fresh, stamp
from runner.record.plumbing import Git

Known = Callable[[], Iterable[str]]  # commits whose train.py, found in a worktree, is no edit of a person's

_LOCK_SECONDS = 2.0  # how long another git's index.lock is waited for


def admin(path: Path, common: Path) -> Path | None:
    """The git directory of the linked worktree at `path`, if it is one of the repository at `common`.

    None where `path` is missing, is something else, is a copy (both must point at each other), or was left half-made.
    """
    link = path / ".git"
    try:
        if path.is_symlink() or not link.is_file():
            return None
        target = (path / _pointer(link).removeprefix("gitdir: ")).resolve()
        back = (target / _pointer(target / "gitdir")).resolve()
    except (OSError, ValueError):
        return None
    mine = target.parent == (common / "worktrees").resolve() and back == link.resolve()
    return target if mine and not _half_made(target) else None


def _half_made(place: Path) -> bool:
    """git locks a worktree for the time of its making."""
    lock = place / "locked"
    return lock.is_file() and lock.read_bytes().startswith(b"initializing")


def _pointer(path: Path) -> str:
    return os.fsdecode(path.read_bytes().removesuffix(b"\n"))


def holders(git: Git, common: Path, branch: str) -> list[Path]:
    """Where a branch is checked out: existing worktrees of this repository alone, the main one included."""
    found: list[Path] = []
    blocks = git.text("worktree", "list", "--porcelain").split("\n\n")
    for index, block in enumerate(blocks):
        lines = block.splitlines()
        path = Path(lines[0].removeprefix("worktree ")) if lines else Path()
        if f"branch {branch}" in lines[1:] and (index == 0 or admin(path, common)):
            found.append(path)
    return found


class Worktree:
    """The worktree at `path` of the branch with the full name `branch`; `train` is train.py's path within it."""

    def __init__(self, git: Git, common: Path, path: Path, branch: str, train: str) -> None:
        self._repository = git
        self._common = common
        self.path = path
        self.branch = branch
        self.train = train

    def bring_along(self, known: Known) -> list[str]:
        """Make it if it is missing and bring it to the branch's tip; messages.

        Raises UsageError where it is on something else than its branch, or another git is at work in it.
        """
        messages = self._make() if admin(self.path, self._common) is None else []
        git, place = self._own()
        self._require_branch(git)
        self._wait(place)
        tip = git.text("rev-parse", self.branch)
        messages += self._aside(self._edits(git, tip, known), self._edits_folder())
        git.text("read-tree", "--reset", "-u", tip)
        source = git.data("cat-file", "blob", f"{tip}:{self.train}")
        file = self.path / self.train
        if not file.is_file() or file.is_symlink() or file.read_bytes() != source:
            atomic_write(file, source, durable=False)
        git.run("update-index", "-q", "--refresh")
        return messages

    def remove(self, known: Known) -> list[str]:
        """Remove it; messages. A person's edits and new files go beside the run's folder. Raises as `bring_along`."""
        messages = []
        if admin(self.path, self._common) is not None:
            git, place = self._own()
            self._require_branch(git)
            self._wait(place)
            tip = git.maybe("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            untracked = git.fields("ls-files", "-z", "--others", "--exclude-standard")
            # Where the branch was deleted by hand there is nothing to compare with: what is in the index counts as his.
            edits = self._edits(git, tip, known) if tip else git.fields("ls-files", "-z", "--cached")
            folder = self.path.parent
            messages = self._aside([*edits, *untracked], folder.with_name(f"{folder.name}-edits-{stamp()}"))
        elif os.path.lexists(self.path):
            return []
        # Of a folder deleted by hand, git still has the registration; where there is none it says so, and all is well.
        self._repository.run("worktree", "remove", "--force", "--force", str(self.path))
        return messages

    def _own(self) -> tuple[Git, Path]:
        place = admin(self.path, self._common)
        if place is None:
            raise UsageError(f"{self.path} is no worktree of the repository at {self._common}")
        return Git.at(place, self.path, _raw(self._repository)), place

    def _edits_folder(self) -> Path:
        return self.path.with_name(f"worktree-edits-{stamp()}")

    def _make(self) -> list[str]:
        messages = []
        with explained(self.path):
            if os.path.lexists(self.path) and not _remove_empty(self.path):
                aside = fresh(self._edits_folder())
                os.replace(self.path, aside)
                messages.append(f"{self.path} was no longer a worktree of this repository: moved to {aside}")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        short = self.branch.removeprefix("refs/heads/")
        # Forced twice: its old registration may be left, even locked, where the folder was deleted by hand.
        self._repository.text("worktree", "add", "--force", "--force", "--no-checkout", str(self.path), short)
        return messages

    def _require_branch(self, git: Git) -> None:
        found = git.maybe("symbolic-ref", "-q", "HEAD")
        if found != self.branch:
            on = found.removeprefix("refs/heads/") if found else "no branch"
            short = self.branch.removeprefix("refs/heads/")
            raise UsageError(
                f"the run's worktree {self.path} is on {on}, not on {short}",
                f"Keep what you have there and go back: git -C '{self.path}' switch {short}",
            )

    def _wait(self, place: Path) -> None:
        lock, deadline = place / "index.lock", time.monotonic() + _LOCK_SECONDS
        while lock.exists():
            if time.monotonic() > deadline:
                raise UsageError(
                    f"another git is at work in {self.path}",
                    f"Let it end. If there is none: rm '{lock}'",
                )
            time.sleep(0.05)

    def _edits(self, git: Git, tip: str, known: Known) -> list[str]:
        """The paths in it that a person changed: neither the tip's content nor a train.py of this run's."""
        git.run("update-index", "-q", "--refresh")
        listed = git.fields("diff-index", "--name-only", "-z", "--ignore-submodules=all", tip)
        there = [path for path in listed if path != self.train and _obstacle(self.path, path)]
        wanted = _blobs(git, tip) if there else {}
        edits = [path for path in there if self._content(git, path) != wanted.get(path)]
        if _obstacle(self.path, self.train) and not self._is_of(git, [tip]) and not self._is_of(git, known()):
            edits.append(self.train)
        return edits

    def _content(self, git: Git, path: str) -> str | None:
        """The object that the file at `path` would be committed as; None for a folder or what stands in its way."""
        file = self.path / path
        if _obstacle(self.path, path) != file or (file.is_dir() and not file.is_symlink()):
            return None
        if file.is_symlink():
            return git.text("hash-object", "--stdin", stdin=os.fsencode(os.readlink(file)))
        return git.maybe("hash-object", f"--path={path}", "--", path)

    def _is_of(self, git: Git, commits: Iterable[str]) -> bool:
        """Is its train.py, to the byte, that of one of these commits or of a parent (the base is no trial)?"""
        file = self.path / self.train
        if _obstacle(self.path, self.train) != file or file.is_symlink() or not file.is_file():
            return False
        found = git.text("hash-object", "--no-filters", "--", self.train)
        asked = os.fsencode("".join(f"{sha}:{self.train}\n{sha}^:{self.train}\n" for sha in commits))
        return found in git.text("cat-file", "--batch-check=%(objectname)", stdin=asked).splitlines()

    def _aside(self, edits: Sequence[str], place: Path) -> list[str]:
        if not edits:
            return []
        aside = fresh(place)
        with explained(aside):
            for path in edits:
                found = _obstacle(self.path, path)
                if found is not None:  # None: it went with a folder above it
                    goal = aside / found.relative_to(self.path)
                    goal.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(found, goal)
        some = ", ".join(edits[:5]) + (" …" if len(edits) > 5 else "")
        return [f"{len(edits)} changed file(s) in {self.path} were moved to {aside}: {some}"]


def _raw(git: Git) -> list[str]:
    """Configuration under which a checkout writes what is committed and runs no program."""
    names = git.maybe("config", "-z", "--name-only", "--get-regexp", r"^filter\.") or ""
    drivers = sorted(
        {name.split(".", 1)[1].rsplit(".", 1)[0] for name in names.split("\0") if name.count(".") > 1}
    )
    off = [
        f"filter.{driver}.{key}"
        for driver in drivers
        for key in ("smudge=", "clean=", "process=", "required=no")
    ]
    return ["core.autocrlf=false", "core.safecrlf=false", *off]


def _blobs(git: Git, commit: str) -> dict[str, str]:
    """Path to object of every file in a commit."""
    listed = (line.split("\t", 1) for line in git.fields("ls-tree", "-r", "-z", "--full-tree", commit))
    return {path: facts.split(" ")[2] for facts, path in listed}


def _obstacle(root: Path, path: str) -> Path | None:
    """What stands at `path` under `root`, or in its way: a link or a file where there should be a folder."""
    place = root
    for part in Path(path).parts[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return place
    place = root / path
    return place if os.path.lexists(place) else None


def _remove_empty(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return False
    return True
