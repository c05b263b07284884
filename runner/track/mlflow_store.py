"""A trial as a run of MLflow, in the experiment `LAB/TAG`. Owns mlflow.

Where MLFLOW_TRACKING_URI says, else in a database of this machine, `runs/.mlflow/mlflow.db`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from runner.track.material import TrialRun

_TRIAL = "autoresearch.trial"
_BATCH = 500  # metrics in one request; the protocol allows 1000


class Mlflow:
    """`track.Tracker`."""

    def __init__(self, runs: Path, tag: str, lab: str) -> None:
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._uri, place = os.environ.get("MLFLOW_TRACKING_URI", ""), None
        if not self._uri:
            own = runs / ".mlflow"
            own.mkdir(parents=True, exist_ok=True)
            self._uri, place = f"sqlite:///{own / 'mlflow.db'}", (own / "artifacts" / tag).as_uri()
        self._client = MlflowClient(tracking_uri=self._uri)
        name = f"{lab}/{tag}"
        found = self._client.get_experiment_by_name(name)
        made = found.experiment_id if found else self._client.create_experiment(name, artifact_location=place)
        self._experiment: str = made

    def write(self, trial: TrialRun) -> None:
        client, run = self._client, self._run(trial)
        now = int(trial.ended * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in trial.metrics.items()]
        for prefix, points in trial.curves.items():
            for step, values in points:
                metrics += [Metric(f"{prefix}{k}", v, now, step) for k, v in values.items()]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run, metrics[start : start + _BATCH])
        client.log_batch(run, params=[Param(k, str(v)) for k, v in trial.parameters.items()])
        client.log_batch(run, tags=[RunTag(k, v) for k, v in trial.tags.items()])
        if trial.diff:
            client.log_text(run, trial.diff, "change.diff")
        if trial.samples:
            client.log_text(run, trial.sample_text(), "samples.txt")
        if trial.plot is not None:
            client.log_artifact(run, str(trial.plot))
        client.set_terminated(run, "FAILED" if trial.crashed else "FINISHED", int(trial.ended * 1000))

    def _run(self, trial: TrialRun) -> str:
        """The run of this trial, made if it is not there."""
        wanted = f"tags.`{_TRIAL}` = '{trial.number}'"
        for found in self._client.search_runs([self._experiment], wanted, max_results=1):
            return str(found.info.run_id)
        tags = {_TRIAL: str(trial.number), "mlflow.note.content": trial.note}
        made = self._client.create_run(self._experiment, int(trial.started * 1000), tags, trial.name)
        return str(made.info.run_id)

    def close(self) -> None:
        """Every request was sent when it was made."""

    def where(self) -> str:
        remote = "MLFLOW_TRACKING_URI" in os.environ
        return "where MLFLOW_TRACKING_URI says" if remote else f"mlflow ui --backend-store-uri {self._uri}"
