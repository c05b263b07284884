"""`runner status --watch`: what another terminal shows of a run, from its files alone; and what those files hold."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
from conftest import environment
from rich.console import Console

from runner.current import Teller
from runner.errors import UsageError
from runner.jobs.watch import Follower
from runner.parts import Noted, Reading
from runner.record.faults import FaultLog
from runner.record.ledger import Ledger
from runner.record.run import Header, RunFolder
from runner.relay import Silent
from runner.report import lines, sides
from runner.report.screen import Screen
from runner.trial import Entry, History, Proposal

HOSTILE = "\x1b[2J\x1b]0;t\x07[red]x[/red]\u202e日本語" + "y" * 300


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A lab with a run of three trials."""
    (tmp_path / "runner.toml").write_text("")
    made = RunFolder(tmp_path, "nov23")
    made.create(Header("nov23", "2026-01-01T00:00:00Z", "0" * 40, factories.PINS, {}, 1))
    ledger = Ledger(made.ledger)
    for entry in factories.run(3):
        ledger.append(entry)
    return made


@pytest.fixture
def watched(folder: RunFolder) -> Iterator[tuple[Follower, Screen, io.StringIO, Teller]]:
    """A follower of a run that this process works on."""
    said = io.StringIO()
    screen = Screen(Console(file=said, width=200, force_terminal=False))
    with folder.lock(), screen:
        yield Follower(folder, screen), screen, said, Teller(Silent(), folder, 7, time.time() + 3600, 20.0)


def shown(screen: Screen) -> str:
    now = time.monotonic()
    beside = sides.rows(screen.watched, now, 119)
    return "\n".join(line.plain for line in lines.live(screen.watched, now, "", 120, 40, beside))


def test_a_training_looks_as_where_it_was_started(watched: Any) -> None:
    follower, screen, _, teller = watched
    follower.look()
    teller.proposing(3, "claude-code")
    teller.training(3, "DEPTH 4 → 5", 1, 7, 30.0)
    teller._told = 0.0
    teller.reading(Reading(12.0, 40, 3.25, 4096, None, 812.0))
    follower.look()
    live = shown(screen)
    for said in ("trial 3  DEPTH 4 → 5", "12 of 30 s", "training 2, seed 7", "loss 3.25", "step 40", "812 MB",
                 "7 trials", "1 h 00 min until", "$20.00 of $20.00", "best"):  # fmt: skip
        assert said in live, live


def test_a_proposal_under_way_shows_since_when(watched: Any) -> None:
    follower, screen, _, teller = watched
    teller.proposing(3, "claude-code")
    teller._since -= 90
    teller._tell(teller._state)
    follower.look()
    assert re.search(r"proposing +claude-code · 1 min 3\d s", shown(screen))


def test_one_that_is_asked_ahead_shows_beside_the_training(watched: Any) -> None:
    follower, screen, _, teller = watched
    teller.asking(True)
    teller.training(3, "x", 0, 7, 30.0)
    follower.look()
    assert "asked ahead, 0.0 s" in shown(screen)


def test_a_watcher_that_comes_while_it_scores_knows_the_trial(watched: Any) -> None:
    follower, screen, _, teller = watched
    teller.training(3, "DEPTH", 0, 7, 30.0)
    teller.scoring("audit", 0, 10)
    follower.look()
    assert "trial 3  DEPTH" in shown(screen)
    assert re.search(r"scoring +audit", shown(screen))


def side_by_side(teller: Teller) -> None:
    """Two devices train; trial 3 is decided next."""
    for name, number, note in (("cpu", 3, "DEPTH 4 → 5"), ("cpu-1", 4, "WIDTH 64")):
        slot = teller.slot(name)
        slot.training(number, note, number - 3, 7, 30.0)
        teller._told = 0.0
        slot.reading(Reading(12.0, 40, 3.25, 4096, None, 812.0))
    teller.attend(3, "DEPTH 4 → 5")


def test_trainings_on_several_devices_are_shown_side_by_side(watched: Any) -> None:
    follower, screen, _, teller = watched
    side_by_side(teller)
    follower.look()
    live = shown(screen)
    assert "trial 3  DEPTH 4 → 5" in live
    assert re.search(r"cpu +trial 3 · ━+╸?─+ 12 of 30 s · loss 3.25 · DEPTH 4 → 5", live), live
    assert re.search(r"cpu-1 +trial 4 · ━+╸?─+ 12 of 30 s · loss 3.25 · training 2 · WIDTH 64", live), live
    assert "seed 0" not in live


def test_a_device_that_scores_goes_on_or_has_ended_is_followed(watched: Any) -> None:
    follower, screen, said, teller = watched
    side_by_side(teller)
    follower.look()
    teller.slot("cpu").scoring("audit", 0, 10)
    teller.slot("cpu-1").training(4, "WIDTH 64", 2, 9, 30.0)
    follower.look()
    live = shown(screen)
    assert re.search(r"cpu +trial 3 · scoring audit", live), live
    assert re.search(r"cpu-1 +trial 4 · ─+ 0 of 30 s · training 3", live), live
    teller.slot("cpu").over()
    teller.slot("cpu-1").over()
    follower.look()
    assert not re.search(r"^cpu", shown(screen), re.M)
    screen.close()
    told = said.getvalue()
    assert told.count("trial 3: training on cpu, seed 7, 30 s: DEPTH 4 → 5") == 1
    assert told.count("trial 4: training on cpu-1, training 3, seed 9") == 1
    assert "seed 0" not in told


def test_status_names_what_every_device_does(folder: RunFolder, runner: Any) -> None:
    with folder.lock():
        side_by_side(Teller(Silent(), folder, 7))
        told = runner(folder.runs.parent, "status").stdout
        found = json.loads(runner(folder.runs.parent, "status", "--json").stdout)["current"]
    assert re.search(r"^now +trial 3 · is decided next · 7 trials left$", told, re.M), told
    assert re.search(r"^cpu +trial 3 · training · 12 of 30 s · loss 3.25 · DEPTH 4 → 5$", told, re.M), told
    assert re.search(r"^cpu-1 +trial 4 · training · 12 of 30 s · loss 3.25 · WIDTH 64$", told, re.M), told
    assert [(one["slot"], one["number"], one["budget_seconds"]) for one in found["slots"]] == [
        ("cpu", 3, 30),
        ("cpu-1", 4, 30),
    ]


def test_verdicts_and_messages_of_the_run_are_told_once(watched: Any, folder: RunFolder) -> None:
    follower, screen, said, teller = watched
    follower.look()
    Ledger(folder.ledger).append(factories.entry(3, note="WIDTH 64"))
    teller.message("the engine is slow")
    for _ in range(3):
        follower.look()
    screen.close()
    assert said.getvalue().count("WIDTH 64") == 1
    assert said.getvalue().count("the engine is slow") == 1


def test_what_agents_cost_counts_their_faults(watched: Any, folder: RunFolder) -> None:
    follower, screen, _, teller = watched
    Ledger(folder.ledger).append(replace(factories.entry(3), meta={"cost_usd": 1.0, "tokens_in": 5}))
    teller.telling(FaultLog(folder.faults)).note(Noted(4, "a", "timeout", "", 1.0, {"cost_usd": 0.5}))
    teller.proposing(4, "a")
    follower.look()
    assert "$1.50" in shown(screen)


def test_the_end_of_a_run_is_said_and_watching_goes_on(folder: RunFolder) -> None:
    said = io.StringIO()
    with Screen(Console(file=said, width=200, force_terminal=False)) as screen:
        follower = Follower(folder, screen)
        with folder.lock():
            Teller(Silent(), folder).training(3, "x", 0, 7, 30.0)
            follower.look()
            assert screen.watched.phase == "training"
        follower.look()
        follower.look()
        assert screen.watched.phase == "idle"
        assert shown(screen) == ""
        with folder.lock():
            follower.look()
            assert screen.watched.phase == "training"
    assert said.getvalue().count("no program works on nov23; watching goes on") == 1


def test_a_run_that_is_removed_ends_it(watched: Any, folder: RunFolder) -> None:
    follower = watched[0]
    follower.look()
    folder.run_json.unlink()
    folder.ledger.unlink()
    with pytest.raises(UsageError, match="removed"):
        follower.look()


@pytest.mark.parametrize(
    "nonsense",
    [
        {"phase": 7, "number": "x"},
        {"phase": "training", "number": 1e400, "note": 3},
        {"phase": "training", "number": 3, "note": HOSTILE, "seed": [], "budget_seconds": "x", "since": "y"},
        {"phase": f"scoring, {HOSTILE}", "number": 3, "attempt": {}, "left": -1e300, "ends": True},
        {"phase": "proposing", "number": 3, "agent": HOSTILE, "asking": -1, "since": 1e300},
        {
            "phase": "training",
            "number": 3,
            "slots": [
                {
                    "slot": HOSTILE,
                    "number": 1,
                    "note": HOSTILE,
                    "phase": [],
                    "budget_seconds": "x",
                    "seconds": 1e300,
                    "updated": {},
                },
                7,
                {"slot": 3},
                {"slot": "x"},
                None,
            ]
            * 50,
        },
        {"phase": "training", "number": 3, "slots": {"slot": "x"}},
    ],
)
def test_nonsense_in_its_file_breaks_nothing(nonsense: dict[str, Any], watched: Any, folder: RunFolder) -> None:
    follower, screen, said, _ = watched
    folder.current_json.write_text(json.dumps(nonsense))
    follower.look()
    follower.look()
    live = shown(screen)
    screen.close()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", said.getvalue() + live)


class Slow:
    """A proposer that says when it is asked and may be told to stop."""

    name = "slow"

    def __init__(self) -> None:
        self.cancelled = False

    def propose(self, history: History) -> Proposal:
        return Proposal(b"x", "y", "slow")

    def cancel(self) -> None:
        self.cancelled = True


def test_a_proposer_that_is_watched_can_still_be_told_to_stop(folder: RunFolder) -> None:
    slow = Slow()
    asked = Teller(Silent(), folder).asked(slow)
    assert asked.propose(History("t", (), b"", "", 1)).note == "y"
    asked.cancel()  # type: ignore[attr-defined]
    assert slow.cancelled


def test_the_screen_shows_pauses_limits_and_costs() -> None:
    now = [100.0]
    screen = Screen(Console(file=io.StringIO(), width=120, force_terminal=False), clock=lambda: now[0])
    entries: list[Entry] = [
        *factories.run(2),
        replace(factories.entry(2), meta={"cost_usd": 1.25, "tokens_in": 9}),
    ]
    screen.resume("night", None, entries, hours=2, cost=5.0)
    screen.proposing(3, "claude-code")
    screen.fault(Noted(3, "claude-code", "rate limit", "slow down", 2.0, {"cost_usd": 0.25}, pause=60))
    now[0] += 20
    live = "\n".join(line.plain for line in lines.live(screen.watched, now[0], "", 120, 40))
    assert "after rate limit asked again in 40 s" in live
    assert "2 h 00 min until the last trial may start · $3.50 of $5.00" in live
    assert "$1.50 · 9 tokens in, 0 out" in live
    screen.close()


def command(folder: RunFolder) -> tuple[list[str], dict[str, str]]:
    words = [sys.executable, "-m", "runner", "--lab", str(folder.runs.parent), "status", "--watch"]
    return words, {**environment(folder.path), "PYTHONUNBUFFERED": "1"}


def test_in_a_pipe_it_writes_plain_lines_and_ctrl_c_ends_it(folder: RunFolder) -> None:
    words, variables = command(folder)
    with folder.lock():
        Teller(Silent(), folder).training(3, "DEPTH 4 → 5", 0, 7, 30.0)
        process = subprocess.Popen(
            words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        seen = ""
        while "trial 3: training, seed 7, 30 s: DEPTH 4 → 5" not in seen:
            line = process.stdout.readline()
            assert line, process.communicate()
            seen += line
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", seen + rest)


def test_it_ends_when_its_reader_leaves(folder: RunFolder) -> None:
    words, variables = command(folder)
    process = subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0


def test_on_a_terminal_it_draws_resizes_and_gives_the_terminal_back(folder: RunFolder) -> None:
    words, variables = command(folder)
    variables = {**variables, "TERM": "xterm-256color", "CI": "", "NO_COLOR": "", "COLUMNS": "", "LINES": ""}
    variables = {key: value for key, value in variables.items() if value}
    ours, theirs = pty.openpty()
    seen = bytearray()
    with folder.lock():
        Teller(Silent(), folder).training(3, "DEPTH 4 → 5", 0, 7, 300.0)
        process = subprocess.Popen(words, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

        def until(words: str) -> None:
            deadline = time.monotonic() + 40
            while words not in bytes(seen).decode("utf-8", "ignore"):
                assert time.monotonic() < deadline, bytes(seen)
                if select.select([ours], [], [], 0.2)[0]:
                    seen.extend(os.read(ours, 65_536))

        until("DEPTH 4")
        termios.tcsetwinsize(ours, (10, 40))
        process.send_signal(signal.SIGWINCH)
        seen.clear()
        until("trial 3")
        process.send_signal(signal.SIGINT)
        drained = threading.Thread(target=drain, args=(ours, seen), daemon=True)
        drained.start()
        assert process.wait(30) == 130
        drained.join(5)
    os.close(ours)
    assert bytes(seen).rfind(b"\x1b[?7h") >= bytes(seen).rfind(b"\x1b[?7l")


def drain(ours: int, seen: bytearray) -> None:
    try:
        while found := os.read(ours, 65_536):
            seen.extend(found)
    except OSError:  # the other side is closed
        return


def test_watching_and_json_do_not_go_together(folder: RunFolder, runner: Any) -> None:
    done = runner(folder.runs.parent, "status", "--watch", "--json")
    assert done.returncode == 2
    assert "--json" in done.stderr
