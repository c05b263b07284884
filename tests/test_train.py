"""The lab's own train.py, in its container, from training to score."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
TRAIN = Path(__file__).parents[1] / "train" / "train.py"


def test_it_ends_by_itself_in_time_and_passes_the_audit(lab: Path, runner: Any) -> None:
    shutil.copy(TRAIN, lab / "train" / "train.py")
    done = runner(lab, "trial", "--budget", "25", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["overrun_seconds"] == 0
    assert found["audit"]["disagreements"] == 0
    assert found["val_bpb"] < 3.0
    assert " steps, " in Path(found["log"]).read_text()


def test_it_leaves_a_checkpoint_where_the_budget_is_far_too_small(lab: Path, runner: Any) -> None:
    shutil.copy(TRAIN, lab / "train" / "train.py")
    done = runner(lab, "trial", "--budget", "8", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ending"] == "ok"


def test_it_ends_before_its_time_where_the_text_was_read_often_enough(lab: Path, runner: Any) -> None:
    source, changed = re.subn(r"(?m)^EPOCHS = \d+", "EPOCHS = 0.05", TRAIN.read_text())
    assert changed == 1
    (lab / "train" / "train.py").write_text(source)
    done = runner(lab, "trial", "--budget", "60", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["train_seconds"] < 50
    assert re.search(r"ended with \d+ s left: the text was read 0.05 times", Path(found["log"]).read_text())
