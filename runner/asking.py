"""Asks the proposer for the next version: bears its faults, pauses where a pause helps, gives up in the end.

Every fault is written down with its name, its cost and the pause after it. A fault costs no trial. With `ahead` the
next versions are asked for, one after the other, in one thread while a trial trains; what waits or is under way when
the run ends is dropped, and its cost counts all the same. A version that waits has its trial's number for good: what
was tried or waits already never comes to wait. Knows no engine, no git and no terminal; trusts nothing that a proposer
says of its cost.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from types import TracebackType

from runner.agents.fault import AgentFault, Fault, Remedy
from runner.errors import InfraError
from runner.parts import Cancellable, Clock, FaultLog, Foresees, Limits, Noted, Proposer, Record, Watcher
from runner.trial import History, Proposal
from runner.usage import usage_of

AT_ONCE = 5  # faults in a row that are followed by another question at once, where the remedy is AGAIN
IN_A_ROW = {Remedy.AGAIN: 12, Remedy.PERSON: 3}  # faults in a row that end the run
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 900.0  # seconds; doubled from one to the other
LONGEST_RETRY_AFTER = 6 * 3600.0  # seconds that an API may ask for
CLOSE_SECONDS = 10.0  # for a proposer that was told to give up
GO_ON = "Once it is mended, start again: runner go goes on where it stopped"


@dataclass
class Row:
    """Faults in a row. began: when the first was asked for. due: not to ask before, on the clock."""

    began: float
    due: float = 0.0
    counts: Counter[Remedy] = field(default_factory=Counter)

    def pause(self, fault: AgentFault, jitter: float) -> float:
        """Seconds to wait after `fault`, counted already; exponential, `jitter` in 0.5 … 1 of it."""
        remedy = fault.kind.remedy
        doublings = self.counts[remedy] - 1 - (AT_ONCE if remedy is Remedy.AGAIN else 0)
        own = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(doublings, 16)) * jitter if doublings >= 0 else 0.0
        asked_for = fault.retry_after if 0 < fault.retry_after < float("inf") else 0.0
        return max(own, min(asked_for, LONGEST_RETRY_AFTER))

    def hopeless(self, remedy: Remedy, pause: float, now: float, patience: float) -> bool:
        """Whether to end the run instead of pausing. patience: seconds since the row began."""
        many = remedy in IN_A_ROW and self.counts[remedy] >= IN_A_ROW[remedy]
        return many or (pause > 0 and now + pause - self.began > patience)


class Asking:
    """One run's questions to its proposer. A context manager: leaving it ends what is under way."""

    def __init__(
        self,
        proposer: Proposer,
        record: Record,
        watcher: Watcher,
        limits: Limits,
        faults: FaultLog,
        clock: Clock,
        patience: float,
        depth: int = 0,
        bench: Foresees | None = None,
    ) -> None:
        """patience: seconds that faults in a row, with pauses between them, may take before the run ends.

        depth: how many versions may wait to be tried; bench: told of each of them.
        """
        self._proposer, self._record, self._watcher = proposer, record, watcher
        self._limits, self._faults, self._clock, self._patience = limits, faults, clock, patience
        self._depth, self._bench = depth, bench
        self._row: Row | None = None
        self._wake = threading.Event()  # the thread is to pause no longer, and to ask nothing more
        self._closing = False
        self._state = threading.Condition()  # of the five below, which the thread and the loop share
        self._waiting: deque[tuple[int, Proposal]] = deque()  # with the number of its trial
        self._shown: History | None = None  # what was known when the trial under way began
        self._under_way: tuple[Proposal, ...] = ()  # taken since `_shown`
        self._thread: threading.Thread | None = None  # while it asks
        self._error: BaseException | None = None  # that ended it
        self._noting = threading.Lock()
        self._told_costless = False

    def __enter__(self) -> Asking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def next(self) -> Proposal | None:
        """The next version to try; None where a limit was reached first.

        Raises AgentFault once its faults are too many, or InfraError, and whatever else the proposer raises.
        """
        self._watcher.proposing(len(self._record.entries), self._proposer.name)
        return self._taken() or self._ask(self._record.history())

    def ahead(self, history: History, under_way: Proposal) -> None:
        """Go on asking for the versions after `under_way`, which is about to be tried against `history`'s incumbent."""
        with self._state:
            self._shown, self._under_way = history, (under_way,)
            if self._depth and self._thread is None and self._error is None:
                self._thread = threading.Thread(target=self._ask_ahead, name="ahead", daemon=True)
                self._thread.start()

    def _ask_ahead(self) -> None:
        """In the thread: until enough versions wait, or nothing more can be asked with what is known."""
        try:
            while (shown := self._next_shown()) is not None:
                proposal = self._ask(shown)
                if not self._wait_its_turn(proposal):
                    return
        except BaseException as error:  # handed to whoever takes the next version
            with self._state:
                self._error = error
                self._rest()

    def _next_shown(self) -> History | None:
        """What the next question shows; None where there is nothing to ask, and the thread ends."""
        with self._state:
            coming = len(self._under_way) + len(self._waiting)
            full = len(self._waiting) >= self._depth
            if full or self._wake.is_set() or self._limits.reached(self._record.entries, coming):
                self._rest()
                return None
            assert self._shown is not None
            return replace(self._shown, under_way=(*self._under_way, *(one for _, one in self._waiting)))

    def _rest(self) -> None:
        self._thread = None
        self._state.notify_all()

    def _wait_its_turn(self, proposal: Proposal | None) -> bool:
        """Whether `proposal` waits now. If not, the thread ends: the proposer needs to know more, or is to stop."""
        with self._state:
            known = {entry.proposal: entry.number for entry in self._record.entries}
            assert self._shown is not None
            first = len(self._shown.entries)
            coming = [*self._under_way, *(one for _, one in self._waiting)]
            known |= {one.digest: first + at for at, one in enumerate(coming)}
            if proposal is not None and proposal.digest not in known:
                number = first + len(coming)
                self._waiting.append((number, proposal))
                if self._bench and not self._closing:
                    self._bench.ahead(number, proposal)
                self._state.notify_all()
                return True
        if proposal is not None:  # before the loop is told: it may be over then, and its cost is to be known
            self._note(Fault.REPEATED, f"this version has become trial {known[proposal.digest]}", proposal)
        with self._state:
            self._rest()
        return False

    def close(self) -> None:
        """Ends what is asked for ahead; its cost is written down. Nothing of it is left, if the proposer heeds."""
        with self._state:
            self._closing = True
            thread = self._thread
        self._wake.set()
        if thread is not None:
            if thread.is_alive() and isinstance(self._proposer, Cancellable):
                self._proposer.cancel()
            thread.join(CLOSE_SECONDS)
            if thread.is_alive():
                self._watcher.message(
                    f"{self._proposer.name} was asked ahead of time and did not end when told to"
                )
        with self._state:
            dropped = [*self._waiting]
            self._waiting.clear()
        for number, proposal in dropped:
            trained = self._bench.drop(number) if self._bench else 0.0
            detail = "asked for ahead of time, and the run ended first"
            detail += f", after {trained:.0f} s of a training" if trained else ""
            self._note(Fault.DROPPED, detail, proposal, number, trained)

    def _taken(self) -> Proposal | None:
        """What was asked for ahead, once it is there: None where nothing was, or nothing came of it."""
        with self._state:
            if not self._waiting and self._thread is not None:
                self._wake.set()  # a pause is not worth waiting out here: ask with what is known by now
                self._state.wait_for(lambda: self._waiting or self._thread is None)
                self._wake.clear()
            if self._waiting:
                _, proposal = self._waiting.popleft()
                self._under_way = (*self._under_way, proposal)
                return proposal
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def _ask(self, history: History) -> Proposal | None:
        """A proposal, however often it takes. None: told to stop, or a limit was reached."""
        while not self._stopped():
            began = self._clock.now()
            self._row = self._row or Row(began)
            try:
                proposal = self._proposer.propose(history)
            except (AgentFault, InfraError) as error:
                if isinstance(error, AgentFault) and error.kind is Fault.REPEATED and history.under_way:
                    self._repeats(error, history.number, self._clock.now() - began)
                    return None
                self._bear(error, history.number, self._clock.now() - began, self._row)
                continue
            self._row = None
            self._limits.spend(proposal.meta)
            self._tell_costless(proposal)
            return proposal
        return None

    def _repeats(self, fault: AgentFault, number: int, seconds: float) -> None:
        """Asked ahead, it had not seen yet what became of its last idea: no use in asking before it can."""
        self._row = None  # it did answer
        self._limits.spend(fault.meta)
        usage = usage_of(fault.meta).plain()
        self._write(Noted(number, self._proposer.name, fault.kind, fault.detail, seconds, usage))
        self._watcher.message(
            f"no proposal from {self._proposer.name} ahead of time ({fault.kind}): {fault.detail}"
        )

    def _stopped(self) -> bool:
        """After the pause that is due. Whether not to ask any more."""
        due = self._row.due - self._clock.now() if self._row else 0.0
        if (pause := min(due, self._limits.seconds_left)) > 0:
            self._clock.wait(pause, self._wake)
        return self._wake.is_set() or self._limits.reached(self._record.entries)

    def _bear(self, error: AgentFault | InfraError, number: int, seconds: float, row: Row) -> None:
        """Write it down and say when to ask again. Raises it where that is hopeless."""
        fault = error if isinstance(error, AgentFault) else AgentFault(Fault.MACHINE, error.what)
        self._limits.spend(fault.meta)
        now, usage = self._clock.now(), usage_of(fault.meta).plain()
        if self._closing:
            dropped = "asked for ahead of time, and ended with the run"
            return self._write(Noted(number, self._proposer.name, Fault.DROPPED, dropped, seconds, usage))
        row.counts[fault.kind.remedy] += 1
        pause = row.pause(fault, random.uniform(0.5, 1.0))
        hopeless = row.hopeless(fault.kind.remedy, pause, now, self._patience)
        paused = 0 if hopeless else pause
        self._write(Noted(number, self._proposer.name, fault.kind, fault.detail, seconds, usage, paused))
        if hopeless:
            error.advice = f"{error.advice}\n{GO_ON}" if error.advice else GO_ON
            raise error
        row.due = now + pause
        later = f"; it is asked again in {pause:.0f} s" if pause else ""
        self._watcher.message(f"no proposal from {self._proposer.name} ({fault.kind}): {fault.detail}{later}")
        return None

    def interrupted(self, proposal: Proposal) -> None:
        """The trial of `proposal` ended with the run: noted with its cost, for it is in no ledger."""
        if usage_of(proposal.meta).plain():
            self._note(Fault.DROPPED, "its trial was interrupted", proposal)

    def _note(
        self, kind: Fault, detail: str, proposal: Proposal, number: int | None = None, seconds: float = 0.0
    ) -> None:
        """An answer that is not tried though nothing is wrong with it; its cost is spent already."""
        number = len(self._record.entries) if number is None else number
        usage = usage_of(proposal.meta).plain()
        self._write(Noted(number, self._proposer.name, kind, detail, seconds, usage))
        self._watcher.message(f"a proposal of {self._proposer.name} is not tried: {detail}")

    def _write(self, noted: Noted) -> None:
        with self._noting:
            self._faults.note(noted)

    def _tell_costless(self, proposal: Proposal) -> None:
        if self._limits.cost is None or self._told_costless or usage_of(proposal.meta).cost_usd is not None:
            return
        self._told_costless = True
        self._watcher.message(f"{self._proposer.name} does not tell what it costs: --max-cost cannot hold it")
