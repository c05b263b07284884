"""The volume with what a GPU's compilers build for any program, made once for an image and a kind of GPU.

A training begins with a copy of it in its own COMPILE (`prepare/startup/runner_compiled.py`), so that the libraries
by which Triton speaks to the driver are not built once more out of every budget. A program of ours makes it, no version
of train.py: what a version's own code compiles to is built in its own budget, by all alike. With the kernels of the
version that happens to be there in it, every proposal that changes one would begin with a handicap.

It is only ever mounted read-only. The host never opens what is in it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from runner.errors import InfraError
from runner.sandbox import used, volumes
from runner.sandbox.box import Sandbox
from runner.sandbox.filled import filled
from runner.sandbox.payloads import PLACES
from runner.trial import Ending

SECONDS = 180.0  # for a program that compiles a handful of functions, on a slow machine
WARM_UP = Path(__file__).with_name("warm_up.py")


def compiled_volume(
    sandbox: Sandbox,
    kind: str,
    say: Callable[[str], None],
    program: bytes | None = None,
    *,
    before: Callable[[], None] = lambda: None,
) -> str:
    """The name of the volume for GPUs of `kind` (name and driver), filled if need be; "" where it cannot be filled.

    say: told why then, every training building for itself what it lacks, and of a wait for another process that fills
    one. before: called before anything is compiled. Raises InfraError where the engine fails, and what `before` does.
    """
    program = program if program is not None else WARM_UP.read_bytes()
    whole = hashlib.sha256(f"{sandbox.image}\0{kind}\0".encode() + program)

    def write(archive: BinaryIO) -> str:
        before()
        why = _compile(sandbox, program, archive)
        if why:
            say(f"nothing is compiled ahead of the trainings, each of which does it itself: {why}")
        return why

    return filled(sandbox.engine, sandbox.image, "compiled", whole.hexdigest(), write, say)


def _compile(sandbox: Sandbox, program: bytes, to: BinaryIO) -> str:
    """Runs `program` in the place of a training and keeps what it leaves; why it could not, "" where it could."""
    code = volumes.archive({"prepare/__init__.py": b"", "train/train.py": program}, PLACES)
    with sandbox.box("compiled", "warm-up", code, SECONDS + 60) as box:
        trained = box.train(SECONDS, 0)
        if trained.outcome.ending is not Ending.OK:
            return trained.how()
        with tempfile.TemporaryDirectory(prefix="autoresearch-compiled-", dir=used.roomy()) as folder:
            made = Path(folder) / "compiled.tar"
            try:
                box.save_checkpoint(made)
            except InfraError as error:
                return error.what
            with made.open("rb") as archive:
                shutil.copyfileobj(archive, to)
    return ""
