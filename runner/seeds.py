"""The seeds of a run's trainings: the runner's choice, and the same whenever it is asked again. Pure."""

from __future__ import annotations

import hashlib


def seed_for(run_seed: int, number: int, attempt: int) -> int:
    """The seed of one training: the runner's choice, unknown to whoever wrote the proposal."""
    mixed = hashlib.sha256(f"{run_seed}:{number}:{attempt}".encode()).digest()
    return int.from_bytes(mixed[:4], "big") >> 1
