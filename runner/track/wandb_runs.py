"""A trial as a run of Weights & Biases, in a project named after the lab, grouped by the tag. Owns wandb.

Online where WANDB_MODE or WANDB_API_KEY is set; else files under `runs/.wandb` that `wandb sync` can send: a run under
way must never be asked for a key.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import wandb

from runner.track.material import TrialRun


class Wandb:
    """`track.Tracker`."""

    def __init__(self, runs: Path, tag: str, lab: str) -> None:
        self._tag, self._lab = tag, lab
        self._place = runs / ".wandb"
        self._place.mkdir(parents=True, exist_ok=True)
        online = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
        self._mode = online if online in ("online", "offline", "shared", "disabled") else "offline"
        self._settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
            init_timeout=60,
        )

    def write(self, trial: TrialRun) -> None:
        """The same trial has the same id, so that a second time replaces the first."""
        identity = hashlib.sha256(
            f"{self._lab}/{self._tag}/{trial.created}/{trial.number}".encode()
        ).hexdigest()
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", self._lab),
            group=self._tag,
            name=trial.name,
            id=identity[:16],
            resume="allow" if self._mode == "online" else None,
            dir=str(self._place),
            mode=self._mode,
            config=dict(trial.parameters),
            tags=[trial.tags["status"], trial.tags["agent"][:60] or "unknown"],
            notes=trial.note,
            reinit="create_new",
            settings=self._settings,
        )
        ended = 1
        try:
            for prefix, points in trial.curves.items():
                for step, values in points:
                    run.log(
                        {f"{prefix}step": step, **{f"{prefix}{key}": value for key, value in values.items()}}
                    )
            run.summary.update({**trial.metrics, **{f"tag/{key}": value for key, value in trial.tags.items()}})
            self._files(run, trial)
            ended = int(trial.crashed)
        finally:
            run.finish(exit_code=ended)

    @staticmethod
    def _files(run: wandb.Run, trial: TrialRun) -> None:
        """Beside the numbers; the plot as a picture that its page shows."""
        if trial.plot is not None:
            run.log({"progress": wandb.Image(str(trial.plot))})
        for name, content in (("change.diff", trial.diff), ("samples.txt", trial.sample_text())):
            if content:
                path = Path(run.dir) / name
                path.write_text(content, encoding="utf-8", errors="replace")
                run.save(str(path), base_path=run.dir, policy="now")

    def close(self) -> None:
        wandb.teardown()

    def where(self) -> str:
        return "in your project" if self._mode == "online" else f"wandb sync {self._place}/wandb/offline-run-*"
