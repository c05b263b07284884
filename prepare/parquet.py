"""Reads the shards of a Parquet source: whole documents from one text column, a batch of rows at a time.

A shard is never held whole, nor is a row group: the pages of the one column are read through a small buffer, so
memory follows from the size of a page and of a batch of rows. It splits nothing and downloads nothing. Owns the
library `pyarrow`, which is optional and imported by the functions that need it; nothing that runs in a container
imports this module. What cannot be used raises SourceError, which names the shard and says why.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prepare import text
from prepare.text import SourceError

ROWS = 128  # read at a time
BUFFER = 1 << 20  # bytes read of a column at a time
CUTS = 16  # pieces of one row group


class NeedsPyarrow(Exception):
    """The optional library is not installed."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Documents `first` to `last` (rows of the shard, `last` excluded), which lie in row groups `groups`.

    begins: the row with which the first of `groups` begins. weight: bytes of the column in them, uncompressed.
    """

    path: Path
    column: str
    groups: tuple[int, ...]
    begins: int
    first: int
    last: int
    weight: int

    def documents(self, stride: int = 1) -> Iterator[Iterator[str]]:
        """Every document with text in it, as pieces; of every `stride`-th row alone. Raises SourceError."""
        for row, written in self._texts():
            if row % stride == 0 and written and not written.isspace():
                plain = written.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
                yield text.from_text("", plain).pieces()

    def _texts(self) -> Iterator[tuple[int, str | None]]:
        import pyarrow

        row = self.begins
        try:
            with _opened(self.path) as file:
                batches = file.iter_batches(
                    ROWS, row_groups=list(self.groups), columns=[self.column], use_threads=False
                )
                for batch in batches:
                    if row >= self.last:
                        return
                    for value in batch.column(0):
                        if self.first <= row < self.last:
                            yield row, value.as_py()
                        row += 1
        except UnicodeDecodeError as error:
            raise SourceError(f"{self.path} is not UTF-8 in row {row}: {error.reason}") from None
        except (OSError, pyarrow.ArrowException) as error:
            raise SourceError(f"{self.path} cannot be read at row {row}: {_line(error)}") from None


def there() -> bool:
    """Whether pyarrow is installed; does not import it."""
    return importlib.util.find_spec("pyarrow") is not None


def _opened(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False, memory_map=False)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def shards(folder: Path) -> list[Path]:
    """The *.parquet files of a folder by name. Raises SourceError if there are fewer than two."""
    try:
        if not folder.is_dir():
            raise SourceError(f"{folder} " + ("is not a folder" if folder.exists() else "does not exist"))
        found = sorted(path for path in folder.iterdir() if path.suffix == ".parquet" and path.is_file())
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror or error}") from None
    if len(found) < 2:
        raise SourceError(
            f"{folder} holds {len(found)} *.parquet files: at least 2 are needed, the last of which is held out"
        )
    return found


def parts(path: Path, column: str, target: int) -> list[Rows]:
    """A shard as runs of row groups of about `target` bytes of text. Raises SourceError, NeedsPyarrow."""
    if not there():
        raise NeedsPyarrow
    import pyarrow

    try:
        with _opened(path) as file:
            _check_column(path, column, file.schema_arrow)
            sizes = [_group(file.metadata.row_group(index), column) for index in range(file.num_row_groups)]
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {_line(error)}") from None
    found: list[Rows] = []
    run: list[int] = []
    row = begins = weight = 0
    for index, (rows, size) in enumerate(sizes):
        run.append(index)
        row += rows
        weight += size
        if weight >= target or index == len(sizes) - 1:
            found += _cut(Rows(path, column, tuple(run), begins, begins, row, weight), target)
            run, begins, weight = [], row, 0
    if not row:
        raise SourceError(f"{path} holds no rows")
    return found


def _cut(rows: Rows, target: int) -> list[Rows]:
    """A run of row groups by rows, where one of its groups makes it much longer than `target`; in CUTS at the most.

    To come to its own rows a piece reads those before it in its groups.
    """
    count = max(1, min(rows.weight // target, CUTS, rows.last - rows.first))
    edges = [rows.first + (rows.last - rows.first) * at // count for at in range(count + 1)]
    return [_within(rows, low, high) for low, high in itertools.pairwise(edges)]


def _group(group: Any, column: str) -> tuple[int, int]:
    """Rows of a row group, and bytes of the column in it before compression."""
    columns = (group.column(index) for index in range(group.num_columns))
    return group.num_rows, next(c.total_uncompressed_size for c in columns if c.path_in_schema == column)


def _check_column(path: Path, column: str, schema: Any) -> None:
    import pyarrow.types

    if column not in schema.names:
        raise SourceError(
            f"{path} has no column {column}: set data.column to one of {', '.join(schema.names)[:300]}"
        )
    kind = schema.field(column).type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise SourceError(f"{path}: the column {column} holds {kind}, not text")


def halves(found: list[Rows]) -> tuple[list[Rows], list[Rows]]:
    """The first and the second half of a shard's rows. Raises SourceError if it has fewer than two."""
    middle = (found[0].first + found[-1].last) // 2
    if middle == found[0].first:
        raise SourceError(f"{found[0].path} holds one row, and validation and holdout need their own")
    return [_within(one, 0, middle) for one in found if one.first < middle], [
        _within(one, middle, one.last) for one in found if one.last > middle
    ]


def _within(rows: Rows, low: int, high: int) -> Rows:
    first, last = max(rows.first, low), min(rows.last, high)
    weight = rows.weight * (last - first) // (rows.last - rows.first)
    return dataclasses.replace(rows, first=first, last=last, weight=weight)
