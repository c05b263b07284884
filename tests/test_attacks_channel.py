"""Attacks on the result: tests/attacks/channel, as whole trials of a lab, training and scoring in real containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attack_lab import ATTACKS, Arena
from test_loop import Quiet

from runner import config, data
from runner.evaluate import Evaluator, Job
from runner.lab import Lab
from runner.sandbox.box import Sandbox
from runner.sandbox.training_data import data_volume
from runner.trial import Attempt, Ending

pytestmark = pytest.mark.engine
ATTACKED = {
    "prints_a_perfect_score": (Ending.INVALID, "without a file"),
    "forges_markers": (Ending.INVALID, "without a file"),
    "speaks_like_the_engine": (Ending.CRASH, "exit code 4"),
    "leaves_a_result_file": (Ending.INVALID, "without a file"),
    "exits_on_import": (Ending.INVALID, "without a file"),
    "exits_when_scored": (Ending.CRASH, "exit code 0"),
    "loading_kills": (Ending.CRASH, "exit code 137"),
    "loading_hangs": (Ending.TIMEOUT, "load_model took longer"),
    "loading_takes_all_memory": (Ending.OOM, "memory"),
    "loads_as_nothing": (Ending.INVALID, ""),
    "answers_nan": (Ending.INVALID, "finite"),
    "answers_infinity": (Ending.INVALID, "finite"),
    "answers_wrong_shapes": (Ending.INVALID, "shape"),
    "answers_a_gigabyte": (Ending.INVALID, "shape"),
    "answers_nothing": (Ending.INVALID, "shape"),
}


@pytest.fixture(scope="module")
def volume(engine: Any, image: str, lab_with_data: Path) -> str:
    manifest = data.load(lab_with_data)
    return data_volume(engine, image, manifest.digest, data.public_files(lab_with_data))


def attempt(arena: Arena, lab: Path, volume: str, folder: Path, name: str) -> Attempt:
    settings = config.load(lab / "runner.toml")
    if name == "loading_hangs":  # three containers are waited for as long as loading may take
        settings = replace(settings, score=replace(settings.score, load_seconds=6.0))
    here = Lab(lab, settings)
    sandbox = Sandbox(arena.engine, arena.image, settings.trial, volume)
    evaluator = Evaluator(here, sandbox, Quiet())
    source = (ATTACKS / "channel" / f"{name}.py").read_bytes()
    return evaluator.attempt(Job(arena.tag, 1, 0, source, 7, folder / "0001", folder / "checkpoint.tar"))


def test_every_attack_is_listed() -> None:
    assert {path.stem for path in (ATTACKS / "channel").glob("*.py")} == set(ATTACKED)


@pytest.mark.parametrize("name", ATTACKED)
def test_contained(arena: Arena, lab_with_data: Path, volume: str, tmp_path: Path, name: str) -> None:
    ending, reason = ATTACKED[name]
    done = attempt(arena, lab_with_data, volume, tmp_path, name)
    assert done.ending is ending, done.detail
    assert reason in done.detail
    assert done.score is None
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {"0001", "0001/attempt-0.log", "0001/attempt-0.curve.jsonl"}


def test_a_log_is_stored_without_what_a_terminal_obeys(
    arena: Arena, lab_with_data: Path, volume: str, tmp_path: Path
) -> None:
    attempt(arena, lab_with_data, volume, tmp_path, "forges_markers")
    stored = (tmp_path / "0001" / "attempt-0.log").read_bytes()
    text = stored.decode("utf-8")
    assert "right to left" in text
    assert not {c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0}
    assert not set(text) & set("\u202e\u2028\u200b\U000e0041")


def test_no_forged_reading_is_believed(arena: Arena, lab_with_data: Path, volume: str, tmp_path: Path) -> None:
    attempt(arena, lab_with_data, volume, tmp_path, "forges_markers")
    curve = (tmp_path / "0001" / "attempt-0.curve.jsonl").read_text()
    assert "NaN" not in curve
    assert "Infinity" not in curve
