"""Looks from within a living container: runs the probe in the place of train.py and of the model host.

The containers are those that trials use, made from the very same specs; no code of a proposal is in them. What the
probe says is parsed by `view.py` and compared by `compare.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.errors import MissingError
from runner.sandbox import payloads, volumes
from runner.sandbox.box import Box, Sandbox
from runner.sandbox.compare import Asked, compare
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine, faults
from runner.sandbox.finding import DIFFERS, Finding
from runner.sandbox.probe import NAMESPACES
from runner.sandbox.spec import ContainerSpec, body
from runner.sandbox.view import HEADER, HEADER_BYTES, LARGEST, View, parse

PROBE = Path(__file__).with_name("probe.py")
SECONDS = 60.0  # for a look; hashing the data takes longer by what follows
BYTES_PER_SECOND = 50e6


@dataclass(frozen=True)
class Seen:
    """One container's view, and what differs or not."""

    stage: str
    asked: Asked
    view: View
    findings: tuple[Finding, ...]


def look(engine: Engine, spec: ContainerSpec, seconds: float) -> View:
    """What a container made from `spec` sees, whose command runs the probe. Raises InfraError."""
    deadline = time.monotonic() + seconds
    answer = bytearray()
    with Container(engine, spec) as container:
        attached = container.attach()
        try:
            container.start()
            while not _whole(answer) and len(answer) < LARGEST and time.monotonic() < deadline:
                _, data = attached.receive(deadline)
                if not data:
                    break
                answer += data
        finally:
            attached.close()
    return parse(bytes(answer))


def _whole(answer: bytes | bytearray) -> bool:
    found = HEADER.search(answer)
    return found is not None and len(answer) >= found.start() + HEADER_BYTES + int(found[1])


def program(*, whole: bool) -> bytes:
    """The probe as it is sent."""
    return PROBE.read_bytes() + f"\nmain({whole})\n".encode()


def stages(
    sandbox: Sandbox, lab_files: Mapping[str, bytes], *, whole: bool, names: tuple[str, ...] = ("train", "model"),
    data_bytes: int = 0,
) -> list[Seen]:  # fmt: skip
    """A look into a container of each stage, in one box. whole: with digests and a walk through the image.

    lab_files: what stands in /lab besides, by path. Raises InfraError where a container cannot even be run.
    """
    told = program(whole=whole)
    code = {**lab_files, "prepare/__init__.py": lab_files.get("prepare/__init__.py", b""),
            "prepare/model_host.py": told, "train/train.py": told}  # fmt: skip
    seconds = SECONDS + data_bytes / BYTES_PER_SECOND
    with sandbox.box("check", "look", volumes.archive(code, payloads.PLACES), 2 * seconds + 60) as box:
        volumes.require_volume(sandbox.engine, sandbox.data_volume)
        return [_seen(sandbox, box, name, seconds) for name in names]


def _seen(sandbox: Sandbox, box: Box, stage: str, seconds: float) -> Seen:
    spec = box.train_spec(seconds, 0) if stage == "train" else box.model_spec("audit", seconds)
    view = look(sandbox.engine, spec, seconds)
    wanted = asked(sandbox, spec)
    return Seen(stage, wanted, view, tuple(compare(view, wanted)))


def asked(sandbox: Sandbox, spec: ContainerSpec) -> Asked:
    """What a container of `spec` was asked to be, in the words that this engine was given."""
    engine, settings = sandbox.engine, sandbox.settings
    with faults("looking at the trial image"):
        variables = engine.image_variables(spec.image)
    wanted = body(spec)
    # In the engine's words, and with its own folders that are covered; what is a volume there is held to the spec's.
    given = {**wanted["HostConfig"]["Tmpfs"], **engine.shaped(wanted, spec.name)["HostConfig"]["Tmpfs"]}
    return Asked(
        body={**wanted, "HostConfig": {**wanted["HostConfig"], "Tmpfs": given}},
        bounds={
            "/out": (sandbox.out_mb, settings.out_files),
            "/lab": (payloads.LAB_MB, payloads.LAB_FILES),
        },
        image_environment=frozenset(variables),
        outside={name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES} if engine.local else {},
        gpu=spec.gpu.uuid if spec.gpu else "",
        gpu_mode=spec.gpu.mode if spec.gpu else "",
        rootless=engine.info.rootless,
    )


def require_walls(sandbox: Sandbox) -> None:
    """A short look into a train container: what every run begins with. Raises MissingError if a wall is missing."""
    [seen] = stages(sandbox, {}, whole=False, names=("train",))
    wrong = [found for found in seen.findings if found.state == DIFFERS]
    if wrong:
        first = wrong[0]
        more = f", and {len(wrong) - 1} more: {', '.join(f.name for f in wrong[1:])}" if wrong[1:] else ""
        raise MissingError(
            f"trials would not be held as they must: {first.name}: {first.found}, not {first.expected}{more}",
            f"{first.advice}\nrunner check shows everything. No trial was run.",
        )
