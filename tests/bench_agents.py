"""Simulated runs: what `sweep` gains over `random`, and over an estimator that moves all constants at once.

    python tests/bench_agents.py [OBJECTIVES]

No training: the score of a version is a function of its constants (a bowl around a random optimum, steeper in
some constants than in others, with interactions, choices that are worse, a region that crashes) plus noise, and
the ratchet is a stand-in that confirms a better score with three more. Says which search finds more on such
functions, and nothing of any real train.py.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping

from factories import entry

from runner.agents import moves, sweep, tpe
from runner.agents.constants import find
from runner.trial import History, Proposal, Status, digest

SOURCE = b"""
MATRIX_LR = 0.04  # range: 0.004..0.4 log
EMBED_LR = 0.2  # range: 0.01..2.0 log
HEAD_LR = 0.005  # range: 0.0005..0.05 log
BETA = 0.95  # range: 0.85..0.99
DECAY = 0.1  # range: 0.0..0.5
WARMUP = 0.05  # range: 0.0..0.4
COOLDOWN = 0.4  # range: 0.1..1.0
DEPTH = 4  # range: 2..8
WIDTH = 128  # choices: 64, 96, 128, 160, 192, 256
BATCH = 16  # choices: 4, 8, 16, 32, 64
ACTIVATION = "relu2"  # choices: "relu2", "gelu", "silu"
TIED = True  # choices: True, False
"""
CONSTANTS = find(SOURCE)
SIGMA = 0.003  # bits per byte between two trainings of one version
TRIALS = 32
REPORTED = (8, 16, 32)


class Wholesale:
    """Every constant at once from the estimator, as a plain use of Optuna would."""

    name = "wholesale"

    def propose(self, history: History) -> Proposal:
        return sweep._propose(
            self.name, history, lambda c, seen, r: tpe.suggest(c, seen, r.getrandbits(32)), set()
        )


def objective(seed: int) -> Callable[[Mapping[str, object]], float | None]:
    """Bits per byte of a version without noise, None for a crash."""
    rng = random.Random(seed)
    best, steep = {}, {}
    for c in CONSTANTS:
        best[c.name] = min(1.0, max(0.0, rng.gauss(moves.position(c, c.value), 0.18)))
        steep[c.name] = math.exp(rng.gauss(-2.2, 1.0)) if c.name not in ("ACTIVATION", "TIED") else 0.0
    names = list(best)
    pairs = [(a, b, rng.gauss(0, 0.15)) for a in names for b in names if a < b and rng.random() < 0.15]

    def value(params: Mapping[str, object]) -> float | None:
        away = {c.name: moves.position(c, params[c.name]) - best[c.name] for c in CONSTANTS}  # type: ignore[arg-type]
        if away["MATRIX_LR"] > 0.45:
            return None
        total = 2.0 + sum(steep[name] * x * x for name, x in away.items())
        total += sum(w * away[a] * away[b] * math.sqrt(steep[a] * steep[b]) for a, b, w in pairs)
        return total + 0.01 * (params["ACTIVATION"] != "relu2") + 0.005 * (params["TIED"] is False)

    return value


def play(
    proposer: sweep.SweepProposer | sweep.RandomProposer | Wholesale, seed: int
) -> tuple[list[float], int]:
    """The true gain of the incumbent after each trial, and how many were kept."""
    score, rng = objective(seed), random.Random(7 * seed + 1)
    start = score({c.name: c.value for c in CONSTANTS})
    assert start is not None
    best, true, kept, source = start + rng.gauss(0, SIGMA / 2), start, 0, SOURCE
    entries = [entry(0, Status.KEEP, best, None, best, proposal=digest(SOURCE), meta={})]
    gains = [0.0]
    for number in range(1, TRIALS + 1):
        proposal = proposer.propose(History("bench", tuple(entries), source, "", seed))
        exact = score(proposal.meta["params"])
        seen = None if exact is None else exact + rng.gauss(0, SIGMA)
        keep = False
        if exact is not None and seen is not None and seen < best:
            seen = statistics.mean([seen, *(exact + rng.gauss(0, SIGMA) for _ in range(3))])
            keep = seen < best - 0.7 * SIGMA
        status = Status.KEEP if keep else Status.CRASH if seen is None else Status.DISCARD
        after = seen if keep and seen is not None else best
        about = {"proposal": proposal.digest, "meta": proposal.meta}
        entries.append(entry(number, status, seen, best, after, **about))
        if keep and exact is not None:
            best, true, kept, source = after, exact, kept + 1, proposal.source
        gains.append(start - true)
    return gains, kept


def main(objectives: int) -> None:
    print(f"mean true gain in 0.001 bits per byte over {objectives} objectives, after {REPORTED} trials")
    for make in (sweep.SweepProposer, sweep.RandomProposer, Wholesale):
        began = time.perf_counter()
        runs = [play(make(), seed) for seed in range(objectives)]
        cells = []
        for at in REPORTED:
            gains = [1000 * found[at] for found, _ in runs]
            cells.append(
                f"{statistics.mean(gains):5.1f} ± {statistics.stdev(gains) / math.sqrt(objectives):.1f}"
            )
        kept = statistics.mean(count for _, count in runs)
        spent = (time.perf_counter() - began) / objectives / TRIALS
        print(f"{make.name:10s}", "  ".join(cells), f"  kept {kept:.1f}, {1000 * spent:.0f} ms a proposal")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
