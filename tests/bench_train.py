"""Versions of train.py side by side on this machine: bits a byte and tokens a second in the same seconds.

    git show 778b075:train/train.py >/tmp/before.py
    python tests/bench_train.py /tmp/before.py train/train.py --budget 120 --seeds 1 2

Each is a whole trial of `runner trial`, in a lab of its own in a temporary folder; versions take turns, so that what
else the machine does meets them all.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import conftest

SETTINGS = """
[data]
source = "{source}"

[trial]
budget_seconds = {budget:g}
device = "{device}"
"""


def trial(lab: Path, version: Path, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "runner", "--lab", str(lab), "trial", "--json", "--seed", str(seed)]
    command += ["--train", str(version.resolve())]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=conftest.ROOT, check=False, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    said = Path(found["log"]).read_text(errors="replace") if found["ending"] == "ok" else ""
    speed = re.search(r"(\d+) tokens/s", said)
    return {"bpb": found["val_bpb"], "speed": int(speed[1]) if speed else None, "ending": found["ending"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", type=Path)
    parser.add_argument("--budget", type=float, default=120.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    folklore = conftest.ROOT.parent / "shared" / "data" / "folklore"
    parser.add_argument("--source", default=f"text:{folklore}" if folklore.is_dir() else "tales")
    given = parser.parse_args()
    settings = SETTINGS.format(source=given.source, budget=given.budget, device=given.device)
    with tempfile.TemporaryDirectory(prefix="autoresearch-bench-") as folder:
        lab = conftest.make_lab(Path(folder) / "lab", given.versions[0], settings)
        found: dict[Path, list[dict[str, Any]]] = {version: [] for version in given.versions}
        for seed in given.seeds:
            for version in given.versions:
                found[version].append(trial(lab, version, seed))
                print(version, f"seed {seed}", found[version][-1], flush=True)
        for version, trials in found.items():
            good = [one for one in trials if one["ending"] == "ok"]
            bpb = statistics.fmean(one["bpb"] for one in good)
            speed = statistics.fmean(one["speed"] for one in good)
            print(f"{version!s:30}  {bpb:.4f} bpb  {speed:8,.0f} tokens/s  {len(good)} of {len(trials)} ok")


if __name__ == "__main__":
    main()
