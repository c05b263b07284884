"""A cancelled job, measured: SIGINT, then SIGTERM 7.5 s and SIGKILL 10 s later, as GitHub's runner does it.

    .venv/bin/python tests/bench_cancel.py --jobs 20                  the command given, at moments drawn at random
    .venv/bin/python tests/bench_cancel.py --jobs 20 --command ci     the gate in the place of `go`

Prints what each job left in the engine the moment it had ended, and how long it took to end. The lab's trial takes
three seconds; a job that ended by itself before its moment is drawn again.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import conftest
import walklab

LADDER = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 30.0))  # and seconds until the next


@dataclass(frozen=True)
class Cancelled:
    """at: seconds after it began to heed signals. seconds: from the first signal to its end. left: names of what is
    in the engine."""

    at: float
    exit_code: int
    seconds: float
    left: tuple[str, ...]


def cancel(process: subprocess.Popen[str], ladder: Sequence[tuple[signal.Signals, float]] = LADDER) -> float:
    """Ends `process` as a cancelled job's is; the seconds that it took."""
    began = time.monotonic()
    for number, seconds in ladder:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seconds)
            break
    return time.monotonic() - began


def heeds(pid: int) -> bool:
    """Whether the program is past its imports, before which Python itself ends it; proc(5), SigCgt."""
    try:
        caught = Path(f"/proc/{pid}/status").read_text().split("SigCgt:")[1].split()[0]
    except OSError:  # it has ended
        return True
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def job(engine: Any, lab: Path, command: Sequence[str], tag: str, at: float) -> Cancelled | None:
    """One job on `lab`, cancelled `at` seconds after it has begun to heed signals; None where it had ended by then."""
    process = walklab.runner(lab, *command)
    while process.poll() is None and not heeds(process.pid):
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=at)
        return None
    seconds = cancel(process)
    left = walklab.leftovers(engine, tag, process.pid)
    return Cancelled(at, process.returncode, seconds, tuple(left))


def change(lab: Path) -> None:
    """A branch `change` with a better train.py."""
    home = conftest.environment(lab.parent)
    train = lab / "train" / "train.py"
    for command in (["switch", "-q", "-c", "change"], ["commit", "-qam", "a change"], ["switch", "-q", "main"]):
        if command[0] == "commit":
            train.write_text(train.read_text().replace("K = 1\n", "K = 9\n"))
        subprocess.run(["git", *command], cwd=lab, check=True, env=home)


def gate(lab: Path) -> tuple[str, ...]:
    """The arguments of `runner ci` on that branch, with a state of its own: nothing is remembered."""
    state = str(lab.parent / f"state-{secrets.token_hex(4)}")
    return ("ci", "--base", "main", "--head", "change", "--out", str(lab.parent / "out"), "--state", state)


def main() -> None:
    from runner.sandbox.engine import Engine

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--command", choices=("go", "ci"), default="go")
    parser.add_argument("--within", type=float, default=8.0, help="moments are drawn from so many seconds")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    engine, chance, found = Engine(), random.Random(given.seed), []
    tag = f"cancel-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="cancel-") as folder:
        lab = walklab.make(Path(folder) / "lab")
        change(lab)
        go = ("go", "--tag", tag, "--max-trials", "2", "--no-holdout")
        try:
            while len(found) < given.jobs:
                command = gate(lab) if given.command == "ci" else go
                if (one := job(engine, lab, command, tag, chance.uniform(0.2, given.within))) is None:
                    continue
                found.append(one)
                print(
                    f"{len(found)}/{given.jobs} at {one.at:4.1f} s: exit code {one.exit_code}, {one.seconds:.2f} s"
                    f"{''.join(f', left {name}' for name in one.left)}",
                    file=sys.stderr,
                )
        finally:
            walklab.clean(lab, tag, engine)
    took = sorted(one.seconds for one in found)
    print(f"jobs cancelled                  {len(found):6}   runner {given.command}")
    print(f"ended by themselves, with 130   {sum(one.exit_code == 130 for one in found):6}")
    print(f"left in the engine              {sum(len(one.left) for one in found):6}")
    print(f"seconds to end, median, worst   {statistics.median(took):6.2f} {took[-1]:6.2f}")


if __name__ == "__main__":
    main()
