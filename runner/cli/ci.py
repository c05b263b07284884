"""The command of CI jobs: ci."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--base", default="", metavar="REV", help="Takes the lab and the incumbent from here.")
@click.option("--head", default="", metavar="REV", help="Takes train/train.py, and nothing else, from here.")
@click.option(
    "--branch", default="", help="The head's branch: a run's record is verified (default: the event's)."
)
@click.option(
    "--event",
    "payload",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A GitHub event's payload (default: $GITHUB_EVENT_PATH).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runner-ci"),
    show_default=True,
    help="Folder for summary.md, result.json, junit.xml, logs.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Folder that outlives jobs: base scores, labs with their data (default: in ~/.cache).",
)
@click.option("--budget", type=float, help="Seconds of a training (default: as in the base's runner.toml).")
@click.option("--rule", type=click.Choice(["confirm", "margin", "greedy"]), help="Likewise.")
@click.option("--fresh", is_flag=True, help="Measure base and head anew; forget an earlier verdict on them.")
@click.pass_obj
def ci(
    lab: Path,
    base: str,
    head: str,
    branch: str,
    payload: Path | None,
    out: Path,
    state: Path | None,
    budget: float | None,
    rule: str | None,
    fresh: bool,
) -> None:
    """Say whether a change to train/train.py is really better, for a pull request's gate.

    Everything but train.py is the base's; a head that changes more of the lab is refused. Base and head default to
    those of the CI job (GitHub's event, GitLab's variables), else to main and HEAD. Head is read with git alone, it
    need not be checked out. The same two are judged once: a second try repeats the verdict. Exit code 0: better;
    1: not better, or refused; 3 or 4: the machine's own trouble, no verdict.

    \b
    runner ci
    runner ci --base origin/main --head HEAD
    runner ci --event event.json --out /tmp/ci --budget 60
    """
    from runner.jobs import ci as work

    changes = {"trial.budget_seconds": budget, "ratchet.rule": rule}
    code = work.run(lab, base, head, payload, out, state, changes, fresh=fresh, branch=branch)
    if code:
        sys.exit(code)
