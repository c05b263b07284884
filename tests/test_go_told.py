"""One real run of a baseline: its samples, what it told outside, what another terminal saw, what a tracker got."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import environment

pytestmark = pytest.mark.engine


def test_a_run_draws_samples_tells_outside_and_can_be_watched(
    lab: Path, tag: str, image: str, runner: Any, tmp_path: Path
) -> None:
    program = tmp_path / "tell"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(tmp_path / 'told')!r}, 'a').write(sys.stdin.read() + '\\n')\n"
    )
    program.chmod(0o755)
    settings = lab / "runner.toml"
    more = f'\n[notify]\ncommand = ["{program}"]\n\n[sample]\nprompts = ["Once upon a time", "The king"]\nlength = 12\n'
    settings.write_text(settings.read_text() + more)
    track = ["--track", "tensorboard"] if importlib.util.find_spec("tensorboard") else []
    words = [sys.executable, "-m", "runner", "--lab", str(lab)]
    go = subprocess.Popen(
        [*words, "go", "--tag", tag, "--max-trials", "0", "--budget", "8", "--no-holdout", *track],
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 200
        while not (lab / "runs" / tag / "current.json").exists():
            assert go.poll() is None, go.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        variables = {**environment(tmp_path), "PYTHONUNBUFFERED": "1"}
        watch = subprocess.Popen(
            [*words, "status", tag, "--watch"], env=variables, stdout=subprocess.PIPE, text=True
        )
        out, _ = go.communicate(timeout=280)
        time.sleep(2)
        watch.send_signal(signal.SIGINT)
        seen, _ = watch.communicate(timeout=30)
    finally:
        if go.poll() is None:
            go.send_signal(signal.SIGINT)
            go.wait(60)
    assert go.returncode == 0, out
    assert "trial 0: training" in seen
    assert "trial 0: keep" in seen
    assert f"no program works on {tag}" in seen
    place = lab / "runs" / tag
    found = json.loads((place / "trials" / "0000" / "samples.json").read_text())
    assert [one["prompt"] for one in found] == ["Once upon a time", "The king"]
    assert all(one["text"].startswith(one["prompt"]) and len(one["text"]) > len(one["prompt"]) for one in found)
    [end] = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert (end["event"], end["outcome"], end["tag"]) == ("end", "done", tag)
    if track:
        assert list((place / "tensorboard" / "trial-0000").glob("events.*")), out
    assert not (place / "current.json").exists()
    assert os.path.getsize(place / "report.html") > 10_000
