"""Whether a change concerns the lab, by the gate's own rule: `concerns.py LAB BASE HEAD` ends with 10 if it does not.

Any other end means that it does, or that it could not be told.
"""

from __future__ import annotations

import sys
from pathlib import Path

from runner.ci import baselab, change
from runner.errors import RunnerError
from runner.record.change import Revisions

NOT_CONCERNED = 10


def main() -> int:
    lab, base, head = sys.argv[1:]
    repo = Revisions(Path(lab))
    at, to = repo.commit(base, "base"), repo.commit(head, "head")
    prefix = baselab.prefix_of(repo, at)
    source = change.source_in_repository(baselab.settings_of(repo, at, prefix), prefix)
    since, *others = repo.merge_bases(at, to)
    if others:  # which of them the change counts from cannot be told
        return 0
    found = change.sort(repo.changes(since, to), prefix, source)
    return 0 if found.train or found.lab else NOT_CONCERNED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunnerError:
        sys.exit(0)
