"""The ratchet: keeps only what is real. See docs/ratchet.md.

Pure: imports nothing of the world. `decide` judges, `Standing` says what counts and which trainings are due.
"""

from runner.ratchet.basis import Basis, basis_of, shortened
from runner.ratchet.decide import decide
from runner.ratchet.limits import Taken, fastest, over_limits, taken, unheld
from runner.ratchet.noise import UNKNOWN, Noise, estimate, smallest_gain, update
from runner.ratchet.replay import after, scores, standing_of
from runner.ratchet.reproduce import reproduces
from runner.ratchet.simpler import count_tokens
from runner.ratchet.sources import drift, runs, sources
from runner.ratchet.standing import (
    Standing,
    calibration_trials,
    confirmations,
    counted_after_keep,
    incumbent_needs,
)

__all__ = [
    "UNKNOWN",
    "Basis",
    "Noise",
    "Standing",
    "Taken",
    "after",
    "basis_of",
    "calibration_trials",
    "confirmations",
    "count_tokens",
    "counted_after_keep",
    "decide",
    "drift",
    "estimate",
    "fastest",
    "incumbent_needs",
    "over_limits",
    "reproduces",
    "runs",
    "scores",
    "shortened",
    "smallest_gain",
    "sources",
    "standing_of",
    "taken",
    "unheld",
    "update",
]
