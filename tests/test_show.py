"""`runner show N` as a command: what a trial left, all of its samples, and files that lie or are not there."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pagelab
import pytest
import recordlab

from runner.record.run import RunFolder

HOSTILE = "\x1b[2J\x1b]0;t\x07[red]x[/red]\u202e<b>"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    return pagelab.make(tmp_path / "lab", 2)


def shown(runner: Any, folder: RunFolder, *more: str) -> str:
    done = runner(folder.runs.parent, "show", "0", *more)
    assert done.returncode == 0, done.stderr
    found: str = done.stdout
    return found


def drawn(folder: RunFolder, samples: object) -> None:
    (folder.trial(0) / "samples.json").write_text(json.dumps(samples), encoding="utf-8")


def test_every_sample_and_the_curve_of_each_training_are_shown(night: RunFolder, runner: Any) -> None:
    prompts = [f"Prompt {n}" for n in range(8)]
    drawn(night, [{"prompt": p, "text": f"{p} and then {'so ' * 300}the end of {p}"} for p in prompts])
    said = shown(runner, night)
    for prompt in prompts:
        assert f"sample after “{prompt}”" in said
        assert f"the end of {prompt}" in re.sub(r"\s+", " ", said)
    assert re.search(r"[▁▂▃▄▅▆▇█]{40}", said)
    assert re.search(r"seed \d+: [\d.]+ → [\d.]+ over 300 steps, learning rate at last 0\.000267", said)
    found = json.loads(shown(runner, night, "--json"))
    assert [one["prompt"] for one in found["samples"]] == prompts
    assert found["sample"] == found["samples"][0]["text"]


def test_hostile_files_reach_no_terminal_and_cost_no_more(night: RunFolder, runner: Any) -> None:
    place = night.trial(0)
    drawn(night, [{"prompt": HOSTILE, "text": HOSTILE * 20}] * 100)
    huge = '{"step": 1e308, "loss": 1e308, "lr": -1e308}\n{"step": 1, "loss": "x"}\n[[[\n' + HOSTILE
    (place / "attempt-0.curve.jsonl").write_text(huge + pagelab.curve(random.Random(1), 20_000))
    (place / "attempt-0.log").write_text((HOSTILE + "<b>" * 9000) * 100)
    said = shown(runner, night)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", said)
    assert said.count("sample after") == 8
    assert len(said) < 200_000
    assert max(len(line) for line in said.split("\n")) < 600


@pytest.mark.parametrize("left", ["folder", "link"])
def test_a_trial_whose_files_are_gone_is_shown_without_them(
    night: RunFolder, runner: Any, left: str, tmp_path: Path
) -> None:
    place = night.trial(0)
    for path in [*place.iterdir()]:
        path.unlink()
        path.mkdir() if left == "folder" else path.symlink_to(tmp_path / "nowhere")
    said = shown(runner, night)
    assert "digests" in said
    assert "training loss" not in said
    assert "sample" not in said
