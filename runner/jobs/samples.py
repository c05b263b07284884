"""`runner sample`, and the samples of a version just kept: text drawn from a kept checkpoint, in a container.

Every kept version of a run continues the same prompts of `[sample]` in runner.toml from the same seed, so that they
can be read one after the other. What comes back was written by untrusted code: cleaned, bounded, for people only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from runner import assemble
from runner.config import SampleSettings
from runner.errors import InfraError, UsageError
from runner.evaluate import Evaluator
from runner.jobs import views
from runner.lab import Lab
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, atomic_write
from runner.report import consoles
from runner.report.screen import Screen
from runner.scoring.protocol import ModelFault
from runner.trial import Status

BYTES = 28_000  # of all texts of a version, whatever a model writes; 160 tokens of English are about 700


class Draws(Protocol):
    """`Evaluator.sample`, and whatever stands for it."""

    def sample(
        self, tag: str, source: bytes, checkpoint: Path, prompts: Sequence[str], count: int, temperature: float,
        seed: int, /,
    ) -> list[str]: ...  # fmt: skip


def draw(
    folder: RunFolder,
    repo: LabRepo,
    evaluator: Draws,
    number: int,
    prompts: Sequence[str],
    length: int,
    temperature: float,
    seed: int,
) -> list[str]:
    """A text for each prompt, from one container. Raises UsageError, ModelFault, InfraError."""
    sha = repo.trial_sha(folder.tag, number)
    checkpoint = folder.trial(number) / "checkpoint.tar"
    if sha is None or not checkpoint.is_file():
        raise UsageError(
            f"trial {number} of {folder.tag} has no checkpoint: only those of kept trials stay",
            "See which: runner log --kept",
        )
    return evaluator.sample(folder.tag, repo.source(sha), checkpoint, prompts, length, temperature, seed)


def keep(folder: RunFolder, repo: LabRepo, evaluator: Draws, number: int, settings: SampleSettings) -> None:
    """Draw the samples of a kept trial and write them beside its other files. Raises as `draw`."""
    if not settings.prompts:
        return
    how = settings.length, settings.temperature, settings.seed
    write(folder, number, settings.prompts, draw(folder, repo, evaluator, number, settings.prompts, *how))


def write(folder: RunFolder, number: int, prompts: Sequence[str], texts: Sequence[str]) -> None:
    """`samples.json`, a list of `prompt` and `text`, and `sample.txt`, the first text alone."""
    cut = [_cut(text, BYTES // len(texts)) for text in texts]
    found = [{"prompt": p, "text": t} for p, t in zip(prompts, cut, strict=True)]
    place = folder.trial(number)
    atomic_write(place / "samples.json", (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode())
    atomic_write(place / "sample.txt", cut[0].encode())


def _cut(text: str, limit: int) -> str:
    raw = text.encode("utf-8", "replace")
    return raw.decode() if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore") + "… (cut)"


def sample(
    lab: Lab, *, prompt: str, tag: str, number: int | None, length: int, temperature: float, seed: int
) -> str:
    """Text from a kept trial's checkpoint, the newest kept one by default."""
    folder = views.run_folder(lab.root, tag)
    kept = [e.number for e in Ledger(folder.ledger).entries if e.status is Status.KEEP]
    if not kept:
        raise UsageError(f"run {folder.tag} has kept nothing yet", "Let it run: runner go")
    with Screen(consoles.progress()) as screen, assemble.workshop(lab, screen) as shop:
        shop.refuse_other(folder.header(), f"run {folder.tag}")  # another tokenizer reads nonsense
        evaluator = Evaluator(lab, shop.sandbox, screen)
        chosen = kept[-1] if number is None else number
        try:
            return draw(folder, LabRepo(lab.root), evaluator, chosen, [prompt], length, temperature, seed)[0]
        except ModelFault as fault:
            raise InfraError(f"trial {chosen} gave no text: {fault.detail}") from None
