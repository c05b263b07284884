"""The volume with what a GPU's compilers build for any program, made once for an image and a kind of GPU.

A training begins with a copy of it in its own COMPILE (`prepare/startup/runner_compiled.py`), so that the libraries
by which Triton speaks to the driver are not built once more out of every budget. A program of ours makes it, no version
of train.py: what a version's own code compiles to is built in its own budget, by all alike. With the kernels of the
version that happens to be there in it, every proposal that changes one would begin with a handicap.

It is only ever mounted read-only. The host never opens what is in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from runner.errors import InfraError
from runner.sandbox import owner, used, volumes
from runner.sandbox.box import Sandbox
from runner.sandbox.container import Container
from runner.sandbox.engine import faults
from runner.sandbox.payloads import PLACES
from runner.sandbox.spec import LABEL, ContainerSpec, Limits, Mount
from runner.sandbox.training_data import COMPLETE
from runner.trial import Ending

SECONDS = 180.0  # for a program that compiles a handful of functions, on a slow machine
WARM_UP = Path(__file__).with_name("warm_up.py")


def compiled_volume(
    sandbox: Sandbox, kind: str, say: Callable[[str], None], program: bytes | None = None
) -> str:
    """The name of the volume for GPUs of `kind` (name and driver), filled if need be; "" where it cannot be filled.

    say: told why then; every training builds for itself what it lacks. Raises InfraError where the engine fails.
    """
    program = program if program is not None else WARM_UP.read_bytes()
    whole = hashlib.sha256(f"{sandbox.image}\0{kind}\0".encode() + program)
    name = used.hold(f"autoresearch-compiled-{whole.hexdigest()[:16]}")
    with faults("creating the volume of compiled code"):
        sandbox.engine.api.create_volume(name, labels={LABEL: "data"})  # does nothing if it is there
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    mine = owner.labels("compiled", "filler", 2 * SECONDS)
    mounts = (Mount(name, "/compiled", read_only=False),)
    filler = f"{name}-{secrets.token_hex(3)}"
    spec = ContainerSpec(filler, sandbox.image, ("true",), mounts, limits, 60, mine, payload=False)
    with Container(sandbox.engine, spec) as container:  # never started: the engine itself writes
        if container.exists(f"/compiled/{COMPLETE}"):
            return name
        with tempfile.TemporaryDirectory(prefix="autoresearch-compiled-") as folder:
            made = Path(folder) / "compiled.tar"
            why = _compile(sandbox, program, made)
            if not why:
                with made.open("rb") as archive:
                    container.put("/compiled", archive)
                container.put("/compiled", volumes.archive({COMPLETE: whole.digest()}))
                return name
    say(f"nothing is compiled ahead of the trainings, each of which does it itself: {why}")
    with contextlib.suppress(InfraError):  # another program may be at the same
        volumes.remove_volume(sandbox.engine, name)
    return ""


def _compile(sandbox: Sandbox, program: bytes, to: Path) -> str:
    """Runs `program` in the place of a training and keeps what it leaves; why it could not, "" where it could."""
    code = volumes.archive({"prepare/__init__.py": b"", "train/train.py": program}, PLACES)
    with sandbox.box("compiled", "warm-up", code, SECONDS + 60) as box:
        trained = box.train(SECONDS, 0)
        if trained.outcome.ending is not Ending.OK:
            last = trained.log.decode(errors="replace").strip().rpartition("\n")[2]
            said = "".join(c for c in last if c.isprintable())[:200]
            return f"{trained.outcome.ending}, {trained.outcome.detail}" + (f" ({said})" if said else "")
        try:
            box.save_checkpoint(to)
        except InfraError as error:
            return error.what
    return ""
