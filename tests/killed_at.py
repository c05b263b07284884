"""The real program, killed by SIGKILL before a line of its own code is carried out.

python tests/killed_at.py --lines FILE -- go --max-trials 1                    write the lines that are reached
python tests/killed_at.py --lines FILE loop.py run.py -- go --max-trials 1     of these modules alone
python tests/killed_at.py --at loop.py:161 -- --lab DIR go --max-trials 1      die before that line
"""

from __future__ import annotations

import atexit
import inspect
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import runner

PACKAGE = Path(runner.__file__).parent


def trace(files: set[str], stop: tuple[str, int] | None, seen: set[tuple[str, int]]) -> Any:
    """A trace function for lines of functions in `files`; the bodies of modules and classes are left out."""

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            here = (frame.f_code.co_filename, frame.f_lineno)
            if here == stop:
                os.kill(os.getpid(), signal.SIGKILL)
            seen.add(here)
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        of_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED
        return line if of_function and frame.f_code.co_filename in files else None

    return call


def main() -> None:
    split = sys.argv.index("--")
    what, *mine = sys.argv[1:split]
    seen: set[tuple[str, int]] = set()
    stop = None
    if what == "--at":
        name, number = mine[0].rsplit(":", 1)
        files, stop = {str(PACKAGE / name)}, (str(PACKAGE / name), int(number))
    else:
        files = {str(PACKAGE / name) for name in mine[1:]} or set(map(str, PACKAGE.rglob("*.py")))
        atexit.register(lambda: write(Path(mine[0]), seen))
    sys.argv = ["runner", *sys.argv[split + 1 :]]
    from runner.cli import main as program

    tracing = trace(files, stop, seen)
    threading.settrace(tracing)
    sys.settrace(tracing)
    program()


def write(to: Path, seen: set[tuple[str, int]]) -> None:
    found = sorted((str(Path(name).relative_to(PACKAGE)), number) for name, number in seen.copy())
    to.write_text("".join(f"{name}:{number}\n" for name, number in found))


if __name__ == "__main__":
    main()
