"""Frames between the host and `prepare/model_host.py`, and the faults that a conversation can end in.

A frame is a header (magic, version, kind, number of the request, length) and a payload; all little-endian.
The host speaks first, one request at a time, and knows the exact length of every good answer before it asks.
The other side runs untrusted code and may send anything at any time: a header is checked before one byte
of payload is read, and what is not exactly the expected answer is a `ModelFault`, never another exception.
It trusts the channel itself; errors of the engine (InfraError) pass through.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Protocol

from runner.trial import Ending

MAGIC = b"ARMH"
VERSION = 1
HEADER = struct.Struct("<4sHHIQ")  # magic, version, kind, request, payload length
START = struct.Struct("<III")  # window, vocabulary, rows of a batch
SHAPE = struct.Struct("<II")  # rows, columns of the tokens that follow
LOGITS_SHAPE = struct.Struct("<III")  # rows, columns, positions a row
SAMPLE_SHAPE = struct.Struct("<IIdQ")  # tokens of the prompt, tokens wanted, temperature, seed
MAX_ERROR = 512  # bytes of an ERROR's payload: a code and, before any text was sent, a message


class Kind(IntEnum):
    """What a frame is. HELLO, READY, ANSWER and ERROR come from the container, the others from the host."""

    HELLO = 1
    START = 2
    READY = 3
    LOGITS = 4
    CLAIMS = 5
    SAMPLE = 6
    ANSWER = 7
    ERROR = 8
    BYE = 9


class Code(IntEnum):
    """What an ERROR frame says, in its first two bytes."""

    LOAD = 1  # train.py or its load_model failed
    SHAPE = 2  # the model's answer is not float logits of shape (B, T, V)
    RAISED = 3  # the model raised an exception
    MEMORY = 4  # the model ran out of memory
    REQUEST = 5  # the model host did not understand the host


class ChannelTimeout(Exception):
    """The deadline passed before all bytes were through."""


class ChannelClosed(Exception):
    """The other side is gone; the caller may know from the engine's evidence why."""


class Channel(Protocol):
    """Bytes to and from one fresh model container. Deadlines are values of `time.monotonic()`."""

    def send(self, data: bytes, deadline: float) -> None:
        """All of `data`. Raises ChannelTimeout or ChannelClosed."""

    def receive(self, count: int, deadline: float) -> bytes:
        """Exactly `count` bytes. Raises ChannelTimeout or ChannelClosed."""


OpenChannel = Callable[[str], AbstractContextManager[Channel]]
"""Opens a fresh model container for a phase: "audit", "claims" or "sample"."""


class ModelFault(Exception):
    """The model container did not do what an honest model does; how the trial ends and why.

    ending: crash, timeout, oom, invalid or audit; a caller with the engine's evidence may refine `crash`.
    detail: one sentence of ours, safe to show to an agent: it holds no text that a container could have
    written after it was sent validation tokens. numbers: what the verdict rests on, for the ledger.
    """

    def __init__(self, ending: Ending, detail: str, numbers: Mapping[str, float] | None = None) -> None:
        super().__init__(detail)
        self.ending = ending
        self.detail = detail
        self.numbers = dict(numbers or {})


class Slow(ModelFault):
    """A container that took longer than it may until its first answers: a busy machine may have been why."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(Ending.TIMEOUT, detail, {"load_seconds": seconds})


_SENTENCES = {
    Code.LOAD: (Ending.INVALID, "train.py could not load its checkpoint for scoring"),
    Code.SHAPE: (
        Ending.INVALID,
        "the model did not answer with float logits of shape (batch, time, vocabulary)",
    ),
    Code.RAISED: (Ending.CRASH, "the model raised an exception while it was scored"),
    Code.MEMORY: (Ending.OOM, "the model ran out of memory while it was scored"),
    Code.REQUEST: (Ending.INVALID, "the model host did not accept a request"),
}


def frame(kind: Kind, request: int, payload: bytes = b"") -> bytes:
    """One frame as bytes."""
    return HEADER.pack(MAGIC, VERSION, kind, request, len(payload)) + payload


def expect_header(header: bytes, kind: Kind, request: int, length: int) -> int:
    """The length of an ERROR that came instead, or 0 where `header` announces exactly what is expected.

    Raises ModelFault(INVALID) for anything else.
    """
    magic, version, got, number, size = HEADER.unpack(header)
    if magic != MAGIC or version != VERSION:
        raise ModelFault(Ending.INVALID, "the model container sent bytes that are no frame of the protocol")
    if got == Kind.ERROR and number == request and 2 <= size <= MAX_ERROR:
        return int(size)
    if got != kind or number != request:
        raise ModelFault(Ending.INVALID, "the model container sent an answer that was not asked for")
    if size != length:
        raise ModelFault(Ending.INVALID, "the model container sent an answer of the wrong length")
    return 0


def reported(payload: bytes, tell: bool) -> ModelFault:
    """The fault that an ERROR frame reports. `tell`: its text may be shown, no text having been sent yet."""
    code = int.from_bytes(payload[:2], "little")
    if code not in _SENTENCES:
        return ModelFault(Ending.INVALID, "the model container sent an error of no known kind")
    ending, sentence = _SENTENCES[Code(code)]
    text = payload[2:].decode("utf-8", "replace")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return ModelFault(ending, f"{sentence}: {text}" if tell and text else sentence)
