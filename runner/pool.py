"""Devices that work side by side: a thread each, the work of earlier trials first.

What was submitted is done in the order of `order`, smaller first, each piece by the first device that is free. A
device whose work fails three times in a row by faults of the machine is left out, unless it is the last. Knows no
trials and no containers; decides nothing but who does what. Whoever waits for a result waits in its own thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from runner.errors import InfraError
from runner.interrupts import held_back

CLOSE_SECONDS = 15.0  # for what is under way, once it was told to end
FAULTS = 3  # of the machine in a row, after which a device is left out


class Stoppable(Protocol):
    """What a thread of the pool works on."""

    name: str

    def stop(self, ended: Callable[[], bool]) -> None:
        """End what is under way on it, from another thread; returns once `ended` says so, or soon after."""

    def resume(self) -> None:
        """After a `stop`: it may work again."""


_D = TypeVar("_D", bound=Stoppable)


@dataclass(eq=False)
class Work(Generic[_D]):
    """One piece of work. device: the place of whose it is in the pool's list, None before it was begun."""

    order: tuple[int, int]
    do: Callable[[_D], Any]
    avoid: frozenset[int]
    future: Future[Any] = field(default_factory=Future)
    device: int | None = None
    began: float = 0.0
    seconds: float | None = None  # once it has ended
    stopper: threading.Thread | None = None

    @property
    def spent(self) -> float:
        """Seconds of a device so far."""
        if self.seconds is not None:
            return self.seconds
        return time.monotonic() - self.began if self.device is not None else 0.0


class Pool(Generic[_D]):
    """The devices of one run. A context manager: leaving it ends what is under way and what waits.

    say: told when a device is left out, from its thread.
    """

    def __init__(self, devices: Sequence[_D], say: Callable[[str], None]) -> None:
        self.devices = tuple(devices)
        self._say = say
        self._state = threading.Condition()
        self._waiting: list[Work[_D]] = []
        self._under_way: dict[int, Work[_D]] = {}
        self._faults = [0] * len(self.devices)
        self._out: set[int] = set()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._serve, args=(at,), name=device.name, daemon=True)
            for at, device in enumerate(self.devices)
        ]

    def __enter__(self) -> Pool[_D]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with held_back():
            self.close()

    def submit(self, order: tuple[int, int], do: Callable[[_D], Any], avoid: Iterable[int] = ()) -> Work[_D]:
        """Have `do` done. avoid: devices that it should not be done on, if there are others."""
        work = Work(order, do, frozenset(avoid))
        with self._state:
            if self._closing:
                work.future.cancel()
                return work
            self._waiting.append(work)
            self._waiting.sort(key=lambda one: one.order)
            self._state.notify_all()
        return work

    def give_up(self, work: Work[_D]) -> float:
        """Nobody wants it any more; the seconds that it took of a device. Does not wait for its end."""
        with self._state:
            if work in self._waiting:
                self._waiting.remove(work)
                work.future.cancel()
            elif work.device is not None and work.seconds is None and work.stopper is None:
                stop = self.devices[work.device].stop
                ended = (lambda: work.seconds is not None,)
                work.stopper = threading.Thread(target=stop, args=ended, name="stopper", daemon=True)
                work.stopper.start()
            return work.spent

    def close(self) -> None:
        """Ends everything. Nothing of it is left where the devices heed."""
        with self._state:
            self._closing = True
            for work in [*self._waiting, *self._under_way.values()]:
                self.give_up(work)
            self._state.notify_all()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            self._say(f"{', '.join(late)}: what was under way there did not end when told to")

    def _serve(self, at: int) -> None:
        device = self.devices[at]
        while (work := self._take(at)) is not None:
            try:
                result = work.do(device)
            except BaseException as error:  # handed to whoever waits for it
                self._end(at, work, error)
                work.future.set_exception(error)
            else:
                self._end(at, work, None)
                work.future.set_result(result)

    def _take(self, at: int) -> Work[_D] | None:
        """The next piece of work for the device `at`; None at the end."""
        with self._state:
            while not self._closing and at not in self._out:
                for work in self._waiting:
                    if self._may(at, work):
                        self._waiting.remove(work)
                        work.device, work.began = at, time.monotonic()
                        self._under_way[at] = work
                        return work
                self._state.wait()
            return None

    def _may(self, at: int, work: Work[_D]) -> bool:
        others = set(range(len(self.devices))) - self._out - work.avoid
        return at in others or not others

    def _end(self, at: int, work: Work[_D], error: BaseException | None) -> None:
        with self._state:
            work.seconds = time.monotonic() - work.began
            del self._under_way[at]
            stopper = work.stopper
            if stopper is None:
                self._faults[at] = self._faults[at] + 1 if isinstance(error, InfraError) else 0
            sound = [n for n in range(len(self.devices)) if n not in self._out and self._faults[n] < FAULTS]
            out = self._faults[at] >= FAULTS and bool(sound)
            if out:
                self._out.add(at)
            self._state.notify_all()
        if stopper is not None:
            stopper.join()
            self.devices[at].resume()
        if out:
            name = self.devices[at].name
            self._say(f"{name} failed {FAULTS} times in a row and is left out until the next start: {error}")
