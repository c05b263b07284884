"""Commands that show what runs have found: status, log, show, diff, sample, report, serve, compare, track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

TAG = click.argument("tag", required=False, default="")


@click.command()
@TAG
@click.option("--json", "as_json", is_flag=True)
@click.option("-w", "--watch", is_flag=True, help="The live screen of a run under way, until Ctrl-C.")
@click.pass_obj
def status(lab: Path, tag: str, as_json: bool, watch: bool) -> None:
    """Where a run stands (default: the newest).

    \b
    runner status
    runner status --watch
    runner status nov23 --json
    """
    from runner.jobs import views

    views.status(lab, tag, as_json=as_json, watch=watch)


@click.command()
@TAG
@click.option("--kept", is_flag=True, help="Only what was kept.")
@click.option("--crashed", is_flag=True, help="Only what did not end ok.")
@click.option("--since", help="Only trials since then: a time, or 2h, 3d.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=50, show_default=True, help="The last so many; 0: all."
)
@click.option("--json", "form", flag_value="json", help="As JSON.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.pass_obj
def log(lab: Path, /, tag: str, **options: Any) -> None:
    """The trials of a run, as a table.

    \b
    runner log --kept
    runner log nov23 --since 2h --csv
    """
    from runner.jobs import views

    views.log(lab, tag, **options)


@click.command()
@click.argument("number", type=click.IntRange(min=0))
@TAG
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(lab: Path, number: int, tag: str, as_json: bool) -> None:
    """Trial NUMBER whole: what it tried, its scores, why it was kept or not, diff, log and sample."""
    from runner.jobs import views

    views.show(lab, number, tag, as_json=as_json)


@click.command()
@click.argument("number", type=click.IntRange(min=0))
@TAG
@click.pass_obj
def diff(lab: Path, number: int, tag: str) -> None:
    """What trial NUMBER changed, as a unified diff against the version it was measured against."""
    from runner.jobs import views

    views.diff(lab, number, tag)


@click.command()
@click.argument("prompt", default="Once upon a time")
@click.option("--tag", default="", help="The run (default: the newest).")
@click.option("--trial", "number", type=click.IntRange(min=0), help="A kept trial (default: the best).")
@click.option("--length", type=click.IntRange(1, 4096), default=120, show_default=True, help="Tokens.")
@click.option("--temperature", type=click.FloatRange(0, 10), default=0.8, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True)
@click.pass_obj
def sample(lab: Path, /, **options: Any) -> None:
    """Text that the best version so far continues PROMPT with, drawn in a container.

    \b
    runner sample "The king had three sons"
    runner sample --trial 7 --temperature 0.5
    """
    from runner.jobs import lab_at, samples

    click.echo(samples.sample(lab_at(lab), **options))


@click.command()
@TAG
@click.option(
    "-o",
    "--output",
    "to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Another file than report.html.",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.pass_obj
def report(lab: Path, tag: str, to: Path | None, show: bool) -> None:
    """Write the page of a run, one file that opens from disk without network.

    \b
    runner report --open
    runner report nov23 -o nov23.html
    """
    from runner.jobs import report as job

    job.report(lab, tag, to=to, show=show)


@click.command()
@TAG
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0: any that is free."
)
@click.option(
    "--token",
    envvar="RUNNER_SERVE_TOKEN",
    show_envvar=True,
    help="Ask everyone for it. Made up and printed where --host is beyond this machine and none is given.",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="Another name under which it is reached.")
@click.pass_obj
def serve(lab: Path, /, tag: str, **options: Any) -> None:
    """Serve the page of a run to a browser, read-only, with news while trials run. Ctrl-C ends it.

    \b
    runner serve
    runner serve nov23 --port 0
    runner serve --host 0.0.0.0            # prints a link with a token
    """
    from runner.jobs import serve as job

    job.serve(lab, tag, **options)


@click.command()
@click.argument("arms", nargs=-1, required=True, metavar="TAG…")
@click.option(
    "--over",
    type=click.Choice(["trials", "hours", "cost"]),
    default="trials",
    show_default=True,
    help="What the plot's best is drawn over; hours are those of training and scoring.",
)
@click.option(
    "-o",
    "--output",
    "to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The plot (default: runs/compare.png).",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, without the plot unless -o is given.")
@click.pass_obj
def compare(lab: Path, /, **options: Any) -> None:
    """Runs side by side: a table, and the best score of each on one plot. NAME=TAG,TAG… makes several runs one arm.

    \b
    runner compare nov23 nov24
    runner compare agent=a1,a2,a3 random=r1,r2,r3 --over hours -o arms.png
    """
    from runner.jobs import compare as job

    job.compare(lab, **options)


@click.command()
@TAG
@click.option(
    "--to", required=True, type=click.Choice(["mlflow", "wandb", "tensorboard"]), help="Which tracker."
)
@click.option("--again", "anew", is_flag=True, help="All trials, not only those that it lacks.")
@click.pass_obj
def track(lab: Path, tag: str, to: str, anew: bool) -> None:
    """Write the trials of a run to a tracker, each as a run of its own; those that it lacks.

    \b
    runner track --to mlflow
    runner track nov23 --to tensorboard
    """
    from runner.jobs import track as job

    job.track(lab, tag, to=to, anew=anew)
