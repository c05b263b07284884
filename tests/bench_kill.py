"""The kill at the deadline, measured: how late a training that does not want to end is gone.

    .venv/bin/python tests/bench_kill.py --kills 200       while every core is busy, inside and outside
    .venv/bin/python tests/bench_kill.py --orphans 20      the program itself is killed with SIGKILL in mid-training

Three clocks tell the overrun of a kill. *product*: what the program says of itself. *engine*: the engine's events,
from `start` to `die`. *kernel*: from the start of the container's PID 1 (proc(5), 10 ms fine) to its end, seen by a
pidfd; PID 1 of a PID namespace ends after every process in it. The kernel's is an upper bound: it begins before the
engine has told the program that the container started. Orphans are timed by the kernel alone; nobody helps them to end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import conftest
import walklab
from walklab import owned_by

BUSY = Path(__file__).parent / "labs" / "busy"
SPIN = "while True: pass"


@contextmanager
def busy_cores() -> Iterator[None]:
    """As many spinning processes of the host as it has cores."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


class Life:
    """Start and end of a container's PID 1 in seconds of CLOCK_BOOTTIME, from the kernel. Local engines only."""

    def __init__(self, engine: Any, container: str) -> None:
        pid = 0
        while not pid:
            pid = int(engine.api.inspect_container(container)["State"]["Pid"])
            time.sleep(0.01)
        self._descriptor = os.pidfd_open(pid)
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        self.started = int(ticks) / os.sysconf("SC_CLK_TCK")

    def end(self, timeout: float) -> float:
        """When it ended; infinity if it has not within `timeout` seconds."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        done = poll.poll(timeout * 1000)
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        os.close(self._descriptor)
        return now if done else float("inf")


class Events:
    """The engine's own times of starts and ends, by container id."""

    def __init__(self, engine: Any, tag: str = "") -> None:
        """tag: of the run whose containers are followed; of every trial without one."""
        from runner.sandbox.engine import Engine

        self._engine = Engine(engine.url)
        self.times: dict[tuple[str, str], float] = {}
        self.started: list[str] = []
        self.owners: dict[str, str] = {}  # the label, by container
        label = f"autoresearch.run={tag}" if tag else "autoresearch=trial"
        self._stream = self._engine.api.events(decode=True, filters={"label": [label]})
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for event in self._stream:
            about = event.get("Actor", {}).get("Attributes", {})
            name = about.get("name", "")
            of_trial = about.get("autoresearch.run") != "check"  # that is a look at the walls
            if event.get("Type") == "container" and name.endswith("-train") and of_trial:
                self.owners[event["id"]] = about.get("autoresearch.owner", "")
                if event["Action"] == "start":
                    self.started.append(event["id"])
                self.times[event["id"], event["Action"]] = event["timeNano"] / 1e9

    def trainings(self, pid: int) -> list[tuple[float, float]]:
        """Start and end of each training of process `pid`, in order."""
        mine = [one for one in self.started if self.owners[one].split(":")[-2:-1] == [str(pid)]]
        return [(self.times[one, "start"], self.times[one, "die"]) for one in mine]

    def overrun(self, container: str, budget: float) -> float:
        deadline = time.monotonic() + 10
        while (container, "die") not in self.times and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.times[container, "die"] - self.times[container, "start"] - budget


@dataclass(frozen=True)
class Kill:
    """One kill: seconds beyond the deadline by each clock."""

    product: float
    engine: float
    kernel: float
    ending: str


def kills(engine: Any, image: str, count: int, budget: float = 1.5) -> list[Kill]:
    """Kills `count` trainings that are busy on every core, each at its own deadline."""
    from runner.config import TrialSettings
    from runner.sandbox import volumes
    from runner.sandbox.box import Sandbox

    tag, chance, found = f"test-{secrets.token_hex(4)}", random.Random(1), []
    volume = f"autoresearch-{tag}-data"
    engine.api.create_volume(volume, labels={"autoresearch.run": tag})
    sandbox = Sandbox(engine, image, TrialSettings(memory_mb=256, pids=64, out_mb=8), volume)
    code = volumes.archive({"train/train.py": BUSY / "train.py", "prepare/__init__.py": b""}, ("data",))
    events = Events(engine, tag)
    try:
        with busy_cores():
            for number in range(count):
                seconds = budget + chance.uniform(-0.3, 0.3)
                with sandbox.box(tag, f"{number:04d}-0", code, seconds + 60) as box:
                    watched = _Watched(engine, events, number)
                    trained = box.train(seconds, seed=1)
                    life, container = watched.result()
                found.append(
                    Kill(
                        trained.outcome.overrun_seconds,
                        events.overrun(container, seconds),
                        life[1] - life[0] - seconds,
                        str(trained.outcome.ending),
                    )
                )
    finally:
        engine.api.remove_volume(volume, force=True)
    return found


class _Watched(threading.Thread):
    """Follows the next train container that starts, beside the program."""

    def __init__(self, engine: Any, events: Events, number: int) -> None:
        super().__init__(daemon=True)
        self._engine, self._events, self._number = engine, events, number
        self.start()

    def run(self) -> None:
        while len(self._events.started) <= self._number:
            time.sleep(0.01)
        self._container = self._events.started[self._number]
        life = Life(self._engine, self._container)
        self._life = (life.started, life.end(60))

    def result(self) -> tuple[tuple[float, float], str]:
        self.join(60)
        return self._life, self._container


@dataclass(frozen=True)
class Orphan:
    """One program killed in mid-training.

    kill_to_deadline: seconds that the training still had then. late: from its deadline to its end. helped: another
    program that was started meanwhile removed it, so `late` tells nothing. left: containers and volumes that waited for
    the next start. reaped: that start removed them all.
    """

    kill_to_deadline: float
    late: float
    helped: bool
    left: int
    reaped: bool


def train_container(engine: Any, pid: int) -> str:
    """The id of the train container that process `pid` has running, once there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for container in engine.api.containers(filters={"label": ["autoresearch=trial"]}):
            owned = container["Labels"].get("autoresearch.owner", "").split(":")[-2:-1] == [str(pid)]
            trial = (
                container["Labels"].get("autoresearch.run") != "check"
            )  # the look at the walls before trials
            if owned and trial and container["Names"][0].endswith("-train"):
                return str(container["Id"])
        time.sleep(0.05)
    raise AssertionError(f"process {pid} started no training")


def orphan(engine: Any, lab: Path, budget: float = 3.0) -> Orphan:
    """`runner trial` is killed in mid-training; its container is waited for; the next start tidies up."""
    trial = ("trial", "--budget", f"{budget:g}")
    dead = walklab.runner(lab, *trial, "--train", str(BUSY / "train.py"))
    container = train_container(engine, dead.pid)
    life = Life(engine, container)
    time.sleep(random.uniform(0.1, 0.8))
    dead.kill()
    dead.communicate()
    deadline = life.started + budget
    left_to_run = deadline - time.clock_gettime(time.CLOCK_BOOTTIME)
    late = life.end(60) - deadline
    left = len(owned_by(engine, dead.pid))
    helped = not engine.api.containers(all=True, filters={"id": [container]})
    walklab.ended(walklab.runner(lab, "trial", "--budget", "1"))
    return Orphan(left_to_run, late, helped, left, owned_by(engine, dead.pid) == [])


def quantiles(name: str, values: Sequence[float]) -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, -(-99 * len(ordered) // 100) - 1)]
    middle = statistics.median(ordered)
    return f"{name:26} p50 {middle:7.3f}   p99 {p99:7.3f}   worst {ordered[-1]:7.3f} s"


def main() -> None:
    from runner.config import ImageSettings
    from runner.sandbox.engine import Engine
    from runner.sandbox.images import trial_image

    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--orphans", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="each measurement as one line")
    given = parser.parse_args()
    engine = Engine()
    image = trial_image(
        engine, conftest.ROOT, ImageSettings(), cuda=False, progress=lambda what, fraction: None
    )
    if given.kills:
        found = kills(engine, image, given.kills)
        if given.json:
            print("\n".join(json.dumps(vars(kill)) for kill in found))
        ended = [kill.ending for kill in found].count("timeout")
        print(f"kills                      {len(found)}, of which timeout: {ended}")
        for clock in ("product", "engine", "kernel"):
            print(quantiles(f"overrun, {clock}", [getattr(kill, clock) for kill in found]))
    if given.orphans:
        with tempfile.TemporaryDirectory(prefix="bench-kill-") as folder, busy_cores():
            lab = walklab.make(Path(folder) / "lab")
            try:
                tried = [orphan(engine, lab) for _ in range(given.orphans)]
            finally:
                walklab.clean(lab, "trial", engine)
        orphans = [o for o in tried if not o.helped]
        endless = sum(o.late > 60 for o in orphans)
        print(f"programs killed            {len(tried)}, containers that did not end: {endless}")
        if len(orphans) < len(tried):
            print(
                f"not counted                {len(tried) - len(orphans)}: another program's start removed them"
            )
        print(quantiles("end after the deadline", [o.late for o in orphans]))
        left, reaped = sum(o.left for o in orphans), sum(o.reaped for o in orphans)
        print(f"left for the next start    {left} containers and volumes; all removed {reaped} times")


if __name__ == "__main__":
    main()
