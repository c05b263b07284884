"""The downloaded books without the archive's notices, as a folder of texts from which the data are made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from runner.fetch import look
from runner.fetch.item import Got


def texts(got: Sequence[Got]) -> Path:
    """A folder beside the books with the text of each and of no other; unchanged texts are not written again.

    Raises UsageError for a book without START and END lines, OSError.
    """
    folder = got[0].path.parent / "texts"
    folder.mkdir(exist_ok=True)
    wanted = {one.item.name: one.path for one in got}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, path in wanted.items():
        text = look.bare(path)
        if not (folder / name).is_file() or (folder / name).read_bytes() != text:
            unfinished = folder / f"{name}.tmp"
            unfinished.write_bytes(text)
            os.replace(unfinished, folder / name)
    return folder
