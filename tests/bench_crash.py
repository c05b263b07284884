"""The crash walk of the whole journey: the real program is killed at every step of a trial and started again.

    .venv/bin/python tests/bench_crash.py --requests          before, at and after every request to the engine
    .venv/bin/python tests/bench_crash.py --lines             before every line of the program's journey
    .venv/bin/python tests/bench_crash.py --lines --every 5   before every fifth of them
    … --every 3 --first 1                                     the second of three processes that share a walk
    .venv/bin/python tests/bench_crash.py --lines --files loop.py run.py

Real engine, real git, SIGKILL from outside (requests) or from within (lines). The steps are found by a run that is left
alone. One run goes on through all kills, so its ledger grows as that of a run with as many power cuts would. The
baseline is scored on the holdout text once in a run: what is known of the holdout is forgotten before each step, so
that every journey has the steps of the first.
Takes about five seconds a step on an idle machine; `--lines` finds some hundreds.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import walklab
from relay import Relay

from runner.record.run import RunFolder

# Of a trial; an engine that fails (patience.py) or a GPU (turn.py) brings in lines that a plain one does not have.
JOURNEY = (
    "loop.py", "asking.py", "parts.py", "run.py", "evaluate.py", "assemble.py", "holdouts.py", "current.py", "seeds.py",
    "interrupts.py", "machine/turn.py", "jobs/research.py", "jobs/samples.py", "jobs/proposers.py",
    "agents/command.py", "agents/process.py", "agents/takeback.py", "sandbox/box.py", "sandbox/container.py",
    "sandbox/volumes.py", "sandbox/training_data.py", "sandbox/used.py", "sandbox/inside.py", "sandbox/reaper.py",
    "sandbox/leftover.py", "sandbox/owner.py", "sandbox/channel.py", "sandbox/stream.py", "sandbox/evidence.py",
    "sandbox/engine.py", "sandbox/patience.py", "record/files.py", "record/faults.py", "record/ledger.py",
    "record/message.py", "record/plumbing.py", "record/reconcile.py", "record/repo.py", "record/results.py",
    "record/run.py", "record/worktree.py",
)  # fmt: skip


@dataclass
class Walk:
    """One lab and one run that is killed again and again. `table`: (step, what was wrong after the restart)."""

    lab: Path
    engine: Any
    relay: Relay
    holdout: bool = False  # whether the journey goes on to the scoring of the holdout text
    tag: str = field(default_factory=lambda: f"test-{secrets.token_hex(4)}")
    table: list[tuple[str, list[str]]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  # not come to this time: kills of what ended by itself

    @property
    def go(self) -> tuple[str, ...]:
        command = ("go",) if self.holdout else walklab.GO
        return (*command, "--tag", self.tag, "--max-trials", "1")

    def begin(self) -> None:
        """The baseline, so that a step costs one trial."""
        code, _, err = walklab.ended(
            walklab.runner(self.lab, *walklab.GO, "--tag", self.tag, "--max-trials", "0")
        )
        assert code == 0, err

    def requests(self) -> list[str]:
        """What one trial asks of the engine, in order."""
        self.relay.forget()
        code, _, err = walklab.ended(walklab.runner(self.lab, *self.go, url=self.relay.url))
        assert code == 0, err
        return list(self.relay.requests)

    def lines(self, files: Iterable[str]) -> list[str]:
        """The lines of `files` that one trial comes to."""
        with tempfile.NamedTemporaryFile() as found:
            program = (str(Path(__file__).with_name("killed_at.py")), "--lines", found.name, *files, "--")
            code, _, err = walklab.ended(walklab.runner(self.lab, *self.go, program=program))
            assert code == 0, err
            return Path(found.name).read_text().split()

    def kill_at_request(self, request: str, when: str) -> list[str]:
        def start() -> tuple[int, str, int]:
            victim: list[Any] = []

            def kill() -> None:
                while not victim:
                    time.sleep(0.01)
                victim[0].kill()

            self.relay.arm(request, when, kill)
            victim.append(walklab.runner(self.lab, *self.go, url=self.relay.url))
            code, _, err = walklab.ended(victim[0])
            self.relay.forget()
            return code, err, victim[0].pid

        return self._one(f"{when:8} {request}", start)

    def kill_at_line(self, line: str) -> list[str]:
        program = (str(Path(__file__).with_name("killed_at.py")), "--at", line, "--")

        def start() -> tuple[int, str, int]:
            victim = walklab.runner(self.lab, *self.go, program=program)
            code, _, err = walklab.ended(victim)
            return code, err, victim.pid

        return self._one(line, start)

    def _one(self, step: str, start: Callable[[], tuple[int, str, int]]) -> list[str]:
        RunFolder(self.lab, self.tag).holdout.unlink(missing_ok=True)
        found, died = walklab.killed(self.lab, self.tag, self.engine, start)
        if not died:
            self.missed.append(step)
        self.table.append((step, found))
        return found

    def report(self) -> str:
        bad = [(step, found) for step, found in self.table if found]
        rows = [f"steps killed at                {len(self.table) - len(self.missed):5}"]
        rows += [f"steps not come to a second time {len(self.missed):4}  {', '.join(self.missed[:8])}"]
        rows += [f"trials recorded on the way     {len(walklab.lines(self.lab, self.tag)):5}"]
        rows += [f"disagreements after restart    {len(bad):5}"]
        return "\n".join(rows + [f"  {step}: {'; '.join(found)}" for step, found in bad])


def main() -> None:
    from runner.sandbox.engine import Engine

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--requests", action="store_true")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--files", nargs="*", default=JOURNEY)
    given = parser.parse_args()
    engine = Engine()
    with tempfile.TemporaryDirectory(prefix="crash-walk-") as folder:
        relay = Relay(Path(folder) / "engine.sock", engine.url)
        walk = Walk(walklab.make(Path(folder) / "lab"), engine, relay, holdout=True)
        try:
            walk.begin()
            steps: list[tuple[Callable[..., list[str]], tuple[str, ...]]] = []
            if given.requests:
                asked = walk.requests()
                steps += [(walk.kill_at_request, (r, w)) for r in asked for w in ("before", "sent", "answered")]
            if given.lines:
                steps += [(walk.kill_at_line, (line,)) for line in walk.lines(given.files)]
            steps = steps[given.first :: given.every]
            for number, (step, arguments) in enumerate(steps, 1):
                found = step(*arguments)
                print(
                    f"{number}/{len(steps)} {' '.join(arguments)} {'; '.join(found) or 'ok'}", file=sys.stderr
                )
        finally:
            print(walk.report())
            relay.close()
            walklab.clean(walk.lab, walk.tag, engine)


if __name__ == "__main__":
    main()
