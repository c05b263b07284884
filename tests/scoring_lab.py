"""What the tests and the measurements of the score share: a channel over descriptors, a process that holds a
model, and a corpus of bytes made from the sources of Python's own library."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner.scoring.protocol import ChannelClosed, ChannelTimeout

ROOT = Path(__file__).resolve().parent.parent
MODEL_HOST = ROOT / "prepare" / "model_host.py"
ATTACKS = ROOT / "tests" / "attacks" / "score"
ENDINGS = {
    "adds_a_little_everywhere": "audit",
    "adds_unnormalised_logits": "audit",
    "answers_nan": "invalid",
    "answers_positive_claims": "invalid",
    "calibrates_its_claims": "audit",
    "detects_decoys": "audit",
    "detects_the_audit": "audit",
    "detects_the_audit_by_its_filling": "audit",
    "detects_the_audit_by_order": "audit",
    "dies_in_the_middle": "crash",
    "fills_the_channel": "invalid",
    "forges_frames": "invalid",
    "honest": "ok",
    "hunts_for_targets": "audit",
    "hunts_in_proc": "audit",
    "is_slow_later_on": "timeout",
    "memorises_training_text": "ok",
    "never_answers": "timeout",
    "patches_the_model_host": "audit",
    "patches_torch": "audit",
    "peeks_at_rare_tokens": "audit",
    "peeks_at_the_next_token": "audit",
    "peeks_far_ahead": "audit",
    "peeks_in_some_rows": "audit",
    "peeks_past_position_64": "audit",
    "picks_a_mode_on_the_first_batch": "audit",
    "picks_a_mode_once_it_is_sure": "audit",
    "prints_its_score": "ok",
    "quotes_what_it_is_sent": "crash",
    "swaps_the_tokenizer": "ok",
    "trains_across_batches": "audit",
    "trains_across_batches_a_little": "audit",
    "trains_in_every_answer": "timeout",
    "trains_in_load_model": "timeout",
    "trains_in_the_first_answer": "timeout",
    "trains_within_a_batch": "audit",
}


class PipeChannel:
    """`scoring.protocol.Channel` over two non-blocking descriptors."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)

    def send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            self._wait([], [self._writer], deadline)
            try:
                left = left[os.write(self._writer, left) :]
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                raise ChannelClosed("the peer is gone") from None

    def receive(self, count: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._wait([self._reader], [], deadline)
            try:
                part = os.read(self._reader, min(1 << 20, count - len(parts)))
            except BlockingIOError:
                continue
            except ConnectionResetError:
                part = b""
            if not part:
                raise ChannelClosed("the peer is gone")
            parts += part
        return bytes(parts)

    @staticmethod
    def _wait(readers: list[int], writers: list[int], deadline: float) -> None:
        if not any(select.select(readers, writers, [], max(0.0, deadline - time.monotonic()))):
            raise ChannelTimeout("the deadline passed")


@contextmanager
def process_channel(command: list[str], log: Path | None = None, **env: str) -> Iterator[PipeChannel]:
    """A channel to the stdin and stdout of a process, killed at the end."""
    with open(log or os.devnull, "ab") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **env}
        )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        yield PipeChannel(process.stdout.fileno(), process.stdin.fileno())
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()


def make_lab(folder: Path, train: Path) -> Path:
    """A lab in `folder` whose train.py is `train`, and an empty checkpoint beside it."""
    (folder / "lab" / "train").mkdir(parents=True)
    (folder / "out" / "checkpoint").mkdir(parents=True)
    (folder / "lab" / "train" / "train.py").write_bytes(train.read_bytes())
    return folder


def hosts(
    folder: Path, python: str, log: Path | None = None, device: str = "cpu"
) -> Callable[[str], AbstractContextManager[PipeChannel]]:
    """Opens model hosts over the lab in `folder`, each a fresh process of `python`, which must have torch."""
    command = [python, str(MODEL_HOST), str(folder / "lab"), str(folder / "out")]
    return lambda phase: process_channel(command, log, RUNNER_DEVICE=device)


@contextmanager
def forked_host(folder: Path) -> Iterator[PipeChannel]:
    """A model host in a fork of this process, which must have imported torch and computed nothing with it."""
    here, there = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(there[0], 0)
        os.dup2(here[1], 1)
        os.dup2(os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        sys.argv = [str(MODEL_HOST), str(folder / "lab"), str(folder / "out")]
        main = sys.modules["__main__"].__dict__
        main["__file__"] = str(MODEL_HOST)
        exec(compile(MODEL_HOST.read_text(), str(MODEL_HOST), "exec"), main)
        os._exit(70)
    os.close(there[0])
    os.close(here[1])
    try:
        yield PipeChannel(here[0], there[1])
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(here[0])
        os.close(there[1])


@dataclass(frozen=True)
class Corpus:
    """Bytes as tokens; 256 separates files and stands for no text."""

    train: np.ndarray
    validation: np.ndarray
    token_bytes: np.ndarray


def python_corpus(validation: int = 60_000, train: int = 400_000) -> Corpus:
    """Whole source files of Python's library, validation from other files than training."""
    parts: list[list[np.ndarray]] = [[], []]
    sizes = [0, 0]
    limits = [train, validation]
    for number, path in enumerate(sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))):
        which = int(number % 3 == 0)
        if sizes[which] < limits[which]:
            data = np.frombuffer(path.read_bytes(), dtype=np.uint8).astype(np.uint16)
            parts[which] += [data, np.array([256], dtype=np.uint16)]
            sizes[which] += len(data) + 1
    token_bytes = np.ones(257, dtype=np.int64)
    token_bytes[256] = 0
    joined = [np.concatenate(p)[:limit] for p, limit in zip(parts, limits, strict=True)]
    return Corpus(joined[0], joined[1], token_bytes)
