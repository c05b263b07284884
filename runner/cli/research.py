"""Commands that train: go, trial."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option(
    "--tag", default="", help="The run to start or resume (default: the newest, else one named by the day)."
)
@click.option("--new-tag", is_flag=True, help="Start a new run.")
@click.option("--max-trials", type=click.IntRange(min=0), help="Stop after so many more trials.")
@click.option(
    "--max-hours", type=click.FloatRange(min=0), help="Stop before another trial after so many hours."
)
@click.option("--until", type=float, metavar="BPB", help="Stop once the best val_bpb is this low.")
@click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="USD", help="Stop once the agents have cost this much."
)
@click.option(
    "--gpus",
    default="",
    metavar="WHICH",
    help="One trial a GPU, side by side: all; numbers, UUIDs or parts of names (0,2); or cpu:N.",
)
@click.option("--ahead", type=click.IntRange(0, 1), help="1: ask for the next proposal while a trial trains.")
@click.option(
    "--accept",
    type=click.IntRange(min=1),
    metavar="N",
    help="First judge trial N, set aside as suspicious, anew.",
)
@click.option("--holdout/--no-holdout", default=True, help="Score the holdout text at the end (default: yes).")
@click.option("--agent", help="Who proposes: see runner agents; or command:PROGRAM ARGUMENTS.")
@click.option("--model", help="The model that a coding agent asks (default: its recipe's).")
@click.option(
    "--agent-on-host", is_flag=True, default=None, help="A coding agent without its box. Not advised."
)
@click.option("--rule", help="When to keep: confirm, margin or greedy.")
@click.option("--budget", type=float, help="Seconds of one training.")
@click.option("--source", help="The data: tales, or text:PATH.")
@click.option(
    "--track",
    "trackers",
    multiple=True,
    type=click.Choice(["mlflow", "wandb", "tensorboard"]),
    help="Write each trial there too; may be given more than once.",
)
@click.pass_obj
def go(lab: Path, /, **options: Any) -> None:
    """Propose, train, score, keep or drop; again and again. Sets up what is missing, resumes what was stopped.

    \b
    runner go                                    until Ctrl-C, with the lab's agent
    runner go --max-trials 32 --budget 60
    runner go --tag night2 --agent random --rule greedy
    runner go --agent claude-code --max-cost 20 --ahead 1
    runner go --gpus all                         one trial a GPU side by side, the ratchet staying one
    runner go --agent "command:python my_agent.py"
    """
    from runner.jobs import lab_at
    from runner.jobs import research as work

    changes = {
        "agent.name": "agent",
        "agent.ahead": "ahead",
        "agent.model": "model",
        "agent.on_host": "agent_on_host",
        "ratchet.rule": "rule",
        "trial.budget_seconds": "budget",
        "data.source": "source",
    }
    work.go(lab_at(lab, {key: options.pop(name) for key, name in changes.items()}), **options)


@click.command()
@click.option("--train", type=click.Path(path_type=Path), help="The train.py to try (default: the lab's).")
@click.option("--budget", type=float, help="Seconds of training (default: the lab's).")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else there.")
@click.pass_obj
def trial(lab: Path, train: Path | None, budget: float | None, seed: int, as_json: bool) -> None:
    """One trial of a given file, without git: train in a container, score, print. Exit code 1 if it does not end ok.

    \b
    runner trial                        the lab's train.py
    runner trial --train idea.py --budget 60 --json
    """
    from runner.jobs import lab_at
    from runner.jobs import trial as work

    if not work.trial(lab_at(lab, {"trial.budget_seconds": budget}), train, seed, as_json=as_json):
        sys.exit(1)
