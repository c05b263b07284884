"""What a person sees while a run works: one calm live part on a terminal, plain lines anywhere else.

`Screen` implements `loop.Watcher`. Its methods only note what happened; a thread of its own does all the
writing, so that a stopped terminal, a full pipe or a hung connection never holds up a trial's deadline.
Whatever goes wrong while drawing goes to the debug log, and the screen carries on with plain lines. Errors
of the program itself pass through untouched. Trusts no text and no number that it is given.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from runner.parts import Noted, Reading
from runner.report import consoles, lines, load, sides, text
from runner.report.layout import Indented
from runner.report.region import Region
from runner.report.steps import Step
from runner.report.watched import Training, Watched
from runner.trial import Attempt, Entry
from runner.usage import Usage, total

_LOG = logging.getLogger(__name__)
_FRAME_SECONDS = 0.25
_HOST_SECONDS = 2.0
_PLAIN_SECONDS = 15.0  # between two lines of progress where there is no terminal
_CLOSE_SECONDS = 3.0  # how long the end waits for a terminal that takes no more text
_INDENT = 6


class Screen:
    """The watcher for a person. A context manager; `close` may be called more than once.

    console: where to draw, stderr by default. host: gives one line about the machine.
    live: force the live part on or off; by default it is on where `console` is a terminal. clock: monotonic.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        host: Callable[[], str] = load.line,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = consoles.progress() if console is None else console
        self.watched = Watched()
        self._wants_live = (
            self.console.is_interactive and not self.console.is_dumb_terminal if live is None else live
        )
        self._host, self._host_text, self._host_at = host, "", float("-inf")
        self._clock = clock
        self._steps: list[Step] = []
        self._pending: deque[tuple[str, RenderableType]] = deque(maxlen=10_000)
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None
        self._region = Region(self._frame)
        self._said = clock()

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what happened: called by the loop, never waits, never raises --------------------------------------

    def resume(
        self,
        tag: str,
        left: int | None,
        entries: Sequence[Entry],
        *,
        hours: float | None = None,
        cost: float | None = None,
        spent: Usage | None = None,
    ) -> None:
        """Tell what the ledger holds, and how many trials are still to come, the baseline's apart (None: no end).

        hours, cost: other limits of this session. spent: what faults of proposers took so far.
        """
        with self._noting():
            self.watched.resume(tag, left, entries)
            self.watched.spent = total([self.watched.spent, spent or Usage()])
            self.watched.ends = None if hours is None else self._clock() + 3600 * hours
            self.watched.max_cost = cost

    def asking(self, asking: bool) -> None:
        with self._noting():
            self.watched.asked = self._clock() if asking else None

    def fault(self, fault: Noted) -> None:
        with self._noting():
            self.watched.fault(fault, self._clock())

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[Callable[[str, float | None], None]]:
        step = Step(text.line(what, 200), self._clock())
        with self._noting():
            self._steps.append(step)
            self._say(f"{step.what} …", None)

        def tell(detail: str, fraction: float | None = None) -> None:
            with self._noting():
                step.tell(detail, fraction)

        ending = "failed"
        try:
            yield tell
            ending = ""
        except (KeyboardInterrupt, GeneratorExit):
            ending = "interrupted"
            raise
        finally:
            with self._noting():
                self._steps.remove(step)
                self._say(step.plain_end(self._clock(), ending), step.styled_end(self._clock(), ending))

    def proposing(self, number: int, agent: str) -> None:
        with self._noting():
            self.watched.proposing(number, agent, self._clock())
            self._say(f"trial {number}: {self.watched.agent} proposes", None)

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None:
        with self._noting():
            self.watched.train(number, note, attempt, seed, budget_seconds, self._clock())
            name = lines.attempt_name(attempt, seed)
            what = f": {text.line(note, 400)}" if note else ""
            self._say(f"trial {number}: training, {name}, {budget_seconds:g} s{what}", None)

    def reading(self, reading: Reading) -> None:
        with self._noting():
            self.watched.read(reading, self._clock())

    def scoring(self, phase: str, done: int, total: int) -> None:
        with self._noting():
            fresh = (self.watched.phase, self.watched.scoring[0]) != ("scoring", text.line(phase, 30))
            self.watched.score(phase, done, total)
            if fresh:
                self._say(lines.plain_progress(self.watched, self._clock()), None)

    # Several trainings at once: `current.SeesSlots`. Called by the devices' threads.

    def attend(self, number: int, note: str) -> None:
        with self._noting():
            self.watched.attend(number, note, self._clock())

    def slot_training(
        self, slot: str, number: int, note: str, attempt: int, seed: int, budget_seconds: float
    ) -> None:
        with self._noting():
            now, budget, slot = self._clock(), text.finite(budget_seconds) or 0.0, text.line(slot, 40)
            self.watched.side(slot, number, note, Training(attempt, seed, budget, now, now))
            what = f": {text.line(note, 400)}" if note else ""
            name = lines.attempt_name(attempt, seed)
            self._say(f"trial {number}: training on {slot}, {name}, {budget_seconds:g} s{what}", None)

    def slot_reading(self, slot: str, reading: Reading) -> None:
        with self._noting():
            if (side := self.watched.sides.get(text.line(slot, 40))) is not None:
                side.training.take(reading, self._clock())

    def slot_scoring(self, slot: str, phase: str, done: int, total: int) -> None:
        with self._noting():
            if (side := self.watched.sides.get(text.line(slot, 40))) is not None:
                side.phase, side.scoring = "scoring", (text.line(phase, 30), done, total)

    def slot_over(self, slot: str) -> None:
        with self._noting():
            self.watched.sides.pop(text.line(slot, 40), None)

    def scored(self, number: int, attempt: Attempt) -> None:
        with self._noting():
            self.watched.scored(attempt)
            said = f"{self.watched.scores[-1]} val_bpb" if attempt.score else str(attempt.ending)
            self._say(f"trial {number}: {said}, seed {attempt.seed}", None)

    def decided(self, entry: Entry) -> None:
        with self._noting():
            self.watched.decided(entry)
            why = lines.reason(entry)
            shown: RenderableType = lines.Fitted(entry)
            if why:
                shown = Group(shown, Indented(Text(why, "dim"), _INDENT))
            self._say(lines.plain_verdict(entry), shown)

    def message(self, text_: str) -> None:
        with self._noting():
            for part in text.clean(text_, 20_000).rstrip().split("\n"):
                self._say(part, Text(part))

    def close(self) -> None:
        """Write what is still to be written, take the live part away, give the terminal back."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._closing.set()
            thread.join(_CLOSE_SECONDS)
            atexit.unregister(self.close)
            self._thread = None

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Note an event under the lock; a fault of ours here never reaches the loop."""
        try:
            with self._lock:
                yield
                if self._thread is None:
                    self._closing.clear()
                    self._thread = threading.Thread(target=self._draw, name="screen", daemon=True)
                    self._thread.start()
                    atexit.register(self.close)
        except Exception:
            _LOG.debug("an event was not shown", exc_info=True)

    def _say(self, plain: str, styled: RenderableType | None) -> None:
        """Queue a finished line; without `styled` for plain lines only, as the live part shows it already."""
        if styled is not None or not self._wants_live:
            self._pending.append((plain, Text(plain) if styled is None else styled))

    # -- drawing: only the thread comes here ---------------------------------------------------------------

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
                console=self.console,
                auto_refresh=False,
                redirect_stdout=self.console.file.isatty() and sys.stdout.isatty(),
                redirect_stderr=self.console.file.isatty() and sys.stderr.isatty(),
            )
            self._live.start()
            # rich hides the cursor; a killed process could never bring it back.
            self.console.show_cursor(True)
        self._read_host()
        self._region.settle(self.console)
        while self._pending:
            self.console.print(self._pending[0][1])
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
                self._region.settle(self.console)
            finally:
                live.stop()
                self._region.hidden = False

    def _paint_plain(self) -> None:
        now = self._clock()
        if not self._pending and now - self._said >= _PLAIN_SECONDS:
            with self._lock:
                if self._steps:
                    self._pending.append((self._steps[-1].plain(now), ""))
                elif self.watched.sides:
                    self._pending.extend((line, "") for line in sides.plain(self.watched, now))
                elif self.watched.phase != "idle":
                    self._pending.append((lines.plain_progress(self.watched, now), ""))
        while self._pending:
            plain = self._pending.popleft()[0]
            # Not through rich: after a fault in the live part it would first try to write its remains again.
            self.console.file.write(f"{time.strftime('%H:%M:%S')} {plain}\n")
            self.console.file.flush()
            self._said = now

    def _frame(self, width: int, height: int) -> list[Text]:
        with self._lock:
            now = self._clock()
            steps = [step.live(now, max(1, width - 1)) for step in self._steps]
            beside = sides.rows(self.watched, now, max(1, width - 1))
            return [
                *steps[: height - 1],
                *lines.live(self.watched, now, self._host_text, width, height - len(steps), beside),
            ]

    def _read_host(self) -> None:
        if self._clock() - self._host_at >= _HOST_SECONDS:
            self._host_at = self._clock()
            try:
                self._host_text = text.line(self._host(), 200)
            except Exception:
                self._host_text = ""
                _LOG.debug("no reading of the machine", exc_info=True)
