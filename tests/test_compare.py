"""Runs side by side: rows, curves with their range, warnings where scores do not compare, and the command itself."""

from __future__ import annotations

import io
import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pagelab
import pytest
import recordlab
from rich.console import Console

from runner.record.faults import Faults
from runner.report import compare, compare_plot, intervals
from runner.report.compare import Arm, Run
from runner.trial import Entry, Role, Status, Verdict
from runner.usage import Usage


def run(*values: float, tag: str = "a", seconds: float = 36.0, usd: float | None = None) -> Run:
    """A baseline and kept trials of these values."""
    entries = []
    for number, value in enumerate(values):
        best = min(values[: number + 1])
        status = Status.KEEP if value == best else Status.DISCARD
        meta = {"cost_usd": usd} if usd is not None and number else {}
        timings = {"agent": 1000.0, "training": seconds, "scoring": 0.0}
        entries.append(factories.entry(number, status, value, best, best, timings=timings, meta=meta))
    return Run(tag, entries, factories.PINS)


def shown(arms: list[Arm], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(compare.View(arms))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_row_says_what_a_run_came_to() -> None:
    row = compare.summary(run(2.0, 2.1, 1.8, usd=0.5))
    assert row["best_bpb"] == 1.8
    assert row["gain_bpb"] == pytest.approx(0.2)
    assert row["kept_rate"] == 0.5
    assert row["hours"] == pytest.approx(0.03)
    assert row["gain_per_hour"] == pytest.approx(0.2 / 0.03)
    assert row["gain_per_usd"] == pytest.approx(0.2)


def test_what_faults_of_an_agent_cost_counts() -> None:
    assert (
        compare.summary(replace(run(2.0, 1.9, usd=0.5), faults=Faults(usage=Usage(cost_usd=1.5))))["cost_usd"]
        == 2.0
    )


def test_the_cost_of_a_run_that_told_none_is_not_known() -> None:
    row = compare.summary(run(2.0, 1.9))
    assert row["cost_usd"] is None
    assert row["gain_per_usd"] is None


def test_the_best_is_drawn_over_trials_hours_and_cost() -> None:
    one = run(2.0, 2.1, 1.8, usd=0.5)
    assert compare.steps(one, "trials") == [(0, 2.0), (1, 2.0), (2, 1.8)]
    assert [place for place, _ in compare.steps(one, "hours")] == pytest.approx([0.01, 0.02, 0.03])
    assert compare.steps(one, "cost") == [(0, 2.0), (0.5, 2.0), (1.0, 1.8)]


def measured(*values: float, sigma: float = 0.02, df: int = 4) -> Run:
    """As `run`; the baseline trained twice, and every verdict with its noise."""
    made = run(*values)
    entries = [replace(e, verdict=replace(e.verdict, numbers={"sigma": sigma, "df": df})) for e in made.entries]
    twice = (factories.attempt(values[0] - 0.01, 1), factories.attempt(values[0] + 0.01, 2))
    return replace(
        made, entries=[replace(entries[0], attempts=twice, verdict=Verdict("keep", "")), *entries[1:]]
    )


def test_one_runs_interval_is_the_error_of_its_incumbents_mean() -> None:
    one = measured(2.0, 2.1, 1.8)
    afresh = tuple(factories.attempt(1.8, n, role=Role.AFRESH) for n in range(3))
    during = factories.attempt(2.0, 9, role=Role.INCUMBENT)
    one = replace(
        one,
        entries=[
            one.entries[0],
            replace(one.entries[1], attempts=(*one.entries[1].attempts, during)),
            replace(one.entries[2], attempts=(*one.entries[2].attempts, during, *afresh)),
        ],
    )
    baseline, rerun, kept = intervals.errors(one.entries)
    # t of scipy.stats.t.ppf(0.975, 1) and (0.975, 4)
    assert baseline == pytest.approx(12.7062 * 0.02 / 2**0.5 / 2**0.5, rel=1e-4)
    assert rerun == pytest.approx(2.776445 * 0.02 / 3**0.5, rel=1e-5)
    assert kept == pytest.approx(2.776445 * 0.02 / 3**0.5, rel=1e-5), "three fresh ones, the choosing one not"
    curve = compare.curve(Arm("x", (one,)), "trials")
    assert curve.coverage == 0.95
    assert curve.low[-1] == pytest.approx(1.8 - kept)
    assert curve.high[-1] == pytest.approx(1.8 + kept)
    assert f"1.8000 ± {kept:.4f}" in shown([Arm("x", (one,))], 200)


def test_a_run_whose_noise_is_not_known_has_no_interval() -> None:
    curve = compare.curve(Arm("x", (run(2.0, 1.9),)), "trials")
    assert curve.coverage is None
    assert curve.low == curve.middle == curve.high
    assert "±" not in shown([Arm("x", (run(2.0, 1.9),))], 200)


@pytest.mark.parametrize(
    ("runs", "rank", "coverage"),
    [(2, 1, 0.5), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 0.9609375)],
)
def test_the_interval_of_a_median_is_that_of_the_tables(runs: int, rank: int, coverage: float) -> None:
    assert intervals.ranks(runs) == (rank, pytest.approx(coverage))


@pytest.mark.parametrize("runs", [2, 3, 6, 11])
def test_it_holds_the_median_as_often_as_it_says(runs: int) -> None:
    chance, times = random.Random(runs), 4000
    rank, coverage = intervals.ranks(runs)
    held = 0
    for _ in range(times):
        drawn = sorted(chance.expovariate(1.0) for _ in range(runs))
        held += drawn[rank - 1] <= math.log(2) <= drawn[-rank]
    assert abs(held / times - coverage) < 4.5 * math.sqrt(coverage * (1 - coverage) / times)


def test_an_arm_has_median_and_range_for_as_long_as_all_its_runs_lasted() -> None:
    arm = Arm("agent", (run(2.0, 1.9, 1.5), run(2.0, 1.8, 1.7, 1.0), run(2.0, 2.0, 1.9, 1.9, 1.9)))
    curve = compare.curve(arm, "trials")
    assert curve.places == (0, 1, 2)
    assert curve.middle == (2.0, 1.9, 1.7)
    assert curve.low == (2.0, 1.8, 1.5)
    assert curve.high == (2.0, 2.0, 1.9)
    assert curve.coverage == 0.75


def test_steps_at_different_places_are_held_until_the_next() -> None:
    arm = Arm("agent", (run(2.0, 1.0, seconds=3600), run(3.0, 2.9, 2.8, seconds=1800)))
    curve = compare.curve(arm, "hours")
    assert curve.places == (1.0, 1.5)
    assert curve.low == (2.0, 2.0)
    assert curve.high == (2.9, 2.8)


@pytest.mark.parametrize("axis", compare_plot._AXES)
@pytest.mark.parametrize("values", [(), (2.0,), (2.0, 1.0)])
def test_any_arm_is_drawn(axis: str, values: tuple[float, ...]) -> None:
    arms = [Arm("$a_b$", (run(*values),)), Arm("x", (run(2.0, 1.9), run(2.1, 1.7)))]
    assert compare_plot.png([compare.curve(arm, axis) for arm in arms], axis).startswith(b"\x89PNG")


def test_runs_that_do_not_compare_are_named() -> None:
    other = replace(run(2.0), tag="b", pins=replace(factories.PINS, data="f" * 64, settings="0" * 64))
    assert compare.differences([run(2.0), run(1.0)]) == []
    [said] = compare.differences([run(2.0), other])
    assert said.startswith("b was run under another data, settings than a")


@pytest.mark.parametrize("width", [30, 60, 100, 200])
def test_the_table_fits_any_width(width: int) -> None:
    said = shown([Arm("agent", (run(2.0, 1.9), run(2.1, 1.7, tag="b")))], width)
    assert all(len(line) <= width for line in said.splitlines())
    assert "1.7000" in said


def test_the_command_prints_rows_and_draws_a_plot(
    tmp_path: Path, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    lab = tmp_path / "lab"
    pagelab.make(lab, 4, 1, tag="one", alter=costly)
    done = runner(lab, "compare", "arm=one,one", "one", "--over", "hours")
    assert done.returncode == 0, done.stderr
    assert "arm: one" in done.stdout
    assert (lab / "runs" / "compare.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(runner(lab, "compare", "one", "--json").stdout)
    assert found["runs"][0]["cost_usd"] == pytest.approx(0.3)
    assert found["curves"]["one"]["places"] == [0, 1, 2, 3]
    wrong = runner(lab, "compare", "none")
    assert wrong.returncode == 2
    assert "there is no run none" in wrong.stderr
    assert runner(lab, "compare", "x=").returncode == 2


def costly(entry: Entry) -> Entry:
    return replace(entry, meta={"cost_usd": 0.1} if entry.number else {})
