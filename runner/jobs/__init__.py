"""What commands do: each module builds the parts of its commands and hands them on. The command line is in `cli/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner import config
from runner import lab as labs
from runner.lab import Lab


def lab_at(start: Path, changes: dict[str, Any] | None = None) -> Lab:
    """The lab that holds `start`, with settings of the command line (dotted keys, None: not given) put over its own."""
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    lab = labs.open_lab(start, str(given.get("data.source", "")))
    return Lab(lab.root, config.override(lab.settings, given))
