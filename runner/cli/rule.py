"""Commands about the ratchet's rule: bench-rule."""

from __future__ import annotations

from pathlib import Path

import click


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
