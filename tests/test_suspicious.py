"""Scores that are too good: set aside, hidden from agents, shown to a person; honest steps never are."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import factories
import pytest
from rich.console import Console

from runner.agents import history as told
from runner.agents.observations import observe
from runner.config import RatchetSettings
from runner.ratchet import Standing
from runner.ratchet.suspicious import suspicion
from runner.record.ledger import Ledger, decode, encode
from runner.record.results import row
from runner.record.verify_rule import settings_of
from runner.report import lines
from runner.report.status import View, status
from runner.trial import History, Status, to_json

RULE = RatchetSettings()


def doubted(score: float, incumbent: float = 2.0, sigma: float = 0.005, floor: float = 0.0) -> bool:
    return bool(suspicion([score], incumbent, sigma, floor, RULE))


def test_a_score_below_the_floor_is_doubted_and_one_at_it_is_not() -> None:
    assert doubted(1.69, floor=1.7)
    assert not doubted(1.7, floor=1.7)


def test_a_floor_above_the_incumbent_is_wrong_and_doubts_nobody() -> None:
    assert not doubted(1.9, incumbent=2.0, floor=2.1)


def test_one_lucky_training_of_several_is_enough_to_doubt_a_version() -> None:
    assert suspicion([1.99, 0.1, 1.98], 2.0, 0.005, 0.5, RULE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0.2957, 0.2185),  # all that a night on generated tales gained, had it been one step
        (2.40, 1.78),  # a fresh train.py on real tales against a tuned one
        (1.7821, 1.7821 * 0.75),  # five early steps of 5 % on a GPU at once
    ],
)
def test_no_step_that_honest_runs_have_made_is_doubted(before: float, after: float) -> None:
    assert not doubted(after, before, sigma=1e-4)


def test_a_jump_needs_both_its_share_and_its_sigmas() -> None:
    assert doubted(1.2, sigma=0.005)
    assert not doubted(1.5, sigma=0.005), "a quarter"
    assert not doubted(1.2, sigma=0.1), "8 sigma"
    assert doubted(1.2, sigma=0.0), "sigma is not known: the share alone counts"


def test_a_share_of_one_turns_the_jump_off() -> None:
    assert not suspicion([0.0], 2.0, 0.005, 0.0, replace(RULE, suspicious_share=1.0))


def late(gain: float, sigma: float = 0.002, kept: int = 5, incumbent: float = 2.0) -> bool:
    return bool(suspicion([incumbent - gain], incumbent, sigma, 0.0, RULE, kept))


def test_a_jump_of_fifty_sigmas_is_doubted_whatever_its_share_once_five_versions_were_kept() -> None:
    assert late(0.101), "5 %"
    assert not late(0.099)
    assert not late(0.101, kept=4), "early steps are large"
    assert not late(0.101, sigma=0.0), "sigma is not known"


def test_where_trainings_hardly_differ_a_small_step_is_not_doubted_for_its_sigmas() -> None:
    assert not late(0.09, sigma=1e-7)
    assert late(0.11, sigma=1e-7)


def test_the_standing_counts_the_versions_that_were_kept() -> None:
    standing = Standing((2.0, 2.01))
    for action in ("keep", "discard", "keep"):
        standing = standing.decided(action, (1.9, 1.91), RULE)
    assert standing.kept == 2


def test_records_from_before_the_jump_by_sigmas_alone_are_judged_without_it() -> None:
    before = {key: value for key, value in asdict(RULE).items() if not key.startswith("jump_")}
    rule = settings_of({"ratchet": before})
    assert not suspicion([1.8], 2.0, 0.001, 0.0, rule, kept=9)
    assert suspicion([1.8], 2.0, 0.001, 0.0, settings_of({"ratchet": asdict(RULE)}), kept=9)


SUSPECT = factories.entry(
    2,
    Status.DISCARD,
    0.0123,
    note="a new loss",
    suspicious="0.0123 bits per byte is below 0.5",
    meta={"params": {}},
)
ENTRIES = (factories.entry(0, Status.KEEP, 2.2), factories.entry(1), SUSPECT)
HISTORY = History("t", ENTRIES, b"x = 1\n", "", 1)


def test_agents_learn_no_more_than_that_a_person_looks() -> None:
    shown = told.markdown(HISTORY, lambda number: ""), told.as_json(HISTORY)
    for text in shown:
        assert told.SET_ASIDE in text
        assert "0.0123" not in text
        assert "bits per byte is below" not in text
        assert "uspicious" not in text
    assert json.loads(shown[1])["trials"][2]["val_bpb"] is None
    assert told.near_misses(ENTRIES) == []


def test_the_sweep_does_not_learn_from_a_score_that_is_not_believed() -> None:
    assert len(observe(HISTORY, [])) == 0
    believed = replace(HISTORY, entries=(replace(SUSPECT, suspicious="", number=0),))
    from runner.agents.constants import find

    constants = find(b"LR = 0.1  # range: 0.01..1 log\n", "a test")
    entry = replace(SUSPECT, meta={"params": {"LR": 0.2}, "base": {"LR": 0.1}})
    assert len(observe(replace(believed, entries=(replace(entry, suspicious=""),)), constants)) == 1
    assert observe(replace(believed, entries=(entry,)), constants) == []


def test_a_person_is_shown_it_and_what_to_type() -> None:
    assert lines.status_word(SUSPECT) == "suspect"
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(View(status("t", ENTRIES), ENTRIES))
    assert "runner diff 2" in captured.get()


def test_results_tsv_keeps_the_words_of_the_original_and_says_why() -> None:
    columns = row(SUSPECT).split("\t")
    assert columns[3] == "discard"
    assert columns[4].startswith("set aside as suspicious (0.0123 bits per byte is below 0.5): a new loss")


def test_a_ledger_from_before_there_were_suspicious_trials_is_read(tmp_path: Path) -> None:
    import hashlib

    from runner.record.ledger import canonical

    raw = to_json(ENTRIES[0])
    for key in ("suspicious", "derived_from"):
        del raw[key]
    body = canonical({**raw, "prev": "0" * 64})
    own = hashlib.sha256(body).hexdigest()
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(body[:-1] + b',"hash":"' + own.encode() + b'"}\n')
    assert Ledger(path).entries == (ENTRIES[0],)


def test_what_is_suspicious_is_in_the_chain() -> None:
    line, _ = encode(SUSPECT, "0" * 64)
    assert decode(line[:-1], "0" * 64)[0].suspicious == SUSPECT.suspicious
    with pytest.raises(ValueError, match="hash"):
        decode(line[:-1].replace(b"is below 0.5", b"is below 0.1"), "0" * 64)
