"""Who proposes. `make` builds the proposer that a lab's settings name; nothing heavy is imported before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.lab import Lab
    from runner.parts import Proposer

BUILT_IN = {
    "sweep": "Optuna and local moves over the annotated constants of train.py; needs no model",
    "random": "as many of them drawn at random: the control arm",
    "same": "the incumbent again, to see what the noise alone does",
}
COMMAND = "command:"


def is_built_in(name: str) -> bool:
    """Whether `name` is one of ours or a command; if not, it should be a recipe's."""
    return name in BUILT_IN or name.startswith(COMMAND)


def make(lab: Lab, log_tail: Callable[[int], str], logs: Path | None = None) -> Proposer:
    """The proposer named by `agent.name`, where that is built in. Coding agents: `runner/jobs/proposers.py`.

    log_tail: the end of a trial's training log by its number; "" where there is none. logs: a folder for what
    an outside program prints. Raises UsageError for an unknown name, listing those that there are.
    """
    settings = lab.settings.agent
    if settings.name.startswith(COMMAND):
        from runner.agents.command import CommandProposer

        return CommandProposer(
            settings.name.removeprefix(COMMAND),
            lab_root=lab.root,
            prepare_files=lab.prepare_files(),
            timeout=settings.timeout_seconds,
            source_limit=lab.settings.trial.source_kb * 1024,
            log_tail=log_tail,
            pass_env=settings.pass_env.replace(",", " ").split(),
            logs=logs,
        )
    if settings.name in BUILT_IN:
        from runner.agents import sweep

        kinds: dict[str, Callable[[], Proposer]] = {
            "sweep": sweep.SweepProposer,
            "random": sweep.RandomProposer,
            "same": sweep.SameProposer,
        }
        return kinds[settings.name]()
    raise UsageError(
        f"agent.name: there is no agent {settings.name!r}",
        f"There are: {', '.join(BUILT_IN)}, and {COMMAND}PROGRAM ARGUMENTS",
    )
