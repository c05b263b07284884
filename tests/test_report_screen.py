"""The screen under way: on a terminal, in a pipe, interrupted, stalled, broken, and given nonsense."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import factories
import pytest
from nvml_lab import Card, Nvml
from rich.cells import cell_len
from rich.console import Console

from runner.machine.readings import GpuReading, Gpus
from runner.parts import Reading, Watcher
from runner.report import consoles, lines, load
from runner.report.region import Region
from runner.report.screen import Screen
from runner.report.watched import Watched
from runner.trial import Ending, Status

HOSTILE = "\x1b[2J\x1b]0;t\x07[red]x[/red]\u202e\ud800 日本語 🎉" + "y" * 500
ROOT = Path(__file__).parents[1]


def console(file: io.StringIO, width: int = 80, terminal: bool = True) -> Console:
    return Console(
        file=file, width=width, height=24, force_terminal=terminal, force_interactive=terminal, markup=False,
        color_system="truecolor" if terminal else None, highlight=False, emoji=False,
    )  # fmt: skip


def night(watcher: Watcher, note: str = "DEPTH 4 → 5") -> None:
    """One set-up step and two trials, the second of two trainings."""
    with watcher.step(f"building {note}") as tell:
        tell(note, 0.5)
        tell(note, None)
    for number, status in ((1, Status.DISCARD), (2, Status.KEEP), (3, Status.CRASH)):
        watcher.proposing(number, note)
        for attempt in (0, 1):
            watcher.training(number, note, attempt, 7, 30.0)
            for i in range(3):
                watcher.reading(Reading(float(i), i, 5.0 - i, 1000 * i, 0.5, 812.0))
            watcher.scoring(note, 1, 2)
            watcher.scored(number, factories.attempt(2.2, 7))
        watcher.decided(factories.entry(number, status, 2.2, note=note))
    watcher.message(note)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("note", ["DEPTH 4 → 5", HOSTILE])
def test_every_verdict_is_shown_at_any_width(width: int, terminal: bool, note: str) -> None:
    file = io.StringIO()
    with Screen(console(file, width, terminal)) as screen:
        screen.resume("night", 5, factories.run(3))
        night(screen, note)
    shown = file.getvalue()
    for word in ("discard", "keep", "crash"):
        assert word in shown
    assert "[2J" not in re.sub(r"\x1b\[2K", "", shown)
    assert "\x1b]" not in shown
    assert "\u202e" not in shown


def test_without_a_terminal_there_is_no_control_code() -> None:
    file = io.StringIO()
    with Screen(console(file, terminal=False)) as screen:
        night(screen, HOSTILE)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", file.getvalue())


def test_plain_lines_are_one_for_each_change() -> None:
    file = io.StringIO()
    with Screen(console(file, terminal=False)) as screen:
        screen.training(1, "DEPTH 4 → 5", 0, 7, 30.0)
        for i in range(100):
            screen.reading(Reading(i / 4, i, 3.0))
            screen.scoring("audit", i, 100)
        screen.decided(factories.entry(1, note="DEPTH 4 → 5"))
    found = [line[9:] for line in file.getvalue().splitlines()]
    assert [line.split(":")[0] for line in found] == ["trial 1"] * 3
    assert found[0] == "trial 1: training, seed 7, 30 s: DEPTH 4 → 5"
    assert found[2] == "trial 1: discard 2.2401 (+0.0107): DEPTH 4 → 5 — 1 is measured against 2.2294"


def test_a_long_silence_in_a_pipe_is_broken_by_progress() -> None:
    now = [0.0]
    started, told = threading.Event(), threading.Event()

    class Noticing(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            (told if "loss" in text else started).set()
            return written

    file = Noticing()
    screen = Screen(console(file, terminal=False), clock=lambda: now[0])
    screen.training(1, "x", 0, 7, 300.0)
    screen.reading(Reading(1.0, 4, 3.0))
    assert started.wait(20)
    now[0] = 16.0
    assert told.wait(20)
    screen.close()
    assert "trial 1: training, 17 of 300 s, step 4, loss 3\n" in file.getvalue()


def test_a_live_screen_gives_back_wrap_and_cursor() -> None:
    file = io.StringIO()
    with Screen(console(file)) as screen:
        night(screen)
    shown = file.getvalue()
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") >= 0
    assert shown.rfind("\x1b[?7h") > shown.rfind("\x1b[?7l")


def test_the_cursor_is_never_hidden_while_a_kill_could_come() -> None:
    file = io.StringIO()
    with Screen(console(file)) as screen:
        night(screen)
    assert re.search(r"\x1b\[\?25l(?!\x1b\[\?25h)", file.getvalue()) is None


def test_a_failing_step_is_shown_and_its_error_passes() -> None:
    file = io.StringIO()
    with Screen(console(file, terminal=False)) as screen, pytest.raises(ZeroDivisionError), screen.step("data"):
        raise ZeroDivisionError
    assert "data: failed after 0.0 s" in file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_broken_stream_stops_neither_the_loop_nor_its_end(terminal: bool) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "the terminal has gone")

    with Screen(console(Broken(), terminal=terminal)) as screen:
        night(screen)


def test_a_fault_while_drawing_leaves_plain_lines() -> None:
    class Picky(io.StringIO):
        def write(self, text: str) -> int:
            if "\x1b" in text:
                raise RuntimeError("no codes here")
            return super().write(text)

    file = Picky()
    with Screen(console(file)) as screen:
        night(screen)
    assert "trial 2: keep 2.2000" in file.getvalue()


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_loop() -> None:
    stuck, let_go = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            stuck.set()
            let_go.wait()
            return super().write(text)

    file = Stuck()
    screen = Screen(console(file, terminal=False))
    screen.message("first")
    stuck.wait()
    night(screen)  # would never return if it waited for the stream
    let_go.set()
    screen.close()
    assert "keep" in file.getvalue()


def test_nonsense_from_a_training_is_dropped() -> None:
    wild = [float("nan"), float("inf"), -1e308, 10**400, "7", None, [1]]
    for terminal in (True, False):
        file = io.StringIO()
        with Screen(console(file, terminal=terminal)) as screen:
            screen.training(1, "x", 0, 7, 30.0)
            for value in wild:
                screen.reading(Reading(value, value, value, value, value, value))  # type: ignore[arg-type]
            screen.decided(factories.entry(1))
        assert "discard" in file.getvalue()


def test_a_machine_that_cannot_be_read_costs_only_its_line() -> None:
    def host() -> str:
        raise RuntimeError("no sensor")

    file = io.StringIO()
    with Screen(console(file), host=host) as screen:
        night(screen)
    assert "keep" in file.getvalue()


def state(losses: int = 40) -> Watched:
    watched = Watched()
    watched.resume("night", 20, factories.run(12, 3))
    watched.train(12, "MATRIX_LR 0.04 → 0.055 日本語" * 3, 2, 99, 30.0, 100.0)
    for i in range(losses):
        watched.read(Reading(i / 2, i * 10, 6.0 - i / 20, i * 3500, 0.5, 812.0), 100.0 + i / 2)
    return watched


@pytest.mark.parametrize("width", [1, 2, 5, 20, 49, 50, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 4, 24])
def test_the_live_part_fits_any_terminal(width: int, height: int) -> None:
    watched = state()
    for phase in ("proposing", "training", "scoring", "idle"):
        watched.phase = phase
        drawn = lines.live(watched, 121.0, "load 1.0", width, height)
        assert len(drawn) < max(height, 1) or not drawn
        assert all(line.cell_len <= max(1, width - 1) for line in drawn)


def test_the_live_part_says_all_that_is_known() -> None:
    shown = "\n".join(line.plain for line in lines.live(state(), 119.5, "load 1.0 of 2", 120, 24))
    for part in ("trial 12", "MATRIX", "20 of 30 s", "training 3, seed 99", "loss 4.05", "step 390", "7,000 tokens/s",
                 "812 MB", "best", "under the baseline", "20 trials · about 13 min", "load 1.0 of 2"):  # fmt: skip
        assert part in shown, part


def test_the_bar_moves_on_between_readings_and_stops_at_the_budget() -> None:
    watched = state(2)
    assert watched.training is not None
    assert watched.training.seconds(110.0) == pytest.approx(10.0)
    assert watched.training.seconds(500.0) == 30.0


def test_what_is_left_is_trials_times_their_mean_less_what_has_passed() -> None:
    watched = Watched()
    watched.resume("night", 10, factories.run(5))  # 38.8 s each
    assert watched.seconds_left(0.0) == pytest.approx(388.0)
    watched.proposing(5, "sweep", 100.0)
    assert watched.seconds_left(110.0) == pytest.approx(378.0)
    watched.decided(factories.entry(5))
    assert watched.left == 9


def test_memory_for_the_sparkline_is_bounded() -> None:
    watched = state(5000)
    assert watched.training is not None
    assert len(watched.training.losses) < 600
    assert len(watched.training.tokens) < 100


def test_a_narrower_terminal_is_climbed_row_by_row() -> None:
    file = io.StringIO()
    target = console(file, 40)
    region = Region(lambda width, height: [])
    region.drawn = [79, 40, 10]  # at 40 columns: two rows, one, one
    region.settle(target)
    assert file.getvalue().count("\x1b[1A") == 1


def run(code: str, terminal: bool, interrupt: bytes = b"", **environment: str) -> tuple[int, str, str]:
    """Run `code` with its stderr on a pseudo-terminal or a pipe: exit status, stdout, stderr as the reader got it.

    interrupt: once this has been seen on stderr the program gets SIGINT.
    """
    reader, writer = pty.openpty() if terminal else os.pipe()
    keep = {
        key: value
        for key, value in os.environ.items()
        if key not in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    }
    told = {"TERM": "xterm-256color", "PYTHON_COLORS": "0", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stderr=writer, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
        cwd=ROOT, env={**keep, **told, **environment},
    )  # fmt: skip
    os.close(writer)
    seen = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # the other side of a pseudo-terminal was closed
            break
        if not part:
            break
        seen += part
        if interrupt and interrupt in seen:
            program.send_signal(signal.SIGINT)
            interrupt = b""
    os.close(reader)
    assert program.stdout is not None
    out = program.stdout.read().decode()
    program.stdout.close()
    return program.wait(), out, seen.decode("utf-8", "replace")


NIGHT = """
    import test_report_screen as t
    from runner.report.screen import Screen
    with Screen() as screen:
        t.night(screen)
    print("the result")
"""


def test_a_pipe_gets_no_control_code_even_where_colour_is_forced() -> None:
    status, out, err = run(NIGHT, terminal=False, FORCE_COLOR="1", CLICOLOR_FORCE="1", TTY_COMPATIBLE="1")
    assert (status, out) == (0, "the result\n")
    assert "keep" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CI": "true"}])
def test_a_terminal_gets_plain_lines_where_asked_to(setting: dict[str, str]) -> None:
    _, _, err = run(NIGHT, terminal=True, **setting)
    assert "keep" in err
    assert "\x1b" not in err


def test_a_terminal_gets_colour_and_a_live_part() -> None:
    status, out, err = run(NIGHT, terminal=True)
    assert (status, out) == (0, "the result\n")
    assert "\x1b[1;32mkeep" in err
    assert "\x1b[?1049h" not in err, "takes over the whole screen"


def test_a_terminal_without_utf8_is_served() -> None:
    _, _, err = run(
        NIGHT, terminal=True, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    assert err.isascii()
    assert "4 > 5" in err


INTERRUPTED = """
    import time
    from runner.report.screen import Screen
    try:
        with Screen() as screen:
            screen.training(1, "DEPTH 4", 0, 7, 30.0)
            while True:
                time.sleep(0.05)
    except KeyboardInterrupt:
        import sys
        print("interrupted: nothing was recorded", file=sys.stderr)
        sys.exit(130)
"""


def test_ctrl_c_gives_the_terminal_back_and_eats_no_message() -> None:
    status, _, err = run(INTERRUPTED, terminal=True, interrupt=b"DEPTH 4")
    assert status == 130
    assert err.rfind("\x1b[?25h") > err.rfind("\x1b[?25l") >= 0
    assert err.rfind("\x1b[?7h") > err.rfind("\x1b[?7l") >= 0
    assert err.rstrip().endswith("interrupted: nothing was recorded")


def test_an_unexpected_error_is_not_eaten() -> None:
    code = """
        import test_report_screen as t
        from runner.report.screen import Screen
        screen = Screen()
        t.night(screen)
        raise RuntimeError("deep inside")  # and nobody calls close
    """
    status, _, err = run(code, terminal=True)
    assert status == 1
    assert "RuntimeError: deep inside" in err
    assert err.rfind("\x1b[?25h") > err.rfind("\x1b[?25l")


def test_a_reader_that_left_does_not_end_the_program() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = textwrap.dedent(NIGHT)
    program = subprocess.run(
        [sys.executable, "-c", code], stderr=writer, stdout=subprocess.PIPE, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )  # fmt: skip
    os.close(writer)
    assert program.stdout == b"the result\n"


def test_what_a_crash_ended_as_is_named() -> None:
    entry = factories.entry(1, Status.CRASH, ending=Ending.OOM, detail="killed for memory")
    assert lines.plain_verdict(entry).startswith("trial 1: oom –: ")
    assert lines.plain_verdict(entry).endswith("— killed for memory")


def test_a_closed_stream_is_plain() -> None:
    file = io.StringIO()
    file.close()
    assert consoles.is_plain(file, {"TERM": "xterm"})


def test_a_wide_note_is_cut_on_a_column_boundary() -> None:
    for width in range(5, 60):
        assert cell_len(lines.verdict(factories.entry(1, note="日本語" * 40), width).plain) <= width


def test_the_machines_line_names_its_gpu_and_leaves_out_what_it_does_not_tell() -> None:
    card = {"used_mb": 67_710, "total_mb": 134_468, "celsius": 61}
    nvml = Nvml(Card(**card, silent=frozenset({"nvmlDeviceGetPowerUsage"})))
    gpus = Gpus(nvml)
    for _ in range(3):
        assert load.line(gpus).startswith("GPU 97 %, 71 GB of 141 GB, 61 °C · load ")
    assert nvml.opened == 1
    assert load.gpu(GpuReading(None, None, None, None, 412.4)) == "GPU 412 W"


def test_of_several_gpus_the_one_that_is_meant_is_shown() -> None:
    nvml = Nvml(Card(busy=3), Card(uuid="GPU-other", busy=88))
    assert load.line(Gpus(nvml, "1")).startswith("GPU 88 %")
    assert load.line(Gpus(nvml, "gpu-OTHER")).startswith("GPU 88 %")
    assert load.line(Gpus(nvml, "B200")).startswith("GPU 3 %")


def test_without_a_driver_it_is_asked_for_once() -> None:
    nvml = Nvml(driver=None)
    gpus = Gpus(nvml)
    for _ in range(3):
        assert load.line(gpus).startswith("load ")
    assert nvml.opened == 1
