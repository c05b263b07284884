"""`status`, `log`, `show` and the end of `go`, as a person, a script and a spreadsheet get them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import factories
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from runner.errors import UsageError
from runner.report import detail, status, tables
from runner.report.page.material import Point, Sample
from runner.report.watched import wall
from runner.trial import Ending, Entry, Role, Status, Verdict

EVIL = "\x1b[2J[bold red]x[/] \u202e\ud800 </td><script> 日本語 " + "y" * 3000


def render(what: RenderableType, width: int = 80, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, color_system="truecolor" if colour else None,
        markup=False, highlight=False, emoji=False,
    )  # fmt: skip
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def evil(number: int = 1, **changes: object) -> Entry:
    verdict = Verdict("discard", EVIL, {EVIL: float("nan"), "mean": 2.2})
    return factories.entry(
        number,
        note=EVIL,
        agent=EVIL,
        detail=EVIL,
        time=EVIL,
        commit=EVIL,
        verdict=verdict,
        machine={EVIL: EVIL},
        **changes,
    )


def everything(entries: list[Entry]) -> list[RenderableType]:
    found = status.status(
        EVIL, entries, {"phase": EVIL, "note": EVIL, "number": float("inf"), "loss": "x", "seed": [1]}
    )
    return [
        tables.Table(entries),
        tables.Table(entries, reasons=True),
        status.View(found, entries),
        status.summary(EVIL, entries),
        detail.show(
            entries[-1],
            diff="+" + EVIL,
            log=EVIL.encode("utf-8", "replace"),
            curves=[tuple(Point(n, loss, 0.1) for n, loss in enumerate((9.0, 1e308, -1e308, 2.0)))],
            samples=[Sample(EVIL, EVIL), Sample("", EVIL)],
            log_path=EVIL,
        ),
    ]


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, colour: bool) -> None:
    for what in everything([*factories.run(12, 3), evil(12), evil(13, status=Status.CRASH)]):
        for line in render(what, width, colour).split("\n"):
            bare = "".join(part.partition("m")[2] if i else part for i, part in enumerate(line.split("\x1b[")))
            assert cell_len(bare) <= width, (width, bare)


def test_hostile_text_reaches_no_terminal() -> None:
    for what in everything([evil(0, status=Status.KEEP), evil(1)]):
        shown = render(what, 200)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        shown.encode("utf-8")


def test_markup_in_a_note_stays_text() -> None:
    assert "[bold red]x[/]" in render(tables.Table([evil()]), 200)


def test_nothing_trails_a_line_in_a_file() -> None:
    entries = factories.run(6)
    shown = [
        *everything(entries)[:4],
        detail.show(entries[1], diff="+x", log="a\nb", samples=[Sample("", "Once\nupon")]),
    ]
    for line in (line for what in shown for line in render(what, 160).split("\n")):
        assert line == line.rstrip()


def test_status_counts_leave_the_baseline_out() -> None:
    entries = [
        factories.entry(0, Status.KEEP, 2.2294, None, 2.2294),
        factories.entry(1, Status.KEEP, 2.1873, 2.2294, 2.1873),
        factories.entry(2, Status.DISCARD, 2.25, 2.1873, 2.1873),
        factories.entry(3, Status.CRASH, None, 2.1873, 2.1873, ending=Ending.OOM),
    ]
    found = status.status("night", entries)
    assert (found["kept"], found["discarded"], found["crashed"], found["proposals"]) == (1, 1, 1, 3)
    assert found["gain_bpb"] == pytest.approx(0.0421)
    assert (found["best_trial"], found["trials_since_best"], found["state"]) == (1, 2, "stopped")
    assert "1 of 3 proposals kept, 1 discarded, 1 crashed (1 oom)" in render(status.View(found, entries))
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("entries", [[], [factories.entry(0, Status.CRASH, None, None, None)]])
def test_status_of_a_run_without_a_score_is_shown(entries: list[Entry]) -> None:
    found = status.status("night", entries)
    assert found["best_bpb"] is None
    assert "no trial has been kept yet" in render(status.View(found, entries))


def test_status_shows_the_trial_under_way() -> None:
    current = {
        "phase": "training",
        "number": 7,
        "seconds": 12.0,
        "budget_seconds": 30.0,
        "loss": 3.25,
        "note": "DEPTH 5",
    }
    found = status.status("night", factories.run(7), current)
    assert "trial 7 · training · 12 of 30 s · loss 3.25 · DEPTH 5" in render(status.View(found, []))
    assert found["current"]["number"] == 7


def test_the_log_can_be_filtered() -> None:
    entries = factories.run(60, 2)
    assert {e.status for e in tables.select(entries[::-1], kept=True)} == {Status.KEEP}
    assert {e.status for e in tables.select(entries[::-1], kept=True, crashed=True)} == {
        Status.KEEP,
        Status.CRASH,
    }
    assert tables.select(entries[::-1], limit=3) == entries[-3:]
    assert tables.select(entries[::-1], limit=0) == []
    middle = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert tables.select(entries[::-1], since=middle) == entries[30:]


def test_an_entry_with_an_unreadable_time_is_not_recent() -> None:
    assert tables.select([evil()], since=datetime(2000, 1, 1, tzinfo=UTC)) == []


def test_since_takes_spans_and_dates() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert tables.since("24h", now) == datetime(2026, 1, 1, tzinfo=UTC)
    assert tables.since("2026-01-01T12:00") == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert tables.since("2026-01-01T12:00+02:00") == datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("when", ["", "soon", "-3h", "999999999w", "12:61"])
def test_since_refuses_what_is_no_time(when: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        tables.since(when)


def test_json_gives_back_what_was_noted_and_no_control_code() -> None:
    shown = tables.as_json([evil()])
    assert shown.isascii()
    assert "\x1b" not in shown
    assert json.loads(shown)[0]["note"].startswith("\x1b[2J[bold red]")


def test_csv_reads_back_with_one_row_a_trial() -> None:
    entries = factories.run(20)
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(entries))))
    assert [int(row["number"]) for row in rows] == list(range(20))
    assert float(rows[0]["val_bpb"]) == entries[0].val_bpb


@pytest.mark.parametrize("note", ['=cmd|" /C calc"!A0', "+1", "-0.1 dropout", "@SUM(A1)", "\x1b[31m=1"])
def test_a_note_is_no_formula_in_a_spreadsheet(note: str) -> None:
    row = next(csv.DictReader(io.StringIO(tables.as_csv([factories.entry(1, note=note)]))))
    assert row["note"].startswith("'")


def test_the_end_says_what_was_kept_and_why_the_rest_was_not() -> None:
    shown = render(status.summary("night", factories.run(10, 3)), 100)
    for entry in factories.run(10, 3):
        assert entry.note in shown
        assert (entry.detail if entry.status is Status.CRASH else entry.verdict.reason)[:60] in shown


def test_a_long_end_names_the_command_for_the_rest() -> None:
    assert "30 earlier trials: runner log --limit 0" in render(status.summary("night", factories.run(90)))


def test_show_gives_the_scores_of_every_seed() -> None:
    attempts = (factories.attempt(2.19, 11), factories.attempt(2.21, 22, role=Role.INCUMBENT))
    shown = render(detail.show(factories.entry(4, attempts=attempts)), 120)
    assert "2.1900  seed 11" in shown
    assert "2.2100  the incumbent again, seed 22" in shown


def test_show_gives_diff_log_curves_and_every_sample() -> None:
    attempts = (factories.attempt(2.19, 11), factories.attempt(2.21, 22, role=Role.INCUMBENT))
    curve = tuple(Point(float(n), 6.0 - n / 100, 0.04 * (1 - n / 400)) for n in range(400))
    samples = [Sample("Once upon", "Once upon a time"), Sample("The king", "The king said\nno")]
    shown = render(
        detail.show(
            factories.entry(4, attempts=attempts),
            diff="-LR = 1\n+LR = 2\n",
            log=b"a\nlast line",
            curves=[curve, curve[:200]],
            samples=samples,
        ),
        120,
    )
    for part in ("-LR = 1", "+LR = 2", "last line", factories.PINS.prepare[:16],
                 "█▇▇", "seed 11: 6 → 2.01 over 399 steps, learning rate at last 0.0001",
                 "seed 22, the incumbent again: 6 → 4.01 over 199 steps",
                 "sample after “Once upon”", "Once upon a time", "sample after “The king”", "said"):  # fmt: skip
        assert part in shown, part


def test_a_training_that_reported_nothing_has_no_curve() -> None:
    assert "training loss" not in render(detail.show(factories.entry(4), curves=[()]))
    assert "training loss" not in render(detail.show(factories.entry(4)))


def test_a_diff_is_coloured_by_its_first_character() -> None:
    shown = render(detail.coloured("@@ -1 +1 @@\n-old\n+new\n same"), colour=True)
    assert "\x1b[31m-old" in shown
    assert "\x1b[32m+new" in shown


def test_a_huge_diff_is_cut() -> None:
    assert "… 4000 more lines" in render(detail.coloured("+x\n" * 5000))


def test_a_trial_lasts_as_long_as_its_parts() -> None:
    assert wall(factories.entry(1)) == pytest.approx(38.8)
    assert wall(factories.entry(1, timings={})) == pytest.approx(37.9)


def test_a_nested_record_of_the_machine_is_read_as_names_and_numbers() -> None:
    machine = {
        "engine": {"name": "docker", "version": "20.10"},
        "gpu": [{"name": "H200", "driver": "570"}],
        "x": None,
    }
    shown = render(detail.show(factories.entry(1, machine=machine)))
    assert "engine (name docker, version 20.10), gpu (name H200, driver 570)" in " ".join(shown.split())
    assert "{" not in shown


def test_json_says_what_was_set_aside() -> None:
    [found] = json.loads(tables.as_json([factories.entry(1, suspicious="it gains 95 %")]))
    assert found["suspicious"] == "it gains 95 %"
