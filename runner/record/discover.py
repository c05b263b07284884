"""Which repository a lab is in, and who commits there; where there is none that will do, what to type.

Reads only. Trusts git's own search, its refusal of other people's repositories included.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.errors import MissingError, UsageError
from runner.record.plumbing import Git

FALLBACK = ("AutoResearch runner", "runner@localhost")


def top_of(finder: Git, lab: Path) -> Path:
    """The top of the checkout that `lab` is in; `finder` runs there.

    Raises MissingError where there is no repository or git refuses it, UsageError where it is bare.
    """
    if not lab.is_dir():
        raise UsageError(f"{lab} is not a folder")
    status, out, err = finder.run("rev-parse", "--show-toplevel")
    if status == 0:
        return Path(os.fsdecode(out.removesuffix(b"\n")))
    if "dubious ownership" in err:
        raise MissingError(
            f"git refuses {lab}: its repository belongs to another user",
            f"git config --global --add safe.directory '{lab}'   # the path that `git status` names",
        )
    if "must be run in a work tree" in err:
        raise UsageError(
            f"{lab} is in a bare git repository: it has no files to work on",
            "Clone it, and run in the clone: git clone REPOSITORY lab",
        )
    said = err.strip().splitlines()
    raise MissingError(
        f"{lab} is in no git repository: {said[0] if said else status}",
        f"cd '{lab}' && git init && git add -A && git commit -m 'The lab'",
    )


def identity(git: Git) -> tuple[str, str]:
    """Name and e-mail of the user's configuration, or the runner's own where either is missing."""
    name, email = (git.maybe("config", "--get", f"user.{key}") for key in ("name", "email"))
    return (name, email) if name and email else FALLBACK
