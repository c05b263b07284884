"""Signals: held back while the engine makes or removes a thing, raised right after; a cancelled job leaves nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench_cancel
import pytest
import walklab
from relay import Relay

MOMENTS = (
    ("create filler", "sent"), ("create keep", "sent"), ("create train", "sent"), ("start train", "sent"),
    ("wait train", "sent"), ("create audit", "sent"), ("remove train", "sent"), ("remove keep", "sent"),
)  # fmt: skip


def program(body: str, *signals: signal.Signals, after: float = 0.1) -> tuple[int, str]:
    """Exit code and output of a program that gets `signals`, `after` seconds apart, once it has said `ready`."""
    head = "import signal, sys, time\nfrom runner import interrupts\n"
    process = subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(body)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for number in signals:
        time.sleep(after)
        process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out


BLOCK = """
interrupts.install()
try:
    with interrupts.held_back():
        with interrupts.held_back():
            print("ready", flush=True)
            time.sleep(1.0)
        time.sleep(0.1)
        print("finished", flush=True)
    print("went on", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_within_a_block_is_raised_when_the_outermost_ends(number: signal.Signals) -> None:
    assert program(BLOCK, number) == (0, "finished\ninterrupted\n")


def test_the_third_signal_within_a_block_is_raised_at_once() -> None:
    assert program(BLOCK, *[signal.SIGINT] * 3) == (0, "interrupted\n")


def test_a_signal_outside_of_any_block_is_raised_at_once() -> None:
    body = BLOCK.replace("with interrupts.held_back():", "if True:")
    assert program(body, signal.SIGTERM) == (0, "interrupted\n")


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    body = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + textwrap.dedent(BLOCK)
    assert program(body, signal.SIGHUP) == (0, "finished\nwent on\n")


def test_a_block_in_another_thread_holds_nothing_back() -> None:
    body = """
    import threading
    interrupts.install()
    def other():
        with interrupts.held_back():
            print("ready", flush=True)
            time.sleep(1.5)
    threading.Thread(target=other, daemon=True).start()
    began = time.monotonic()
    try:
        time.sleep(5)
    except KeyboardInterrupt:
        print("at once" if time.monotonic() - began < 1.2 else "late", flush=True)
    """
    assert program(body, signal.SIGINT) == (0, "at once\n")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, engine: Any, image: str) -> Iterator[tuple[Path, Relay]]:
    folder = tmp_path_factory.mktemp("cancel")
    relay = Relay(folder / "engine.sock", engine.url)
    lab = walklab.make(folder / "lab", lingers=False)
    yield lab, relay
    relay.close()
    walklab.clean(lab, "none", engine)


@pytest.mark.engine
@pytest.mark.parametrize(("request_", "when"), MOMENTS, ids=lambda value: value.replace(" ", "-"))
def test_cancelled_at_a_request_to_the_engine_nothing_is_left(
    walked: tuple[Path, Relay], engine: Any, tag: str, request_: str, when: str
) -> None:
    lab, relay = walked
    victim: list[subprocess.Popen[str]] = []

    def interrupt() -> None:
        while not victim:
            time.sleep(0.01)
        victim[0].send_signal(signal.SIGINT)
        time.sleep(0.05)  # the engine goes on with what it was asked for, and the program hears of it only then
        victim[0].send_signal(signal.SIGTERM)

    relay.arm(request_, when, interrupt)
    command = ("go", "--no-holdout", "--tag", tag, "--max-trials", "1")
    victim.append(walklab.runner(lab, *command, url=relay.url))
    code, _, err = walklab.ended(victim[0], timeout=60)
    assert relay.reached, err
    assert code == 130, err
    assert walklab.leftovers(engine, tag, victim[0].pid) == []


@pytest.mark.engine
def test_a_cancelled_job_ends_before_it_is_killed_and_leaves_nothing(
    walked: tuple[Path, Relay], engine: Any, tag: str
) -> None:
    command = (
        "go",
        "--no-holdout",
        "--tag",
        tag,
        "--max-trials",
        "400",
    )  # however fast, more than the test lasts
    for at in (0.6, 2.0, 3.1):
        ended = bench_cancel.job(engine, walked[0], command, tag, at)
        assert ended is not None, "it had ended by itself"
        assert (ended.exit_code, ended.left) == (130, ())
