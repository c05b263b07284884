"""What can go wrong with an answer of an outside agent, each with a name for the record and a remedy.

An `AgentFault` is the agent's, or its API's; not the machine's, and not a result: the loop records it, asks again as
its remedy says (`runner/asking.py`), and spends no trial on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from runner.errors import RunnerError


class Remedy(StrEnum):
    """What to do after a fault."""

    AGAIN = "again"  # ask again at once; with pauses after several in a row, and not for ever
    LATER = "later"  # ask again after a pause that grows: it mends itself, or does not
    PERSON = "person"  # nobody but a person can mend it: ask a little more, then end the run


class Fault(StrEnum):
    """The kinds of faults, in the words of the record."""

    UNCHANGED = "unchanged"  # the incumbent again, or only its comments and layout changed
    ASKED = "asked"  # unchanged, and its last words are a question: nobody is there to answer
    REPEATED = "repeated"  # a version that was tried before, or is being tried
    SYNTAX = "syntax"  # does not compile
    ENCODING = "encoding"  # not UTF-8, or holds a NUL
    TOO_LARGE = "too-large"  # more bytes than a train.py may have
    NOT_A_FILE = "not-a-file"  # gone, a link, a FIFO, a folder, a device, or unreadable
    FORBIDDEN = "forbidden"  # it changed files that no trial takes from it, or its answer holds the key
    TIMEOUT = "timeout"  # killed at its time limit
    OUTPUT = "output"  # killed for writing without end to its output
    MEMORY = "memory"  # killed for want of memory
    LIMIT = "limit"  # its own limit for one proposal was used up: turns, tokens, money
    EXIT = "exit"  # ended with an error and changed nothing
    RATE = "rate-limit"  # its API answers 429: too many requests for now
    SERVER = "server-error"  # its API answers 5xx
    SILENT = "no-answer"  # its API cannot be reached, or says nothing
    AUTH = "auth"  # its API answers 401 or 403: a key is missing or wrong
    CREDIT = "credit"  # its account is used up
    MACHINE = "machine"  # not its fault: the engine or the machine failed while it was asked
    DROPPED = "dropped"  # no fault: asked for ahead of time, and the run ended before it was wanted

    @property
    def remedy(self) -> Remedy:
        return _REMEDIES.get(self, Remedy.AGAIN)


_REMEDIES = {
    Fault.EXIT: Remedy.LATER,  # most often its API is at fault, and it has no better way to say so
    Fault.RATE: Remedy.LATER,
    Fault.SERVER: Remedy.LATER,
    Fault.SILENT: Remedy.LATER,
    Fault.AUTH: Remedy.PERSON,
    Fault.CREDIT: Remedy.PERSON,
    Fault.MACHINE: Remedy.PERSON,
}


class AgentFault(RunnerError):
    """An answer that cannot be tried. `kind` is for the record, `detail` one line for a person.

    meta: what is known of its tokens and cost, as in `Proposal.meta`. retry_after: seconds that its API asked to be
    left alone for; 0 if it did not.
    """

    def __init__(
        self,
        kind: Fault,
        detail: str,
        advice: str = "",
        *,
        meta: Mapping[str, Any] | None = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"the agent's answer cannot be tried ({kind}): {detail}", advice)
        self.kind = kind
        self.detail = detail
        self.meta: Mapping[str, Any] = meta or {}
        self.retry_after = retry_after
