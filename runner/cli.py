"""The command line: the only click, the only exit codes. Every command imports what it needs when it runs.

Results go to stdout, everything else to stderr. Three endings: done, a known error with its own code and
advice, an unexpected one whose traceback goes to a file that the message names.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from runner import __version__
from runner.errors import InfraError, RunnerError, UsageError

INTERRUPTED = 130
TAG = click.argument("tag", required=False, default="")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="runner")
@click.option(
    "--lab", type=click.Path(path_type=Path), default=Path(), help="The lab's folder (default: this one)."
)
@click.pass_context
def cli(context: click.Context, lab: Path) -> None:
    """Coding agents improve one train.py; each version is trained in a throw-away container, scored on the
    host, and kept only if it is really better.

    \b
    runner go                     research until Ctrl-C
    runner status                 where the run stands
    runner log --kept             what was kept
    runner sample "Once upon"     text from the best version so far
    """
    context.obj = lab


@cli.command()
@click.option(
    "--tag", default="", help="The run to start or resume (default: the newest, else one named by the day)."
)
@click.option("--new-tag", is_flag=True, help="Start a new run.")
@click.option("--max-trials", type=click.IntRange(min=0), help="Stop after so many more trials.")
@click.option(
    "--max-hours", type=click.FloatRange(min=0), help="Stop before another trial after so many hours."
)
@click.option("--until", type=float, metavar="BPB", help="Stop once the best val_bpb is this low.")
@click.option("--agent", help="Who proposes: sweep, random, same, or command:PROGRAM ARGUMENTS.")
@click.option("--rule", help="When to keep: confirm, margin or greedy.")
@click.option("--budget", type=float, help="Seconds of one training.")
@click.option("--source", help="The data: tales, or text:PATH.")
@click.pass_obj
def go(lab: Path, /, **options: Any) -> None:
    """Propose, train, score, keep or drop; again and again. Sets up what is missing, resumes what was stopped.

    \b
    runner go                                    until Ctrl-C, with the lab's agent
    runner go --max-trials 32 --budget 60
    runner go --tag night2 --agent random --rule greedy
    runner go --agent "command:python my_agent.py"
    """
    from runner import jobs

    changes = {
        "agent.name": "agent",
        "ratchet.rule": "rule",
        "trial.budget_seconds": "budget",
        "data.source": "source",
    }
    jobs.go(jobs.lab_at(lab, {key: options.pop(name) for key, name in changes.items()}), **options)


@cli.command()
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
    from runner import jobs

    if not jobs.trial(jobs.lab_at(lab, {"trial.budget_seconds": budget}), train, seed, as_json=as_json):
        sys.exit(1)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a new lab in FOLDER: the files of this one, and a git repository.

    \b
    runner new ~/labs/poems
    """
    from runner import jobs

    jobs.new(folder)


@cli.command()
@click.pass_obj
def build(lab: Path) -> None:
    """Build the trial image, if it is not there."""
    from runner import jobs

    jobs.build(jobs.lab_at(lab))


@cli.command()
@click.option("--source", help="tales, or text:PATH (default: the lab's).")
@click.option("--force", is_flag=True, help="Make the data anew even where they are up to date.")
@click.pass_obj
def prepare(lab: Path, source: str | None, force: bool) -> None:
    """Make the lab's data: tokenizer, training, validation and holdout tokens.

    \b
    runner prepare
    runner prepare --source text:/home/me/books
    """
    from runner import jobs

    jobs.prepare(jobs.lab_at(lab, {"data.source": source}), force=force)


@cli.command()
@TAG
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(lab: Path, tag: str, as_json: bool) -> None:
    """Where a run stands (default: the newest).

    \b
    runner status
    runner status nov23 --json
    """
    from runner import views

    views.status(lab, tag, as_json=as_json)


@cli.command()
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
    from runner import views

    views.log(lab, tag, **options)


@cli.command()
@click.argument("number", type=click.IntRange(min=0))
@TAG
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(lab: Path, number: int, tag: str, as_json: bool) -> None:
    """Trial NUMBER whole: what it tried, its scores, why it was kept or not, diff, log and sample."""
    from runner import views

    views.show(lab, number, tag, as_json=as_json)


@cli.command()
@click.argument("number", type=click.IntRange(min=0))
@TAG
@click.pass_obj
def diff(lab: Path, number: int, tag: str) -> None:
    """What trial NUMBER changed, as a unified diff against the version it was measured against."""
    from runner import views

    views.diff(lab, number, tag)


@cli.command()
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
    from runner import jobs

    click.echo(jobs.sample(jobs.lab_at(lab), **options))


@cli.command("bench-rule")
@click.option("--runs", type=click.IntRange(min=10), default=10_000, show_default=True, help="Simulated runs.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), help="Where to draw the plot, a .png.")
def bench_rule(runs: int, seed: int, plot: Path | None) -> None:
    """The rules compared on simulated scores: false keeps, power, reruns, bias. Takes minutes, trains nothing.

    \b
    runner bench-rule --runs 1000
    runner bench-rule --plot docs/ratchet.png
    """
    from runner.report.bench_rule import study

    study(runs, seed, plot)


@cli.command()
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
    from runner import jobs

    if tags and not yes:
        click.confirm(f"Remove {', '.join(tags)} with branch, trials and files?", abort=True, err=True)
    for removed in jobs.clean(jobs.lab_at(lab), tags, everything=everything):
        click.echo(f"removed {removed}", err=True)


def _fail(error: RunnerError) -> NoReturn:
    click.secho(f"runner: {error.what}", fg="red", err=True)
    if error.advice:
        click.echo(error.advice, err=True)
    sys.exit(error.exit_code)


def _unexpected(error: Exception) -> NoReturn:
    with tempfile.NamedTemporaryFile("w", prefix="runner-error-", suffix=".log", delete=False) as file:
        traceback.print_exception(error, file=file)
    click.secho(f"runner: a fault of this program: {type(error).__name__}: {error}", fg="red", err=True)
    click.echo(f"Nothing recorded is lost. Please report it with this file: {file.name}", err=True)
    sys.exit(InfraError.exit_code)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command line and exits."""
    signal.signal(signal.SIGTERM, _interrupt)  # ends like Ctrl-C: containers are removed on the way out
    try:
        cli(standalone_mode=False)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(UsageError.exit_code)
    except RunnerError as error:
        _fail(error)
    except BrokenPipeError:
        sys.exit(0)  # whoever read our output has seen enough
    except Exception as error:
        _unexpected(error)
    sys.exit(0)
