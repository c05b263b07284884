"""`runner sample`, and the sample of a version just kept: text drawn from a kept checkpoint, in a container."""

from __future__ import annotations

from contextlib import closing

from runner import assemble
from runner.errors import InfraError, UsageError
from runner.evaluate import Evaluator
from runner.jobs import views
from runner.lab import Lab
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.report import consoles
from runner.report.screen import Screen
from runner.scoring.protocol import ModelFault
from runner.trial import Status


def draw(
    folder: RunFolder,
    repo: LabRepo,
    evaluator: Evaluator,
    number: int,
    prompt: str,
    length: int,
    temperature: float,
    seed: int,
) -> str:
    sha = repo.trial_sha(folder.tag, number)
    checkpoint = folder.trial(number) / "checkpoint.tar"
    if sha is None or not checkpoint.is_file():
        raise UsageError(
            f"trial {number} of {folder.tag} has no checkpoint: only those of kept trials stay",
            "See which: runner log --kept",
        )
    return evaluator.sample(folder.tag, repo.source(sha), checkpoint, prompt, length, temperature, seed)


def sample(
    lab: Lab, *, prompt: str, tag: str, number: int | None, length: int, temperature: float, seed: int
) -> str:
    """Text from a kept trial's checkpoint, the newest kept one by default."""
    folder = views.run_folder(lab.root, tag)
    kept = [e.number for e in Ledger(folder.ledger).entries if e.status is Status.KEEP]
    if not kept:
        raise UsageError(f"run {folder.tag} has kept nothing yet", "Let it run: runner go")
    with Screen(consoles.progress()) as screen, closing(assemble.workshop(lab, screen)) as shop:
        evaluator = Evaluator(lab, shop.sandbox, screen)
        chosen = kept[-1] if number is None else number
        try:
            return draw(folder, LabRepo(lab.root), evaluator, chosen, prompt, length, temperature, seed)
        except ModelFault as fault:
            raise InfraError(f"trial {chosen} gave no text: {fault.detail}") from None
