"""Honest models by the hundred, for `bench_scoring.py honest` and `noise`: how they are scored, how much they rustle.

Every architecture of `scoring_honest.py` with every precision, sizes at random, half of them trained. Which model has
which number follows from the seed alone, so a measurement that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scoring_lab import ROOT, Corpus, forked_host, hosts, make_lab, python_corpus

from runner.config import ScoreSettings
from runner.scoring import audit as survey
from runner.scoring import phases
from runner.scoring.client import ModelClient
from runner.scoring.protocol import ModelFault
from runner.scoring.score import allowance, load_limit, measure
from runner.scoring.windows import cut

HONEST = ROOT / "tests" / "scoring_honest.py"
ARCHES = ("gpt", "gpt", "moe", "routed", "gru", "conv", "bigram")
CASES = ("equal", "unequal", "kernels")  # batch shapes of audit and claims; kernels chosen by each container
DTYPES = ("float32", "bfloat16", "autocast")
BUDGET = 30.0  # seconds of the training that each model is taken to have used to the last: the least that loading gets
WINDOWS, AUDITED = 300, 256


def in_child(work) -> None:
    """Run `work` in a fork, so that this process never starts torch's threads."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("a child failed")


def honest_spec(number: int, rng: np.random.Generator, seed: int, cases: tuple[str, ...], deepest: int) -> dict:
    """Model `number` of the measurement, of at most `deepest` layers."""
    trained = number % 2 == 1
    case = cases[number // (len(ARCHES) * len(DTYPES)) % len(cases)]
    return {
        "number": number,
        "arch": ARCHES[number % len(ARCHES)],
        "dtype": DTYPES[number // len(ARCHES) % len(DTYPES)],
        "vocabulary": 257 if trained else int(rng.choice([64, 257, 512])),
        "width": int(rng.choice([32, 48, 64, 96, 128])),
        "depth": int(rng.integers(1, deepest + 1)),
        "window": int(rng.choice([16, 30, 50, 64, 100])),
        "scale": 1.0 if trained else float(rng.choice([1.0, 3.0, 8.0, 20.0])),
        "steps": 30 if trained else 0,
        "kernels": case == "kernels" and "random",
        "case": case,
        "seed": 10_000 * seed + number,
    }


def zipf(vocabulary: int, rng: np.random.Generator) -> Corpus:
    """Two texts of independent tokens, the first ones the most frequent."""
    chance = 1 / np.arange(1, vocabulary + 1)
    draw = [rng.choice(vocabulary, 100_000, p=chance / chance.sum()).astype(np.uint16) for _ in range(2)]
    return Corpus(draw[0], draw[1], np.ones(vocabulary, dtype=np.int64))


def models(
    count: int, seed: int, cases: tuple[str, ...], done: set[int], deepest: int
) -> Iterator[tuple[dict, Corpus, Path]]:
    """Each model that is not `done` as its spec, its text and a lab that holds it."""
    sys.path.insert(0, str(HONEST.parent))
    import scoring_honest
    import torch

    torch.set_num_threads(1)
    text = python_corpus()
    for number in sorted(set(range(count)) - done):
        rng = np.random.default_rng([seed, number])
        spec = honest_spec(number, rng, seed, cases, deepest)
        corpus = text if spec["steps"] else zipf(spec["vocabulary"], rng)
        with tempfile.TemporaryDirectory() as name:
            folder = make_lab(Path(name), HONEST)
            checkpoint = folder / "out" / "checkpoint"
            in_child(lambda s=spec, c=checkpoint, t=corpus.train: scoring_honest.build(s, c, t))
            yield spec, corpus, folder


def recorded(path: str) -> list[dict]:
    """The rows of a measurement so far."""
    file = Path(path)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def told(claimed: survey.Agreement) -> dict:
    """What claims and audit of one model differ by, nats."""
    return {name: value for name, value in asdict(claimed).items() if name not in ("tolerance", "positions")}


def honest(count: int, seed: int, out: str, device: str, forks: bool) -> None:
    """Scores `count` models as the product does: real processes, every limit, a budget that was used to the last.

    forks: of a process that has imported torch. They are quicker, and get no half of an import beside the limit.

    On a CPU every third model has kernels chosen by chance and the tolerances of `cuda`, which they stand in for.
    """
    cases = ("equal", "equal", "kernels") if device == "cpu" else ("equal",)
    limit = load_limit(ScoreSettings().load_seconds, BUDGET, BUDGET)
    done = {row["number"] for row in recorded(out)}
    with open(out, "a") as report:
        for spec, corpus, folder in models(count, seed, cases, done, deepest=4):
            judged = "cuda" if spec["case"] == "kernels" else device
            settings = ScoreSettings(
                tokens=WINDOWS * spec["window"], audit_positions=AUDITED, load_seconds=limit
            )
            opened: list[str] = []
            containers = (
                (lambda phase, f=folder: forked_host(f))
                if forks
                else hosts(folder, sys.executable, device=device)
            )
            try:
                found = measure(
                    lambda phase, o=opened, c=containers: (o.append(phase), c(phase))[1],
                    corpus.validation,
                    corpus.token_bytes,
                    window=spec["window"],
                    decoys=corpus.train,
                    device=judged,
                    settings=settings,
                    allowed=allowance(judged, BUDGET),
                )
            except ModelFault as fault:
                row = {"refused": f"{fault.ending}: {fault.detail}", **fault.numbers}
            else:
                seconds = {"spent": found.spent, "whole": found.whole, "limit": found.limit}
                row = {"refused": "" if found.agreement.honest else "audit", **seconds, **told(found.agreement)}
            report.write(
                json.dumps({**spec, "judged": judged, "forks": forks, "opened": len(opened), **row}) + "\n"
            )
            report.flush()
    summarise_honest(out)


def summarise_honest(path: str) -> None:
    """Refusals by kind of model; what of the time allowed and of the tolerances the others needed."""
    rows = recorded(path)
    refused = [row for row in rows if row["refused"]]
    again = sum(row["opened"] > 2 for row in rows)
    forks = sum(row["forks"] for row in rows)
    print(
        f"{len(rows)} honest scorings ({forks} in forks), {len(refused)} refused, "
        f"{again} with a container that was too slow at first"
    )
    for row in refused:
        print(f"refused: model {row['number']} ({row['arch']}, {row['dtype']}): {row['refused']}")
    print("precision  case     count | seconds: median     max | share of limit: max | largest: max | rms: max")
    for dtype in DTYPES:
        for case in CASES:
            some = [
                r for r in rows if r["dtype"] == dtype and r["case"] == case and "spent" in r and "rms" in r
            ]
            if some:
                spent = np.array([r["spent"] for r in some])
                share = max(r["spent"] / r["limit"] for r in some)
                noise = f"{max(r['largest'] for r in some):12.1e} | {max(r['rms'] for r in some):8.1e}"
                times = f"{np.median(spent):15.2f} {spent.max():7.2f} | {share:19.2f}"
                print(f"{dtype:9}  {case:8} {len(some):5} | {times} | {noise}")
    repeats = {case: [abs(r["repeat"]) for r in rows if r["case"] == case and "repeat" in r] for case in CASES}
    for case in (case for case in CASES if repeats[case]):
        zero = sum(r == 0 for r in repeats[case])
        print(
            f"{case}: asked for again, exactly alike {zero} of {len(repeats[case])}, else at most "
            f"{max(repeats[case]):.1e} nats a position"
        )


def noise(count: int, seed: int, out: str) -> None:
    """Differences of claims and audits of `count` models, a third of them in each of CASES, without limits of time."""
    done = {row["number"] for row in recorded(out)}
    with open(out, "a") as report:
        for spec, corpus, folder in models(count, seed, CASES, done, deepest=6):
            rng = np.random.default_rng([seed, spec["number"], 1])
            unequal = (int(rng.choice([1, 3, 7])), int(rng.choice([16, 32])))
            shapes = unequal if spec["case"] == "unequal" else (16, 16)
            claims, audits = _differences(folder, spec, corpus, *shapes)
            device = "cpu" if spec["case"] == "equal" else "cuda"  # a runner on a CPU makes equal shapes only
            found = survey.compare(
                claims.audited, audits, claims.order, spec["vocabulary"], device, claims.repeat
            )
            row = {**spec, "shapes": shapes, "surprise": float(-audits.mean()), **told(found)}
            row["shares"] = [
                found.largest / found.tolerance.position,
                found.rms / found.tolerance.rms,
                abs(found.mean) / found.tolerance.mean,
            ]
            report.write(json.dumps({**row, "refused": not found.honest}) + "\n")
            report.flush()
    summarise_noise(out)


def _differences(
    folder: Path, spec: dict, corpus: Corpus, audit_rows: int, claim_rows: int
) -> tuple[phases.Claims, np.ndarray]:
    """Claims and audits with batches of these sizes, through the protocol and over forks."""
    windows = cut(corpus.validation, corpus.token_bytes, spec["window"], WINDOWS * spec["window"])
    chosen, positions = survey.draw(windows, AUDITED, phases.fresh_rng())
    answers = []
    for ask, rows in ((phases.audit, audit_rows), (phases.claim, claim_rows)):
        plan = phases.Plan(windows, corpus.train, spec["vocabulary"], rows)
        with forked_host(folder) as channel:
            client = ModelClient(channel, time.monotonic() + 120)
            client.start(spec["window"], spec["vocabulary"], rows, 60)
            answers.append(ask(client, plan, chosen, positions, lambda done, total: None))
    return answers[1], answers[0]


def summarise_noise(path: str) -> None:
    """The table of docs/scoring.md: the distribution over models of |c − a|, nats, and the tests of order."""
    rows = recorded(path)
    print(f"{len(rows)} honest comparisons, {sum(r['refused'] for r in rows)} refused")
    for case in CASES:
        some = [r for r in rows if r["case"] == case]
        if some:
            repeat, share = max(abs(r["repeat"]) for r in some), max(max(r["shares"]) for r in some)
            print(f"{case}: windows asked for again differ by {repeat:.1e} nats a position at most; "
                  f"largest share of a tolerance {share:.3f}")  # fmt: skip
    head = "precision | case | models | largest, median | 99 % | max | rms, max | mean, max | drift, max"
    print(f"| {head} | switch, least chance |\n|{' --- |' * 10}")
    for dtype in DTYPES:
        for case in CASES:
            some = [r for r in rows if r["dtype"] == dtype and r["case"] == case]
            if some:
                largest = np.array([r["largest"] for r in some])
                numbers = [np.median(largest), np.quantile(largest, 0.99), largest.max()]
                numbers += [max(r["rms"] for r in some), max(abs(r["mean"]) for r in some)]
                cells = [f"{n:.1e}" for n in numbers] + [f"{max(r['drift'] for r in some):.1f}"]
                cells.append(f"{min(r['switch'] for r in some):.0e}")
                print(f"| {dtype} | {case} | {len(some)} | {' | '.join(cells)} |")
