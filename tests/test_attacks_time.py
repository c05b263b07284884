"""Attacks on the deadline and by processes: tests/attacks/time, each in a real box."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attack_lab import ATTACKS, Arena, Want, contained, groups, look, processes

from runner.sandbox.box import Box
from runner.trial import Ending

pytestmark = pytest.mark.engine
ATTACKED = {
    "ignores_every_signal": Want(Ending.TIMEOUT, budget=1.0),
    "sleeps_past_the_deadline": Want(Ending.OK, budget=1.0),
    "freezes_pid_1": Want(Ending.TIMEOUT, 18, {"pid_1_is_alive": (1, 1)}, budget=1.5),
    "daemon_that_writes_on": Want(Ending.OK),
    "fork_bomb": Want(Ending.TIMEOUT, budget=2.0),
    "thread_bomb": Want(Ending.TIMEOUT, 0, {"threads": (30, 63)}, budget=2.5),
    "zombie_bomb": Want(Ending.TIMEOUT, 0, {"zombies": (20, 63)}, budget=2.5),
    "steps_the_clock": Want(Ending.TIMEOUT, 8, budget=1.5),
    "exits_124": Want(Ending.CRASH),
    "exits_137": Want(Ending.CRASH),
    "exits_143": Want(Ending.CRASH),
    "kills_itself": Want(Ending.CRASH),
    "stops_itself": Want(Ending.TIMEOUT, budget=1.0),
}


def test_a_process_that_names_a_container_in_its_command_line_is_found() -> None:
    mark = secrets.token_hex(32)
    program = "import time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program, mark], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # a process that is just beginning has no command line for a moment
        (found,) = processes([mark])
        assert f"process {process.pid} " in found
        assert processes([mark], but=Path(f"/proc/{process.pid}/comm").read_text().strip()) == []
    finally:
        process.kill()
        process.communicate()
    assert processes([mark]) == []


def test_every_attack_is_listed() -> None:
    assert {path.stem for path in (ATTACKS / "time").glob("*.py")} == set(ATTACKED)


@pytest.mark.parametrize("name", ATTACKED)
def test_contained(arena: Arena, name: str) -> None:
    want = ATTACKED[name]
    seen = arena.attack(f"time/{name}", want)
    contained(seen, want)
    assert seen.outcome.train_seconds < want.budget + 2
    if want.ending is Ending.TIMEOUT:
        assert seen.outcome.exit_code is None
        assert seen.outcome.overrun_seconds < 2


@pytest.mark.parametrize("code", [124, 137, 143])
def test_an_exit_code_is_told_as_it_was(arena: Arena, code: int) -> None:
    outcome = arena.attack(f"time/exits_{code}", ATTACKED[f"exits_{code}"]).outcome
    assert outcome.exit_code == code


def test_a_daemon_writes_no_more_once_its_parent_has_ended(arena: Arena) -> None:
    counts = []

    def twice(box: Box) -> None:
        for _ in range(2):
            counts.append(look(box)["out"]["counter"])
            time.sleep(0.3)

    arena.attack("time/daemon_that_writes_on", ATTACKED["daemon_that_writes_on"], then=twice)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("bomb", ["fork_bomb", "thread_bomb", "zombie_bomb"])
def test_a_bomb_has_no_more_processes_than_its_limit(arena: Arena, bomb: str) -> None:
    """Counted by the kernel in the container's control group, while it goes off."""
    counted = []

    def count(_: float, __: Any) -> None:
        for group in groups(arena.ids[-1]):
            counted.append(int((group / "pids.current").read_text()))  # noqa: PERF401

    arena.attack(f"time/{bomb}", ATTACKED[bomb], on_tick=count)
    assert counted
    assert 30 < max(counted) <= 64


def test_no_clock_of_the_host_is_changed(arena: Arena) -> None:
    before = time.time() - time.monotonic()
    arena.attack("time/steps_the_clock", ATTACKED["steps_the_clock"])
    assert abs(time.time() - time.monotonic() - before) < 0.2


def test_the_bomb_of_one_trial_takes_no_process_from_another(arena: Arena) -> None:
    """The kernel counts processes by user too, over all containers: a limit there would be shared."""
    other = []

    def meanwhile(seconds: float, _: Any) -> None:
        if seconds > 0.8 and not other:
            with arena.box(b"import threading, time, prepare\n"
                           b"for _ in range(40): threading.Thread(target=time.sleep, args=(0.1,)).start()\n"
                           b"prepare.leave_checkpoint()\n") as box:  # fmt: skip
                other.append(box.train(20, 1).outcome.ending)

    arena.attack("time/fork_bomb", Want(Ending.TIMEOUT, budget=3.0), on_tick=meanwhile)
    assert other == [Ending.OK]
