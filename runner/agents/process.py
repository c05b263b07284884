"""Run an outside program to its end or its deadline, keep a bounded part of its output, leave no process behind.

The program is the user's own and runs with the user's rights: this contains accidents, not attacks. It gets a
session of its own; at the end, however it comes, its process group is killed, then every process that still
carries the run's mark in its environment, which finds children that made sessions of their own. A child that
drops its environment and leaves the group escapes, and so does everything if the runner itself is killed with
SIGKILL. Files and network are not restricted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "RUNNER_PROPOSAL"
KEEP_BYTES = 128 * 1024  # of the output's head, and as much of its tail
OUTPUT_LIMIT = 1 << 30  # bytes of output; beyond, the program is taken to have run away
TERM_SECONDS = 2.0  # between SIGTERM and SIGKILL
_CHUNK = 1 << 16
_TICK = 0.05


@dataclass
class HeadTail:
    """The first and the last `keep` bytes of a stream of any length."""

    keep: int = KEEP_BYTES
    total: int = 0
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = self.keep - len(self.head)
        self.head += data[:room]
        self.tail += data[room:] if room > 0 else data
        if len(self.tail) > 2 * self.keep:
            del self.tail[: -self.keep]

    def content(self) -> bytes:
        """Head and tail, with a line between them that says how many bytes are left out."""
        tail = bytes(self.tail[-self.keep :])
        left_out = self.total - len(self.head) - len(tail)
        return bytes(self.head) + (b"\n[... %d bytes left out ...]\n" % left_out if left_out else b"") + tail


@dataclass(frozen=True)
class Ran:
    """How a program ended. `exit_code` is negative for a signal. `stopped`: "", "timeout", "output" or "cancelled"."""

    exit_code: int
    stopped: str
    seconds: float
    output_bytes: int
    output: bytes


def run(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    cancelled: threading.Event | None = None,
) -> Ran:
    """Run `argv` without a shell and without input; stdout and stderr are read as one stream.

    `timeout`: seconds until it is sent SIGTERM, and SIGKILL 2 s later; the same once `cancelled` is set, which another
    thread may do. Raises OSError if it cannot be started.
    Whatever is raised meanwhile (KeyboardInterrupt too), no process of it is left.
    """
    mark = secrets.token_hex(16)
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**env, MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    kept, stopped = HeadTail(), ""
    assert process.stdout is not None
    with process.stdout as pipe:
        os.set_blocking(pipe.fileno(), False)
        try:
            stopped = _watch(process, pipe.fileno(), kept, started + timeout, cancelled)
            if stopped:
                _signal(process.pid, signal.SIGTERM)
                _watch(process, pipe.fileno(), kept, time.monotonic() + TERM_SECONDS, None)
        finally:
            _kill_all(process.pid, mark)
            process.wait()
        _drain(pipe.fileno(), kept)
    return Ran(process.returncode, stopped, time.monotonic() - started, kept.total, kept.content())


def _watch(
    process: subprocess.Popen[bytes],
    pipe: int,
    kept: HeadTail,
    deadline: float,
    cancelled: threading.Event | None,
) -> str:
    """Read until the program itself has ended (its children may hold the pipe open), or must be stopped."""
    open_ = True
    while process.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return "timeout"
        if cancelled is not None and cancelled.is_set():
            return "cancelled"
        if kept.total > OUTPUT_LIMIT:
            return "output"
        if not open_:
            time.sleep(min(left, _TICK))
        elif select.select([pipe], [], [], min(left, _TICK))[0]:
            open_ = _read(pipe, kept)
    return ""


def _read(pipe: int, kept: HeadTail) -> bool:
    """Take what the pipe holds now, at most one chunk; False at its end."""
    try:
        data = os.read(pipe, _CHUNK)
    except BlockingIOError:
        return True
    kept.add(data)
    return bool(data)


def _drain(pipe: int, kept: HeadTail) -> None:
    """What is left in the pipe after all is dead; bounded by a pipe's size, should a writer have escaped."""
    for _ in range(64):
        if not select.select([pipe], [], [], 0)[0] or not _read(pipe, kept):
            return


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_all(group: int, mark: str) -> None:
    """Kill the group, then all that carry the mark, until a look finds none: a forking program races us."""
    for _ in range(100):
        _signal(group, signal.SIGKILL)
        marked = [process for process in psutil.process_iter() if _carries(process, mark)]
        for process in marked:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if not marked:
            return


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False
