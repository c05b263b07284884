"""The lab of a base revision as a folder of its own under the state, with its data, for this job and later ones.

Its name is a digest of all that is in it: the code under prepare/, the images, the text in the repository that the
data are made from, and the settings of the data. train.py, program.md and the other settings are not in it, so that a
merge does not make data anew; settings are read from the base's own runner.toml each time. It is put in place whole,
under a lock, and compared with the base file by file before each use. Trusts the base revision and the state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import posixpath
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner import config
from runner.ci.change import TRAIN, source_in_repository, source_path
from runner.config import Settings
from runner.errors import UsageError
from runner.lab import Lab
from runner.locks import locked
from runner.record.change import REGULAR, Item, Revisions
from runner.record.files import explained

TAKEN = ("prepare", "images")  # folders
TAKEN_FILES = ("Dockerfile",)
KEPT_LABS, KEPT_DAYS = 3, 30  # labs that were not used for so long go, but for the newest few
_POINTER = b"version https://git-lfs"


def prefix_of(repo: Revisions, base: str) -> str:
    """The folder of the lab in the repository at `base`: that of `repo`, or the next above it with a runner.toml."""
    prefix = repo.prefix
    while repo.tree(base, prefix + "runner.toml") is None:
        if not prefix:
            where = repo.prefix or "the repository's top"
            raise UsageError(
                f"the base {base[:12]} has no lab at {where}: no runner.toml there or above",
                "Name its folder: runner --lab FOLDER ci",
            )
        above = posixpath.dirname(prefix.rstrip("/"))
        prefix = above + "/" if above else ""
    return prefix


def settings_of(repo: Revisions, base: str, prefix: str) -> Settings:
    """The base's runner.toml; a text outside the repository is named by its absolute path."""
    where = f"runner.toml of the base {base[:12]}"
    found = repo.tree(base, prefix + "runner.toml")
    try:
        raw = tomllib.loads(repo.blob(found).decode("utf-8")) if found else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where} cannot be read: {error}") from None
    settings = config.from_dict(raw, where)
    path = source_path(settings)
    if not path or source_in_repository(settings, prefix):
        return settings
    # By name alone: no link that somebody put into the checkout is followed on the way.
    absolute = os.path.normpath(repo.root / prefix / path)
    source = settings.data.source.removesuffix(path) + absolute
    return dataclasses.replace(settings, data=dataclasses.replace(settings.data, source=source))


def files_of(repo: Revisions, base: str, prefix: str, settings: Settings) -> list[Item]:
    """What is taken of the base. Raises UsageError for what cannot be, such as links and submodules."""
    listed = [item for folder in TAKEN for item in repo.files(base, prefix + folder)]
    listed += [item for file in TAKEN_FILES for item in repo.files(base, prefix + file)]
    if source := source_in_repository(settings, prefix):
        listed += repo.files(base, source if source != "." else "")
    found = {item.path: item for item in listed if item.path != prefix + TRAIN}
    odd = [item.path for item in found.values() if item.mode not in REGULAR]
    if odd:
        raise UsageError(f"the base's lab holds a link or a submodule, which is not taken: {odd[0]}",
                         "Put a regular file there")  # fmt: skip
    return sorted(found.values(), key=lambda item: item.path)


def digest_of(items: Sequence[Item], settings: Settings) -> str:
    told = [[item.mode, item.sha, item.path] for item in items]
    plain = json.dumps([1, told, dataclasses.asdict(settings.data)], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def materialise(
    repo: Revisions, base: str, prefix: str, settings: Settings, state: Path, say: Callable[[str], None]
) -> Lab:
    """The base's lab under `state`/labs, made if it is not there. Raises UsageError, InfraError."""
    items = files_of(repo, base, prefix, settings)
    content = repo.blobs([item.sha for item in items])
    if pointer := next((i.path for i in items if content[i.sha].startswith(_POINTER)), ""):
        raise UsageError(f"{pointer} of the base is a pointer of Git LFS, not the file",
                         "Keep the text in git, or on the machine: data.source = \"text:/path\"")  # fmt: skip
    labs = state / "labs"
    name = digest_of(items, settings)[:32]
    with explained(labs):
        # It holds the validation text, and what verdicts rest on.
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        labs.mkdir(exist_ok=True)
        with _locked(labs):
            place = labs / name
            if place.exists() and not _is(place, items, content, prefix):
                say(f"{place} is not as it was made, and is made anew")
                shutil.rmtree(place)
            if not place.exists():
                _make(place, items, content, prefix)
            os.utime(place)
            _prune(labs)
    return Lab(place / prefix if prefix else place, settings)


def _prune(labs: Path) -> None:
    """Remove labs that nobody has used for long: each holds data, and every change under prepare/ makes another."""
    found = sorted((path.stat().st_mtime, path) for path in labs.iterdir() if path.is_dir())
    for used, path in found[:-KEPT_LABS]:
        if time.time() - used > KEPT_DAYS * 86_400:
            shutil.rmtree(path, ignore_errors=True)


def _make(place: Path, items: Sequence[Item], content: dict[str, bytes], prefix: str) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    try:
        (fresh / prefix).mkdir(parents=True, exist_ok=True)
        for item in items:
            path = fresh / item.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content[item.sha])
            path.chmod(0o755 if item.mode == "100755" else 0o644)
        fresh.chmod(0o755)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _is(place: Path, items: Sequence[Item], content: dict[str, bytes], prefix: str) -> bool:
    """Whether the folder holds exactly these files, beside the data that were made in it."""
    own = place / prefix if prefix else place
    beside = {own / "data", own / "runs"}
    there = set()
    for folder, folders, names in os.walk(place):
        at = Path(folder)
        folders[:] = [
            one
            for one in folders
            if at / one not in beside and not one.startswith(".data.") and one != "__pycache__"
        ]
        there |= {str((at / one).relative_to(place)) for one in (*names, *folders) if _counts(at / one)}
    wanted = {item.path: content[item.sha] for item in items}
    same = there == set(wanted)
    return same and all((place / path).read_bytes() == data for path, data in wanted.items())


def _counts(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        locked(descriptor, wait=True)
        for unfinished in folder.glob(".new-*"):  # of a killed job: who makes one holds the lock
            shutil.rmtree(unfinished, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)
