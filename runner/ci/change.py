"""What of a lab a change touches: the one file that may change, the lab that may not, and the rest. Pure.

A path belongs to the lab if anything that gives a score its meaning, or a run its record, is read from it. Paths are
compared as a file system that folds case would: a head that adds `Prepare/` is meant to be mistaken for the lab's.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.config import Settings
from runner.record.change import NOTHING, REGULAR, Change

FILES = ("runner.toml", "program.md", "Dockerfile")
FOLDERS = ("prepare", "images", "train", "data", "runs")
TRAIN = "train/train.py"
# Says how a checkout's bytes differ from the commit's: of any folder above train.py.
ATTRIBUTES = ".gitattributes"
# What CI does: a service's workflows, and this program with its action where a repository holds them.
GATES = (".github/", ".gitlab-ci.yml", ".gitlab/", "action.yml", "action.yaml", "ci/", "runner/")


@dataclass(frozen=True)
class Sorted:
    """The changes of a head. train: of train.py, None where it is untouched."""

    train: Change | None
    lab: tuple[Change, ...]
    outside: tuple[Change, ...]

    @property
    def gate(self) -> tuple[Change, ...]:
        """Those of the rest that say what CI does: a person should look at them."""
        return tuple(one for one in self.outside if folded(one.path).startswith(GATES))


def folded(path: str) -> str:
    """As a file system that knows neither case nor composition nor invisible characters has it."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", path) if unicodedata.category(c) != "Cf")
    return "/".join(part.rstrip(" .") or part for part in plain.casefold().split("/"))


def source_path(settings: Settings) -> str:
    """The path of the text that the data are made from, as written; "" where it is none, or of somebody's home."""
    kind, _, where = settings.data.source.partition(":")
    return where if kind in ("text", "parquet") and not where.startswith("~") and "://" not in where else ""


def source_in_repository(settings: Settings, prefix: str) -> str:
    """The path in the repository of the text that the data are made from; "" where it lies elsewhere."""
    where = source_path(settings)
    if not where or where.startswith("/"):
        return ""
    path = posixpath.normpath(posixpath.join(prefix, where))
    return "" if path == ".." or path.startswith("../") else path


def sort(changes: Iterable[Change], prefix: str, source: str = "") -> Sorted:
    """prefix: of the lab in the repository, `""` or `"some/where/"`. source: as `source_in_repository` gives it."""
    train, lab, outside = None, [], []
    for one in changes:
        if one.path == prefix + TRAIN:
            train = one
        elif belongs(one.path, prefix, source):
            lab.append(one)
        else:
            outside.append(one)
    return Sorted(train, tuple(lab), tuple(outside))


def belongs(path: str, prefix: str, source: str) -> bool:
    """Whether a path is the lab's, or is easily taken for it."""
    name = folded(path)
    inside = [folded(prefix + file) for file in FILES]
    below = [folded(prefix + folder) for folder in FOLDERS]
    if source:
        below.append(folded(source))
    # A file in place of a folder on the way to the lab takes the whole lab away.
    above = _parents(folded(prefix + TRAIN))
    if name in inside or name in above or any(name == one or name.startswith(one + "/") for one in below):
        return True
    return name in [posixpath.join(folder, ATTRIBUTES) for folder in ("", *above)]


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def trainable(train: Change | None) -> str:
    """Why the head's train.py cannot be taken, in words; "" where it can or is untouched."""
    if train is None or train.new_mode in REGULAR:
        return ""
    if train.new_mode == NOTHING:
        return f"the head has no {train.path}"
    return f"the head's {train.path} is not a regular file ({train.what})"


def first_changed_line(diff: str) -> int:
    """In the new file, counted from 1: the first line added, or where lines went away. 1 for an empty diff."""
    at = 1
    for line in _hunks(diff.split("\n")):
        if line.startswith("@@ "):
            at = int(line.split("+", 1)[1].split(" ", 1)[0].split(",")[0])
        elif line.startswith(" "):
            at += 1
        elif line.startswith(("+", "-")):
            break
    return max(1, at)


def _hunks(lines: Sequence[str]) -> Sequence[str]:
    start = next((i for i, line in enumerate(lines) if line.startswith("@@ ")), len(lines))
    return lines[start:]
