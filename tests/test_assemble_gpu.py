"""What is asked of a GPU before the first trial, in which order, and what its sandboxes have afterwards."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gpu_lab import DRIVER, OTHER, UUID

from runner import assemble
from runner.config import Settings
from runner.errors import MissingError
from runner.machine.gpu import Gpu
from runner.machine.several import Slot
from runner.relay import Silent
from runner.sandbox.gpu_words import GpuAccess

GPUS = [Gpu(uuid, "NVIDIA Made-up", 8192, DRIVER) for uuid in (UUID, OTHER)]


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was done, in its order; the engine, the image and the data are none."""
    done: list[tuple[str, ...]] = []

    def walls(sandbox: Any) -> None:
        done.append(("walls", sandbox.gpu, sandbox.compiled))

    def asked(sandbox: Any, driver: str) -> None:
        done.append(("torch", sandbox.gpu, driver))

    def compiled(sandbox: Any, kind: str, say: Any, *, before: Any) -> str:
        before()
        done.append(("compiled", sandbox.gpu, kind))
        return "made"

    monkeypatch.setattr(assemble, "reap", lambda engine: [])
    monkeypatch.setattr(assemble, "trial_image", lambda *_, cuda, **__: f"sha256:{cuda}")
    monkeypatch.setattr(assemble.data, "prepare", lambda *_: SimpleNamespace(digest="d"))
    monkeypatch.setattr(assemble.data, "public_files", lambda root: [])
    monkeypatch.setattr(assemble, "data_volume", lambda *_: "data")
    monkeypatch.setattr(assemble.gpu_facts, "gather", lambda engine: "facts")
    monkeypatch.setattr(assemble, "plan_access", lambda facts, gpu, way: GpuAccess("nodes", gpu.uuid, gpu.uuid))
    monkeypatch.setattr(assemble.inside, "require_walls", walls)
    monkeypatch.setattr(assemble.torch_on_gpu, "require", asked)
    monkeypatch.setattr(assemble, "compiled_volume", compiled)
    return done


def assembled(gpus: list[Gpu]) -> assemble.Workshop:
    lab: Any = SimpleNamespace(root=Path("/lab"), settings=Settings())
    slots = [Slot(str(number), gpu) for number, gpu in enumerate(gpus)] or [Slot("", None)]
    engines: list[Any] = [SimpleNamespace(stopping=threading.Event()) for _ in slots]
    return assemble._assembled(lab, engines, slots, Silent())


def test_the_gpu_is_seen_then_asked_then_compiled_for_then_seen_again(did: list[tuple[str, ...]]) -> None:
    shop = assembled(GPUS[:1])
    assert did == [
        ("walls", UUID, ""),
        ("torch", UUID, DRIVER),
        ("compiled", UUID, f"NVIDIA Made-up, driver {DRIVER}"),
        ("walls", UUID, "made"),
    ]
    assert shop.sandbox.image == "sha256:True"


def test_of_several_each_is_seen_and_has_what_was_compiled_on_the_first(did: list[tuple[str, ...]]) -> None:
    shop = assembled(GPUS)
    assert [what for what, *_ in did[:3]] == ["walls", "torch", "compiled"]
    assert did[3:] == [("walls", UUID, "made"), ("walls", OTHER, "made")]
    assert [sandbox.compiled for sandbox in shop.sandboxes] == ["made", "made"]


def test_what_was_compiled_before_is_asked_for_nothing_more(
    did: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "compiled_volume", lambda *_, before: "made before")
    assert assembled(GPUS[:1]).sandbox.compiled == "made before"
    assert did == [("walls", UUID, "made before")]


def test_where_pytorch_cannot_compute_nothing_is_compiled(
    did: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(sandbox: Any, driver: str) -> None:
        raise MissingError("it does not", "mend it")

    monkeypatch.setattr(assemble.torch_on_gpu, "require", refused)
    with pytest.raises(MissingError):
        assembled(GPUS[:1])
    assert [what for what, *_ in did] == ["walls"]


def test_without_a_gpu_nothing_of_it_is_asked(did: list[tuple[str, ...]]) -> None:
    assert assembled([]).sandbox.image == "sha256:False"
    assert did == [("walls", "", "")]
