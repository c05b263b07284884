"""Where output goes: one console for progress (stderr), one for results (stdout), and when each is plain.

Plain means no control code and no colour at all: in a pipe or file, under `NO_COLOR`, in CI, on `TERM=dumb`.
It does not draw anything. Trusts the environment variables of the person who started the program.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console

from runner.report.text import to_ascii

_PIPE_WIDTH = 160  # columns of a table that goes into a file: wide, since nothing there cuts lines
_SIGNS = "runner-signs"  # the name under which `_in_ascii` is known to Python's codecs


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What a stream writes for characters that its encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


class QuietConsole(Console):
    """A console that falls silent when its reader has gone, where rich would end the whole program."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def is_plain(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` must get plain lines only. `FORCE_COLOR` does not turn a pipe into a terminal."""
    try:
        terminal = stream.isatty()
    except (ValueError, OSError):  # closed or detached
        return True
    off = environment.get("NO_COLOR") or environment.get("CI", "").lower() not in ("", "0", "false")
    return not terminal or bool(off) or environment.get("TERM", "").lower() in ("dumb", "unknown")


def make(stream: TextIO, environment: Mapping[str, str] | None = None) -> Console:
    """A console on `stream` that keeps the rules above and never fails for want of an encoding."""
    environment = os.environ if environment is None else environment
    plain = is_plain(stream, environment)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        codecs.register_error(_SIGNS, _in_ascii)
        reconfigure(errors=_SIGNS)
    terminal = not plain or (not stream.closed and stream.isatty())
    return QuietConsole(
        file=stream,
        force_terminal=not plain,
        force_interactive=not plain,
        color_system=None if plain else "auto",
        no_color=plain,
        width=None if terminal or environment.get("COLUMNS") else _PIPE_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


def progress() -> Console:
    """The console for everything a person watches: stderr."""
    return make(sys.stderr)


def results() -> Console:
    """The console for what a command was asked for: stdout."""
    return make(sys.stdout)
