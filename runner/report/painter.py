"""Writes what a screen has to say, in a thread of its own: above a live part on a terminal, or as plain lines.

Whoever says something never waits for a stopped terminal, a full pipe or a hung connection. Whatever goes wrong
while drawing goes to the debug log, and plain lines follow. Knows nothing of runs and trials.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from runner.report.region import Region

_LOG = logging.getLogger(__name__)
_FRAME_SECONDS = 0.25
_PLAIN_SECONDS = 15.0  # between two lines of progress where there is no terminal
_CLOSE_SECONDS = 3.0  # how long the end waits for a terminal that takes no more text


class Painter:
    """Of one console. The callables are called by the thread alone.

    live: whether there is a live part. prepare: called before each frame, and may take a moment. frame: the rows of
    the live part for a width and a height. progress: lines for where nothing was said for a while. clock: monotonic.
    """

    def __init__(
        self,
        console: Console,
        live: bool,
        clock: Callable[[], float],
        prepare: Callable[[], None],
        frame: Callable[[int, int], list[Text]],
        progress: Callable[[], Sequence[str]],
    ) -> None:
        self._console, self._wants_live, self._clock = console, live, clock
        self._prepare, self._progress = prepare, progress
        self._pending: deque[tuple[str, RenderableType]] = deque(maxlen=10_000)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None
        self._region = Region(frame)
        self._said = clock()

    def say(self, plain: str, styled: RenderableType | None) -> None:
        """Queue a finished line; without `styled` for plain lines only, as the live part shows it already."""
        if styled is not None or not self._wants_live:
            self._pending.append((plain, Text(plain) if styled is None else styled))

    def start(self) -> None:
        """Begin to write, unless that is so already. Not for two threads at a time."""
        if self._thread is None:
            self._closing.clear()
            self._thread = threading.Thread(target=self._draw, name="screen", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def close(self) -> None:
        """Write what is still to be written, take the live part away, give the terminal back."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._closing.set()
            thread.join(_CLOSE_SECONDS)
            atexit.unregister(self.close)
            self._thread = None

    # -- only the thread comes here ------------------------------------------------------------------------

    def _draw(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(_FRAME_SECONDS)
            try:
                self._paint_live() if self._wants_live else self._paint_plain()
                if closing:
                    self._stop_live()
            except (Exception, SystemExit):
                _LOG.debug("the screen goes on in plain lines", exc_info=True)
                self._wants_live = False
                with contextlib.suppress(Exception, SystemExit):
                    self._stop_live()
                with contextlib.suppress(Exception, SystemExit):
                    self._paint_plain()

    def _paint_live(self) -> None:
        if self._live is None:
            self._live = Live(
                self._region,
                console=self._console,
                auto_refresh=False,
                redirect_stdout=self._console.file.isatty() and sys.stdout.isatty(),
                redirect_stderr=self._console.file.isatty() and sys.stderr.isatty(),
            )
            self._live.start()
            # rich hides the cursor; a killed process could never bring it back.
            self._console.show_cursor(True)
        self._prepare()
        self._region.settle(self._console)
        while self._pending:
            self._console.print(self._pending[0][1])
            self._pending.popleft()
        self._live.refresh()

    def _stop_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()  # half a line that someone printed while rich held the streams
            self._region.hidden = True
            try:
                self._region.settle(self._console)
            finally:
                live.stop()
                self._region.hidden = False

    def _paint_plain(self) -> None:
        if not self._pending and self._clock() - self._said >= _PLAIN_SECONDS:
            self._pending.extend((line, "") for line in self._progress())
        while self._pending:
            plain = self._pending.popleft()[0]
            # Not through rich: after a fault in the live part it would first try to write its remains again.
            self._console.file.write(f"{time.strftime('%H:%M:%S')} {plain}\n")
            self._console.file.flush()
            self._said = self._clock()
