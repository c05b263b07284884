"""Errors that a user can act on. Each class owns the exit code that the command line ends with.

What is not one of these is a fault of ours: the command line writes its traceback to a log file and
exits with `InfraError.exit_code`. This module imports nothing of ours and never formats for a terminal.
"""

from __future__ import annotations


class RunnerError(Exception):
    """Something a user can act on: what happened and why, and in `advice` what to do about it."""

    exit_code = 4

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}\n{self.advice}" if self.advice else self.what


class UsageError(RunnerError):
    """Wrong usage, settings or input: bad `runner.toml`, unreadable data, an unknown tag or trial."""

    exit_code = 2


class MissingError(RunnerError):
    """Something is missing on this machine; `advice` is the command that mends it."""

    exit_code = 3


class InfraError(RunnerError):
    """The engine or the machine failed while working. Never a result: it does not count against a proposal."""

    exit_code = 4
