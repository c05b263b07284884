"""A trial as a run of TensorBoard: event files in `runs/TAG/tensorboard/trial-NNNN`. Owns tensorboard.

Written with TensorBoard's own writer; neither TensorFlow nor torch is needed.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.text import metadata as text_plugin
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from runner.track.material import TrialRun


class Tensorboard:
    """`track.Tracker`."""

    def __init__(self, runs: Path, tag: str) -> None:
        self._place = runs / tag / "tensorboard"

    def write(self, trial: TrialRun) -> None:
        place = self._place / f"trial-{trial.number:04d}"
        shutil.rmtree(place, ignore_errors=True)  # half of it may be there
        writer = EventFileWriter(str(place))
        try:
            for summary, step in _summaries(trial):
                writer.add_event(Event(summary=summary, step=step, wall_time=trial.ended))
        finally:
            writer.close()

    def close(self) -> None:
        """Every file was closed when its trial was written."""

    def where(self) -> str:
        return f"tensorboard --logdir {self._place}"


def _summaries(trial: TrialRun) -> list[tuple[Summary, int]]:
    found = [(hparams.hparams_pb(dict(trial.parameters), trial_id=trial.name), 0)]
    for name, value in trial.metrics.items():
        # All trials of a run make one line: the staircase.
        found.append((_scalar(name, value), trial.number))
    for prefix, points in trial.curves.items():
        found += [(_scalar(f"{prefix}{k}", v), step) for step, values in points for k, v in values.items()]
    told = "\n\n".join(f"**{key}** {_plain(value)}" for key, value in trial.tags.items())
    texts = {"trial": f"{_plain(trial.note)}\n\n{told}", "change": _code(trial.diff)}
    texts["samples"] = _code(trial.sample_text())
    found += [(_text(name, value), trial.number) for name, value in texts.items() if value]
    if trial.plot is not None:
        found.append((_picture("progress", trial.plot.read_bytes()), trial.number))
    return found


def _scalar(name: str, value: float) -> Summary:
    return Summary(value=[Summary.Value(tag=name, simple_value=value)])


def _text(name: str, value: str) -> Summary:
    content = TensorProto(dtype=DT_STRING, string_val=[value.encode("utf-8", "replace")])
    content.tensor_shape.CopyFrom(TensorShapeProto())
    metadata = text_plugin.create_summary_metadata(display_name=name, description="")
    return Summary(value=[Summary.Value(tag=name, metadata=metadata, tensor=content)])


def _picture(name: str, png: bytes) -> Summary:
    """width and height are the first two numbers of a PNG's first chunk."""
    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=name, image=image)])


def _plain(value: str) -> str:
    """Markdown that says `value` and nothing else."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~" else c for c in value)


def _code(value: str) -> str:
    """As a block of code: indented, so that nothing in it can end it."""
    return "".join(f"    {line}\n" for line in value.splitlines())
