"""Where teams keep their runs: a trial as a run in MLflow, Weights & Biases or TensorBoard.

`material` says what is written, one small file for each tracker how, `follow` keeps up with a run under way.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

from runner.errors import MissingError, UsageError

TRACKERS = ("mlflow", "wandb", "tensorboard")
_NEEDS = {"mlflow": ("mlflow", "sqlalchemy"), "wandb": ("wandb",), "tensorboard": ("tensorboard",)}


class Tracker(Protocol):
    """One tracker's store. `write` may be called again for a trial: it is there once all the same."""

    def write(self, trial: Any) -> None:
        """Write a `material.TrialRun`. Raises whatever its library raises."""

    def close(self) -> None: ...

    def where(self) -> str:
        """For a person: what was written where, and how to look at it."""


def check(name: str) -> None:
    """Raises UsageError for a tracker that is none, MissingError where its library is not installed."""
    if name not in TRACKERS:
        raise UsageError(f"{name!r} is no tracker", f"There are: {', '.join(TRACKERS)}")
    if any(importlib.util.find_spec(library) is None for library in _NEEDS[name]):
        raise MissingError(
            f"the library of {name} is not installed", f"pip install 'autoresearch-runner[{name}]'"
        )


def tracker(name: str, runs: Path, tag: str, lab: str) -> Tracker:
    """The tracker `name` for the run `tag`. runs: the folder `runs/`; lab: its name. Raises as `check`."""
    check(name)
    if name == "mlflow":
        from runner.track.mlflow_store import Mlflow

        return Mlflow(runs, tag, lab)
    if name == "wandb":
        from runner.track.wandb_runs import Wandb

        return Wandb(runs, tag, lab)
    from runner.track.tensorboard_events import Tensorboard

    return Tensorboard(runs, tag)
