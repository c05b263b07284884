"""faults.jsonl: what proposers did wrong, one line each, beside the ledger and not part of it.

Bounded: once the file is long its older half is folded into one first line that counts it, so that kinds, tokens and
money stay whole for the run. A half-written last line, of a crash, is no line. One process writes, under the run's
lock; any other may read meanwhile. Details are the proposer's words: cut here, cleaned where they are shown.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner.parts import Noted
from runner.record.files import atomic_write, explained, now
from runner.usage import Usage, total, usage_of

LIMIT_BYTES = 1 << 20
DETAIL_CHARACTERS = 500
FOLDED = "folded"  # key of the first line, once there is one that counts what stood before


@dataclass(frozen=True)
class Faults:
    """All faults of a run. counts: by kind. usage: what they cost. last: the newest line, empty where there is none."""

    counts: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    last: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path) -> Faults:
    """What `path` tells; no faults where there is no such file. Lines that are none are passed over."""
    try:
        raw = path.read_bytes()
    except OSError:
        return Faults()
    return _sum(_lines(raw))


class FaultLog:
    """`parts.FaultLog` in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, fault: Noted) -> None:
        """Append one line. Raises InfraError where the disk is full, UsageError where it may not be written."""
        line = {"time": now(), **asdict(fault), "kind": str(fault.kind)}
        line["detail"] = fault.detail[:DETAIL_CHARACTERS]
        line["meta"] = usage_of(fault.meta).plain()
        line["seconds"], line["pause"] = round(fault.seconds, 3), round(fault.pause, 3)
        content = (json.dumps(line) + "\n").encode()
        with explained(self._path), open(self._path, "ab+") as file:
            if size := file.tell():
                file.seek(-1, os.SEEK_END)
                content = content if file.read(1) == b"\n" else b"\n" + content
            file.write(content)
        if size + len(content) > LIMIT_BYTES:
            self._fold()

    def _fold(self) -> None:
        lines = _lines(self._path.read_bytes())
        old, kept = lines[: len(lines) // 2 + 1], lines[len(lines) // 2 + 1 :]
        found = _sum(old)
        first = {FOLDED: dict(found.counts), "meta": found.usage.plain()}
        atomic_write(self._path, "".join(json.dumps(line) + "\n" for line in (first, *kept)).encode())


def _lines(raw: bytes) -> list[dict[str, Any]]:
    found = []
    for line in raw.split(b"\n"):
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(parsed, dict):
            found.append(parsed)
    return found


def _sum(lines: Iterable[Mapping[str, Any]]) -> Faults:
    counts: Counter[str] = Counter()
    usages, last = [], {}
    for line in lines:
        usages.append(usage_of(line.get("meta")))
        if isinstance(before := line.get(FOLDED), dict):
            counts.update({str(kind): n for kind, n in before.items() if isinstance(n, int) and n > 0})
        elif isinstance(kind := line.get("kind"), str):
            counts[kind] += 1
            last = dict(line)
    return Faults(dict(counts), total(usages), last)
