"""The crash walk of the whole journey: the real program is killed at every step of a trial and started again.

    .venv/bin/python tests/bench_crash.py --requests          before, at and after every request to the engine
    .venv/bin/python tests/bench_crash.py --lines             before every line of the program's journey
    .venv/bin/python tests/bench_crash.py --lines --every 5   before every fifth of them
    … --every 3 --first 1                                     the second of three processes that share a walk, or of
                                                              three walks one after the other
    .venv/bin/python tests/bench_crash.py --lines --files loop.py run.py

Real engine, real git, SIGKILL from outside (requests) or from within (lines). The steps are found by a run that is left
alone. One run goes on through all kills, so its ledger grows as that of a run with as many power cuts would. The
baseline is scored on the holdout text once in a run: what is known of the holdout is forgotten before each step, so
that every journey has the steps of the first.
Takes about five seconds a step on an idle machine; `--lines` finds some thousands, in every module that a trial comes
to but for those of LEFT_OUT. What is carried out while a module is imported is no step. Ended by a signal, it says how
far it came.
"""

from __future__ import annotations

import argparse
import secrets
import signal
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

# What a journey comes to and a walk leaves out, with the reason; a test wants each to write nothing and to ask nobody.
# All else under runner/ that a trial comes to is walked.
_WORDS = "words and pictures for people, made in memory: jobs/report.py, record/ and report/plot.py write them"
LEFT_OUT = {
    "agents/annotations.py": "reads the source of a train.py, in memory",
    "agents/constants.py": "reads the source of a train.py, in memory",
    "cli/research.py": "reads a command line, before there is a run",
    "config/": "settings, in memory",
    "errors.py": "a noun",
    "parts.py": "nouns and protocols",
    "ratchet/": "pure: a kill in it is one before its caller's next line",
    "record/message.py": "pure",
    "record/tags.py": "pure",
    "report/consoles.py": _WORDS,
    "report/doubts.py": _WORDS,
    "report/layout.py": _WORDS,
    "report/lines.py": _WORDS,
    "report/page/": _WORDS,
    "report/painter.py": _WORDS,
    "report/region.py": _WORDS,
    "report/screen.py": _WORDS,
    "report/series.py": _WORDS,
    "report/status.py": _WORDS,
    "report/steps.py": _WORDS,
    "report/tables.py": _WORDS,
    "report/text.py": _WORDS,
    "sandbox/compare.py": "pure: compares a view that was read",
    "sandbox/compare_files.py": "pure, likewise",
    "sandbox/compare_gpu.py": "pure, likewise",
    "sandbox/finding.py": "a noun",
    "sandbox/spec.py": "pure: a container's description",
    "sandbox/view.py": "nouns, made of what was read",
    "scoring/audit.py": "pure: arithmetic on answers",
    "scoring/bits.py": "pure, likewise",
    "scoring/floor.py": "pure, likewise",
    "scoring/order.py": "pure, likewise",
    "scoring/score.py": "pure, likewise",
    "scoring/windows.py": "pure, likewise",
    "trial.py": "nouns",
    "usage.py": "a noun",
}  # fmt: skip


def left_out(name: str) -> bool:
    """Whether the module `name`, a path under runner/, is not walked."""
    return any(name == one or (one.endswith("/") and name.startswith(one)) for one in LEFT_OUT)


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

    def lines(self, files: Iterable[str] = ()) -> list[str]:
        """The lines that one trial comes to, of `files` or else of every module that is not left out."""
        with tempfile.NamedTemporaryFile() as found:
            program = (str(Path(__file__).with_name("killed_at.py")), "--lines", found.name, *files, "--")
            code, _, err = walklab.ended(walklab.runner(self.lab, *self.go, program=program))
            assert code == 0, err
            seen = Path(found.name).read_text().split()
            return [line for line in seen if files or not left_out(line.rpartition(":")[0])]

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
    parser.add_argument("--files", nargs="*", default=())
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a walk that is ended says how far it came
    engine = Engine()
    with tempfile.TemporaryDirectory(prefix="crash-walk-") as folder:
        relay = Relay(Path(folder) / "engine.sock", engine.url)
        # alone: so that the turns on the device are part of the journey.
        walk = Walk(walklab.make(Path(folder) / "lab", alone="always"), engine, relay, holdout=True)
        steps: list[tuple[Callable[..., list[str]], tuple[str, ...]]] = []
        try:
            walk.begin()
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
        except KeyboardInterrupt:
            print(f"ended after {len(walk.table)} of {len(steps)} steps")
        finally:
            print(walk.report(), flush=True)
            relay.close()
            walklab.clean(walk.lab, walk.tag, engine)


if __name__ == "__main__":
    main()
