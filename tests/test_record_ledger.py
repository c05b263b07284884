"""The ledger and results.tsv: what is written stays written, and nothing that is damaged is read as if it were not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import factories
import pandas
import pytest

from runner.errors import UsageError
from runner.record import results
from runner.record.ledger import FIRST, Ledger, canonical
from runner.trial import Entry, Status, digest, to_json


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def written(path: Path, count: int = 4) -> list[Entry]:
    ledger = Ledger(path)
    return [ledger.append(entry) for entry in factories.run(count)]


def test_entries_are_read_as_they_were_appended(path: Path) -> None:
    appended = written(path, 20)
    assert list(Ledger(path).entries) == appended == factories.run(20)


def test_no_file_is_an_empty_ledger_and_makes_none(path: Path) -> None:
    assert Ledger(path).entries == ()
    assert not path.exists()


def test_the_chain_can_be_checked_without_this_program(path: Path) -> None:
    written(path)
    prev = FIRST
    for line in path.read_text().splitlines():
        raw = json.loads(line)
        own = raw.pop("hash")
        assert raw["prev"] == prev
        assert (
            digest(json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()) == own
        )
        prev = own


@pytest.mark.parametrize("line", range(4))
def test_a_changed_character_is_named_by_its_line(path: Path, line: int) -> None:
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"agent":"', b'"agent":"x', 1)
    path.write_bytes(b"".join(lines))
    with pytest.raises(UsageError, match=f"line {line + 1}: .*hash"):
        Ledger(path)


def rehashed(line: bytes, **changes: object) -> bytes:
    """A line changed by someone who knows how its hash is made."""
    raw = {**json.loads(line), **changes}
    del raw["hash"]
    body = canonical(raw)
    return body[:-1] + b',"hash":"' + digest(body).encode() + b'"}\n'


def test_a_line_changed_and_rehashed_breaks_the_chain_after_it(path: Path) -> None:
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = rehashed(lines[1], val_bpb=0.5)
    path.write_bytes(b"".join(lines))
    with pytest.raises(UsageError, match=r"line 3: .*does not follow"):
        Ledger(path)


@pytest.mark.parametrize("order", [(0, 2, 3), (1, 2, 3), (0, 2, 1, 3), (0, 1, 1, 2, 3)])
def test_a_line_removed_moved_or_repeated_breaks_the_chain(path: Path, order: tuple[int, ...]) -> None:
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in order))
    with pytest.raises(UsageError, match="does not follow"):
        Ledger(path)


@pytest.mark.parametrize(
    "garbage", [b"\n", b"{}\n", b"\0\0\0\n", b"\xff\xfe\n", b"null\n", b"[" * 5000 + b"\n"]
)
def test_garbage_in_the_middle_is_named_and_never_dropped(path: Path, garbage: bytes) -> None:
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:2], garbage, *lines[2:]])
    path.write_bytes(damaged)
    with pytest.raises(UsageError, match="line 3"):
        Ledger(path)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"null", b"[1]", b'{"prev":"' + FIRST.encode() + b'"}', b'"text"'])
def test_a_well_hashed_line_that_is_no_entry_is_named(path: Path, content: bytes) -> None:
    body = content
    path.write_bytes(body[:-1] + b',"hash":"' + digest(body[:-1] + b"}").encode() + b'"}\n')
    with pytest.raises(UsageError, match="line 1"):
        Ledger(path)


def test_a_trial_out_of_turn_is_named(path: Path) -> None:
    body = canonical({**json.loads(canonical(to_json(factories.entry(3)))), "prev": FIRST})
    path.write_bytes(body[:-1] + b',"hash":"' + digest(body).encode() + b'"}\n')
    with pytest.raises(UsageError, match="it is trial 3, and trial 0 comes next"):
        Ledger(path)


def test_every_torn_last_line_is_cut_off_and_kept(path: Path) -> None:
    written(path, 3)
    whole = path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for count, cut in enumerate(range(start + 1, len(whole) - 1, 97), start=1):
        path.write_bytes(whole[:cut])
        ledger = Ledger(path)
        assert len(ledger) == 2
        (message,) = ledger.mend()
        assert f"ledger.torn-{count}" in message
        assert path.read_bytes() == whole[:start]
        assert path.with_name(f"ledger.torn-{count}").read_bytes() == whole[start:cut]


def test_appending_after_a_torn_line_was_mended_continues_the_chain(path: Path) -> None:
    entries = written(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    ledger = Ledger(path)
    ledger.mend()
    ledger.append(entries[2])
    assert Ledger(path).entries == tuple(entries)


def test_nothing_is_appended_to_a_torn_line(path: Path) -> None:
    entries = written(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="mend first"):
        Ledger(path).append(entries[2])


def test_a_last_line_that_lacks_only_its_newline_is_kept(path: Path) -> None:
    entries = written(path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    ledger = Ledger(path)
    ledger.mend()
    assert ledger.entries == tuple(entries)
    assert path.read_bytes() == whole
    assert list(path.parent.glob("ledger.torn*")) == []


def test_a_tail_of_zeros_is_a_torn_line(path: Path) -> None:
    written(path, 2)
    with path.open("ab") as file:
        file.write(b"\0" * 4096)
    ledger = Ledger(path)
    assert ledger.mend()
    assert len(ledger) == 2


def test_reading_changes_nothing(path: Path) -> None:
    written(path, 2)
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    Ledger(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(path: Path, number: float) -> None:
    ledger = Ledger(path)
    with pytest.raises(ValueError, match="float"):
        ledger.append(factories.entry(0, Status.KEEP, number))
    assert not path.exists() or path.read_bytes() == b""


def test_a_trial_cannot_be_appended_twice(path: Path) -> None:
    ledger = Ledger(path)
    ledger.append(factories.entry(0))
    with pytest.raises(ValueError, match="trial 0"):
        ledger.append(factories.entry(0))


def test_a_file_that_something_else_wrote_to_is_not_appended_to(path: Path) -> None:
    ledger = Ledger(path)
    ledger.append(factories.entry(0))
    Ledger(path).append(factories.entry(1))
    with pytest.raises(UsageError, match="something else wrote"):
        ledger.append(factories.entry(1))
    assert len(Ledger(path)) == 2


@pytest.mark.parametrize(
    "note", ["é → ü", "tab\tand\nnewline", "\u2028", "\0", '"quoted"', "\\", "x" * 100_000]
)
def test_any_note_survives(path: Path, note: str) -> None:
    Ledger(path).append(factories.entry(0, note=note))
    assert Ledger(path).entries[0].note == note


def test_a_lone_surrogate_does_not_lose_a_trial(path: Path) -> None:
    Ledger(path).append(factories.entry(0, note="a\udc80b"))
    assert Ledger(path).entries[0].note == "a?b"


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import factories
from runner.errors import InfraError
from runner.record.ledger import Ledger
path = Path(sys.argv[1])
ledger = Ledger(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + int(sys.argv[3]),) * 2)
try:
    ledger.append(factories.entry(2))
except InfraError as error:
    print(error.advice)
"""


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_is_said_and_leaves_the_file_as_it_was(path: Path, room: int) -> None:
    written(path, 2)
    before = path.read_bytes()
    command = [sys.executable, "-c", FULL, str(path), str(Path(__file__).parent), str(room)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Make room on the disk" in done.stdout, done.stderr
    assert path.read_bytes() == before


def test_ten_thousand_entries_load_quickly(path: Path) -> None:
    prev, few = FIRST, [to_json(entry) for entry in factories.run(100)]
    with path.open("wb") as file:
        for number in range(10_000):
            body = canonical({**few[number % 100], "number": number, "prev": prev})
            prev = digest(body)
            file.write(body[:-1] + b',"hash":"' + prev.encode() + b'"}\n')
    took = []
    for _ in range(2):
        began = time.process_time()
        assert len(Ledger(path)) == 10_000
        took.append(time.process_time() - began)
    print(f"10,000 entries, {path.stat().st_size / 1e6:.1f} MB: {min(took):.3f} s")
    assert min(took) < 2.0  # 0.33 s of an idle core; the bound leaves room for a busy machine


def test_results_load_in_pandas_with_the_originals_names_and_types(tmp_path: Path) -> None:
    entries = factories.run(40)
    hostile = [
        '"open quote',
        "tab\there",
        "line\nbreak\r\n",
        "\x1b[31mred",
        "NA",
        "1.5",
        "",
        "→ ü",
        "\u2028",
        "a\0b",
    ]
    entries += [factories.entry(40 + i, note=note) for i, note in enumerate(hostile)]
    results.write(tmp_path / "results.tsv", entries)
    frame = pandas.read_csv(tmp_path / "results.tsv", sep="\t")
    assert list(frame.columns) == ["commit", "val_bpb", "memory_gb", "status", "description"]
    assert len(frame) == len(entries)
    kinds = [str(kind) for kind in frame.dtypes]
    assert [("object" if kind == "str" else kind) for kind in kinds] == [
        "object", "float64", "float64", "object", "object",
    ]  # fmt: skip
    assert set(frame["status"]) == {"keep", "discard", "crash"}
    assert (frame["commit"].str.len() == 7).all()


def test_a_crash_has_zeros(tmp_path: Path) -> None:
    line = results.row(factories.entry(1, Status.CRASH, None))
    assert line.split("\t")[1:4] == ["0.000000", "0.0", "crash"]


def test_memory_is_the_gpus_where_there_is_one() -> None:
    entry = factories.entry(1)
    assert results.row(entry).split("\t")[2] == "0.8"
    attempt = entry.attempts[0]
    on_gpu = replace(attempt, outcome=replace(attempt.outcome, peak_vram_mb=45_056.0))
    assert results.row(replace(entry, attempts=(on_gpu,))).split("\t")[2] == "44.0"


def test_results_that_are_right_already_are_not_rewritten(tmp_path: Path) -> None:
    target = tmp_path / "results.tsv"
    assert results.write(target, factories.run(3))
    before = target.stat().st_ino
    assert not results.write(target, factories.run(3))
    assert target.stat().st_ino == before


def test_a_header_alone_is_a_file_too() -> None:
    assert results.render([]) == b"commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
