"""`runner trial`: one trial of one file, without git."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from runner import assemble
from runner import lab as labs
from runner.evaluate import Evaluator, Job
from runner.lab import Lab
from runner.report import consoles
from runner.report.screen import Screen
from runner.trial import Attempt, Ending


def trial(lab: Lab, train: Path | None, seed: int, *, as_json: bool) -> bool:
    """One trial of a file, printed; whether it ended ok. Its log stays in a folder under the temporary one."""
    source = labs.read_source(train or lab.train_py, lab.settings.trial.source_kb)
    folder = Path(tempfile.mkdtemp(prefix="runner-trial-"))
    with Screen(consoles.progress()) as screen, assemble.workshop(lab, screen) as shop:
        screen.training(0, str(train or lab.train_py), 0, seed, lab.settings.trial.budget_seconds)
        attempt = Evaluator(lab, shop.sandbox, screen).attempt(Job("trial", 0, 0, source, seed, folder))
    found = _facts(attempt, folder)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for key, value in found.items():
            if value not in (None, "", [], {}):
                click.echo(f"{key:16} {value}")
    return attempt.ending is Ending.OK


def _facts(attempt: Attempt, folder: Path) -> dict[str, Any]:
    """The fields of `runner trial --json`."""
    outcome, score = attempt.outcome, attempt.score
    audit = attempt.numbers or (
        {
            "positions": score.positions,
            "disagreements": score.disagreements,
            "correction_bpb": score.correction_bpb,
            "stderr_bpb": score.stderr_bpb,
        }
        if score
        else None
    )
    return {
        "ending": str(attempt.ending),
        "detail": attempt.detail,
        "val_bpb": attempt.val_bpb,
        "train_seconds": outcome.train_seconds,
        "wall_seconds": attempt.wall_seconds,
        "overrun_seconds": outcome.overrun_seconds,
        "peak_memory_mb": outcome.peak_memory_mb,
        "peak_vram_mb": outcome.peak_vram_mb,
        "marks": list(outcome.marks),
        "telemetry": dict(outcome.telemetry),
        "audit": audit,
        "log": str(folder / "attempt-0.log"),
    }
