"""Commands that do something: go, trial, sample, build, prepare, new, clean. Builds the parts and hands them on."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from runner import agents, assemble, config, data, views
from runner import lab as labs
from runner.agents import constants
from runner.current import Teller
from runner.errors import InfraError, RunnerError, UsageError
from runner.evaluate import Evaluator, Job
from runner.lab import Lab
from runner.loop import Limits, Loop
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder, atomic_write
from runner.report import consoles
from runner.report.screen import Screen
from runner.report.status import summary
from runner.run import Run, RunBench, choose_tag, open_run, remove_run
from runner.sandbox.engine import Engine
from runner.sandbox.images import trial_image
from runner.sandbox.reaper import forget, reap
from runner.scoring.protocol import ModelFault
from runner.trial import Attempt, Ending, Proposal, Status

SAMPLE_PROMPT = "Once upon a time"
SAMPLE_TOKENS = 160
TEMPLATE = ("Dockerfile", "images", "prepare", "program.md", "runner.toml", "train")
LOG_TAIL = 4000  # bytes of a trial's log that a proposer is shown


def lab_at(start: Path, changes: dict[str, Any] | None = None) -> Lab:
    """The lab that holds `start`, with settings of the command line (dotted keys, None: not given) put over its own."""
    lab = labs.open_lab(start)
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    return Lab(lab.root, config.override(lab.settings, given))


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
        drawn = _draw(run.folder, run.repo, evaluator, number, SAMPLE_PROMPT, SAMPLE_TOKENS, 0.8, 1)
        atomic_write(run.folder.trial(number) / "sample.txt", drawn.encode())
    except (ModelFault, RunnerError) as error:
        run.on_message(f"no sample could be drawn from trial {number}: {error}")


def _draw(
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
            return _draw(folder, LabRepo(lab.root), evaluator, chosen, prompt, length, temperature, seed)
        except ModelFault as fault:
            raise InfraError(f"trial {chosen} gave no text: {fault.detail}") from None


def _log_tail(run: Run) -> Callable[[int], str]:
    def tail(number: int) -> str:
        logs = sorted(run.folder.trial(number).glob("attempt-*.log"))
        if not logs:
            return ""
        with logs[-1].open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL))
            return file.read().decode("utf-8", "replace")

    return tail


def trial(lab: Lab, train: Path | None, seed: int, *, as_json: bool) -> bool:
    """One trial of a file, printed; whether it ended ok. Its log stays in a folder under the temporary one."""
    source = labs.read_source(train or lab.train_py, lab.settings.trial.source_kb)
    folder = Path(tempfile.mkdtemp(prefix="runner-trial-"))
    with Screen(consoles.progress()) as screen, closing(assemble.workshop(lab, screen)) as shop:
        screen.training(0, str(train or lab.train_py), 0, seed, lab.settings.trial.budget_seconds)
        attempt = Evaluator(lab, shop.sandbox, screen).attempt(Job("trial", 0, 0, source, seed, folder))
    found = _facts(attempt, folder)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for key, value in found.items():
            if value is not None and value != "":
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
        "audit": audit,
        "log": str(folder / "attempt-0.log"),
    }


def build(lab: Lab) -> None:
    """The trial image for this machine."""
    with Screen(consoles.progress()) as screen, closing(Engine(lab.settings.engine.url)) as engine:
        cuda = assemble.choose_gpu(lab.settings.trial.device) is not None
        with screen.step("trial image") as progress:
            image = trial_image(engine, lab.root, lab.settings.image, cuda=cuda, progress=progress)
    click.echo(image)


def prepare(lab: Lab, *, force: bool) -> None:
    """The lab's data, and a line about them."""
    with Screen(consoles.progress()) as screen, screen.step("data") as progress:
        manifest = data.prepare(lab.root, lab.settings.data, progress, force=force)
    for part, documents in manifest.documents.items():
        click.echo(
            f"{part:10} {documents:6} documents {manifest.bytes[part]:12,} bytes {manifest.tokens[part]:11,} tokens"
        )


def new(folder: Path) -> None:
    """A lab in `folder`, from the files that this program came with."""
    home = Path(__file__).parents[1]
    if not all((home / name).exists() for name in TEMPLATE):
        raise UsageError(
            f"{home} does not hold the files of a lab", "Install the runner from its repository: ./bootstrap"
        )
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", "Name a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name in TEMPLATE:
        source, to = home / name, folder / name
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, to)
    (folder / ".gitignore").write_text("/data/\n/runs/\n__pycache__/\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "A new lab"]):
        done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True)
        if done.returncode:
            click.echo(f"git {command[0]} failed: {done.stderr.strip()}", err=True)
            break
    click.echo(f"A lab is in {folder}. Next: cd {folder} && runner go")


def clean(lab: Lab, tags: Sequence[str], *, everything: bool) -> list[str]:
    """What was removed: leftovers of killed runs, the runs named, and with `everything` images and data volumes."""
    with closing(Engine(lab.settings.engine.url)) as engine:
        removed = reap(engine)
        if everything:
            removed += forget(engine)
    for tag in tags:
        removed += remove_run(lab, LabRepo(lab.root), tag)
    return removed
