"""A night with a real coding agent in its box, on a scripted model: what it costs beside the trainings, and its plot.

    python tests/bench_night.py [--agent codex] [--trials 10] [--budget 20] [--clone]

A lab is made of this repository, as committed, in a temporary folder; the scripted API is its model's. With `--clone`
the one command is `./bootstrap go`, which sets up everything anew, else `runner go` of this environment. The model
proposes learning rates, a factor a proposal, so nothing here says anything of a model's worth.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scripted_api.script import Step, proposal
from scripted_api.server import ScriptedApi

from runner.agents.plan import prices
from runner.agents.recipe import find
from runner.config import AgentSettings

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-of-the-scripted-model"
LINE = re.compile(rb"^(MATRIX_LR = )([0-9.]+)(.*)$", re.M)
FACTORS = (1.3, 0.8, 1.15, 0.9, 1.5, 0.7, 1.05, 0.95, 1.2, 0.85)


def script(train: bytes) -> Any:
    """One whole line a proposal: the incumbent's learning rate is what it was as long as nothing is kept."""
    found = LINE.search(train)
    assert found, "train.py has no MATRIX_LR"
    old = found[0].decode()

    def steps(number: int) -> list[Step]:
        factor = FACTORS[number % len(FACTORS)] * (1 + number // len(FACTORS) / 50)
        rate = f"{float(found[2]) * factor:.4g}"
        return proposal("/task", old, f"MATRIX_LR = {rate}{found[3].decode()}", f"MATRIX_LR times {factor:g}")

    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", default="codex")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--clone", action="store_true", help="from a clone, with ./bootstrap go")
    parser.add_argument("--plot", type=Path, help="where to copy the run's plot")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="night-") as folder:
        lab = Path(folder) / "lab"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(lab)], check=True)
        with ScriptedApi(script((lab / "train" / "train.py").read_bytes()), key=KEY) as api:
            code, seconds = night(lab, given, api)
        entries = [
            json.loads(line) for line in (lab / "runs" / "night" / "ledger.jsonl").read_text().splitlines()
        ]
        tell(entries, seconds, given, api)
        if given.plot and (plot := lab / "runs" / "night" / "progress.png").is_file():
            shutil.copy(plot, given.plot)
    return code


def night(lab: Path, given: argparse.Namespace, api: ScriptedApi) -> tuple[int, float]:
    """The one command. Its exit code, and how long it took."""
    recipe = find(given.agent)
    price_in, price_out, price_cached = prices(recipe, AgentSettings())
    path = recipe.api.url.split("://", 1)[1].partition("/")[2]
    agent = (
        f'[agent]\nname = "{given.agent}"\napi_url = "{api.url}/{path}"\nkey_env = "SCRIPTED_KEY"\n'
        f"price_in = {price_in}\nprice_out = {price_out}\nprice_cached = {price_cached}\n"
    )
    settings = (lab / "runner.toml").read_text()
    (lab / "runner.toml").write_text(
        re.sub(r"^\[agent\]\n(name = .*\n)?", "", settings, flags=re.M) + "\n" + agent
    )
    program = ["./bootstrap"] if given.clone else [sys.executable, "-m", "runner", "--lab", str(lab)]
    limits = [
        "--max-trials",
        str(given.trials),
        "--budget",
        str(given.budget),
        "--max-cost",
        "10",
        "--no-holdout",
    ]
    began = time.monotonic()
    done = subprocess.run(
        [*program, "go", "--tag", "night", *limits],
        cwd=lab,
        env={**os.environ, "SCRIPTED_KEY": KEY},
        check=False,
    )
    return done.returncode, time.monotonic() - began


def tell(entries: list[dict[str, Any]], seconds: float, given: argparse.Namespace, api: ScriptedApi) -> None:
    """A row a trial, then what the night took."""
    print("| trial | val_bpb | verdict | note | requests | tokens in, out | USD | to its start | the program |")
    print(f"|{' --- |' * 9}")
    mine = [entry for entry in entries if entry["agent"] == given.agent]
    for entry in mine:
        meta, scores = entry["meta"], entry.get("val_bpb")
        cells = (
            entry["number"], "–" if scores is None else f"{scores:.4f}", entry["status"], entry["note"],
            meta["requests"], f"{meta['tokens_in']:,}, {meta['tokens_out']:,}", f"{meta['cost_usd']:.4f}",
            f"{meta['setup_seconds']:.2f} s", f"{meta['seconds']:.2f} s",
        )  # fmt: skip
        print(f"| {' | '.join(map(str, cells))} |")
    starts = [entry["meta"]["setup_seconds"] for entry in mine] or [0.0]
    programs = [entry["meta"]["seconds"] for entry in mine] or [0.0]
    kept, cost = (
        sum(entry["status"] == "keep" for entry in mine),
        sum(entry["meta"]["cost_usd"] for entry in mine),
    )
    print(f"\n{given.agent}: {len(mine)} trials in {seconds / 60:.1f} min, {kept} kept")
    print(f"{api.asked} requests reached the API; {cost:.4f} USD at the recipe's prices")
    print(f"to the program's start {statistics.median(starts):.2f} s (median; at most {max(starts):.2f})")
    print(f"the program {statistics.median(programs):.2f} s")


if __name__ == "__main__":
    sys.exit(main())
