"""`progress.png`: the staircase of kept scores over all trials, drawn with matplotlib's objects alone.

Owns matplotlib; touches no global state of it (no pyplot), so that it may be drawn beside a user's own
figures. What to draw comes from `series.py`. Notes are untrusted: cleaned, cut, and never read as TeX.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from runner.report import text
from runner.report.series import Series, Step, prepare
from runner.trial import Entry

_INCHES, _DPI = (11.0, 5.6), 130
_KEPT, _DISCARDED, _CRASH, _INK, _FAINT = "#137a4c", "#a9b0b8", "#c2412d", "#22272e", "#6b7480"
_LABEL_COLUMNS = 34  # of a kept trial's note
_LABELS = 24  # at most; the largest gains first


def _heading(axes: Any, series: Series, tag: str) -> None:
    kept = sum(step.number > 0 for step in series.steps)
    crashed = sum(number > 0 for number in series.crashes)
    facts = []
    if series.proposals:
        facts.append(
            f"{kept} of {series.proposals} {'proposal' if series.proposals == 1 else 'proposals'} kept"
        )
    if crashed:
        facts.append(f"{crashed} crashed")
    if crashed < len(series.crashes):
        facts.append("the baseline crashed")
    if series.best is not None and series.baseline is not None:
        gain = text.gain(series.baseline, series.best)
        facts.insert(0, f"val_bpb {text.bpb(series.baseline)} → {text.bpb(series.best)}, a gain of {gain}")
        if not kept:
            facts[0] = f"val_bpb {text.bpb(series.baseline)}, no gain yet"
    common: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "parse_math": False}
    axes.annotate(text.line(tag, 60), (0, 1), (0, 28), fontsize=15, fontweight="bold", color=_INK, **common)
    axes.annotate(" · ".join(facts), (0, 1), (0, 10), fontsize=10.5, color=_FAINT, **common)


def _frame(axes: Any, series: Series) -> None:
    reach = max(series.last, 1)
    axes.set_xlim(-0.02 * reach - 0.3, reach * 1.02 + 0.3)
    axes.set_ylim(series.low, series.high)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.set_xlabel("trial", color=_FAINT, fontsize=10)
    axes.set_ylabel("validation bits per byte (lower is better)", color=_FAINT, fontsize=10)
    axes.grid(axis="y", color="#e8eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, labelsize=9.5, length=0)
    axes.tick_params(axis="x", pad=8)  # room for the crashes' marks on the axis
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced4")


def _crashes(axes: Any, series: Series) -> None:
    if series.crashes:
        across = axes.get_xaxis_transform()  # x in trials, y as a share of the axes: on the axis itself
        axes.plot(
            series.crashes, [0.0] * len(series.crashes), "x", transform=across, color=_CRASH, markersize=6,
            markeredgewidth=1.4, clip_on=False, zorder=5, label="crashed",
        )  # fmt: skip


def _dots(axes: Any, series: Series) -> None:
    inside = [dot for dot in series.dots if series.low <= dot.value <= series.high]
    area = 26 if len(series.dots) < 80 else 12
    if inside:
        axes.scatter(
            [dot.number for dot in inside], [dot.value for dot in inside], s=area, color=_DISCARDED,
            linewidths=0, zorder=3, label="discarded",
        )  # fmt: skip
    edge = 0.012 * (series.high - series.low)
    for marker, level, numbers in (
        ("^", series.high - edge, [dot.number for dot in series.dots if dot.value > series.high]),
        ("v", series.low + edge, [dot.number for dot in series.dots if dot.value < series.low]),
    ):
        if numbers:
            axes.scatter(
                numbers, [level] * len(numbers), s=30, marker=marker, facecolors="none", edgecolors=_DISCARDED,
                zorder=3, label="off the scale",
            )  # fmt: skip


def _stairs(axes: Any, series: Series) -> None:
    end = axes.get_xlim()[1]
    if series.band:
        places = [*(band.number for band in series.band), end]
        lows, highs = [band.low for band in series.band], [band.high for band in series.band]
        axes.fill_between(
            places, [*lows, lows[-1]], [*highs, highs[-1]], step="post", color=_KEPT, alpha=0.10,
            linewidth=0, zorder=1, label="±1 σ between seeds",
        )  # fmt: skip
    if series.steps:
        places = [*(level.number for level in series.levels), end]
        levels = [level.value for level in series.levels]
        axes.step(places, [*levels, levels[-1]], where="post", color=_KEPT, linewidth=2.0, zorder=4)
        numbers, values = [step.number for step in series.steps], [step.value for step in series.steps]
        area = 46 if len(numbers) < 60 else 24
        axes.scatter(
            numbers, values, s=area, color=_KEPT, edgecolors="white", linewidths=1, zorder=6, label="kept"
        )


def _by_gain(steps: Sequence[Step]) -> list[Step]:
    """Kept trials in the order in which they deserve a label: the best, then the largest gains."""
    gains = {step: before.value - step.value for before, step in pairwise(steps)}
    ranked = sorted(steps[1:-1], key=lambda step: -gains[step])
    return [*steps[-1:], *ranked, *steps[:1]] if len(steps) > 1 else list(steps)


def _label(figure: Figure, axes: Any, series: Series) -> None:
    """Short notes under the stairs, where nothing else is drawn; those that would overlap are left out."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    frame = axes.get_window_extent(renderer)
    corner, taken = axes.transData.transform, []
    for dot in series.dots:
        x, y = corner((dot.number, dot.value))
        taken.append(Bbox.from_bounds(x - 3, y - 3, 6, 6))
    ends = [*(level.number for level in series.levels[1:]), axes.get_xlim()[1]]
    for level, until in zip(series.levels, ends, strict=True):  # the stairs themselves
        (left, y), (right, _) = corner((level.number, level.value)), corner((until, level.value))
        taken.append(Bbox.from_extents(left - 4, y - 4, right, y + 4))
    for before, level in pairwise(series.levels):
        (x, a), (_, b) = corner((level.number, before.value)), corner((level.number, level.value))
        taken.append(Bbox.from_extents(x - 3, min(a, b), x + 3, max(a, b)))
    shown = 0
    for step in _by_gain(series.steps):
        for align, shift in (("right", (-7, -5)), ("left", (7, -7)), ("right", (-7, -18)), ("left", (7, -20))):
            note = axes.annotate(
                text.line(f"{step.number}  {step.note}", _LABEL_COLUMNS), (step.number, step.value), shift,
                textcoords="offset points", ha=align, va="top", fontsize=8, color=_INK, parse_math=False, zorder=7,
            )  # fmt: skip
            box = note.get_window_extent(renderer).padded(1.5)
            fits = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 + 8
            if fits and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                shown += 1
                break
            note.remove()
        if shown >= _LABELS:
            return


def figure(entries: Sequence[Entry], tag: str) -> Figure:
    """The staircase as a matplotlib Figure on an Agg canvas."""
    series = prepare(entries)
    result = Figure(figsize=_INCHES, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(result)
    axes = result.add_axes((0.085, 0.11, 0.895, 0.755))
    _heading(axes, series, tag)
    _frame(axes, series)
    _stairs(axes, series)
    _dots(axes, series)
    _crashes(axes, series)
    if series.steps:
        _label(result, axes, series)
    else:
        message = "no trial has been kept yet" if series.dots else "no trial has a score yet"
        axes.annotate(message, (0.5, 0.5), xycoords="axes fraction", ha="center", color=_FAINT, fontsize=13)
        axes.yaxis.set_visible(bool(series.dots))
    handles, names = axes.get_legend_handles_labels()
    found = dict(zip(names, handles, strict=True))
    if found:
        axes.legend(
            found.values(), found.keys(), loc="lower right", bbox_to_anchor=(1.0, 1.055), ncols=len(found),
            frameon=False, fontsize=9, labelcolor=_FAINT, handletextpad=0.4, columnspacing=1.2, borderaxespad=0.2,
        )  # fmt: skip
    return result


def draw(entries: Sequence[Entry], path: Path, tag: str) -> None:
    """Write the staircase of `entries` to `path` as a PNG, whole or not at all.

    Raises OSError where it cannot be written; the picture of before is then untouched.
    """
    # Not by a matplotlibrc of the folder that we happen to be in, which may be anyone's: it can ask for LaTeX.
    with warnings.catch_warnings(), style.context("default"):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a note in a script without a font
        picture = figure(entries, tag)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                picture.savefig(file, format="png", dpi=_DPI)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
