"""A GPU by a CDI specification, through an engine that reads it: Docker 25 and newer, Podman 5.4 and newer.

The device nodes are real and have no driver behind them, as in test_gpu_engine.py; the specification is of the form
that nvidia-ctk writes, and the engine's own code gives what it names. Where the engine reads specifications in a tree
of its own (tests/machines/run), CDI_FOLDER is that folder as seen from here.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpu_lab
import pytest
from gpu_lab import Gpu
from test_gpu_engine import differing, look, only_the_first, relayed, with_gpu

from runner.config import TrialSettings
from runner.errors import InfraError, MissingError
from runner.sandbox import gpu_facts, inside
from runner.sandbox.box import Sandbox
from runner.sandbox.gpu_access import plan_access
from runner.sandbox.gpu_words import GpuAccess

__all__ = ["relayed"]  # a fixture
pytestmark = pytest.mark.engine
SMALL = TrialSettings(memory_mb=256, pids=32, out_mb=8, out_files=64, tmp_mb=8, shm_mb=8)


@dataclass(frozen=True)
class Machine:
    """A folder with two GPUs, and what the engine has been told of them."""

    root: Path
    first: str
    second: str
    file: Path


def specification(root: Path, *names: str) -> dict[str, Any]:
    """What `nvidia-ctk cdi generate` writes, as far as it is about device nodes and the driver's libraries."""

    def nodes(*of: str) -> dict[str, Any]:
        return {"deviceNodes": [{"path": f"/dev/{name}", "hostPath": f"{root}/dev/{name}"} for name in of]}

    mounts = [
        {
            "hostPath": os.path.realpath(root / "usr/lib/gnu" / name),
            "containerPath": f"/usr/lib/{os.uname().machine}-linux-gnu/{name}",
            "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"],
        }
        for name in gpu_lab.LIBRARIES
    ]
    each = [{"name": name, "containerEdits": nodes(f"nvidia{i}")} for i, name in enumerate(names)]
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [*each, {"name": f"all-{names[0]}", "containerEdits": nodes("nvidia0", "nvidia1")}],
        "containerEdits": {**nodes("nvidiactl", "nvidia-uvm"), "mounts": mounts},
    }


@pytest.fixture(scope="module")
def machine(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    told = gpu_facts.of_machine(engine.info.name, engine.info.version, engine.raw, Path("/"))
    if not (told.cdi and engine.local):
        pytest.skip("this engine takes no CDI specifications")
    root = tmp_path_factory.mktemp("machine")
    first, second = (f"GPU-{uuid.uuid4()}" for _ in range(2))
    gpu_lab.driver(root, gpu_lab.libcuda(root / "made.so", uuid=first))
    folder = Path(os.environ.get("CDI_FOLDER") or (engine.raw.get("CDISpecDirs") or gpu_facts.CDI_FOLDERS)[0])
    file = folder / f"autoresearch-{first[4:12]}.json"
    text = json.dumps(specification(root, first, second))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except PermissionError:
        pytest.skip("only root writes CDI specifications")
    (root / "etc" / "cdi").mkdir(parents=True)
    (root / "etc" / "cdi" / "nvidia.json").write_text(text)
    time.sleep(1)  # Docker takes note of a change of the folder in a moment of its own
    yield Machine(root, first, second, file)
    file.unlink()


def planned(engine: Any, machine: Machine, gpu: str) -> GpuAccess:
    facts = gpu_facts.of_machine(engine.info.name, engine.info.version, engine.api.info(), machine.root)
    return plan_access(facts, Gpu(uuid=gpu))


def test_a_specification_is_taken_before_device_nodes(engine: Any, machine: Machine) -> None:
    access = planned(engine, machine, machine.first)
    assert (access.mode, access.request) == ("cdi", f"nvidia.com/gpu={machine.first}")


def test_exactly_the_named_gpu_is_inside_in_training_and_in_scoring(sandbox: Sandbox, machine: Machine) -> None:
    access = planned(sandbox.engine, machine, machine.first)
    for seen in look(with_gpu(sandbox, access), "train", "model"):
        only_the_first(seen, machine.first)


def test_the_second_of_the_specification_is_seen_to_be_another_than_cuda_opens(
    sandbox: Sandbox, machine: Machine
) -> None:
    """The library opens the first whatever it is given: a specification of another day, found out."""
    access = planned(sandbox.engine, machine, machine.second)
    [seen] = look(with_gpu(sandbox, access))
    assert "/dev/nvidia1" in seen.view.raw["devices"]
    [differs] = differing(seen).values()
    assert f"CUDA opens another, {machine.first[4:]}" in differs.found
    assert "nvidia-ctk cdi generate" in differs.advice


def test_an_engine_that_gives_all_of_a_specification_is_found_out(
    sandbox: Sandbox, machine: Machine, relayed: Callable[..., Sandbox]
) -> None:
    def generous(body: dict[str, Any]) -> None:
        body["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] = [f"nvidia.com/gpu=all-{machine.first}"]

    access = planned(sandbox.engine, machine, machine.first)
    with pytest.raises(MissingError, match="2 GPUs by their device nodes") as raised:
        inside.require_walls(relayed(access, generous))
    assert raised.value.exit_code == 3


def test_a_name_that_the_engine_does_not_know_is_its_own_words(
    sandbox: Sandbox, machine: Machine, leftovers: Callable[[], list[str]]
) -> None:
    unknown = f"GPU-{uuid.uuid4()}"
    with pytest.raises((InfraError, MissingError), match=unknown):
        inside.require_walls(with_gpu(sandbox, GpuAccess("cdi", unknown, f"nvidia.com/gpu={unknown}")))
    assert leftovers() == []
