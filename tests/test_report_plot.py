"""The staircase: the data behind it, and the picture read back."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import factories
import matplotlib.image
import numpy as np
import pytest
from conftest import ROOT

from runner.report import plot, series
from runner.report.tally import Tally
from runner.trial import Entry, Role, Status, Verdict

KEPT = np.array([0x13, 0x7A, 0x4C]) / 255
CRASH = np.array([0xC2, 0x41, 0x2D]) / 255

BASELINE = factories.entry(0, Status.KEEP, 2.2, None, 2.2)
CASES = {
    "none": [],
    "one": [BASELINE],
    "only the baseline kept": [
        BASELINE,
        *(factories.entry(i, val_bpb=2.2 + i / 100, best=2.2) for i in range(1, 9)),
    ],
    "all crashed": [factories.entry(i, Status.CRASH, None, None, None) for i in range(5)],
    "baseline crashed": [
        factories.entry(0, Status.CRASH, None, None, None),
        factories.entry(1, incumbent=None),
    ],
    "equal scores": [BASELINE, factories.entry(1, val_bpb=2.2)],
    "no noise": [replace(e, verdict=Verdict("keep", "")) for e in factories.run(9)],
    "hostile": [replace(BASELINE, note="$\\frac{ \x1b[31m \ud800 日本語 🎉 " + "x" * 9000)],
    "wild numbers": [BASELINE, factories.entry(1, val_bpb=1e300), factories.entry(2, val_bpb=float("nan"))],
    "long": factories.run(500),
}


def read(path: Path) -> np.ndarray:
    return np.asarray(matplotlib.image.imread(path))[..., :3]


def count(image: np.ndarray, colour: np.ndarray) -> int:
    return int((np.abs(image - colour).max(axis=-1) < 0.02).sum())


@pytest.mark.parametrize("name", CASES)
def test_any_run_is_drawn(name: str, tmp_path: Path) -> None:
    plot.draw(CASES[name], tmp_path / "progress.png", f"tag $ {name}")
    image = read(tmp_path / "progress.png")
    assert image.shape[1] > 1000
    assert (image < 0.5).any(axis=-1).sum() > 500, "blank"
    assert [path.name for path in tmp_path.iterdir()] == ["progress.png"]


def test_kept_steps_and_crashes_are_seen(tmp_path: Path) -> None:
    entries = [
        BASELINE,
        factories.entry(1, Status.CRASH, None, 2.2, 2.2),
        factories.entry(2, Status.KEEP, 2.1, 2.2, 2.1),
    ]
    plot.draw(entries, tmp_path / "a.png", "t")
    plot.draw([factories.entry(0)], tmp_path / "b.png", "t")
    with_both, with_none = read(tmp_path / "a.png"), read(tmp_path / "b.png")
    assert count(with_both, KEPT) > 2000 > count(with_none, KEPT)
    assert count(with_both, CRASH) > 20 > count(with_none, CRASH)


def test_a_failed_write_leaves_the_picture_of_before(tmp_path: Path) -> None:
    target = tmp_path / "progress.png"
    plot.draw([BASELINE], target, "t")
    before = target.read_bytes()
    with pytest.raises(FileNotFoundError):
        plot.draw([BASELINE], tmp_path / "missing" / "progress.png", "t")
    assert target.read_bytes() == before


def test_drawing_leaves_pyplot_alone() -> None:
    code = "import sys; from runner.report import plot; plot.figure([], 't'); "
    code += "sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_labels_do_not_overlap() -> None:
    figure = plot.figure(factories.run(300, 4), "t")
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    boxes = [note.get_window_extent(renderer) for note in axes.texts if note.get_fontsize() == 8]
    assert len(boxes) >= 3
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_series_separates_kept_discarded_and_crashed() -> None:
    found = series.prepare(CASES["long"])
    statuses = [entry.status for entry in CASES["long"]]
    assert (len(found.steps), len(found.dots), len(found.crashes)) == tuple(statuses.count(s) for s in Status)
    values = [step.value for step in found.steps]
    assert values == sorted(values, reverse=True)
    assert (found.baseline, found.best) == (values[0], values[-1])


def test_the_line_follows_the_incumbent_when_it_is_scored_again() -> None:
    entries = [BASELINE, factories.entry(1, val_bpb=2.3, best=2.21), factories.entry(2, val_bpb=2.3, best=2.21)]
    found = series.prepare(entries)
    assert [(level.number, level.value) for level in found.levels] == [(0, 2.2), (1, 2.21)]
    assert (found.baseline, found.best) == (2.2, 2.21)


def test_an_outlier_does_not_flatten_the_stairs() -> None:
    entries = [*factories.run(40, 3), factories.entry(40, val_bpb=50.0)]
    with_it, without = series.prepare(entries), series.prepare(entries[:-1])
    assert with_it.high - with_it.low < 1.5 * (without.high - without.low)
    assert with_it.high < 50.0


@pytest.mark.parametrize("name", CASES)
def test_every_step_lies_within_the_range(name: str) -> None:
    found = series.prepare(CASES[name])
    assert found.low < found.high
    assert all(found.low < step.value < found.high for step in found.steps)


def test_the_band_is_one_sigma_around_the_incumbent() -> None:
    band = series.prepare(CASES["only the baseline kept"]).band
    assert [(part.number, round(part.low, 6), round(part.high, 6)) for part in band] == [(0, 2.197, 2.203)]


def test_noise_is_pooled_from_reruns_where_none_was_noted() -> None:
    def twice(number: int, a: float, b: float) -> Entry:
        attempts = (factories.attempt(a, 1), factories.attempt(b, 2))
        return factories.entry(number, attempts=attempts, verdict=Verdict("discard", ""))

    # Two pairs, each with a sample variance of 0.02^2 / 2.
    assert Tally.of([twice(1, 2.20, 2.22), twice(2, 2.40, 2.42)]).noise == pytest.approx(0.02 / 2**0.5)
    incumbent = factories.attempt(9.0, 3, role=Role.INCUMBENT)
    mixed = replace(twice(1, 2.20, 2.22), attempts=(*twice(1, 2.20, 2.22).attempts, incumbent))
    assert Tally.of([mixed]).noise == pytest.approx(0.02 / 2**0.5), (
        "the incumbent's scores are another version's"
    )
    assert Tally.of([factories.entry(1, verdict=Verdict("discard", ""))]).noise is None


def test_a_settings_file_of_the_folder_that_we_are_in_is_not_obeyed(tmp_path: Path) -> None:
    """matplotlib looks for `matplotlibrc` there first; with `text.usetex` it would run LaTeX."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    (tmp_path / "latex").write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    (tmp_path / "latex").chmod(0o755)
    code = (
        "import factories, pathlib, matplotlib\nfrom runner.report import plot\n"
        "assert matplotlib.rcParams['text.usetex'], 'it is not even read'\n"
        "plot.draw(factories.run(4), pathlib.Path('p.png'), 'nov23')"
    )
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.png").stat().st_size > 1000
    assert not (tmp_path / "ran").exists()
