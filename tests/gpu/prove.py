"""Proves on this machine what needs an NVIDIA GPU, and prints a table in Markdown; exit 1 where something is not so.

    tests/gpu/run [--device cpu] [--budget 300] [--honest 8] [--source text:PATH]

Everything is done by the product's own parts, in a lab of its own in a temporary folder, under the settings of a
user, but that nothing is trained again for a mark: the row tells of it. Image and data are made before the clock
starts. With `--device cpu` it rehearses: the steps are the same, and the rows that would speak of a GPU say that none
was looked at; nor are seconds judged, which say nothing of a GPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import conftest  # noqa: E402
from steps import Proof, Row  # noqa: E402

from runner import assemble  # noqa: E402
from runner.lab import open_lab  # noqa: E402
from runner.relay import Silent  # noqa: E402

FOLKLORE = HERE.parents[2] / "shared" / "data" / "folklore"

SETTINGS = """
[data]
source = "{source}"

[trial]
budget_seconds = {budget:g}
device = "{device}"
distrust = "mark"
"""


def table(rows: list[Row]) -> str:
    """In Markdown."""
    marks = {True: "yes", False: "**no**", None: ""}
    lines = ["| what | found | aim | reached |", "| --- | --- | --- | --- |"]
    cells = ([row.what, row.found, row.aim, marks[row.good]] for row in rows)
    return "\n".join(lines + ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in cells])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds of the trial of train.py")
    parser.add_argument("--honest", type=int, default=8, help="honest models to score")
    default = f"text:{FOLKLORE}" if FOLKLORE.is_dir() else "tales"
    parser.add_argument("--source", default=default)
    given = parser.parse_args()
    settings = SETTINGS.format(source=given.source, budget=given.budget, device=given.device)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="autoresearch-gpu-") as folder:
        lab = open_lab(
            conftest.make_lab(Path(folder) / "lab", HERE.parents[1] / "train" / "train.py", settings)
        )
        try:
            with assemble.workshop(lab, Told()) as shop:
                began = time.monotonic()
                for row in Proof(shop, given.budget, given.honest).rows():
                    rows.append(row)
                    took = f"{time.monotonic() - began:6.0f} s"
                    print(f"{took}  {row.what}: {row.found}", file=sys.stderr, flush=True)
                seconds = time.monotonic() - began
                rows.append(
                    Row("all of this, with image and data made", f"{seconds:.0f} s", "600 s", seconds < 600)
                )
        finally:  # a fault half-way leaves what was found before it
            print(table(rows), flush=True)
    return 0 if all(row.good is not False for row in rows) else 1


class Told(Silent):
    """Says what takes long, line by line."""

    def message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
