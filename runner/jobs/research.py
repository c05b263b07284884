"""`runner go`: builds the parts of the loop, lets it run, shows what it found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

import click

from runner import agents, assemble
from runner import lab as labs
from runner.agents import constants
from runner.current import Teller
from runner.errors import RunnerError
from runner.evaluate import Evaluator
from runner.jobs import samples
from runner.lab import Lab
from runner.loop import Limits, Loop
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, atomic_write
from runner.report import consoles
from runner.report.screen import Screen
from runner.report.status import summary
from runner.run import Run, RunBench, choose_tag, open_run
from runner.scoring.protocol import ModelFault
from runner.trial import Proposal

SAMPLE_PROMPT = "Once upon a time"
SAMPLE_TOKENS = 160
LOG_TAIL = 4000  # bytes of a trial's log that a proposer is shown


def go(
    lab: Lab, *, tag: str, new_tag: bool, max_trials: int | None, max_hours: float | None, until: float | None
) -> None:
    """One run, started or resumed, until a limit or an interrupt; then a table of it."""
    repo = LabRepo(lab.root)
    folder = RunFolder(lab.root, choose_tag(lab, repo, tag, new=new_tag))
    source = labs.read_source(lab.train_py, lab.settings.trial.source_kb)
    with folder.lock(), ExitStack() as stack:
        screen = stack.enter_context(Screen(consoles.progress()))
        for path in repo.dirty(["train/train.py", "prepare", "program.md"]):
            screen.message(f"{path} differs from the last commit; this run uses the file as it is")
        for warning in constants.warnings(constants.find(source)):
            screen.message(warning)
        shop = stack.enter_context(closing(assemble.workshop(lab, screen)))
        teller = Teller(screen, folder)
        run = open_run(lab, repo, folder, shop.pins(), shop.machine(), teller.message)
        stack.callback(_finish, screen, run)
        evaluator = Evaluator(lab, shop.sandbox, teller)
        run.on_kept = lambda entry: _keep_sample(run, evaluator, entry.number)
        screen.resume(folder.tag, max_trials, run.entries)
        proposer = agents.make(lab, _log_tail(run), folder.path)
        loop = Loop(proposer, RunBench(run, evaluator, teller), run, teller, lab.settings.ratchet)
        loop.run(Proposal(source, "the lab's train.py", "baseline"), Limits(max_trials, max_hours, until))


def _finish(screen: Screen, run: Run) -> None:
    """However a run ends: nothing is under way any more, and what it has found is shown."""
    run.folder.set_current(None)
    screen.close()
    if run.entries:
        consoles.results().print(summary(run.folder.tag, run.entries))
        if run.folder.plot.exists():
            click.echo(f"plot: {run.folder.plot}", err=True)


def _keep_sample(run: Run, evaluator: Evaluator, number: int) -> None:
    """A text from a version just kept, beside its other files. A fault of it is told, no more."""
    try:
        drawn = samples.draw(run.folder, run.repo, evaluator, number, SAMPLE_PROMPT, SAMPLE_TOKENS, 0.8, 1)
        atomic_write(run.folder.trial(number) / "sample.txt", drawn.encode())
    except (ModelFault, RunnerError) as error:
        run.on_message(f"no sample could be drawn from trial {number}: {error}")


def _log_tail(run: Run) -> Callable[[int], str]:
    def tail(number: int) -> str:
        logs = sorted(run.folder.trial(number).glob("attempt-*.log"))
        if not logs:
            return ""
        with logs[-1].open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL))
            return file.read().decode("utf-8", "replace")

    return tail
