"""`runs/<tag>/tally.json`: the tally of a run's trials, kept so that `status` need not make every entry again.

Written by the one who works in the run, after each trial; read by those who only show. It names the hash of the last
line of the ledger that it counts, which covers all lines before it: of another ledger, or of one that was changed, it
is no tally. Then, and where it is missing or torn, everything is counted anew. Nothing is decided by it, and
`runner verify` does not look at it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.record.files import atomic_write
from runner.record.glance import Glance
from runner.report.tally import Tally
from runner.trial import Entry

_VERSION = 1
_BYTES = 1 << 20  # more is no tally


def read(path: Path, glance: Glance) -> Tally:
    """The tally of all trials of `glance`. Raises UsageError where an entry of it cannot be read."""
    tally = _kept(path, glance) or Tally()
    for entry in glance.since(tally.trials):
        tally.take(entry)
    return tally


def _kept(path: Path, glance: Glance) -> Tally | None:
    """What the file has, if it is of these lines."""
    try:
        with path.open("rb") as file:
            raw: Any = json.loads(file.read(_BYTES))
        tally = Tally.from_json(raw["tally"])
        known = raw["version"] == _VERSION and 0 < tally.trials <= len(glance)
        return tally if known and glance.heads[tally.trials - 1] == raw["head"] else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


class Keeper:
    """Keeps the file of a run that goes on, for the holder of its lock. A fault of it is nothing: it is made again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tally = Tally()

    def keep(self, entries: Sequence[Entry], head: str) -> None:
        """entries: all of the run. head: the hash of the last one's line."""
        for entry in entries[self._tally.trials :]:
            self._tally.take(entry)
        if not entries:
            return
        made = {"version": _VERSION, "head": head, "tally": dataclasses.asdict(self._tally)}
        with contextlib.suppress(RunnerError, OSError, ValueError):
            atomic_write(self._path, (json.dumps(made, allow_nan=False) + "\n").encode(), durable=False)
