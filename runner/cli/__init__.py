"""The command line: the only click, the only exit codes. Every command imports what it needs when it runs.

Results go to stdout, everything else to stderr. Three endings: done, a known error with its own code and
advice, an unexpected one whose traceback goes to a file that the message names.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import click

from runner import __version__, interrupts
from runner.cli import ci, look, research, rule, setup
from runner.errors import InfraError, RunnerError, UsageError

INTERRUPTED = 130


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


for _module in (research, rule, look, ci, setup):
    for _command in vars(_module).values():
        if isinstance(_command, click.Command):
            cli.add_command(_command)


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


def main() -> None:
    """Runs the command line and exits."""
    interrupts.install()  # containers are removed on the way out
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
    finally:
        interrupts.over()
    sys.exit(0)
