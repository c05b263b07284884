"""The holdout text: scored once an incumbent, counted, never for a decision. Scores are given here, files are real."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import factories
import pytest
from rich.console import Console

from runner import holdouts
from runner.agents import history as told
from runner.errors import InfraError
from runner.report.status import status, summary
from runner.trial import Entry, History, Role, Score, Status

BASELINE = factories.entry(0, Status.KEEP, 2.0)
BETTER = factories.entry(1, Status.KEEP, 1.9)
BEST = factories.entry(3, Status.KEEP, 1.8)
RUN = (BASELINE, BETTER, factories.entry(2), BEST)


class Scorer:
    """Scores by trial; remembers who asked."""

    def __init__(self, **blocks: Sequence[float]) -> None:
        self.blocks, self.asked = blocks, []  # type: ignore[var-annotated]

    def __call__(self, entry: Entry) -> list[Score]:
        self.asked.append(entry.number)
        return [
            factories.score(bpb, bytes=100 * (i + 1)) for i, bpb in enumerate(self.blocks[f"t{entry.number}"])
        ]


def scorer() -> Scorer:
    return Scorer(t0=(2.1, 2.0), t1=(2.05, 1.95), t3=(2.0, 1.94))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "holdout.json"


def test_a_run_that_kept_nothing_is_not_looked_at(path: Path) -> None:
    score = scorer()
    assert holdouts.look(path, [BASELINE, factories.entry(1)], score) is None
    assert score.asked == []
    assert not path.exists()


def test_gains_and_the_gap_are_those_of_the_same_two_checkpoints(path: Path) -> None:
    found = holdouts.look(path, RUN, scorer())
    assert found is not None
    assert found["validation_gain"] == pytest.approx(0.2)
    assert found["holdout_gain"] == pytest.approx((100 * 0.1 + 200 * 0.06) / 300)
    assert found["optimism"] == pytest.approx(0.2 - 0.22 / 3)
    assert found["optimism_stderr"] > 0


def test_the_score_on_validation_is_the_kept_checkpoints_own() -> None:
    chosen, fresh = factories.attempt(1.7), factories.attempt(1.85, role=Role.AFRESH)
    again = factories.attempt(1.6, role=Role.INCUMBENT)
    assert holdouts.checkpoint_score(replace(BEST, attempts=(chosen, again, fresh, again))) == 1.85


def test_an_incumbent_is_looked_at_once_and_looks_are_counted(path: Path) -> None:
    score = scorer()
    holdouts.look(path, RUN[:3], score)
    assert holdouts.look(path, RUN[:3], score) is None
    holdouts.look(path, RUN, score)
    assert holdouts.look(path, (*RUN, factories.entry(4)), score) is None
    assert score.asked == [0, 1, 3], "the baseline's is known after the first"
    found = json.loads(path.read_text())
    assert found["scored"] == 2
    assert [look["trial"] for look in found["looks"]] == [1, 3]


def test_a_machine_that_fails_costs_no_look(path: Path) -> None:
    def fails(entry: Entry) -> list[Score]:
        raise InfraError("the engine is gone")

    with pytest.raises(InfraError):
        holdouts.look(path, RUN, fails)
    assert not path.exists()
    assert holdouts.look(path, RUN, scorer()) is not None


def test_a_checkpoint_that_fails_the_audit_there_is_recorded_and_not_tried_again(path: Path) -> None:
    def refuses(entry: Entry) -> list[Score]:
        raise holdouts.Refused(entry, "claims and audit disagree")

    with pytest.raises(holdouts.Refused):
        holdouts.look(path, RUN, refuses)
    assert holdouts.look(path, RUN, scorer()) is None
    assert status("t", RUN, holdout=holdouts.read(path))["holdout"]["refused"] == [3]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"looks": 3}', b"\xff\x00", b'{"looks": [7, null]}'])
def test_a_damaged_file_is_no_reason_to_stop(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    status("t", RUN, holdout=holdouts.read(path))
    assert holdouts.look(path, RUN, scorer()) is not None


def test_the_error_of_the_gap_is_what_chance_makes_of_it_where_blocks_are_alike() -> None:
    """Texts of validation and holdout drawn alike, no optimism: the gap scatters as its error says."""
    draw, gaps, errors = random.Random(5), [], []
    for _ in range(4000):
        gains = [draw.gauss(0.1, 0.01) for _ in range(8)]
        before = {
            "validation_bpb": 2 + statistics.fmean(gains[:4]),
            "holdout_bpb": 2 + statistics.fmean(gains[4:]),
        }
        after = {"validation_bpb": 2.0, "holdout_bpb": 2.0, "blocks": [2.0] * 4, "bytes": [1] * 4}
        found = holdouts.gap({**before, "blocks": [2 + g for g in gains[4:]]}, after)
        gaps.append(found["optimism"])
        errors.append((found["optimism_stderr"] or 0.0) ** 2)
    assert statistics.fmean(gaps) == pytest.approx(0, abs=0.0005)  # type: ignore[type-var, arg-type]
    assert statistics.fmean(errors) ** 0.5 == pytest.approx(statistics.stdev(gaps), rel=0.06)  # type: ignore[arg-type]


def test_one_block_has_no_error(path: Path) -> None:
    found = holdouts.look(path, RUN, Scorer(t0=(2.1,), t3=(2.0,)))
    assert found is not None
    assert found["optimism_stderr"] is None


def test_a_person_is_shown_gain_gap_and_the_number_of_looks(path: Path) -> None:
    holdouts.look(path, RUN[:3], scorer())
    holdouts.look(path, RUN, scorer())
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(summary("t", RUN, holdout=holdouts.read(path)))
    assert "gain 0.0733" in captured.get()
    assert "looked at 2 times" in captured.get()


def test_no_history_of_an_agent_holds_any_of_it(path: Path) -> None:
    holdouts.look(path, RUN, Scorer(t0=(2.111111, 2.111111), t3=(1.222222, 1.222222)))
    history = History("t", RUN, b"", "", 1)
    for text in (told.markdown(history, lambda number: ""), told.as_json(history)):
        assert "1.2222" not in text
        assert "oldout" not in text
