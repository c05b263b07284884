"""The model container's program: loads train.py's model and answers the host's requests for numbers.

It runs beside the untrusted code that it imports, so it guards against accidents only: the host distrusts
every byte that leaves this process. The frames are those of `runner/scoring/protocol.py`; a test keeps the
two alike. Before anything else is imported, stdin and stdout are moved to descriptors of their own: what
the model, a C library or a child process prints goes to stderr.

    python /lab/prepare/model_host.py [LAB [OUT]]
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

MAGIC, VERSION = b"ARMH", 1
HEADER = struct.Struct("<4sHHIQ")
START = struct.Struct("<III")
SHAPE = struct.Struct("<II")
LOGITS_SHAPE = struct.Struct("<III")
SAMPLE_SHAPE = struct.Struct("<IIdQ")
HELLO, START_KIND, READY, LOGITS, CLAIMS, SAMPLE, ANSWER, ERROR, BYE = range(1, 10)
LOAD, WRONG_SHAPE, RAISED, MEMORY, REQUEST = range(1, 6)
MAX_REQUEST = 64 << 20
MAX_ERROR = 512


class Refused(Exception):
    """What is answered with an ERROR: a code and, while nothing secret is known here, a message."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Model(Protocol):
    """What requests are answered from. Tokens are little-endian uint16 bytes, answers float32 bytes."""

    def logits(self, tokens: bytes, rows: int, columns: int, positions: bytes, wanted: int) -> bytes: ...

    def claims(self, tokens: bytes, rows: int, columns: int) -> bytes: ...

    def sample(self, prompt: bytes, count: int, temperature: float, seed: int) -> bytes: ...


Load = Callable[[int, int, int], Model]  # window, vocabulary, rows of a batch


def private_channel() -> tuple[int, int]:
    """Descriptors of the channel, out of the way of prints: 0 becomes empty, 1 becomes stderr.

    Neither is inherited by a child process.
    """
    reader, writer = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(2, 1)
    os.close(empty)
    return reader, writer


class Port:
    """Frames over two descriptors, blocking."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer

    def read(self) -> tuple[int, int, bytes]:
        """(kind, number, payload) of the next request. Raises EOFError where the host is gone."""
        magic, version, kind, number, length = HEADER.unpack(self._exactly(HEADER.size))
        if magic != MAGIC or version != VERSION or length > MAX_REQUEST:
            raise EOFError("not a request")
        return kind, number, self._exactly(length)

    def write(self, kind: int, number: int, payload: bytes = b"") -> None:
        left = memoryview(HEADER.pack(MAGIC, VERSION, kind, number, len(payload)) + payload)
        while left:
            left = left[os.write(self._writer, left) :]

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = os.read(self._reader, min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError("the host is gone")
            parts += part
        return bytes(parts)


def answer(model: Model, kind: int, payload: bytes) -> bytes:
    """The answer to one request for numbers."""
    if kind == LOGITS:
        rows, columns, wanted = LOGITS_SHAPE.unpack_from(payload)
        split = LOGITS_SHAPE.size + 2 * rows * columns
        return model.logits(payload[LOGITS_SHAPE.size : split], rows, columns, payload[split:], wanted)
    if kind == CLAIMS:
        rows, columns = SHAPE.unpack_from(payload)
        return model.claims(payload[SHAPE.size :], rows, columns)
    if kind == SAMPLE:
        _, count, temperature, seed = SAMPLE_SHAPE.unpack_from(payload)
        return model.sample(payload[SAMPLE_SHAPE.size :], count, temperature, seed)
    raise Refused(REQUEST)


def serve(port: Port, load: Load) -> int:
    """Say hello, load, answer until told to end; the exit status of the process."""
    port.write(HELLO, 0)
    model: Model | None = None
    while True:
        try:
            kind, number, payload = port.read()
        except EOFError:
            return 1
        if kind == BYE:
            return 0
        try:
            if model is None:
                if kind != START_KIND:
                    raise Refused(REQUEST)
                model = load(*START.unpack(payload))
                port.write(READY, number)
            else:
                port.write(ANSWER, number, answer(model, kind, payload))
        except BaseException as error:  # whatever the model's code raises, SystemExit too
            traceback.print_exc()
            refused = refusal(error, LOAD if model is None else RAISED)
            told = refused.text if model is None else ""  # later it could quote what is being scored
            with contextlib.suppress(OSError):  # the host may have hung up
                port.write(ERROR, number, refused.code.to_bytes(2, "little") + told.encode()[: MAX_ERROR - 2])
            return 1


def refusal(error: BaseException, code: int) -> Refused:
    """What the host is told of `error`."""
    if isinstance(error, Refused):
        return error
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return Refused(MEMORY if memory else code, text)


class TorchModel:
    """The callable of `load_model`, asked for what the host needs.

    predict: int64 (B, T) → float logits (B, T, V). Raises Refused where it answers anything else.
    """

    def __init__(self, predict: Callable[[Any], Any], device: str, window: int, vocabulary: int) -> None:
        self.predict = predict
        self.device = device
        self.window = window
        self.vocabulary = vocabulary

    def _tokens(self, raw: bytes, rows: int, columns: int) -> Any:
        import numpy as np
        import torch

        tokens = np.frombuffer(raw, dtype="<u2").astype(np.int64).reshape(rows, columns)
        return torch.from_numpy(tokens).to(self.device)

    def _logits(self, tokens: Any) -> Any:
        import torch

        with torch.inference_mode():
            logits = self.predict(tokens)
        wanted = (*tokens.shape, self.vocabulary)
        if not isinstance(logits, torch.Tensor):
            raise Refused(WRONG_SHAPE, f"load_model's callable returned {type(logits).__name__}, not a tensor")
        if tuple(logits.shape) != wanted or not logits.is_floating_point():
            raise Refused(
                WRONG_SHAPE, f"got {tuple(logits.shape)} of {logits.dtype} where {wanted} floats are due"
            )
        return logits

    def probe(self, rows: int) -> None:
        """Two batches of zeros, so that a wrong shape is told before any text has been sent here.

        Two, since what compiles itself (TorchScript, some kernels' choice) watches a first call and changes with
        the next, and a model's answers should have stopped changing when the audit begins.
        """
        for _ in range(2):
            self._logits(self._tokens(bytes(2 * rows * self.window), rows, self.window))

    def logits(self, tokens: bytes, rows: int, columns: int, positions: bytes, wanted: int) -> bytes:
        import numpy as np
        import torch

        logits = self._logits(self._tokens(tokens, rows, columns))
        at = torch.from_numpy(np.frombuffer(positions, dtype="<u4").astype(np.int64).reshape(rows, wanted))
        row = torch.arange(rows, device=logits.device)[:, None]
        with torch.inference_mode():
            return _float32(logits[row, at.to(logits.device)])

    def claims(self, tokens: bytes, rows: int, columns: int) -> bytes:
        """log p of each token after the first; normalised in float32 a row at a time, to bound memory."""
        import torch

        given = self._tokens(tokens, rows, columns)
        logits = self._logits(given[:, :-1].contiguous())
        targets = given[:, 1:].to(logits.device)
        with torch.inference_mode():
            claims = torch.stack([_log_probability(x, y) for x, y in zip(logits, targets, strict=True)])
            return _float32(claims)

    def sample(self, prompt: bytes, count: int, temperature: float, seed: int) -> bytes:
        """`count` tokens one after another; each from the last `window` tokens, in rows of full length."""
        import torch

        drawn = self._tokens(prompt, 1, len(prompt) // 2)[0].tolist()
        start = len(drawn)
        chance = torch.Generator().manual_seed(seed % (1 << 63))
        for _ in range(count):
            seen = drawn[-self.window :]
            row = torch.tensor([seen + [0] * (self.window - len(seen))], device=self.device)
            last = self._logits(row)[0, len(seen) - 1].double().cpu()
            if temperature <= 0:
                drawn.append(int(last.argmax()))
                continue
            weights = torch.softmax(last / temperature, dim=0)
            drawn.append(int(torch.multinomial(weights, 1, generator=chance)))
        return struct.pack(f"<{count}H", *drawn[start:])


def _log_probability(logits: Any, targets: Any) -> Any:
    """(T,) from logits (T, V) of any float type and targets (T,): one pass less over memory than by hand."""
    import torch

    return -torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")


def _float32(tensor: Any) -> bytes:
    import torch

    return bytes(tensor.to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes())


def torch_loader(lab: str, out: str, device: str) -> Load:
    """Imports torch and wakes the device now, so that the time of `load` is train.py's own."""
    import importlib.util

    import torch

    torch.zeros(1, device=device)

    def load(window: int, vocabulary: int, rows: int) -> Model:
        path = os.path.join(lab, "train", "train.py")
        spec = importlib.util.spec_from_file_location("train", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["train"] = module
        spec.loader.exec_module(module)
        if not hasattr(module, "load_model"):
            raise Refused(LOAD, "train.py defines no load_model(directory, device)")
        model = TorchModel(
            module.load_model(os.path.join(out, "checkpoint"), device), device, window, vocabulary
        )
        model.probe(rows)
        return model

    return load


def main(load: Load | None = None) -> NoReturn:
    """Serve on this process's stdin and stdout; `load` stands in for torch where the protocol is tested."""
    port = Port(*private_channel())
    lab = sys.argv[1] if len(sys.argv) > 1 else "/lab"
    out = sys.argv[2] if len(sys.argv) > 2 else "/out"
    sys.path[0] = lab  # `import prepare` works as in training; nothing here shadows a library
    status = serve(port, load or torch_loader(lab, out, os.environ.get("RUNNER_DEVICE", "cpu")))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # whatever threads the model's code has left running


if __name__ == "__main__":
    main()
