"""What a run's folder holds of its trials, read for the page: log tails, curves, samples, diffs, the holdout's score.

Reads only, and bounded: a file of any size costs the same. A file that is missing, torn or nonsense is an absent one.
Trials that are recorded never change, so what was read of one is kept for the next reading. Trusts the names in the
folder, which the runner gave, and nothing in the files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from runner import holdouts
from runner.record import faults
from runner.record.faults import Faults
from runner.record.run import RunFolder
from runner.report import text
from runner.report.page.limits import Lines
from runner.trial import Entry, Status

DIFF_CHARACTERS = 32_768  # looked at, of a diff's beginning
LOG_BYTES = 16_384  # looked at, of a log's end
LOG_LINES = 24
CURVE_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 18  # 28 kB of control characters, each escaped in six bytes, and their prompts
PROMPTS = 8  # of a kept version
_HEAD = ("diff --git ", "index ", "--- a/", "+++ b/")

CURVE_POINTS = 100  # of one curve, at most


class Point(NamedTuple):
    """One reading of a training: its step, the loss there, and the learning rate where one was reported."""

    step: float
    loss: float
    lr: float | None = None


Points = tuple[Point, ...]  # by step
Diffs = Callable[[Sequence[Entry]], Mapping[int, str]]


@dataclass(frozen=True)
class Sample:
    """What a kept version wrote after a prompt; the prompt is empty where only the text is known."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Detail:
    """What belongs to one trial besides its entry. diff: None where git could not be asked."""

    diff: Lines | None
    log: Lines
    log_name: str
    curves: tuple[Points, ...]  # one for each attempt, empty where nothing was reported


@dataclass(frozen=True)
class Material:
    """Everything that a page shows besides the ledger."""

    details: Mapping[int, Detail]
    samples: Mapping[int, Sequence[Sample]]
    holdout: Mapping[str, Any] | None
    faults: Faults = field(default_factory=Faults)


def no_diffs(entries: Sequence[Entry]) -> Mapping[int, str]:
    """Where there is no repository to ask."""
    return {}


@dataclass
class Reader:
    """Reads a run's folder, once for each trial. diffs: the unified diffs of entries, by number."""

    folder: RunFolder
    diffs: Diffs = no_diffs
    _known: dict[int, Detail] = field(default_factory=dict)

    def read(self, entries: Sequence[Entry]) -> Material:
        fresh = [entry for entry in entries if entry.number not in self._known]
        found = self.diffs(fresh) if fresh else {}
        details = self._known | {e.number: self._detail(e, found.get(e.number)) for e in fresh}
        # What git did not answer is asked again; all else of a trial that is recorded stays as it is.
        self._known = {number: known for number, known in details.items() if known.diff is not None}
        kept = [entry.number for entry in entries if entry.status is Status.KEEP]
        drawn = {number: samples_of(self.folder.trial(number)) for number in kept}
        samples = _prompted({number: found for number, found in drawn.items() if found})
        held, wrong = holdouts.read(self.folder.holdout), faults.read(self.folder.faults)
        return Material(details, samples, held, wrong)

    def _detail(self, entry: Entry, diff: str | None) -> Detail:
        place = self.folder.trial(entry.number)
        log = self.folder.log_of(entry)
        curves = tuple(curve_of(place / f"attempt-{i}.curve.jsonl") for i in range(len(entry.attempts)))
        return detail(diff, end_of(log, LOG_BYTES), f"trials/{place.name}/{log.name}", curves)


def detail(diff: str | None, log: bytes = b"", log_name: str = "", curves: tuple[Points, ...] = ()) -> Detail:
    """Of raw texts; the diff without the lines that name its file, which is always the same."""
    while diff and diff.startswith(_HEAD):
        diff = diff.partition("\n")[2]
    shown = None if diff is None else Lines.of(diff, DIFF_CHARACTERS)
    thinned = tuple(thin(points, CURVE_POINTS) for points in curves)
    return Detail(shown, Lines.of(log, LOG_BYTES, tail=True, most=LOG_LINES), log_name, thinned)


def end_of(path: Path, limit: int) -> bytes:
    """The last `limit` bytes of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - limit))
            return file.read(limit)
    except OSError:
        return b""


def _beginning(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError:
        return b""


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def curve_of(path: Path) -> Points:
    points = []
    for line in _beginning(path, CURVE_BYTES).splitlines():
        point = _json(line)
        if isinstance(point, dict):
            step, loss = text.finite(point.get("step")), text.finite(point.get("loss"))
            if step is not None and loss is not None:
                points.append(Point(step, loss, text.finite(point.get("lr"))))
    return tuple(sorted(points, key=lambda point: point[:2]))


def thin(points: Points, most: int) -> Points:
    """At most `most` points: the first, the last, and means over equal stretches between."""
    if len(points) <= most or most < 3:
        return points if len(points) <= most else points[-1:]
    inner, width = points[1:-1], most - 2
    edges = [len(inner) * i // width for i in range(width + 1)]
    parts = [inner[a:b] for a, b in pairwise(edges)]
    means = [
        part[len(part) // 2]._replace(loss=sum(p.loss for p in part) / len(part)) for part in parts if part
    ]
    return (points[0], *means, points[-1])


def samples_of(place: Path) -> list[Sample]:
    """Of `samples.json`, a list of objects with `prompt` and `text`; else of `sample.txt`, prompt and text in one."""
    several = _json(_beginning(place / "samples.json", SAMPLE_BYTES))
    several = several.get("samples") if isinstance(several, dict) else several
    found = [
        Sample(str(one.get("prompt") or ""), one["text"])
        for one in (several if isinstance(several, list) else [])[:PROMPTS]
        if isinstance(one, dict) and isinstance(one.get("text"), str)
    ]
    if found:
        return found
    single = _beginning(place / "sample.txt", SAMPLE_BYTES).decode("utf-8", "replace")
    return [Sample("", single)] if single.strip() else []


def _prompted(samples: dict[int, list[Sample]]) -> dict[int, list[Sample]]:
    """Where no prompt is noted: the words with which all of the texts begin, since all had the same one."""
    bare = [found[0].text for found in samples.values() if len(found) == 1 and not found[0].prompt]
    if len(bare) < 2 or len(bare) != len(samples):
        return samples
    first, last = min(bare), max(bare)
    same = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    prompt = first[:same]
    if same < len(first) and not first[same].isspace():  # in the middle of a word
        prompt = prompt[: max(prompt.rfind(" "), 0)]
    return {number: [Sample(prompt.strip(), found[0].text)] for number, found in samples.items()}
