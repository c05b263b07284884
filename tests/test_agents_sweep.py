"""The proposers without a model: what they propose, that they repeat nothing, and that a resume goes on."""

from __future__ import annotations

import ast
import dataclasses
import json
import random
import statistics
import time
from collections.abc import Callable

import pytest
from factories import entry

from runner.agents import constants, moves, tpe
from runner.agents.observations import observe
from runner.agents.sweep import RandomProposer, SameProposer, SweepProposer
from runner.errors import UsageError
from runner.trial import Entry, History, Proposal, Status, entry_from_json, to_json

SOURCE = b"""\
MATRIX_LR = 0.04  # range: 0.004..0.4 log
EMBED_LR = 0.2    # range: 0.01..2.0 log
WEIGHT_DECAY = 0.1  # range: 0.0..0.5
WARMUP = 0.05     # range: 0.0..0.4
DEPTH = 4         # range: 2..8
WIDTH = 128       # choices: 64, 96, 128, 160, 192
ACTIVATION = "relu2"  # choices: "relu2", "gelu", "silu"
TIED = True       # choices: True, False
print(MATRIX_LR)
"""
Objective = Callable[[dict[str, object]], float | None]
Maker = Callable[[], SweepProposer | RandomProposer]


def as_entry(number: int, proposal: Proposal, bpb: float | None, incumbent: float, kept: bool) -> Entry:
    status = Status.CRASH if bpb is None else Status.KEEP if kept else Status.DISCARD
    return entry(
        number, status, bpb, incumbent, bpb if kept else incumbent, proposal=proposal.digest, note=proposal.note,
        agent=proposal.agent, meta=proposal.meta,
    )  # fmt: skip


def start(source: bytes = SOURCE, seed: int = 1, bpb: float = 2.2) -> History:
    baseline = Proposal(source, "baseline", "baseline")
    first = entry(0, Status.KEEP, bpb, None, bpb, proposal=baseline.digest, meta={})
    return History("demo", (first,), source, "", seed)


def told(history: History, proposal: Proposal, bpb: float | None) -> History:
    """The history after a trial of `proposal`, kept if it is lower than the incumbent."""
    best = history.entries[-1].best_bpb
    assert best is not None
    kept = bpb is not None and bpb < best
    entries = (*history.entries, as_entry(len(history.entries), proposal, bpb, best, kept))
    return dataclasses.replace(
        history, entries=entries, incumbent=proposal.source if kept else history.incumbent
    )


def play(make: Maker, trials: int, objective: Objective, seed: int = 1) -> History:
    history = start(seed=seed, bpb=objective(values(SOURCE)) or 0.0)
    for _ in range(trials):
        proposal = make().propose(history)
        history = told(history, proposal, objective(values(proposal.source)))
    return history


def values(source: bytes) -> dict[str, object]:
    return {constant.name: constant.value for constant in constants.find(source)}


def bowl(seed: int) -> Objective:
    """A quadratic bowl around a random optimum near the start, steeper in some constants; crashes far out."""
    rng = random.Random(seed)
    known = constants.find(SOURCE)
    best = {c.name: rng.gauss(moves.position(c, c.value), 0.15) for c in known}
    steep = {c.name: rng.expovariate(8) for c in known}

    def value(found: dict[str, object]) -> float | None:
        away = {c.name: moves.position(c, found[c.name]) - best[c.name] for c in known}  # type: ignore[arg-type]
        if away["MATRIX_LR"] > 0.4:
            return None
        return 2.0 + sum(steep[name] * x * x for name, x in away.items())

    return value


@pytest.mark.parametrize("make", [SweepProposer, RandomProposer])
def test_a_proposal_changes_one_to_three_constants_or_two_such_changes_and_says_which(make: Maker) -> None:
    assert max(moves.SIZES) == 3
    most = 6 if make is SweepProposer else 3  # the sweep also tries two near misses together
    history = play(make, 40, bowl(1))
    for number, found in enumerate(history.entries[1:], 1):
        params, base = found.meta["params"], found.meta["base"]
        changed = [name for name in params if params[name] != base[name]]
        assert 1 <= len(changed) <= most, number
        assert [part.split(" ")[0] for part in found.note.split(", ")] == changed


def test_the_note_reads_as_the_file_is_written() -> None:
    proposal = SweepProposer().propose(start(b"MATRIX_LR = 4e-2  # range: 0.005..0.2 log\n"))
    new = proposal.source.split(b"=")[1].split(b"#")[0].strip().decode()
    assert proposal.note == f"MATRIX_LR 4e-2 → {new}"


@pytest.mark.parametrize("make", [SweepProposer, RandomProposer])
def test_every_proposal_compiles_and_stays_in_its_ranges(make: Maker) -> None:
    for found in play(make, 40, bowl(2)).entries[1:]:
        source = constants.rewrite(SOURCE, found.meta["params"])
        compile(source, "train.py", "exec")
        assert not constants.warnings(constants.find(source))


@pytest.mark.parametrize("make", [SweepProposer, RandomProposer])
def test_no_version_is_proposed_twice(make: Maker) -> None:
    small = b"A = 3  # range: 1..6\nB = True  # choices: True, False\n"
    history = start(small)
    for _ in range(11):
        history = told(history, make().propose(history), 2.3)
    assert len({found.proposal for found in history.entries}) == 12


def test_an_exhausted_search_space_is_an_error_that_says_so() -> None:
    history = start(b"B = True  # choices: True, False\n")
    history = told(history, SweepProposer().propose(history), 2.3)
    with pytest.raises(UsageError, match="no version is left"):
        SweepProposer().propose(history)


def test_the_same_values_written_otherwise_count_as_tried() -> None:
    baseline = b"B = 0x1  # range: 1..2\nC = True  # choices: True, False\n"  # 1 would be written back as 1
    moved = constants.rewrite(baseline, {"B": 2})
    history = start(baseline)
    meta = {"params": values(moved), "base": values(baseline), "parent": history.entries[0].proposal}
    meta["skeleton"] = constants.skeleton(moved)
    history = told(history, Proposal(moved, "B", "sweep", "", meta), 2.1)
    for _ in range(2):
        proposal = SweepProposer().propose(history)
        assert values(proposal.source) != values(baseline)
        history = told(history, proposal, 2.3)
    with pytest.raises(UsageError, match="no version is left"):
        SweepProposer().propose(history)


@pytest.mark.parametrize("make", [SweepProposer, RandomProposer])
def test_a_resumed_run_goes_on_as_the_uninterrupted_one(make: Maker) -> None:
    one = make()
    through = play(lambda: one, 30, bowl(3))
    resumed = start(bpb=through.entries[0].val_bpb or 0.0)
    for found in through.entries[1:]:
        stored = tuple(entry_from_json(json.loads(json.dumps(to_json(e)))) for e in resumed.entries)
        proposal = make().propose(dataclasses.replace(resumed, entries=stored))
        assert proposal.digest == found.proposal
        resumed = told(resumed, proposal, found.val_bpb)


def test_another_seed_gives_other_proposals() -> None:
    assert SweepProposer().propose(start(seed=1)).source != SweepProposer().propose(start(seed=2)).source


def test_asked_twice_in_advance_it_gives_two_versions() -> None:
    proposer, history = SweepProposer(), start()
    assert proposer.propose(history).source != proposer.propose(history).source


def test_the_sweep_gains_more_than_random_draws_on_the_same_budget() -> None:
    def gain(make: Maker, seed: int) -> float:
        entries = play(make, 30, bowl(seed), seed).entries
        return (entries[0].best_bpb or 0.0) - (entries[-1].best_bpb or 0.0)

    seeds = range(12)
    sweep = statistics.mean(gain(SweepProposer, seed) for seed in seeds)
    blind = statistics.mean(gain(RandomProposer, seed) for seed in seeds)
    assert sweep > 1.15 * blind


def test_five_hundred_trials_are_taken_in_within_a_second() -> None:
    history = start()
    rng = random.Random(1)
    for _ in range(500):
        history = told(history, RandomProposer().propose(start(seed=rng.getrandbits(30))), 2.3 + rng.random())
    SweepProposer().propose(start())  # imports aside
    for extra in range(3):
        began = time.process_time()
        SweepProposer().propose(dataclasses.replace(history, seed=extra))
        assert time.process_time() - began < 1.0


def test_the_estimator_prefers_where_scores_were_low_and_avoids_crashes() -> None:
    history = start(b"A = 0.5  # range: 0.0..1.0\nB = 1  # range: 1..9\n")
    rng = random.Random(1)
    for number in range(60):
        a = rng.random()
        source = constants.rewrite(history.incumbent, {"A": constants.find(history.incumbent)[0].canonical(a)})
        proposal = Proposal(
            source, "A", "sweep", "", {"params": values(source), "base": values(history.incumbent)}
        )
        bpb = None if a > 0.7 else 2.3 + abs(a - 0.2)
        history = dataclasses.replace(
            history, entries=(*history.entries, as_entry(number + 1, proposal, bpb, 2.2, False))
        )
    known = constants.find(history.incumbent)
    seen = observe(history, known)
    suggested = [float(tpe.suggest(known[:1], seen, seed)["A"]) for seed in range(20)]
    assert abs(statistics.median(suggested) - 0.2) < 0.1
    assert sum(a > 0.7 for a in suggested) <= 1


def test_the_baseline_is_known_even_when_it_is_no_longer_the_incumbent() -> None:
    history = start()
    history = told(history, SweepProposer().propose(history), 2.1)
    history = told(history, SweepProposer().propose(history), 2.0)
    seen = observe(history, constants.find(history.incumbent))
    assert [s.bpb for s in seen] == [2.2, 2.1, 2.0]
    assert seen[0].params == values(SOURCE)


@pytest.mark.parametrize(
    "params",
    [
        "x",
        {"DEPTH": "four"},
        {"DEPTH": 10**9},
        {"DEPTH": True},
        {"WIDTH": []},
        {"MATRIX_LR": float("nan")},
        None,
    ],
)
def test_meta_of_a_ledger_is_not_trusted(params: object) -> None:
    history = start()
    for number in range(1, 20):
        meta = {"params": params, "base": values(SOURCE), "parent": [1], "skeleton": 5}
        history = dataclasses.replace(history, entries=(*history.entries, entry(number, meta=meta)))
    assert SweepProposer().propose(history).source != SOURCE
    assert len(observe(history, constants.find(SOURCE))) == 1  # the baseline


def test_two_near_misses_are_tried_together() -> None:
    history = start()
    for change in ({"DEPTH": 5}, {"WARMUP": 0.1}):
        source = constants.rewrite(SOURCE, change)
        meta = {"params": values(source), "base": values(SOURCE), "parent": "", "skeleton": ""}
        late = as_entry(len(history.entries), Proposal(source, "n", "sweep", "", meta), 2.1999, 2.2, False)
        history = dataclasses.replace(history, entries=(*history.entries, late))
    known = constants.find(SOURCE)
    drawn = [moves.move(known, observe(history, known), random.Random(seed)) for seed in range(40)]
    assert {"DEPTH": 5, "WARMUP": 0.1} in drawn


def test_steps_shrink_with_losses() -> None:
    (constant,) = constants.find(b"A = 0.5  # range: 0.0..1.0\n")

    def far(record: moves.Record) -> float:
        return statistics.mean(
            abs(float(moves.step(constant, record, random.Random(s))) - 0.5) for s in range(50)
        )

    assert far(moves.Record(losses_in_row=5)) < 0.5 * far(moves.Record())


def test_steps_lean_to_where_they_gained() -> None:
    (constant,) = constants.find(b"A = 0.5  # range: 0.0..1.0\n")
    up = [float(moves.step(constant, moves.Record(lean=2.0), random.Random(s))) > 0.5 for s in range(100)]
    assert 80 <= sum(up) < 100


@pytest.mark.parametrize("line", ["A = 2  # range: 2..3", "A = 0.0  # range: 0..1", "A = 8  # choices: 2, 4, 8",
                                  "A = 1.0  # range: 0.1..1 log", "A = 'x'  # choices: 'x', 'y'"])  # fmt: skip
def test_a_step_from_the_end_of_a_range_is_never_no_step(line: str) -> None:
    (constant,) = constants.find(line.encode())
    for seed in range(200):
        value = moves.step(
            constant, moves.Record(seed % 3, seed % 20, seed % 20, seed % 5 - 2), random.Random(seed)
        )
        assert value != constant.value
        assert constant.holds(value)


@pytest.mark.parametrize("make", [SweepProposer, RandomProposer])
def test_a_train_py_without_annotations_is_refused_with_an_example(make: Maker) -> None:
    with pytest.raises(UsageError, match=r"MATRIX_LR = 0\.04  # range: "):
        make().propose(start(b"LR = 0.1\n"))


@pytest.mark.parametrize("source", [SOURCE, b"a = 1", b"a = 1\r\n", b""])
def test_same_changes_a_comment_and_nothing_else(source: bytes) -> None:
    history = start(source)
    first = SameProposer().propose(history)
    history = dataclasses.replace(history, incumbent=first.source, entries=history.entries * 2)
    second = SameProposer().propose(history)
    assert len({source, first.source, second.source}) == 3
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(second.source))
    assert second.source.count(b"# same as") == 1
    assert second.source.startswith(source)
