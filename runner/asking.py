"""Asks the proposer for the next version: bears its faults, pauses where a pause helps, gives up in the end.

Every fault is written down with its name, its cost and the pause after it. A fault costs no trial. With `ahead` the
next version is asked for in one thread while a trial trains; what is under way when the run ends is dropped, and its
cost counts all the same. Knows no engine, no git and no terminal; trusts nothing that a proposer says of its cost.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType

from runner.agents.fault import AgentFault, Fault, Remedy
from runner.errors import InfraError
from runner.parts import Cancellable, Clock, FaultLog, Limits, Noted, Proposer, Record, Watcher
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
    ) -> None:
        """patience: seconds that faults in a row, with pauses between them, may take before the run ends."""
        self._proposer, self._record, self._watcher = proposer, record, watcher
        self._limits, self._faults, self._clock, self._patience = limits, faults, clock, patience
        self._row: Row | None = None
        self._wake = threading.Event()  # the thread is to pause no longer, and to ask nothing more
        self._closing = False
        self._ahead: tuple[threading.Thread, Future[Proposal | None]] | None = None
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
        """Start to ask for the version after `under_way`, which is about to be tried against `history`'s incumbent."""
        shown = replace(history, under_way=(under_way,))
        future: Future[Proposal | None] = Future()

        def ask() -> None:
            try:
                future.set_result(self._ask(shown))
            except BaseException as error:  # handed to whoever takes the result
                future.set_exception(error)

        thread = threading.Thread(target=ask, name="ahead", daemon=True)
        self._ahead = thread, future
        thread.start()

    def close(self) -> None:
        """Ends what is asked for ahead; its cost is written down. Nothing of it is left, if the proposer heeds."""
        if self._ahead is None:
            return
        (thread, future), self._ahead = self._ahead, None
        self._closing = True
        self._wake.set()
        if thread.is_alive() and isinstance(self._proposer, Cancellable):
            self._proposer.cancel()
        thread.join(CLOSE_SECONDS)
        if thread.is_alive():
            self._watcher.message(f"{self._proposer.name} was asked ahead of time and did not end when told to")
        elif future.exception() is None and (proposal := future.result()) is not None:
            self._note(Fault.DROPPED, "asked for ahead of time, and the run ended first", proposal)

    def _taken(self) -> Proposal | None:
        """What was asked for ahead, once it is there: None where nothing was, or nothing came of it."""
        if self._ahead is None:
            return None
        self._wake.set()  # a pause is not worth waiting out here: ask with what is known by now
        future = self._ahead[1]
        proposal = future.result()
        self._ahead = None
        self._wake.clear()
        tried = {entry.proposal: entry.number for entry in self._record.entries}
        if proposal is None or proposal.digest not in tried:
            return proposal
        self._note(Fault.REPEATED, f"this version has become trial {tried[proposal.digest]}", proposal)
        return None

    def _ask(self, history: History) -> Proposal | None:
        """A proposal, however often it takes. None: told to stop, or a limit was reached."""
        while not self._stopped():
            began = self._clock.now()
            self._row = self._row or Row(began)
            try:
                proposal = self._proposer.propose(history)
            except (AgentFault, InfraError) as error:
                self._bear(error, history.number, self._clock.now() - began, self._row)
                continue
            self._row = None
            self._limits.spend(proposal.meta)
            self._tell_costless(proposal)
            return proposal
        return None

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
            noted = Noted(number, self._proposer.name, Fault.DROPPED, dropped, seconds, usage)
            return self._faults.note(noted)
        row.counts[fault.kind.remedy] += 1
        pause = row.pause(fault, random.uniform(0.5, 1.0))
        hopeless = row.hopeless(fault.kind.remedy, pause, now, self._patience)
        self._faults.note(
            Noted(
                number, self._proposer.name, fault.kind, fault.detail, seconds, usage, 0 if hopeless else pause
            )
        )
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

    def _note(self, kind: Fault, detail: str, proposal: Proposal) -> None:
        """An answer that is not tried though nothing is wrong with it; its cost is spent already."""
        number = len(self._record.entries)
        usage = usage_of(proposal.meta).plain()
        self._faults.note(Noted(number, self._proposer.name, kind, detail, 0.0, usage))
        self._watcher.message(f"a proposal of {self._proposer.name} is not tried: {detail}")

    def _tell_costless(self, proposal: Proposal) -> None:
        if self._limits.cost is None or self._told_costless or usage_of(proposal.meta).cost_usd is not None:
            return
        self._told_costless = True
        self._watcher.message(f"{self._proposer.name} does not tell what it costs: --max-cost cannot hold it")
