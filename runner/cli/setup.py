"""Commands about the lab and the machine: new, build, agents, prepare, check, clean."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.errors import MissingError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a new lab in FOLDER: the files of this one, and a git repository.

    \b
    runner new ~/labs/poems
    """
    from runner.jobs import setup as work

    work.new(folder)


@click.command()
@click.option(
    "--agent", default="", help="A coding agent's image and the gateway's instead; see runner agents."
)
@click.pass_obj
def build(lab: Path, agent: str) -> None:
    """Build the trial image, or a coding agent's, if it is not there.

    \b
    runner build
    runner build --agent claude-code
    """
    from runner.jobs import lab_at
    from runner.jobs import setup as work

    work.build(lab_at(lab), agent)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with notes and the recipes' files.")
@click.pass_obj
def agents(lab: Path, as_json: bool) -> None:
    """List who can propose: versions, APIs, keys, and what is missing on this machine.

    \b
    runner agents
    runner agents --json
    """
    from runner.jobs import agents as work

    work.agents(lab, as_json=as_json)


@click.command()
@click.option(
    "--source", help="tales, text:PATH, parquet:PATH or a preset such as climbmix (default: the lab's)."
)
@click.option("--force", is_flag=True, help="Make the data anew even where they are up to date.")
@click.pass_obj
def prepare(lab: Path, source: str | None, force: bool) -> None:
    """Make the lab's data: tokenizer, training, validation and holdout tokens.

    \b
    runner prepare
    runner prepare --source text:/home/me/books
    runner prepare --source climbmix
    """
    from runner.jobs import lab_at
    from runner.jobs import setup as work

    work.prepare(lab_at(lab, {"data.source": source}), force=force)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: findings by section.")
@click.pass_obj
def check(lab: Path, as_json: bool) -> None:
    """Look at this machine, at what holds a trial as seen from within one, and at what it is given of the data.

    Ends with 3 where something is missing or a wall is not as it must be. Takes some seconds; changes nothing.

    \b
    runner check
    runner check --json
    """
    from runner.jobs import check as work
    from runner.jobs import lab_at

    if not work.check(lab_at(lab), as_json=as_json):
        sys.exit(MissingError.exit_code)


@click.command()
@click.argument("tags", nargs=-1)
@click.option("--everything", is_flag=True, help="Also the images and the data volumes in the engine.")
@click.option(
    "--keep",
    multiple=True,
    metavar="SPEC",
    help="Of what piles up keep what was used within 14d (m h d w), or 20GB of it; may be given twice.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="With --keep: where runner ci keeps its state, if elsewhere.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def clean(
    lab: Path,
    tags: tuple[str, ...],
    everything: bool,
    keep: tuple[str, ...],
    state: Path | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove what killed runs left in the engine; and the runs TAGS with branch, refs and folder, if named.

    With --keep also what piles up: images and data volumes, the state of runner ci, checkpoints and logs of runs but
    the newest, temporary folders. Nothing that is in use, and no ledger, commit or ref.

    \b
    runner clean                            leftovers only
    runner clean --keep 14d --keep 20GB     what is old, and what is too much
    runner clean --keep 14d --dry-run
    runner clean nov21 nov22                two runs, after a question
    """
    from runner import keep as keeping
    from runner.jobs import lab_at
    from runner.jobs import setup as work

    kept = keeping.parse(keep) if keep else None
    if tags and not yes and not dry_run:
        click.confirm(f"Remove {', '.join(tags)} with branch, trials and files?", abort=True, err=True)
    lines = work.clean(lab_at(lab), tags, everything=everything, keep=kept, state=state, dry_run=dry_run)
    for line in lines:
        click.echo(line, err=True)
