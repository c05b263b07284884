"""Commands about the lab and the machine: new, build, prepare, clean."""

from __future__ import annotations

from pathlib import Path

import click


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
@click.pass_obj
def build(lab: Path) -> None:
    """Build the trial image, if it is not there."""
    from runner.jobs import lab_at
    from runner.jobs import setup as work

    work.build(lab_at(lab))


@click.command()
@click.option("--source", help="tales, or text:PATH (default: the lab's).")
@click.option("--force", is_flag=True, help="Make the data anew even where they are up to date.")
@click.pass_obj
def prepare(lab: Path, source: str | None, force: bool) -> None:
    """Make the lab's data: tokenizer, training, validation and holdout tokens.

    \b
    runner prepare
    runner prepare --source text:/home/me/books
    """
    from runner.jobs import lab_at
    from runner.jobs import setup as work

    work.prepare(lab_at(lab, {"data.source": source}), force=force)


@click.command()
@click.argument("tags", nargs=-1)
@click.option("--everything", is_flag=True, help="Also the images and the data volumes in the engine.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def clean(lab: Path, tags: tuple[str, ...], everything: bool, yes: bool) -> None:
    """Remove what killed runs left in the engine; and the runs TAGS with branch, refs and folder, if named.

    \b
    runner clean                  leftovers only
    runner clean nov21 nov22      two runs, after a question
    """
    from runner.jobs import lab_at
    from runner.jobs import setup as work

    if tags and not yes:
        click.confirm(f"Remove {', '.join(tags)} with branch, trials and files?", abort=True, err=True)
    for removed in work.clean(lab_at(lab), tags, everything=everything):
        click.echo(f"removed {removed}", err=True)
