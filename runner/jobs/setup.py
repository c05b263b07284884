"""`runner build`, `prepare`, `new`, `clean`: the lab, its image and data, and what lies about in the engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import click

from runner import assemble, data
from runner.agents.recipe import find
from runner.errors import UsageError
from runner.jobs import proposers, prune
from runner.keep import Keep
from runner.lab import Lab
from runner.record.repo import LabRepo
from runner.report import consoles
from runner.report.screen import Screen
from runner.run import remove_run
from runner.sandbox import prune as engines
from runner.sandbox.engine import Engine
from runner.sandbox.images import trial_image
from runner.sandbox.reaper import leftovers, reap

TEMPLATE = ("Dockerfile", "images", "prepare", "program.md", "runner.toml", "train")


def build(lab: Lab, agent: str = "") -> None:
    """The trial image for this machine, or the images of one coding agent and of its gateway."""
    with Screen(consoles.progress()) as screen, closing(Engine(lab.settings.engine.url)) as engine:
        if agent:
            click.echo("\n".join(proposers.images(engine, find(agent, lab.root), screen.step)))
            return
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
    home = Path(__file__).parents[2]
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


def _forgotten(engine: Engine, *, dry_run: bool) -> Iterator[str]:
    """All images and data volumes of ours, but for those in use."""
    for item in (*engines.images(engine), *engines.volumes(engine)):
        if dry_run:
            yield f"would remove {item.name}"
        elif item.remove():
            yield f"removed {item.name}"


def clean(
    lab: Lab,
    tags: Sequence[str],
    *,
    everything: bool,
    keep: Keep | None = None,
    state: Path | None = None,
    dry_run: bool = False,
) -> Iterator[str]:
    """A line about each thing that was removed, or with `dry_run` would be.

    Leftovers of killed runs, the runs named, with `everything` images and data volumes, and what `keep` does not keep
    of what piles up (`prune.py`).
    """
    with closing(Engine(lab.settings.engine.url)) as engine:
        if dry_run:
            yield from (f"would remove {name}" for name in leftovers(engine))
        else:
            yield from (f"removed {name}" for name in reap(engine))
        if everything:
            yield from _forgotten(engine, dry_run=dry_run)
        if keep:
            yield from prune.prune(lab, engine, keep, state=state, dry_run=dry_run)
    for tag in tags:
        if dry_run:
            yield f"would remove the run {tag} with branch, trials and files"
        else:
            yield from (f"removed {name}" for name in remove_run(lab, LabRepo(lab.root), tag))
