"""Trackers: what is written, read back with each tracker's own library, offline; and that a run never feels them."""

from __future__ import annotations

import importlib
import io
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pagelab
import pytest
import recordlab
from rich.console import Console

from runner import track as trackers
from runner.errors import InfraError, MissingError, UsageError
from runner.jobs import samples
from runner.jobs import track as job
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.report.screen import Screen
from runner.track import material
from runner.track.follow import Following
from runner.trial import Entry, Status

EVIL = "<script>alert(1)</script> `x` \x1b[2J\u202e日本語"


def alter(entry: Entry) -> Entry:
    """The last one is an agent's, with a hostile note and a cost."""
    if entry.number != 4:
        return entry
    return replace(
        entry, note=EVIL, agent="claude-code", meta={"cost_usd": 0.25, "tokens_in": 1000, "model": "m"}
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A lab with a run of five trials, kept versions with samples, and a plot."""
    place = tmp_path_factory.mktemp("track")
    with pytest.MonkeyPatch.context() as patch:
        recordlab.isolate(place / "home", patch)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("WANDB_MODE", "offline")
        folder = pagelab.make(place / "lab", 5, 3, alter=alter)
        samples.write(folder, 0, ["Once", "The king"], ["Once more", "The king sat"])
        for number in range(5):
            (folder.trial(number) / "train.py").write_text("LR = 0.04  # range: 0.01..0.1 log\n")
        from runner.report import plot

        plot.draw(Ledger(folder.ledger).entries, folder.plot, folder.tag)
        yield folder


@pytest.fixture
def run(made: RunFolder) -> Iterator[RunFolder]:
    """The same, with nothing written to any tracker yet."""
    for left in made.path.glob("track-*"):
        left.unlink()
    return made


def root(folder: RunFolder) -> Path:
    return folder.runs.parent


def library(name: str) -> Any:
    return pytest.importorskip(name, reason=f"the optional library {name} is not installed")


def test_a_trial_is_parameters_numbers_tags_curves_diff_and_samples(run: RunFolder) -> None:
    entries = Ledger(run.ledger).entries
    found = material.build(run, run.header(), entries[0], LabRepo(root(run)).diff)
    assert found.parameters["LR"] == 0.04
    assert found.metrics["val_bpb"] == pytest.approx(entries[0].val_bpb)
    assert found.tags["status"] == "keep"
    assert found.sample_text() == "Once more\n\nThe king sat"
    assert 100 < len(found.curves["train/"]) <= 500
    last = material.build(run, run.header(), entries[4], LabRepo(root(run)).diff)
    assert last.metrics["cost_usd"] == 0.25
    assert last.parameters["model"] == "m"
    assert "\x1b" not in last.note
    assert last.diff.startswith("diff --git")


def test_a_trial_whose_files_are_gone_is_written_all_the_same(tmp_path: Path, run: RunFolder) -> None:
    bare = RunFolder(tmp_path, "nov23")
    entry = factories.entry(2, Status.CRASH, time="no time", timings={"agent": float("inf")})

    def lost(old: str, new: str) -> str:
        raise InfraError("git is gone")

    found = material.build(bare, run.header(), entry, lost)
    assert found.crashed
    assert found.diff == "not known: git is gone"
    assert found.plot is None
    assert all(abs(value) < float("inf") for value in found.metrics.values())


def test_mlflow_reads_back_what_was_written(run: RunFolder) -> None:
    mlflow = library("mlflow")
    count, where = job.catch_up(root(run), run, "mlflow")
    assert count == 5
    client = mlflow.MlflowClient(tracking_uri=where.split()[-1])
    experiment = client.get_experiment_by_name("lab/nov23")
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {f"nov23 trial {number}" for number in range(5)}
    last = runs["nov23 trial 4"]
    entries = Ledger(run.ledger).entries
    assert last.data.metrics["best_bpb"] == pytest.approx(entries[4].best_bpb)
    assert last.data.params["LR"] == "0.04"
    assert last.data.tags["agent"] == "claude-code"
    assert len(client.get_metric_history(last.info.run_id, "train/loss")) > 100
    kept = {a.path for a in client.list_artifacts(last.info.run_id)}
    assert {"change.diff", "progress.png"} <= kept


def test_mlflow_has_a_trial_once_however_often_it_is_written(run: RunFolder) -> None:
    mlflow = library("mlflow")
    job.catch_up(root(run), run, "mlflow")
    _, where = job.catch_up(root(run), run, "mlflow", anew=True)
    client = mlflow.MlflowClient(tracking_uri=where.split()[-1])
    experiment = client.get_experiment_by_name("lab/nov23")
    assert len(client.search_runs([experiment.experiment_id])) == 5


def test_tensorboard_reads_back_what_was_written(run: RunFolder) -> None:
    library("tensorboard")
    loading = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    job.catch_up(root(run), run, "tensorboard")
    job.catch_up(root(run), run, "tensorboard", anew=True)
    events = loading.EventAccumulator(
        str(run.path / "tensorboard" / "trial-0004"), loading.DEFAULT_SIZE_GUIDANCE
    )
    events.Reload()
    [best] = events.Scalars("best_bpb")
    assert best.step == 4
    assert best.value == pytest.approx(Ledger(run.ledger).entries[4].best_bpb, rel=1e-6)
    assert len(events.Scalars("train/loss")) > 100
    told = events.Tensors("trial")[0].tensor_proto.string_val[0].decode()
    assert "\\<script\\>" in told
    assert "<" not in told.replace("\\<", "")
    assert events.Images("progress")[0].encoded_image_string.startswith(b"\x89PNG")
    assert "_hparams_/session_start_info" in events.SummaryMetadata.__self__.summary_metadata


def wandb_records(raw: bytes) -> list[Any]:
    """The records of a `.wandb` file: a log of LevelDB behind 7 bytes, of W&B's own protocol buffers."""
    protocol = importlib.import_module("wandb.proto.wandb_internal_pb2")
    found, place, part = [], 7, b""
    while place + 7 <= len(raw):
        if 32_768 - place % 32_768 < 7:  # the rest of a block that no header fits in
            place += 32_768 - place % 32_768
            continue
        _, length, kind = struct.unpack_from("<IHB", raw, place)
        part += raw[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or its last part
            record = protocol.Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def test_wandb_reads_back_what_was_written(run: RunFolder) -> None:
    library("wandb")
    count, where = job.catch_up(root(run), run, "wandb")
    assert count == 5
    assert where.startswith("wandb sync")
    stores = sorted((run.runs / ".wandb" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(stores) == 5
    found = [record for path in stores for record in wandb_records(path.read_bytes())]
    names = {r.run.display_name for r in found if r.WhichOneof("record_type") == "run"}
    assert names == {f"nov23 trial {number}" for number in range(5)}
    configured = {u.key: u.value_json for r in found for u in r.run.config.update}
    assert configured["LR"] == "0.04"
    summary = {u.key or ".".join(u.nested_key) for r in found for u in r.summary.update}
    assert {"val_bpb", "best_bpb"} <= summary
    logged = [i for r in found for i in r.history.item if (i.key or i.nested_key[0]) == "train/loss"]
    assert len(logged) > 500


def test_only_what_is_missing_is_written(run: RunFolder) -> None:
    library("tensorboard")
    assert job.catch_up(root(run), run, "tensorboard")[0] == 5
    assert job.catch_up(root(run), run, "tensorboard")[0] == 0
    mark = run.path / "track-tensorboard.json"
    mark.write_text(json.dumps({"created": run.header().created, "written": 3}))
    assert job.catch_up(root(run), run, "tensorboard")[0] == 2
    mark.write_text(json.dumps({"created": "another run of this tag", "written": 3}))
    assert job.catch_up(root(run), run, "tensorboard")[0] == 5


def test_a_library_that_is_not_there_is_named_with_its_command() -> None:
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    with pytest.raises(MissingError) as caught:
        trackers.check("wandb")
    assert "pip install 'autoresearch-runner[wandb]'" in caught.value.advice


def test_a_tracker_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError):
        trackers.check("excel")


def test_the_command_says_where_it_wrote(run: RunFolder, runner: Any) -> None:
    library("tensorboard")
    done = runner(root(run), "track", "nov23", "--to", "tensorboard")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 trials of nov23 written to tensorboard: tensorboard --logdir")


def follow(tmp_path: Path, program: str, close: float = 5.0) -> tuple[Following, io.StringIO, Screen]:
    """A run beside a process that runs `program` in place of `runner track`."""
    said = io.StringIO()
    screen = Screen(Console(file=said, width=200, force_terminal=False))
    command = [sys.executable, "-c", program]
    return Following(screen, command, "mlflow", "runner track x --to mlflow", close), said, screen


def test_each_trial_is_followed_and_the_end_waits_for_the_last(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    following, said, screen = follow(tmp_path, f"open({str(mark)!r}, 'a').write('x')")
    with screen, following:
        time.sleep(0.5)
        following.decided(factories.entry(1))
    assert len(mark.read_text()) >= 2
    assert "lacks" not in said.getvalue()


def test_a_tracker_that_fails_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    following, said, screen = follow(tmp_path, "import sys; sys.exit('the server is gone')", 0.5)
    with screen, following:
        for number in range(1, 4):
            following.decided(factories.entry(number))
            time.sleep(0.3)
    shown = said.getvalue()
    assert shown.count("could not be written to, the run goes on: the server is gone") == 1
    assert shown.count("mlflow lacks the last trials; to write them: runner track x --to mlflow") == 1
    assert shown.count("discard") == 3


def test_a_tracker_that_hangs_holds_up_neither_a_trial_nor_the_end(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    program = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    following, said, screen = follow(tmp_path, program, 1.0)
    began = time.monotonic()
    with screen, following:
        following.decided(factories.entry(1))
        assert time.monotonic() - began < 1
        while not mark.exists() or not mark.read_text():
            assert time.monotonic() - began < 20
            time.sleep(0.05)
    assert "lacks the last trials" in said.getvalue()
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
