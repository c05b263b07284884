"""Model hosts without torch for the tests: the real protocol code of `prepare/model_host.py` over a numpy model.

As a program, a model host in a process of its own: python tests/scoring_peers.py KIND
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

MODEL_HOST = Path(__file__).resolve().parent.parent / "prepare" / "model_host.py"


def model_host() -> ModuleType:
    spec = importlib.util.spec_from_file_location("model_host", MODEL_HOST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bigram:
    """A `model_host.Model` whose logits are a row of `table` (V, V) by token; `change` edits its claims."""

    def __init__(self, table: np.ndarray, change: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None):
        self.table = table
        self.normal = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
        self.change = change
        self.rows: list[np.ndarray] = []  # what it was sent, a batch of tokens a request

    def _tokens(self, raw: bytes, rows: int, columns: int) -> np.ndarray:
        self.rows.append(np.frombuffer(raw, dtype="<u2").astype(np.int64).reshape(rows, columns))
        return self.rows[-1]

    def logits(self, tokens: bytes, rows: int, columns: int, positions: bytes, wanted: int) -> bytes:
        given = self._tokens(tokens, rows, columns)
        at = np.frombuffer(positions, dtype="<u4").astype(np.int64).reshape(rows, wanted)
        return self.table[np.take_along_axis(given, at, axis=1)].astype("<f4").tobytes()

    def claims(self, tokens: bytes, rows: int, columns: int) -> bytes:
        given = self._tokens(tokens, rows, columns)
        claims = self.normal[given[:, :-1], given[:, 1:]]
        if self.change is not None:
            claims = self.change(claims, given)
        return claims.astype("<f4").tobytes()

    def sample(self, prompt: bytes, count: int, temperature: float, seed: int) -> bytes:
        return np.random.default_rng(seed).integers(len(self.table), size=count).astype("<u2").tobytes()


def table(vocabulary: int) -> np.ndarray:
    """Logits (V, V) with some structure."""
    return np.random.default_rng(7).normal(scale=2.0, size=(vocabulary, vocabulary)).astype(np.float32)


@contextmanager
def served(load: Callable[[int, int, int], object]) -> Iterator[socket.socket]:
    """The host's end of a socket whose other end a thread serves with `model_host.serve`."""
    host = model_host()
    here, there = socket.socketpair()
    thread = threading.Thread(
        target=host.serve, args=(host.Port(there.fileno(), there.fileno()), load), daemon=True
    )
    thread.start()
    try:
        yield here
    finally:
        here.close()
        thread.join(10)
        there.close()


def _load(kind: str, vocabulary: int) -> Bigram:
    if kind == "noisy":
        print("a line on stdout", flush=True)
        os.write(1, b"bytes on descriptor 1")
        os.system("echo a child; cat")  # reads stdin too
        print("input:", sys.stdin.read())
    if kind == "broken":
        raise ValueError("no such weights\n" + "x" * 5000)
    if kind == "quits":
        sys.exit("enough")
    model = Bigram(table(vocabulary))
    if kind == "tells":
        model.change = _quote
    return model


def _quote(claims: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    raise ValueError(f"the text is {tokens.tolist()}")


if __name__ == "__main__":
    model_host().main(lambda window, vocabulary, rows: _load(sys.argv[1], vocabulary))
