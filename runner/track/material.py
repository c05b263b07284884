"""What a tracker is given of a trial: parameters, numbers, tags, curves, diff, samples and plot.

Reads the run's record only. Text from outside is cleaned and cut, names are such as every tracker takes, numbers are
finite. Scores in bits per byte, times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.agents import constants
from runner.errors import RunnerError
from runner.record.run import Header, RunFolder
from runner.report import lines, text
from runner.report.page import material as files
from runner.report.watched import wall
from runner.trial import Entry, Role, Status
from runner.usage import usage_of

_CHARACTERS = 400  # of a tag
_DIFF = 200_000
_POINTS = 500  # of a curve
_SETTINGS = (("trial", "budget_seconds"), ("trial", "device"), ("ratchet", "rule"), ("data", "source"))

Values = dict[str, float]


@dataclass(frozen=True)
class TrialRun:
    """A trial as a tracker's run. created: of the run, so that another one of the same tag is another.

    curves: by prefix (`train/` for the first training of the proposal), points of (step, values by name).
    started, ended: seconds since the epoch.
    """

    number: int
    name: str
    note: str
    created: str
    started: float
    ended: float
    crashed: bool
    parameters: Mapping[str, str | int | float]
    metrics: Values
    tags: Mapping[str, str]
    curves: Mapping[str, Sequence[tuple[int, Values]]]
    diff: str
    samples: Sequence[files.Sample]
    plot: Path | None

    def sample_text(self) -> str:
        """All samples, one under the other; empty where there are none."""
        return "\n\n".join(one.text for one in self.samples)


def build(folder: RunFolder, header: Header, entry: Entry, diff: Callable[[str, str], str]) -> TrialRun:
    """Of one entry. diff: gives what changed between two commits. Never raises for what is missing."""
    ended = text.moment(entry.time) or 0.0
    plot = folder.plot if folder.plot.is_file() else None
    try:
        changed = text.clean(diff(entry.parent_commit, entry.commit), _DIFF)
    except RunnerError as error:
        changed = f"not known: {error.what}"
    return TrialRun(
        number=entry.number,
        name=f"{folder.tag} trial {entry.number}",
        note=text.line(entry.note, _CHARACTERS),
        created=header.created,
        started=ended - wall(entry),
        ended=ended,
        crashed=entry.status is Status.CRASH,
        parameters=_parameters(folder, header, entry),
        metrics=_metrics(entry),
        tags=_tags(folder, entry),
        curves=_curves(folder, entry),
        diff=changed,
        samples=files.samples_of(folder.trial(entry.number)),
        plot=plot,
    )


def _parameters(folder: RunFolder, header: Header, entry: Entry) -> dict[str, str | int | float]:
    """The run's settings that matter, and the annotated constants of this trial's train.py."""
    found: dict[str, str | int | float] = {"agent": text.line(entry.agent, 60)}
    for section, key in _SETTINGS:
        value = (header.settings.get(section) or {}).get(key)
        if isinstance(value, str | int | float):
            found[key] = text.line(value, 200) if isinstance(value, str) else value
    if model := usage_of(entry.meta).model:
        found["model"] = model
    try:
        source = (folder.trial(entry.number) / "train.py").read_bytes()
        given = {constant.name: constant.value for constant in constants.find(source)}
    except (OSError, RunnerError):
        given = {}
    return found | dict(list(given.items())[:100])


def _metrics(entry: Entry) -> Values:
    usage = usage_of(entry.meta)
    own = [a for a in entry.attempts if a.role is not Role.INCUMBENT]
    found: dict[str, Any] = {
        "val_bpb": entry.val_bpb,
        "incumbent_bpb": entry.incumbent_bpb,
        "delta_bpb": lines.against(entry),
        "best_bpb": entry.best_bpb,
        "trainings": len(entry.attempts),
        "peak_memory_mb": entry.peak_memory_mb,
        "peak_vram_mb": entry.peak_vram_mb,
        "cost_usd": usage.cost_usd,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        **{f"seconds_{text.line(str(part), 20)}": spent for part, spent in list(entry.timings.items())[:10]},
        **{f"score_{index}": attempt.val_bpb for index, attempt in enumerate(own)},
    }
    return {name: value for name, raw in found.items() if (value := text.finite(raw)) is not None}


def _tags(folder: RunFolder, entry: Entry) -> dict[str, str]:
    return {
        "run": folder.tag,
        "status": lines.status_word(entry),
        "ending": str(entry.ending),
        "agent": text.line(entry.agent, 60),
        "reason": lines.reason(entry),
        "commit": text.line(entry.commit, 64),
        "train_py": entry.proposal[:64],
        "pins": " ".join(digest[:16] for digest in (entry.pins.data, entry.pins.settings, entry.pins.scoring)),
    }


def _curves(folder: RunFolder, entry: Entry) -> dict[str, list[tuple[int, Values]]]:
    """Loss and learning rate of each training of the proposal, thinned."""
    own = [i for i, attempt in enumerate(entry.attempts) if attempt.role is not Role.INCUMBENT]
    found = {}
    for place, index in enumerate(own):
        points = files.curve_of(folder.trial(entry.number) / f"attempt-{index}.curve.jsonl")
        thin = points[:: max(1, -(-len(points) // _POINTS))]
        prefix = "train/" if place == 0 else f"train_{place + 1}/"
        found[prefix] = [(int(point.step), _values(point)) for point in thin if abs(point.step) < 1 << 53]
    return found


def _values(point: files.Point) -> Values:
    rate = {} if point.lr is None else {"learning_rate": point.lr}
    return {"loss": point.loss, **rate}
