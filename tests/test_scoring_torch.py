"""The score of real torch models in real processes: the cheats of tests/attacks/score, and shapes and errors.

Needs a Python with torch and numpy, named by RUNNER_TEST_TORCH_PYTHON. The same attacks run in containers, where
carries_state_to_the_next_container belongs: only isolation stops it.
"""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from scoring_lab import ATTACKS, ENDINGS, ROOT, hosts, make_lab

from runner.scoring.client import ModelClient
from runner.scoring.protocol import ModelFault
from runner.trial import Ending

PYTHON = os.environ.get("RUNNER_TEST_TORCH_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="RUNNER_TEST_TORCH_PYTHON names no Python with torch")

QUICK = [n for n, ending in ENDINGS.items() if ending != "timeout"]


@pytest.fixture(scope="module")
def results():
    command = [PYTHON, str(ROOT / "tests" / "bench_scoring.py"), "attacks", *QUICK]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    return {row["attack"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_every_attack_has_an_expected_ending():
    names = {path.stem for path in ATTACKS.glob("*.py")} - {"carries_state_to_the_next_container"}
    assert names == set(ENDINGS)


@pytest.mark.parametrize("name", QUICK)
def test_an_attack_is_refused_or_gains_nothing(name, results):
    row = results[name]
    assert row["ending"] == ENDINGS[name], row["detail"]
    assert row["val_bpb"] is None or row["gain_bpb"] < 1e-6


def start(folder: Path, source: str, window: int = 8, vocabulary: int = 5) -> np.ndarray:
    """Claims of the train.py `source` for two rows."""
    train = folder / "source.py"
    train.write_text(source)
    with hosts(make_lab(folder, train), PYTHON)("claims") as channel:
        client = ModelClient(channel, time.monotonic() + 60)
        client.start(window, vocabulary, 2, 30)
        return client.claims(np.arange(2 * (window + 1)).reshape(2, -1) % vocabulary)


def test_claims_are_normalised_over_the_vocabulary(tmp_path):
    source = (
        "import torch\ndef load_model(d, v):\n    return lambda x: torch.full((*x.shape, 5), 3.0).bfloat16()\n"
    )
    assert np.allclose(start(tmp_path, source), -np.log(5))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("lambda x: torch.zeros(*x.shape, 4)", "got \\(2, 8, 4\\) of torch.float32"),
        ("lambda x: torch.zeros(*x.shape, 5, dtype=torch.int64)", "torch.int64"),
        ("lambda x: [[0.0]]", "returned list"),
        ("lambda x: 1 / 0", "ZeroDivisionError"),
        ("torch.load(d + '/model.pt')", "FileNotFoundError"),
    ],
)
def test_a_model_of_the_wrong_kind_is_told_what_is_wrong_before_any_text_is_sent(body, told, tmp_path):
    with pytest.raises(ModelFault, match=told) as caught:
        start(tmp_path, f"import torch\ndef load_model(d, v):\n    return {body}\n")
    assert caught.value.ending is Ending.INVALID


def test_a_train_py_without_load_model_is_told_so(tmp_path):
    with pytest.raises(ModelFault, match="defines no load_model"):
        start(tmp_path, "x = 1\n")
