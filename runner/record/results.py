"""results.tsv: the ledger in five columns, readable by tools made for the original autoresearch. Pure but for `write`.

It can always be made again, so it is rewritten whole and never read back by this program.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from runner.record.files import atomic_write, explained
from runner.trial import Entry, Status

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"


def clean(text: str) -> str:
    """`text` as one cell: no tabs, line breaks or other control characters, and no quote that a reader would obey."""
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    return " ".join(shown.replace('"', "'").split()) or "-"


def row(entry: Entry) -> str:
    """One line without its end. Memory is the GPU's peak where there is one, else the container's, in GiB."""
    crashed = entry.status is Status.CRASH or entry.val_bpb is None
    val_bpb = 0.0 if crashed or entry.val_bpb is None else entry.val_bpb
    memory = 0.0 if crashed else (entry.peak_vram_mb or entry.peak_memory_mb or 0.0) / 1024
    told = f"set aside as suspicious ({entry.suspicious}): {entry.note}" if entry.suspicious else entry.note
    return f"{entry.commit[:7]}\t{val_bpb:.6f}\t{memory:.1f}\t{entry.status.value}\t{clean(told)}"


def render(entries: Iterable[Entry]) -> bytes:
    """The whole file."""
    return "".join(line + "\n" for line in (HEADER, *map(row, entries))).encode("utf-8")


def write(path: Path, entries: Iterable[Entry]) -> bool:
    """Make `path` hold exactly `entries`; False where it did already. Raises as `atomic_write`."""
    data = render(entries)
    with explained(path):
        if path.is_file() and path.read_bytes() == data:
            return False
    atomic_write(path, data, durable=False)
    return True
