"""`runner clean --keep`: what piles up on a machine that runs for months, by age and by size.

Images, data volumes, the state of `runner ci`, checkpoints and logs of old runs, folders that `runner trial` and killed
programs left under the temporary one. Never a ledger, a commit or a ref: of a run only what is bulky goes, and nothing
of the newest one or of one that is under way. What goes can be made again, but for the weights of an old version and
what a training said.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from runner.errors import RunnerError, UsageError
from runner.jobs.ci import default_state
from runner.keep import Item, Keep, doomed, size
from runner.lab import Lab
from runner.locks import locked
from runner.record.run import RunFolder, existing
from runner.sandbox import prune as engines
from runner.sandbox import used
from runner.sandbox.engine import Engine

DAY = 86_400.0
TEMPORARY = (
    "runner-trial-",
    "runner-error-",
    "autoresearch-wheels-",
    "autoresearch-base-",
    "autoresearch-compiled-",
    "autoresearch-ssh-",
)
OF_A_TRIAL = ("checkpoint.tar", "attempt-*.log")


def prune(
    lab: Lab, engine: Engine, keep: Keep, *, state: Path | None = None, dry_run: bool = False
) -> Iterator[str]:
    """Removes what `keep` does not keep; a line for each thing that went, or with `dry_run` would go.

    state: the folder of `runner ci`; None: its default. Raises InfraError where the engine fails.
    """
    items = [*engines.images(engine), *engines.volumes(engine), *of_state(state or default_state(os.environ))]
    items += of_runs(lab)
    for folder in sorted({Path(tempfile.gettempdir()), used.roomy()}):
        items += temporary(folder, keep)
    yield from remove(items, keep, dry_run=dry_run)


def remove(items: Sequence[Item], keep: Keep, *, dry_run: bool) -> Iterator[str]:
    """Removes those of `items` that `keep` does not keep; lines about it, and a sum."""
    freed = count = 0
    for item in doomed(items, keep, time.time()):
        if not dry_run and not item.remove():
            yield f"kept {item.what} {item.name}: it is in use"
            continue
        freed, count = freed + item.bytes, count + 1
        day = datetime.fromtimestamp(item.used, UTC).date().isoformat() if item.used else "never"
        verb = "would remove" if dry_run else "removed"
        yield f"{verb} {item.what} {item.name} ({size(item.bytes)}, used last {day})"
    left = sum(item.bytes for item in items) - freed
    yield f"{count} of {len(items)} things {'would go' if dry_run else 'went'}: {size(freed)}; {size(left)} stay"


# Of runner ci


def of_state(state: Path) -> list[Item]:
    """Labs of base revisions with their data, and installed runners; the folder's own time is that of its last use.

    Scores and verdicts stay: they are a record, and small; a verdict forgotten would let the same change try again.
    """
    items: list[Item] = []
    for folder, what in (("labs", "lab of runner ci"), ("tools", "installed runner")):
        found = [path for path in _entries(state / folder) if path.is_dir() and not path.is_symlink()]
        for path in found:
            with contextlib.suppress(OSError):  # it was renamed or removed meanwhile
                last = path.stat().st_mtime
                items.append(Item(what, str(path), _bytes(path), last, partial(_remove_of_state, path)))
    return items


def _remove_of_state(path: Path) -> bool:
    """Not what a job of the last day has used, which may be under way; nor while somebody makes or holds one."""
    with contextlib.ExitStack() as stack:
        for lock in (path.parent, path.with_name(f"{path.name}.lock")):
            if not stack.enter_context(_lock(lock)):
                return False
        if time.time() - path.stat().st_mtime < DAY:
            return False
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Whether the lock is ours for the block; a lock that is not there is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield True
        return
    try:
        yield locked(descriptor)
    finally:
        os.close(descriptor)


# Of runs


def of_runs(lab: Lab) -> list[Item]:
    """Checkpoints, logs and abandoned trials of all runs but the newest and those under way."""
    folders = [RunFolder(lab.root, tag) for tag in existing(lab.root)]
    items: list[Item] = []
    for folder in _old(folders):
        if folder.holder():
            continue
        bulky = sorted(path for name in OF_A_TRIAL for path in folder.trials.glob(f"*/{name}"))
        abandoned = folder.path / "abandoned"
        items += [_of_run(folder, path) for path in (*bulky, *([abandoned] if abandoned.is_dir() else []))]
    return items


def _old(folders: Iterable[RunFolder]) -> list[RunFolder]:
    """All but the newest; one whose header cannot be read is no one's to judge."""
    readable = []
    for folder in folders:
        with contextlib.suppress(UsageError):
            readable.append((folder.header().created, folder.tag, folder))
    return [folder for _, _, folder in sorted(readable, key=lambda one: one[:2])[:-1]]


def _of_run(folder: RunFolder, path: Path) -> Item:
    what = {"checkpoint.tar": "checkpoint", "abandoned": "abandoned trial"}.get(path.name, "log")
    name = str(path.relative_to(folder.runs.parent))
    return Item(what, name, _bytes(path), _newest(path), partial(_remove_of_run, folder, path))


def _remove_of_run(folder: RunFolder, path: Path) -> bool:
    try:
        with folder.lock():
            return _gone(path)
    except RunnerError:  # it has been started again meanwhile
        return False


# Under the temporary folder


def temporary(folder: Path, keep: Keep) -> list[Item]:
    """What programs of ours left there and this user owns; by age only, and nothing of the last day."""
    if keep.seconds is None:
        return []
    recent = time.time() - max(DAY, keep.seconds)
    items = []
    for path in _entries(folder):
        if not path.name.startswith(TEMPORARY):
            continue
        with contextlib.suppress(OSError):
            seen = path.lstat()
            mine = seen.st_uid == os.getuid() and not stat.S_ISLNK(seen.st_mode)
            if mine and _newest(path) < recent:
                items.append(
                    Item(
                        "temporary", str(path), _bytes(path), _newest(path), partial(_gone, path), by_size=False
                    )
                )
    return items


# Files


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _gone(path: Path) -> bool:
    """Removes a file or a folder of ours; links in it are removed, not followed."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    return not os.path.lexists(path)


def _walk(path: Path) -> Iterator[os.stat_result]:
    with contextlib.suppress(OSError):
        yield path.lstat()
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(folder, name))


def _bytes(path: Path) -> int:
    """What it takes on the disk, in bytes."""
    return sum(seen.st_blocks * 512 for seen in _walk(path))


def _newest(path: Path) -> float:
    return max((seen.st_mtime for seen in _walk(path)), default=0.0)
