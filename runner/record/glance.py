"""A ledger looked at: the chain checked over the bytes of its lines, an entry made only of a line that is asked for.

For showing, not for deciding: what decides or verifies reads `Ledger`, which makes every entry. The hash of every line
is taken anew, and each must name the one before it, so a line that was changed, added or removed is seen here too; what
is in a line that nobody asks for is not read. Reads only; knows nothing of who writes.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Iterator
from pathlib import Path

from runner.record.ledger import DAMAGE, FIRST, TAIL, content, damaged, decode
from runner.trial import Entry


@contextlib.contextmanager
def many() -> Iterator[None]:
    """Ten thousand entries are a million objects that stay: to look for garbage among them takes a tenth more."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Glance:
    """The lines of `path`, oldest first; none where there is no such file. A half-written last line is no line.

    heads: the hash of each line. Raises UsageError that names the line where the chain is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = content(path).split(b"\n")[:-1]
        self.heads: list[str] = []
        before = FIRST
        for line in self._lines:
            before = self._checked(line, before)
            self.heads.append(before)

    def __len__(self) -> int:
        return len(self._lines)

    def _checked(self, line: bytes, before: str) -> str:
        """The hash of a line that follows `before`."""
        found = hashlib.sha256(line[:-TAIL])
        found.update(b"}")
        own = found.hexdigest()
        if line[-TAIL:] != b',"hash":"' + own.encode() + b'"}':
            raise damaged(self.path, len(self.heads), "its hash is not that of its content")
        if b'"prev":"' + before.encode() + b'"' not in line:
            said = "it does not follow the line before it (a line was changed, added or removed)"
            raise damaged(self.path, len(self.heads), said)
        return own

    def entry(self, number: int) -> Entry:
        """The trial of that number, 0 to len - 1. Raises UsageError where its line holds none."""
        try:
            found, _ = decode(self._lines[number], self.heads[number - 1] if number else FIRST)
            if found.number != number:
                raise ValueError(f"it is trial {found.number}, and trial {number} comes next")
        except DAMAGE as error:
            raise damaged(self.path, number, error) from None
        return found

    def since(self, number: int) -> list[Entry]:
        """Trial `number` and all after it."""
        with many():
            return [self.entry(at) for at in range(max(0, number), len(self))]

    def backwards(self, *words: bytes) -> Iterator[Entry]:
        """The newest first; of lines that hold none of `words`, where there are any, no entry is made."""
        for at in range(len(self) - 1, -1, -1):
            if not words or any(word in self._lines[at] for word in words):
                yield self.entry(at)
