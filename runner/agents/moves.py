"""Local moves: a few constants changed by a step around the incumbent's values.

Why not all constants at once: a night has tens or hundreds of trials, a train.py ten constants or more, and
the incumbent is already good, so most distant points are worse. Here each move changes one to three.

- Which: a constant's record of gains and losses gives a Beta(1 + gains, 1 + losses) distribution; one draw
  from each, the highest draws move (Thompson, 1933, https://doi.org/10.1093/biomet/25.3-4.285).
- How far: a position in the range is a number in [0, 1], linear or logarithmic; the step is drawn
  log-uniformly from [r/4, r], where r starts at a quarter of the range and shrinks with each loss since the
  constant's last gain, as step sizes do in a (1+1) evolution strategy.
- Which way: rather where moves of this constant gained, or away from where they lost.
- Together: changes that each gained, but too little to be kept, are now and then tried in one move.

Pure: a `random.Random` goes in, values come out. A gain counts as such even if the ratchet did not keep it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.agents.annotations import Value
from runner.agents.constants import Constant
from runner.agents.observations import Observation

FIRST_STEP = 0.25  # of the range
LEAST_STEP = 0.02
SHRINK = 0.75  # of the step, at each loss since the last gain
SIZES = (1, 1, 2, 2, 3)  # how many constants a move changes, drawn uniformly
TOGETHER = 0.2  # how often near-misses are combined, where there are two


@dataclass(frozen=True)
class Record:
    """What is known of moves of one constant. `lean` > 0: the moves upwards did better."""

    gains: int = 0
    losses: int = 0
    losses_in_row: int = 0
    lean: float = 0.0


def records(constants: Sequence[Constant], observations: Sequence[Observation]) -> dict[str, Record]:
    """The record of each constant, from every move that changed it. A trial without a score is a loss."""
    found = {c.name: Record() for c in constants}
    by_name = {c.name: c for c in constants}
    for seen in observations:
        gained = seen.gain is not None and seen.gain > 0
        for name, (before, after) in seen.changes.items():
            old = found[name]
            up = math.copysign(1.0, position(by_name[name], after) - position(by_name[name], before))
            found[name] = Record(
                old.gains + gained,
                old.losses + (not gained),
                0 if gained else old.losses_in_row + 1,
                0.8 * old.lean + (up if gained else -up) / len(seen.changes),
            )
    return found


def move(
    constants: Sequence[Constant], observations: Sequence[Observation], rng: random.Random
) -> dict[str, Value]:
    """New values for one to three constants. They may repeat a version tried before: the caller looks."""
    if rng.random() < TOGETHER and (both := _combined(constants, observations, rng)):
        return both
    known = records(constants, observations)
    size = min(rng.choice(SIZES), len(constants))
    return {c.name: step(c, known[c.name], rng) for c in pick(constants, known, size, rng)}


def pick(
    constants: Sequence[Constant], known: Mapping[str, Record], size: int, rng: random.Random
) -> list[Constant]:
    """`size` constants by Thompson sampling over their records."""
    drawn = [(rng.betavariate(1 + known[c.name].gains, 1 + known[c.name].losses), c.name, c) for c in constants]
    return [c for *_, c in sorted(drawn, reverse=True, key=lambda d: d[:2])[:size]]


def step(constant: Constant, record: Record, rng: random.Random) -> Value:
    """A value of `constant` other than its present one."""
    choices = constant.domain.choices
    if choices and not _ordered(choices):
        return rng.choice([choice for choice in choices if choice != constant.value])
    here = position(constant, constant.value)
    up = rng.random() < min(max(0.5 + 0.25 * record.lean, 0.1), 0.9)
    if here <= 0 or here >= 1:
        up = here <= 0
    radius = max(LEAST_STEP, FIRST_STEP * SHRINK**record.losses_in_row)
    length = radius * 4 ** -rng.random()
    there = at(constant, here + (length if up else -length))
    return there if there != constant.value else neighbour(constant, up)


def uniform(constant: Constant, rng: random.Random) -> Value:
    """A value of `constant` drawn uniformly over its domain (over its logarithm for a log range)."""
    return at(constant, rng.random())


def position(constant: Constant, value: Value) -> float:
    """Where `value` lies in the domain of `constant`: 0 at its low end or first choice, 1 at the other."""
    domain = constant.domain
    if domain.choices:
        return domain.choices.index(value) / (len(domain.choices) - 1)
    low, high, x = domain.low, domain.high, float(value)
    if domain.log:
        low, high, x = math.log(low), math.log(high), math.log(x)
    return (x - low) / (high - low)


def at(constant: Constant, where: float) -> Value:
    """The inverse of `position`, to the nearest value that can be written."""
    domain = constant.domain
    where = min(max(where, 0.0), 1.0)
    if domain.choices:
        return domain.choices[round(where * (len(domain.choices) - 1))]
    if domain.log:
        return constant.canonical(math.exp(math.log(domain.low) * (1 - where) + math.log(domain.high) * where))
    return constant.canonical(domain.low * (1 - where) + domain.high * where)


def neighbour(constant: Constant, up: bool) -> Value:
    """The next value up or down; the other way at the end of the domain."""
    domain = constant.domain
    if domain.choices:
        index = domain.choices.index(constant.value) + (1 if up else -1)
        return domain.choices[index if 0 <= index < len(domain.choices) else index - (2 if up else -2)]
    if isinstance(constant.value, int):
        value = constant.value + (1 if up else -1)
        return value if constant.holds(value) else constant.value - (1 if up else -1)
    here, sign = position(constant, constant.value), 1 if up else -1
    there = at(constant, here + sign * LEAST_STEP)
    return there if there != constant.value else at(constant, here - sign * LEAST_STEP)


def _ordered(choices: Sequence[Value]) -> bool:
    """Whether a neighbouring choice is a smaller change: more than two numbers, in order."""
    if len(choices) < 3 or any(isinstance(choice, str | bool) for choice in choices):
        return False
    return list(choices) == sorted(choices) or list(choices) == sorted(choices, reverse=True)


def _combined(
    constants: Sequence[Constant], observations: Sequence[Observation], rng: random.Random
) -> dict[str, Value]:
    """The changes of two near-misses together, as far as each still leads away from the incumbent's values."""
    now = {c.name: c.value for c in constants}
    near = [
        {name: after for name, (before, after) in seen.changes.items() if now[name] == before}
        for seen in observations
        if not seen.kept and seen.gain is not None and seen.gain > 0
    ]
    near = [changes for changes in near if changes]
    if len(near) < 2:
        return {}
    one, two = rng.sample(near, 2)
    return {**one, **two}
