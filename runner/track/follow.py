"""Keeps a tracker up with a run under way: after each trial another process writes what is not written yet.

Another process, since a tracker's library may hang, crash, print, or wait for its server, and the run must not feel it:
it runs at a low priority, is ended with its children when it hangs, and whatever it leaves undone the next one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from runner.parts import Watcher
from runner.relay import Relay
from runner.report import text
from runner.trial import Entry

LONGEST = 600.0  # seconds; a process that works for longer hangs
CLOSE_SECONDS = 20.0  # how long the end of a run waits for the last trials to be written
_NICE = 10


class Following(Relay):
    """`parts.Watcher`, and a context manager around a run. command: writes what is missing and ends."""

    def __init__(
        self, watcher: Watcher, command: list[str], name: str, later: str, close: float = CLOSE_SECONDS
    ) -> None:
        """later: what a person types to have it done afterwards."""
        super().__init__(watcher)
        self._command, self._name, self._later, self._close = command, name, later, close
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._began = 0.0
        self._behind = False  # trials came since the last process was started
        self._faulty = False  # the last one that ended failed

    def __enter__(self) -> Following:
        self._go_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + (self._close if kind is None else min(2.0, self._close))
        while (self._running() or self._behind) and time.monotonic() < deadline:
            if not self._running():
                self._go_on()
            time.sleep(0.1)
        if self._running() or self._behind or self._faulty:
            self._end()
            self._watcher.message(f"{self._name} lacks the last trials; to write them: {self._later}")

    def decided(self, entry: Entry) -> None:
        super().decided(entry)
        self._behind = True
        self._go_on()

    def _go_on(self) -> None:
        """Start the next process, if none is at work."""
        if self._running():
            if time.monotonic() - self._began < LONGEST:
                return
            self._end()
        self._behind = False
        try:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                start_new_session=True,
            )
            self._began = time.monotonic()
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
        except OSError as error:
            self._tell(error.strerror or str(error))

    def _running(self) -> bool:
        """Whether a process is at work; tells of one that failed."""
        if self._process is None:
            return False
        if (code := self._process.poll()) is None:
            return True
        self._process = None
        if code:
            self._tell(self._last_words() or f"exit code {code}")
        else:
            self._faulty = False
        return False

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(max(0, self._said.seek(0, 2) - 4000))
        found = text.block(self._said.read(), 3, 200)
        self._said.close()
        self._said = None
        return text.line(" ".join(found), 300)

    def _tell(self, why: str) -> None:
        if not self._faulty:
            self._faulty = True
            self._watcher.message(f"{self._name} could not be written to, the run goes on: {why}")

    def _end(self) -> None:
        if (process := self._process) is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._process = None


def command(lab: Path, tag: str, to: str) -> list[str]:
    """`runner track TAG --to NAME` with this interpreter."""
    return [sys.executable, "-P", "-m", "runner", "--lab", str(lab), "track", tag, "--to", to]
