"""Commands about the ratchet's rule and what it rests on: calibrate, replay, verify, bench-rule."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("tag", required=False, default="")
@click.option(
    "--trials",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="Trainings in all, known ones included.",
)
@click.option("--same-seed", is_flag=True, help="Repeat one seed: what the wall-clock alone does.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else there.")
@click.pass_obj
def calibrate(lab: Path, tag: str, trials: int, same_seed: bool, as_json: bool) -> None:
    """Measure the noise: train the incumbent of a run (the newest; without one, the lab's train.py) again and again.

    Says how far trainings of one version differ, whether the seed or the wall-clock does it, whether the machine
    drifts, and how small a gain 1, 2 or 4 trainings can show. Goes on where it was interrupted; a later
    `runner go` under the same pins knows the noise.

    \b
    runner calibrate
    runner calibrate nov23 --trials 16
    runner calibrate --trials 12 --same-seed      four more of one seed, after the eight
    """
    from runner.jobs import calibrate as work
    from runner.jobs import lab_at

    work.run(lab_at(lab), tag, trials, same_seed=same_seed, as_json=as_json)


@click.command()
@click.argument("number", type=click.IntRange(min=0))
@click.argument("tag", required=False, default="")
@click.option("--trials", type=click.IntRange(1, 100), default=3, show_default=True, help="Trainings.")
@click.option(
    "--same-seeds/--fresh-seeds", default=False, help="The recorded seeds, or new ones (the default)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else there.")
@click.pass_obj
def replay(lab: Path, number: int, tag: str, trials: int, same_seeds: bool, as_json: bool) -> None:
    """Train trial NUMBER's version again, under the same pins, and say whether it reproduces.

    The record stays as it is. Exit code 0: it does; 1: it does not, or it cannot be told.

    \b
    runner replay 7
    runner replay 7 nov23 --trials 5 --json
    runner replay 7 --same-seeds
    """
    from runner.jobs import lab_at
    from runner.jobs import replay as work

    if not work.run(lab_at(lab), number, tag, trials, same_seeds=same_seeds, as_json=as_json):
        sys.exit(1)


def _trial(context: click.Context, option: click.Parameter, value: str) -> str:
    """A trial's number, or `best`; empty where none was asked for."""
    if value in ("", "best") or (value.isascii() and value.isdigit() and len(value) < 8):
        return value
    raise click.BadParameter(f"{value!r} is no trial: a number, or best", context, option)


@click.command()
@click.argument("tag", required=False, default="")
@click.option(
    "--replay",
    "again",
    metavar="N|best",
    callback=_trial,
    default="",
    help="Then train that trial again; its outcome counts.",
)
@click.option(
    "--seal", is_flag=True, help="If it verifies, put the record beside the trials' refs, to be pushed."
)
@click.option("--sealed", is_flag=True, help="Verify what was sealed, in any clone: runs/ is not needed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else there.")
@click.pass_obj
def verify(lab: Path, tag: str, again: str, seal: bool, sealed: bool, as_json: bool) -> None:
    """Check the record of a run (the newest) from end to end and name every edit of the past.

    The ledger's chain, every trial's commit and ref, the branch, the pins, the seeds, and each verdict made again from
    its scores by the loop itself. Changes nothing. Exit code 0: it verifies; 1: it does not, or the trial does not
    reproduce.

    \b
    runner verify
    runner verify nov23 --replay best             train the incumbent again, too
    runner verify nov23 --seal                    then push: record and evidence
    runner verify nov23 --sealed                  in another clone, from git alone
    """
    from runner.jobs import lab_at
    from runner.jobs import verify as work

    if not work.run(lab_at(lab), tag, again=again, seal=seal, sealed=sealed, as_json=as_json):
        sys.exit(1)


@click.command("bench-rule")
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
