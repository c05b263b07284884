"""Measures the score; pytest does not collect it.

    PYTHONPATH=. TORCH tests/bench_scoring.py honest --count 600   # honest models scored as in a run: refusals
    PYTHONPATH=. TORCH tests/bench_scoring.py noise --count 600    # by how much their claims and audits differ
    PYTHONPATH=. TORCH tests/bench_scoring.py attacks              # every cheat, beside the honest model
    python tests/bench_scoring.py cost --torch-python TORCH        # wall-clock, bytes, memory of the host

TORCH is a Python with torch and numpy, python one with the runner. `noise` and `attacks` fork a process
that has imported torch for each container; `honest` and `cost` start real processes. `honest` and `noise` write a line
a model to --out and go on from there when they are started again; `summary` prints what is there. With
`honest --device cuda` the models run on a GPU, which is how the tolerances of `cuda` are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scoring_lab import ATTACKS, Corpus, forked_host, hosts, make_lab, python_corpus
from scoring_noise import HONEST, honest, in_child, noise, recorded, summarise_honest, summarise_noise, zipf

from runner.config import ScoreSettings
from runner.scoring.client import batch_rows
from runner.scoring.protocol import ModelFault
from runner.scoring.score import score
from runner.scoring.windows import cut

CONTAINER_ONLY = "carries_state_to_the_next_container"  # writes outside its lab


def bigram(corpus: Corpus, checkpoint: Path) -> None:
    """The checkpoint of every attack: log-counts of token pairs, and what some of them train on later."""
    import torch

    size = len(corpus.token_bytes)
    counts = np.full((size, size), 0.1)
    np.add.at(counts, (corpus.train[:-1], corpus.train[1:]), 1.0)
    torch.save(torch.from_numpy(np.log(counts)).float(), checkpoint / "bigram.pt")
    torch.save(torch.from_numpy(corpus.train[:50_000].astype(np.int64)), checkpoint / "text.pt")


def attacks(window: int, repeats: int, names: list[str]) -> None:
    """One JSON line a cheat: its ending and, where it was scored, its gain over the honest model."""
    import torch

    torch.set_num_threads(1)
    corpus = python_corpus()
    settings = ScoreSettings(tokens=60_000, audit_positions=512, timeout_seconds=15, load_seconds=3)
    honest_bpb = None
    every = sorted(p for p in ATTACKS.glob("*.py") if p.stem not in ("honest", CONTAINER_ONLY))
    for path in [ATTACKS / "honest.py", *[p for p in every if not names or p.stem in names]]:
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as name:
                folder = make_lab(Path(name), path)
                in_child(lambda c=folder / "out" / "checkpoint": bigram(corpus, c))
                row = {"attack": path.stem, **run_one(folder, corpus, window, settings)}
            honest_bpb = honest_bpb if honest_bpb is not None else row["val_bpb"]
            row["gain_bpb"] = None if row["val_bpb"] is None else honest_bpb - row["val_bpb"]
            print(json.dumps(row), flush=True)


def run_one(folder: Path, corpus: Corpus, window: int, settings: ScoreSettings) -> dict:
    try:
        result = score(
            lambda phase: forked_host(folder),
            corpus.validation,
            corpus.token_bytes,
            window=window,
            decoys=corpus.train,
            device="cpu",
            settings=settings,
        )
    except ModelFault as fault:
        return {"ending": str(fault.ending), "detail": fault.detail, "val_bpb": None}
    return {"ending": "ok", "detail": "", "val_bpb": result.val_bpb, "stderr_bpb": result.stderr_bpb}


PLAIN = """
import sys, time
began = time.monotonic()
import numpy as np, torch, torch.nn.functional as F
sys.path.insert(0, sys.argv[1])
import train
model = train.load_model(sys.argv[2], "cpu")
loaded = time.monotonic()
start = time.process_time()
tokens = np.load(sys.argv[3]); rows = int(sys.argv[4]); total = 0.0
with torch.inference_mode():
    for i in range(0, len(tokens), rows):
        x = torch.from_numpy(tokens[i:i + rows].astype(np.int64))
        logits = model(x[:, :-1].contiguous())
        total += F.cross_entropy(logits.float().flatten(0, 1), x[:, 1:].flatten(), reduction="sum").item()
print(total, loaded - began, time.monotonic() - loaded, start, time.process_time() - start)
"""


def cpu_seconds() -> float:
    """Processor time of this process and its ended children."""
    return sum(os.times()[:4])


def container_start(image: str) -> float:
    """Median of three: seconds of a container of `image` that imports torch, from its making to its removal."""
    times = []
    for _ in range(3):
        began = time.monotonic()
        command = ["docker", "run", "--rm", "--network", "none", image, "python", "-c", "import torch"]
        subprocess.run(command, check=True)
        times.append(time.monotonic() - began)
    return statistics.median(times)


def cost(torch_python: str, large: bool, image: str) -> None:
    """Wall-clock beside a plain evaluation of the same windows in one process, bytes on the wire, memory."""
    shape = {"arch": "gpt", "width": 192, "depth": 4, "vocabulary": 2048, "window": 256}
    tokens = ScoreSettings().tokens
    if large:
        shape = {"arch": "bigram", "width": 32, "depth": 1, "vocabulary": 8192, "window": 2048}
        tokens = 2_000_000
    spec = {**shape, "dtype": "float32", "scale": 1.0, "steps": 0, "seed": 1}
    rng = np.random.default_rng(1)
    corpus = zipf(spec["vocabulary"], rng)
    split = rng.integers(spec["vocabulary"], size=tokens + 4 * spec["window"] + 2000, dtype=np.uint16)
    folder = make_lab(Path(tempfile.mkdtemp()), HONEST)
    program = "import sys,json; sys.path.insert(0, sys.argv[1]); import train; "
    program += "train.build(json.loads(sys.argv[2]), sys.argv[3])"
    checkpoint = str(folder / "out" / "checkpoint")
    subprocess.run(
        [torch_python, "-c", program, str(folder / "lab" / "train"), json.dumps(spec), checkpoint], check=True
    )
    settings = replace(ScoreSettings(), tokens=tokens, timeout_seconds=1000, load_seconds=60)
    clock, own = cpu_seconds(), sum(os.times()[:2])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = score(
        hosts(folder, torch_python),
        split,
        corpus.token_bytes,
        window=spec["window"],
        decoys=corpus.train,
        device="cpu",
        settings=settings,
    )
    spent = cpu_seconds() - clock
    own = sum(os.times()[:2]) - own
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    windows = cut(split, corpus.token_bytes, spec["window"], tokens)
    np.save(folder / "windows.npy", windows.tokens)
    command = [
        torch_python,
        "-c",
        PLAIN,
        str(folder / "lab" / "train"),
        checkpoint,
        str(folder / "windows.npy"),
    ]
    rows = batch_rows(spec["window"], spec["vocabulary"])
    runs = []
    for several in (rows, 2 * rows):  # the plain evaluation may choose its batches; the quicker counts
        done = subprocess.run([*command, str(several)], check=True, capture_output=True, text=True)
        runs.append(done.stdout.split())
    plain = min(runs, key=lambda run: float(run[4]))
    bits = float(plain[0]) / np.log(2) / windows.bytes
    start = float(plain[1])
    print(f"scored {result.tokens} tokens, {result.positions} audited, {spec}")
    print(f"score {result.val_bpb:.9f} ± {result.stderr_bpb:.1e}, correction {result.correction_bpb:.1e}")
    print(f"plain {bits:.9f}")
    print(f"wall: score {result.seconds:.1f} s; plain {float(plain[2]):.1f} s + start {start:.1f} s")
    print(f"ratio without the two starts: {(result.seconds - 2 * start) / float(plain[2]):.2f}")
    awake, plainly = float(plain[3]), float(plain[4])
    shares = f"host {own:.1f} s, two starts {2 * awake:.1f} s"
    print(f"processor time: score {spent:.1f} s, of it {shares}; plain {plainly:.1f} s")
    print(f"ratio without the two starts: {(spent - 2 * awake) / plainly:.2f}")
    print(f"sent {result.sent_bytes / 1e6:.1f} MB, received {result.received_bytes / 1e6:.1f} MB")
    if image:
        print(f"two starts of a container that imports torch: {2 * container_start(image):.1f} s")
    print(f"host process: peak {after:.0f} MB, of it before the score {before:.0f} MB")
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("honest", "noise", "summary", "attacks", "cost"))
    parser.add_argument("names", nargs="*", help="attacks to run, by name")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="", help="of honest and noise; default: their name and .jsonl")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of honest")
    parser.add_argument(
        "--forks", action="store_true", help="of honest on a CPU: quicker, under a tighter limit"
    )
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="vocabulary 8,192, windows of 2,048, 2 M tokens")
    parser.add_argument("--image", default="", help="of trials: cost measures starts of its containers as well")
    parser.add_argument("--torch-python", default=os.environ.get("RUNNER_TEST_TORCH_PYTHON", sys.executable))
    given = parser.parse_args()
    if given.what == "honest":
        honest(given.count, given.seed, given.out or "honest.jsonl", given.device, given.forks)
    elif given.what == "noise":
        noise(given.count, given.seed, given.out or "noise.jsonl")
    elif given.what == "summary":
        out = given.out or "honest.jsonl"
        (summarise_noise if any("shares" in row for row in recorded(out)) else summarise_honest)(out)
    elif given.what == "attacks":
        attacks(given.window, given.repeats, given.names)
    else:
        cost(given.torch_python, given.large, given.image)


if __name__ == "__main__":
    main()
