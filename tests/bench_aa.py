"""Real trainings of proposals that change nothing (A/A): what each rule keeps of them, and what it then reports.

    .venv/bin/python tests/bench_aa.py                                  the tests' tiny lab, 24 proposals a rule
    .venv/bin/python tests/bench_aa.py --proposals 24 --budget 20 --train train/train.py
    .venv/bin/python tests/bench_aa.py --agent random                   the documented experiment: real proposals

A run of `runner go --agent same` for every rule, one after the other, in a lab of its own under a temporary folder;
then the last incumbent is trained afresh, by `runner replay`, to see what it is really worth. Needs a container
engine. Run it when the machine is otherwise idle: every training counts seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import conftest

BUDGET = 20.0  # seconds; the tiny model is done with it in a few, and is not cut off


def make_lab(folder: Path, train: Path, budget: float, tokens: int) -> Path:
    """The tests' lab with its data, in git."""
    settings = conftest.SETTINGS.replace("budget_seconds = 20", f"budget_seconds = {budget:g}")
    settings = settings.replace("tokens = 8192", f"tokens = {tokens}").replace("calibrate_trials = 2\n", "")
    lab = conftest.make_lab(folder / "lab", train, settings)
    conftest.make_data(lab)
    conftest.commit(lab)
    return lab


def runner(lab: Path, *arguments: str) -> str:
    """What the command printed; its progress goes to this program's stderr."""
    command = [sys.executable, "-m", "runner", "--lab", str(lab), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=conftest.environment(lab.parent))
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return done.stdout


def row(lab: Path, rule: str, agent: str, proposals: int, fresh: int) -> dict[str, Any]:
    """One run under `rule`, and the fresh scores of the version that it ended with."""
    began = time.monotonic()
    runner(
        lab,
        "go",
        "--tag",
        rule,
        "--agent",
        agent,
        "--rule",
        rule,
        "--no-holdout",
        "--max-trials",
        str(proposals),
    )
    seconds = time.monotonic() - began
    entries = conftest.ledger(lab, rule)
    kept = [entry["number"] for entry in entries if entry["status"] == "keep"]
    again = json.loads(runner(lab, "replay", str(kept[-1]), rule, "--trials", str(fresh), "--json"))["again"]
    scores = [a["val_bpb"] for a in again if a["val_bpb"] is not None]
    return {
        "rule": rule,
        "proposals": len(entries) - 1,
        "trainings": sum(len(entry["attempts"]) for entry in entries),
        "kept": len(kept) - 1,
        "reported": entries[-1]["best_bpb"],
        "fresh": statistics.fmean(scores),
        "error": statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else float("nan"),
        "minutes": seconds / 60,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=24)
    parser.add_argument("--rules", default="greedy,confirm")
    parser.add_argument("--agent", default="same")
    parser.add_argument("--train", type=Path, default=conftest.TRAIN)
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of a training at most")
    parser.add_argument("--tokens", type=int, default=8192, help="validation tokens scored")
    parser.add_argument("--fresh", type=int, default=8, help="fresh trainings of the last incumbent")
    given = parser.parse_args()
    print(
        "| rule | proposals | trainings | kept | reported at the end | trained afresh | better than it is | minutes |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="bench-aa-") as folder:
        lab = make_lab(Path(folder), given.train, given.budget, given.tokens)
        for rule in given.rules.split(","):
            r = row(lab, rule, given.agent, given.proposals, given.fresh)
            print(
                f"| {r['rule']} | {r['proposals']} | {r['trainings']} | {r['kept']} | {r['reported']:.4f} | "
                f"{r['fresh']:.4f} ± {r['error']:.4f} | {r['fresh'] - r['reported']:+.4f} | {r['minutes']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
