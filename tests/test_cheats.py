"""Every cheat of tests/attacks/score as a whole trial in real containers: refused, or no better than honest.

The other half, without an engine, is test_scoring_torch.py; `carries_state_to_the_next_container` lives here,
since only isolation stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scoring_lab import ATTACKS, ENDINGS
from test_loop import Quiet

from runner import config, data
from runner.evaluate import Evaluator, Job
from runner.lab import Lab
from runner.sandbox.box import Sandbox
from runner.sandbox.training_data import data_volume
from runner.trial import Attempt, Ending

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[1]
SETTINGS = {
    "data": {"source": "tales", "vocab_size": 400, "window": 128},
    "trial": {"budget_seconds": 20, "memory_mb": 2048, "device": "cpu"},
    "score": {"audit_positions": 1000, "timeout_seconds": 40},
}
# Three containers are waited for as long as loading may take. This one trains for 30 s in it, and ends by less as well.
HASTY, LOAD_SECONDS = "trains_in_load_model", 8.0
Trial = Callable[[str], Attempt]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cheats")


@contextmanager
def bench(engine: Any, image: str, root: Path) -> Iterator[tuple[Lab, Sandbox]]:
    """A lab at `root` with data of its own, and where attacks are trained and scored."""
    (root / "prepare").symlink_to(ROOT / "prepare")
    lab = Lab(root, config.from_dict(SETTINGS))
    manifest = data.prepare(root, lab.settings.data, lambda what, fraction: None)
    volume = data_volume(engine, image, manifest.digest, data.public_files(root))
    try:
        yield lab, Sandbox(engine, image, lab.settings.trial, volume)
    finally:
        engine.api.remove_volume(volume)


@pytest.fixture(scope="module")
def attempt(engine: Any, image: str, folder: Path) -> Iterator[Trial]:
    """Trains and scores one of the attacks."""
    with bench(engine, image, folder) as (lab, sandbox):
        score = replace(lab.settings.score, load_seconds=LOAD_SECONDS)
        hasty = replace(lab, settings=replace(lab.settings, score=score))

        def run(name: str) -> Attempt:
            evaluator = Evaluator(hasty if name == HASTY else lab, sandbox, Quiet())
            source = (ATTACKS / f"{name}.py").read_bytes()
            return evaluator.attempt(Job("cheats", 1, 0, source, 7, folder / name))

        yield run


@pytest.fixture(scope="module")
def honest(attempt: Trial) -> float:
    done = attempt("honest")
    assert done.ending is Ending.OK, done.detail
    assert done.score is not None
    assert done.score.positions == 1000
    assert done.score.disagreements == 0
    return done.score.val_bpb


def test_every_attack_is_listed() -> None:
    assert {path.stem for path in ATTACKS.glob("*.py")} == {*ENDINGS, "carries_state_to_the_next_container"}


# Its two containers may by chance pick the same mode, and then agree: see "Order" in docs/scoring.md.
BY_CHANCE = "picks_a_mode_on_the_first_batch"
NO_GAIN = [
    "prints_its_score",
    "swaps_the_tokenizer",
    "memorises_training_text",
    "carries_state_to_the_next_container",
]
NOISE = 0.005  # bits per byte: what two trainings of one version differ by


@pytest.mark.parametrize("name", [n for n, ending in ENDINGS.items() if ending != "ok" and n != BY_CHANCE])
def test_refused(attempt: Trial, name: str) -> None:
    done = attempt(name)
    assert done.ending is Ending(ENDINGS[name]), done.detail
    assert done.score is None
    assert done.detail


@pytest.mark.parametrize("name", NO_GAIN)
def test_gains_nothing(attempt: Trial, honest: float, name: str) -> None:
    done = attempt(name)
    assert done.ending is Ending.OK, done.detail
    assert done.score is not None
    if name == "memorises_training_text":
        # Tales share formulas, which any better model knows too. Knowing the text itself would be worth 0.5.
        assert honest - done.score.val_bpb < 4 * NOISE
    else:
        assert done.score.val_bpb == pytest.approx(honest, abs=1e-5)


def test_state_that_one_trial_left_is_not_there_in_the_next(attempt: Trial, honest: float) -> None:
    done = attempt("carries_state_to_the_next_container")  # a second time: it was among those above
    assert done.score is not None, done.detail
    assert done.score.val_bpb == pytest.approx(honest, abs=1e-5)


def test_a_mode_picked_by_the_first_batch_is_refused_or_gains_nothing_that_shows(
    attempt: Trial, honest: float
) -> None:
    """That it can never be below the best of its modes is shown exactly in test_scoring_score.py."""
    done = attempt(BY_CHANCE)
    if done.ending is Ending.OK:
        assert done.score is not None
        assert honest - done.score.val_bpb < NOISE
    else:
        assert done.ending is Ending.AUDIT, done.detail


def test_nothing_that_a_model_container_writes_or_raises_is_kept(attempt: Trial, folder: Path) -> None:
    done = attempt("quotes_what_it_is_sent")
    assert done.ending is Ending.CRASH
    assert done.detail == "the model ended with exit code 1 (audit)"
    kept = [path for path in (folder / "quotes_what_it_is_sent").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"it was sent" in path.read_bytes() for path in kept)
