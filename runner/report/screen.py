"""What a person sees while a run works: one calm live part on a terminal, plain lines anywhere else.

`Screen` implements `loop.Watcher`. Its methods only note what happened; a `Painter` does all the writing in a thread
of its own, so that a stopped terminal never holds up a trial's deadline. Errors of the program itself pass through
untouched. Trusts no text and no number that it is given.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from runner.parts import Noted, Reading
from runner.report import consoles, lines, load, sides, text
from runner.report.layout import Indented
from runner.report.painter import Painter
from runner.report.steps import Step
from runner.report.watched import Training, Watched
from runner.trial import Attempt, Entry
from runner.usage import Usage, total

_LOG = logging.getLogger(__name__)
_HOST_SECONDS = 2.0
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
        if live is None:
            live = self.console.is_interactive and not self.console.is_dumb_terminal
        self._host, self._host_text, self._host_at = host, "", float("-inf")
        self._clock = clock
        self._steps: list[Step] = []
        self._lock = threading.RLock()
        self._painter = Painter(
            self.console, live, clock, prepare=self._read_host, frame=self._frame, progress=self._progress
        )

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
            self._painter.say(f"{step.what} …", None)

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
                self._painter.say(step.plain_end(self._clock(), ending), step.styled_end(self._clock(), ending))

    def proposing(self, number: int, agent: str) -> None:
        with self._noting():
            self.watched.proposing(number, agent, self._clock())
            self._painter.say(f"trial {number}: {self.watched.agent} proposes", None)

    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None:
        with self._noting():
            self.watched.train(number, note, attempt, seed, budget_seconds, self._clock())
            name = lines.attempt_name(attempt, seed)
            what = f": {text.line(note, 400)}" if note else ""
            self._painter.say(f"trial {number}: training, {name}, {budget_seconds:g} s{what}", None)

    def reading(self, reading: Reading) -> None:
        with self._noting():
            self.watched.read(reading, self._clock())

    def scoring(self, phase: str, done: int, total: int) -> None:
        with self._noting():
            fresh = (self.watched.phase, self.watched.scoring[0]) != ("scoring", text.line(phase, 30))
            self.watched.score(phase, done, total)
            if fresh:
                self._painter.say(lines.plain_progress(self.watched, self._clock()), None)

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
            self._painter.say(f"trial {number}: training on {slot}, {name}, {budget_seconds:g} s{what}", None)

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
            self._painter.say(f"trial {number}: {said}, seed {attempt.seed}", None)

    def decided(self, entry: Entry) -> None:
        with self._noting():
            self.watched.decided(entry)
            why = lines.reason(entry)
            shown: RenderableType = lines.Fitted(entry)
            if why:
                shown = Group(shown, Indented(Text(why, "dim"), _INDENT))
            self._painter.say(lines.plain_verdict(entry), shown)

    def message(self, text_: str) -> None:
        with self._noting():
            for part in text.clean(text_, 20_000).rstrip().split("\n"):
                self._painter.say(part, Text(part))

    def close(self) -> None:
        """Write what is still to be written, take the live part away, give the terminal back."""
        self._painter.close()

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Note an event under the lock; a fault of ours here never reaches the loop."""
        try:
            with self._lock:
                yield
                self._painter.start()
        except Exception:
            _LOG.debug("an event was not shown", exc_info=True)

    # -- what is to be drawn: only the painter's thread comes here ----------------------------------------

    def _progress(self) -> list[str]:
        """Plain lines of what is under way."""
        with self._lock:
            now = self._clock()
            if self._steps:
                return [self._steps[-1].plain(now)]
            if self.watched.sides:
                return list(sides.plain(self.watched, now))
            return [] if self.watched.phase == "idle" else [lines.plain_progress(self.watched, now)]

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
