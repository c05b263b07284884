"""faults.jsonl: counted whole, bounded, readable after any crash; and what proposals took, believed with care."""

from __future__ import annotations

import json
import math
from pathlib import Path

import factories
import pytest
from rich.console import Console

from runner.parts import Noted
from runner.record import faults
from runner.record.faults import FaultLog
from runner.report.status import View, status
from runner.usage import Usage, total, usage_of

NOTED = Noted(3, "command", "syntax", "it does not compile", 1.5, {"cost_usd": 0.25, "tokens_in": 100}, 10.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faults.jsonl"


def test_no_file_is_no_faults(path: Path) -> None:
    assert faults.read(path) == faults.Faults()


def test_what_is_noted_is_read_back_counted_and_summed(path: Path) -> None:
    log = FaultLog(path)
    for kind in ("syntax", "auth", "syntax"):
        log.note(Noted(3, "command", kind, "why", 1.5, {"cost_usd": 0.25}))
    found = faults.read(path)
    assert found.counts == {"syntax": 2, "auth": 1}
    assert found.usage.cost_usd == 0.75
    assert (found.last["kind"], found.last["trial"], found.last["detail"]) == ("syntax", 3, "why")


def test_a_half_written_line_is_passed_over_and_does_not_swallow_the_next(path: Path) -> None:
    log = FaultLog(path)
    log.note(NOTED)
    with path.open("ab") as file:
        file.write(b'{"kind": "sy')
    log.note(NOTED)
    assert faults.read(path).counts == {"syntax": 2}


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe\n", b"[]\n3\nnull\n", b'{"kind": 7}\n', b'{"folded": {"x": "y"}}\n']
)
def test_lines_that_are_none_do_no_harm(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert sum(faults.read(path).counts.values()) == 0


def test_a_night_of_nothing_but_faults_leaves_a_bounded_file_that_counts_them_all(path: Path) -> None:
    log = FaultLog(path)
    for index in range(6000):
        log.note(
            Noted(index, "command", "auth" if index % 3 else "syntax", "x" * 10_000, 1.0, {"cost_usd": 0.5})
        )
    assert path.stat().st_size <= faults.LIMIT_BYTES
    found = faults.read(path)
    assert found.counts == {"auth": 4000, "syntax": 2000}
    assert found.usage.cost_usd == 3000.0
    assert found.last["trial"] == 5999


def test_the_agents_words_are_cut_and_stay_in_one_line(path: Path) -> None:
    FaultLog(path).note(Noted(1, "command", "exit", "a\nb\x1b[2J" + "x" * 5000, 0.0))
    (line,) = path.read_text().splitlines()
    assert len(json.loads(line)["detail"]) == faults.DETAIL_CHARACTERS
    assert "\x1b" not in line


@pytest.mark.parametrize("raw", [-1, math.nan, math.inf, True, "7", None, [], 10**400, -0.5])
def test_a_number_that_is_none_is_not_told(raw: object) -> None:
    assert usage_of({"cost_usd": raw, "tokens_in": raw, "tokens_out": raw}) == Usage()


def test_usage_of_anything_at_all_is_a_usage() -> None:
    assert usage_of(None) == usage_of([1]) == usage_of({"model": 7}) == Usage()
    assert usage_of({"model": "a\x1b[31m\nb" + "x" * 999}).model.startswith("a[31mb")
    assert len(usage_of({"model": "x" * 999}).model) == 100


def test_a_sum_counts_what_is_told_and_does_not_invent_the_rest() -> None:
    assert total([]) == Usage()
    assert total([Usage(), Usage(1, None, 0.5, "a"), Usage(2, 3, None, "b"), Usage(model="a")]) == Usage(
        3, 3, 0.5, "a, b"
    )


def test_status_counts_the_money_of_trials_and_of_faults(path: Path) -> None:
    FaultLog(path).note(NOTED)
    entries = [factories.entry(0), factories.entry(1, meta={"cost_usd": 1.0, "tokens_in": 5, "tokens_out": 7})]
    found = status("t", entries, faults=faults.read(path))
    assert (found["cost_usd"], found["tokens_in"], found["tokens_out"]) == (1.25, 105, 7)
    assert found["faults"] == {"syntax": 1}
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(View(found, entries))
    assert "$1.25" in captured.get()
    assert "1 syntax" in captured.get()
