"""What can go wrong with an answer of an outside agent, each with a name for the ledger.

An `AgentFault` is the agent's, not the machine's and not a result: the loop records it, asks again a bounded
number of times, and spends no trial on it.
"""

from __future__ import annotations

from enum import StrEnum

from runner.errors import RunnerError


class Fault(StrEnum):
    """The kinds of faults, in the words of the ledger."""

    UNCHANGED = "unchanged"  # the incumbent again, or only its comments and layout changed
    REPEATED = "repeated"  # a version that was tried before
    SYNTAX = "syntax"  # does not compile
    ENCODING = "encoding"  # not UTF-8, or holds a NUL
    TOO_LARGE = "too-large"  # more bytes than a train.py may have
    NOT_A_FILE = "not-a-file"  # gone, a link, a FIFO, a folder, a device, or unreadable
    TIMEOUT = "timeout"  # killed at its time limit
    OUTPUT = "output"  # killed for writing without end to its output
    EXIT = "exit"  # ended with an error and changed nothing


class AgentFault(RunnerError):
    """An answer that cannot be tried. `kind` is for the record, `detail` one line for a person."""

    def __init__(self, kind: Fault, detail: str, advice: str = "") -> None:
        super().__init__(f"the agent's answer cannot be tried ({kind}): {detail}", advice)
        self.kind = kind
        self.detail = detail
