"""Whether a file is of the kind that was asked for, by its first and last bytes; and books without their wrapping.

The plain texts of Project Gutenberg stand between a START and an END line, around which are the archive's own notice
and licence. `bare` gives what is between them. Nothing here needs a network or a library.
"""

from __future__ import annotations

import re
from pathlib import Path

from runner.errors import UsageError
from runner.fetch.item import Item

_MARK = rb"\*\*\* ?%s OF TH(?:E|IS) PROJECT GUTENBERG E-?(?:BOOK|TEXT).{0,600}?\*\*\*[^\n]*\n"
_START = re.compile(_MARK % b"START", re.DOTALL | re.IGNORECASE)
_END = re.compile(
    rb"\n[^\n]{0,3}\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG E-?(?:BOOK|TEXT)|"
    rb"\nEnd of (?:the )?Project Gutenberg(?:'|\xe2\x80\x99)s ",
    re.IGNORECASE,
)
_TITLE = re.compile(rb"^Title: *([^\r\n]+)", re.MULTILINE)
_HEAD = 16_384  # bytes in which the START line stands


def wrong(item: Item, path: Path) -> str:
    """What is wrong with a file, as the end of a sentence; "" if nothing is."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if item.kind == "parquet":
            file.seek(max(path.stat().st_size - 4, 0))
            magic = b"PAR1"
            return "" if head[:4] == magic and file.read(4) == magic else "is not a Parquet file"
    if not _START.search(head):
        return "has no START line of Project Gutenberg"
    title = _TITLE.search(head)
    said = title[1].decode("utf-8", "replace").strip() if title else ""
    if item.title and _plain(item.title) not in _plain(said):
        return f"is another book: {said[:100]!r}, not {item.title!r}"
    return ""


def _plain(title: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", title.lower().replace("’", "'").replace("'", "")))


def bare(path: Path) -> bytes:
    """The text of a book between its START and END lines, line ends as `\\n`. Raises UsageError."""
    whole = path.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    start = _START.search(whole)
    end = _END.search(whole, start.end() if start else 0)
    if not start or not end:
        raise UsageError(f"{path} has no {'END' if start else 'START'} line of Project Gutenberg",
                         "Remove the file; it is fetched again")  # fmt: skip
    try:
        whole.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8: byte {error.start}", "Remove the file; it is fetched again"
        ) from None
    return whole[start.end() : end.start()].strip() + b"\n"
