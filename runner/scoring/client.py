"""One conversation with a model container: requests as arrays, answers as arrays of the size asked for.

Trusts nothing that comes back: sizes are fixed before a byte is read, times are bounded, and numbers are
checked for being finite. Every way to fail is a `ModelFault`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.scoring.protocol import (
    HEADER,
    LOGITS_SHAPE,
    SAMPLE_SHAPE,
    SHAPE,
    START,
    Channel,
    ChannelClosed,
    ChannelTimeout,
    Kind,
    ModelFault,
    Slow,
    expect_header,
    frame,
    reported,
)
from runner.trial import Ending

LOGIT_BYTES = 256 << 20  # of the float32 logits of one batch, inside the model container
BATCH_TOKENS = 2048  # of one batch: small ones stay in a processor's cache, and tell less at a time


def batch_rows(window: int, vocabulary: int) -> int:
    """Rows of every batch: the same in the audit and in the claims, so that the same kernels run in both."""
    return max(1, min(BATCH_TOKENS // window, LOGIT_BYTES // (4 * window * vocabulary)))


def _wire(tokens: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(tokens, dtype="<u2").tobytes()


class ModelClient:
    """`deadline`: for the whole conversation, a value of time.monotonic().

    sent, received: bytes on the wire so far. answers: seconds from each request to its answer.
    load_limit: seconds that loading may take, known once the container is awake.
    """

    def __init__(self, channel: Channel, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline
        self._request = 0
        self._secret = False  # whether the container has been sent tokens
        self.sent = 0
        self.received = 0
        self.answers: list[float] = []
        self.load_limit = 0.0

    def start(self, window: int, vocabulary: int, rows: int, load_seconds: float) -> float:
        """Wait for the model host, then have it load the model; the seconds that loading took.

        The clock of `load_seconds` starts when torch has been imported and the device is awake, before any
        code of train.py runs. Half of the time that took is added: on a slow or busy machine it is long, and loading
        is as well. Raises Slow where it takes longer, and ModelFault.
        """
        woken = -time.monotonic()
        self._receive(Kind.HELLO, 0, self._deadline)
        began = time.monotonic()
        self.load_limit = load_seconds + 0.5 * (woken + began)
        limit = min(self._deadline, began + self.load_limit)
        try:
            self._ask(Kind.START, START.pack(window, vocabulary, rows), 0, Kind.READY, limit)
        except ModelFault as fault:
            if fault.ending is Ending.TIMEOUT and limit < self._deadline:
                detail = f"load_model took longer than the {self.load_limit:.3g} s that it has"
                raise Slow(detail, time.monotonic() - began) from None
            raise
        return time.monotonic() - began

    def logits(self, tokens: NDArray[Any], positions: NDArray[Any], vocabulary: int) -> NDArray[np.float32]:
        """Logits (B, K, V) of `tokens` (B, T) at `positions` (B, K). Raises ModelFault."""
        (rows, columns), wanted = tokens.shape, positions.shape[1]
        payload = LOGITS_SHAPE.pack(rows, columns, wanted) + _wire(tokens)
        payload += np.ascontiguousarray(positions, dtype="<u4").tobytes()
        answer = self._floats(Kind.LOGITS, payload, rows * wanted * vocabulary, "logits")
        return answer.reshape(rows, wanted, vocabulary)

    def claims(self, tokens: NDArray[Any]) -> NDArray[np.float32]:
        """Claimed log-probabilities (B, W) of `tokens[:, 1:]` given what stands before each; tokens (B, W+1)."""
        rows, columns = tokens.shape
        payload = SHAPE.pack(rows, columns) + _wire(tokens)
        return self._floats(Kind.CLAIMS, payload, rows * (columns - 1), "claims").reshape(rows, columns - 1)

    def sample(self, prompt: NDArray[Any], count: int, temperature: float, seed: int) -> NDArray[np.uint16]:
        """`count` tokens drawn by the container after `prompt` (T,): unchecked numbers. Raises ModelFault."""
        payload = SAMPLE_SHAPE.pack(len(prompt), count, temperature, seed) + _wire(prompt)
        answer = self._ask(Kind.SAMPLE, payload, 2 * count, Kind.ANSWER, self._deadline)
        return np.frombuffer(answer, dtype="<u2").astype(np.uint16)

    def bye(self) -> None:
        """Tell the container that no more will be asked; it may be gone already."""
        try:
            self._send(frame(Kind.BYE, self._request + 1), min(self._deadline, time.monotonic() + 1))
        except ModelFault:
            return

    def _floats(self, kind: Kind, payload: bytes, count: int, what: str) -> NDArray[np.float32]:
        self._secret = True
        began = time.monotonic()
        answer = np.frombuffer(self._ask(kind, payload, 4 * count, Kind.ANSWER, self._deadline), dtype="<f4")
        self.answers.append(time.monotonic() - began)
        if not np.isfinite(answer).all():
            raise ModelFault(Ending.INVALID, f"the model's {what} are not all finite numbers")
        return answer

    def _ask(self, kind: Kind, payload: bytes, length: int, answer: Kind, deadline: float) -> bytes:
        self._request += 1
        self._send(frame(kind, self._request, payload), deadline)
        return self._receive(answer, length, deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        try:
            self._channel.send(data, deadline)
        except ChannelTimeout:
            raise ModelFault(Ending.TIMEOUT, "the model container did not take a request in time") from None
        except ChannelClosed:
            raise ModelFault(Ending.CRASH, "the model container ended while it was scored") from None
        self.sent += len(data)

    def _receive(self, kind: Kind, length: int, deadline: float) -> bytes:
        try:
            header = self._channel.receive(HEADER.size, deadline)
            error = expect_header(header, kind, self._request, length)
            payload = self._channel.receive(error or length, deadline) if error or length else b""
        except ChannelTimeout:
            raise ModelFault(Ending.TIMEOUT, "the model container did not answer in time") from None
        except ChannelClosed:
            raise ModelFault(Ending.CRASH, "the model container ended while it was scored") from None
        self.received += HEADER.size + len(payload)
        if error:
            raise reported(payload, tell=not self._secret)
        return payload
