"""The plot of `runner compare`: the best score of each arm over trials, hours or money, with its interval.

Matplotlib's objects alone, as in `plot.py`. Names are a person's own, and cleaned all the same.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from runner.report import text
from runner.report.compare import Curve

_INCHES, _DPI = (10.0, 5.4), 130
_INK, _FAINT = "#22272e", "#6b7480"
_COLOURS = ("#137a4c", "#2b6cb0", "#c2412d", "#8a5a00", "#6b46c1", "#0e7c86", "#a9b0b8", "#b83280")
_DASHES = ("-", "--", "-.", ":")
_AXES = {
    "trials": "proposals tried",
    "hours": "hours of training and scoring",
    "cost": "US dollars that agents said they cost",
}


@style.context("default")  # whatever a matplotlibrc says, as in plot.py
def png(curves: Sequence[Curve], axis: str) -> bytes:
    """A PNG. Arms without a score are named as such and not drawn."""
    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.11, 0.895, 0.815))
    for index, curve in enumerate(curves):
        _draw(axes, curve, index)
    axes.set_xlabel(_AXES[axis], color=_FAINT, fontsize=10)
    axes.set_ylabel("best validation bits per byte (lower is better)", color=_FAINT, fontsize=10)
    if axis == "trials":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.grid(axis="y", color="#e8eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, labelsize=9.5, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced4")
    legend = axes.legend(loc="upper right", frameon=False, fontsize=9.5, labelcolor=_INK)
    for label in legend.get_texts():
        label.set_parse_math(False)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=_DPI)
    return target.getvalue()


def _draw(axes: Any, curve: Curve, index: int) -> None:
    colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index // len(_COLOURS) % len(_DASHES)]
    name = text.line(curve.name, 40)
    if not curve.places:
        axes.plot([], [], color=colour, label=f"{name}: no score yet")
        return
    if curve.coverage is not None:
        what = f"median of {curve.runs} runs, " if curve.runs > 1 else ""
        name += f" ({what}{100 * curve.coverage:.0f} % interval)"
        axes.fill_between(
            curve.places, curve.low, curve.high, step="post", color=colour, alpha=0.14, linewidth=0
        )
    axes.step(curve.places, curve.middle, dash, where="post", color=colour, linewidth=2, label=name)
    axes.plot(curve.places[-1], curve.middle[-1], "o", color=colour, markersize=5)
