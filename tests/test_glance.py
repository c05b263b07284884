"""What `status`, `log` and `show` read of a ledger: fewer entries, the same answers, the chain checked as before."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest

from runner.errors import UsageError
from runner.record.glance import Glance
from runner.record.ledger import FIRST, Ledger, decode, encode
from runner.record.run import Header, RunFolder
from runner.report import status, tables, tally_file
from runner.report.tally import Tally
from runner.trial import Entry, Role, Status
from runner.usage import Usage


def varied(count: int, seed: int) -> list[Entry]:
    """Trials with all that a tally counts: reruns, marks, money, models, suspicion, verdicts without a sigma."""
    chance, found = random.Random(seed), []
    for entry in factories.run(count, seed):
        again = [
            replace(one, role=chance.choice(list(Role)), seed=n) for n, one in enumerate(entry.attempts * 3)
        ]
        again = [
            one if one.score is None else replace(one, score=factories.score(chance.gauss(2.2, 0.01)))
            for one in again
        ]
        marks = chance.choice([(), ("overloaded",), ("?",)])
        again[0] = replace(again[0], outcome=replace(again[0].outcome, marks=marks))
        meta = {"cost_usd": chance.random(), "tokens_in": 7, "model": chance.choice(["a", "b, a", ""])}
        numbers = (
            chance.choice([{}, {"sigma": chance.random()}, {"sigma": -1.0}]) if chance.random() < 0.5 else {}
        )
        timings = chance.choice([{}, entry.timings, {"agent": float(chance.randrange(9))}])
        found.append(
            replace(
                entry,
                attempts=tuple(again[: chance.choice([1, 1, 2, 3])]),
                meta=chance.choice([{}, meta]),
                verdict=replace(entry.verdict, numbers=numbers),
                timings=timings,
                suspicious=chance.choice(["", "", "too good"]),
                note=chance.choice([entry.note, '"status":"keep"', "\u2028\ud800<b>"]),
            )
        )
    return found


def written(path: Path, entries: list[Entry]) -> list[bytes]:
    head, lines = FIRST, []
    for entry in entries:
        line, head = encode(entry, head)
        lines.append(line)
    path.write_bytes(b"".join(lines))
    return lines


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "runner.toml").write_text("")
    made = RunFolder(tmp_path, "night")
    made.create(Header("night", "2026-01-01T00:00:00Z", "0" * 40, factories.PINS, {}, 1))
    return made


def kept(folder: RunFolder, entries: int) -> None:
    """The tally of the first so many trials."""
    ledger = Ledger(folder.ledger)
    head = Glance(folder.ledger).heads[entries - 1] if entries else FIRST
    tally_file.Keeper(folder.tally).keep(ledger.entries[:entries], head)


@pytest.mark.parametrize("seed", range(8))
def test_a_tally_and_the_trials_after_it_give_what_all_trials_give(folder: RunFolder, seed: int) -> None:
    written(folder.ledger, varied(60, seed))
    entries = Ledger(folder.ledger).entries
    whole = status.status("night", entries)
    assert whole["trials"] == 60
    for count in (0, 1, 2, 19, 20, 21, 59, 60):
        kept(folder, count)
        tally = tally_file.read(folder.tally, Glance(folder.ledger))
        assert status.of("night", tally) == whole
        assert list(status.of("night", tally)["endings"]) == list(whole["endings"])


def test_a_runs_own_tally_grows_with_it(folder: RunFolder) -> None:
    ledger, keeper = Ledger(folder.ledger), tally_file.Keeper(folder.tally)
    for entry in varied(30, 3):
        ledger.append(entry)
        keeper.keep(ledger.entries, ledger.head)
        made = json.loads(folder.tally.read_bytes())
        assert made["tally"]["trials"] == len(ledger)
    assert Tally.from_json(made["tally"]) == Tally.of(ledger.entries)


def test_what_faults_took_is_added() -> None:
    tally = Tally.of([replace(factories.entry(1), meta={"cost_usd": 1.0, "model": "m"})])
    assert tally.spent(Usage(5, 6, 0.5, "n")) == Usage(5, 6, 1.5, "m, n")


def nonsense(made: dict[str, Any]) -> list[Any]:
    """What may lie there instead of a tally."""
    known = made["tally"]
    return [
        {**made, "version": 2}, {**made, "head": "0" * 64}, {**made, "tally": {**known, "trials": 3}},
        {**made, "tally": {**known, "trials": "30"}}, {**made, "tally": {**known, "trials": True}},
        {**made, "tally": {**known, "walls": "x"}}, {**made, "tally": {**known, "walls": [[]]}},
        {**made, "tally": {**known, "marks": {"overloaded": "x"}}}, {**made, "tally": {**known, "more": 1}},
        {**made, "tally": {"trials": 30}}, {**made, "tally": {**known, "best_note": {}}}, [], 7, None,
    ]  # fmt: skip


def test_a_tally_of_another_ledger_a_torn_one_or_nonsense_is_not_believed(folder: RunFolder) -> None:
    written(folder.ledger, varied(30, 1))
    whole = status.status("night", Ledger(folder.ledger).entries)
    kept(folder, 30)
    good = folder.tally.read_text()
    for wrong in (*map(json.dumps, nonsense(json.loads(good))), good[:-20], "", "[" * 100_000):
        folder.tally.write_text(wrong)
        assert status.of("night", tally_file.read(folder.tally, Glance(folder.ledger))) == whole, wrong[:80]
    folder.tally.write_text(good)
    written(folder.ledger, varied(30, 2))
    found = tally_file.read(folder.tally, Glance(folder.ledger))
    assert status.of("night", found) == status.status("night", Ledger(folder.ledger).entries)


def test_a_glance_gives_the_entries_that_the_ledger_gives(folder: RunFolder) -> None:
    written(folder.ledger, varied(40, 5))
    entries, glance = Ledger(folder.ledger).entries, Glance(folder.ledger)
    assert tuple(glance.since(0)) == entries
    assert tuple(glance.since(33)) == entries[33:]
    assert tuple(glance.backwards())[::-1] == entries
    assert glance.entry(7) == entries[7]
    assert len(Glance(folder.path / "none.jsonl")) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_filter_takes_what_it_took_of_all_entries(folder: RunFolder, seed: int) -> None:
    written(folder.ledger, varied(80, seed))
    entries, glance = Ledger(folder.ledger).entries, Glance(folder.ledger)
    words = {Status.KEEP: b'"status":"keep"', Status.CRASH: b'"status":"crash"'}
    for asked in ([], [Status.KEEP], [Status.CRASH], [Status.KEEP, Status.CRASH]):
        for limit in (None, 1, 5, 500):
            found = tables.select(
                glance.backwards(*(words[one] for one in asked)),
                kept=Status.KEEP in asked,
                crashed=Status.CRASH in asked,
                limit=limit,
            )
            wanted = [entry for entry in entries if not asked or entry.status in asked]
            assert found == (wanted if limit is None else wanted[-limit:])


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def forged(lines: list[bytes]) -> list[bytes]:
    """A score that was changed, with a hash made to fit its own line."""
    first, _ = decode(lines[4][:-1], json.loads(lines[4])["prev"])
    line, _ = encode(replace(first, val_bpb=1.0), json.loads(lines[4])["prev"])
    return [*lines[:4], line, *lines[5:]]


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda lines: [*lines[:4], lines[4].replace(b"2.2", b"1.2", 1), *lines[5:]], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b"note", b"nate", 1), *lines[5:]], 5),
        (lambda lines: [*lines[:4], *lines[5:]], 5),
        (lambda lines: [*lines[:4], lines[4], lines[4], *lines[5:]], 6),
        (swapped, 5),
        (forged, 6),
        (lambda lines: [*lines[:4], b"\n", *lines[4:]], 5),
        (lambda lines: lines[1:], 1),
    ],
    ids=["a number", "a name", "removed", "twice", "swapped", "forged", "an empty line", "the first removed"],
)
@pytest.mark.parametrize("tallied", [False, True])
def test_status_and_log_refuse_an_edited_past_and_name_the_line(
    folder: RunFolder, runner: Any, edit: Any, line: int, tallied: bool
) -> None:
    lines = written(folder.ledger, factories.run(90))
    if tallied:
        kept(folder, 90)
    folder.ledger.write_bytes(b"".join(edit(lines)))
    with pytest.raises(UsageError, match=f"line {line}: the record is damaged"):
        Ledger(folder.ledger)
    for words in (["status"], ["log"], ["show", "2"]):
        done = runner(folder.runs.parent, *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert f"line {line}: the record is damaged here" in done.stderr


def test_a_half_written_last_line_is_no_trial(folder: RunFolder, runner: Any) -> None:
    lines = written(folder.ledger, factories.run(9))
    folder.ledger.write_bytes(b"".join(lines)[:-30])
    assert json.loads(runner(folder.runs.parent, "status", "--json").stdout)["trials"] == 8
    assert runner(folder.runs.parent, "log").stdout.count("2026-01-01") == 8
