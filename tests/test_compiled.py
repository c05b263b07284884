"""The place for compiled code, and what is in it already; with programs that stand in for a compiler."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from runner.config import TrialSettings
from runner.sandbox import inside, volumes
from runner.sandbox.box import Sandbox
from runner.sandbox.compiled import WARM_UP, compiled_volume
from runner.sandbox.payloads import PLACES, Payloads
from runner.sandbox.spec import body
from runner.trial import Ending

SMALL = TrialSettings(memory_mb=256, pids=64, out_mb=8, out_files=64, tmp_mb=8, shm_mb=8, log_kb=64)
BUILD = b"""
import os, pathlib, shutil
library = pathlib.Path('/compile/triton/key/driver.so')
library.parent.mkdir(parents=True)
shutil.copy('/bin/true', library)
library.chmod(0o700)
shutil.copytree('/compile', '/out/checkpoint')
"""
LOOK = """
import os, pathlib, shutil, subprocess
made, own = pathlib.Path('/lab/compiled'), pathlib.Path('/compile')
print('RUNS', subprocess.run([own / 'triton/key/driver.so']).returncode)
print('HOLDS', sorted(str(p.relative_to(own)) for p in own.rglob('*') if p.is_file()))
print('POINTS', os.environ['TRITON_CACHE_DIR'], os.environ['TORCHINDUCTOR_CACHE_DIR'], os.environ['CUDA_CACHE_PATH'])
try:
    (made / 'poison').write_text('x')
    print('SHARED IS WRITABLE')
except OSError as error:
    print('SHARED', error.strerror)
shutil.copy('/bin/true', '/tmp/program')
try:
    subprocess.run(['/tmp/program'])
    print('TMP RUNS')
except OSError as error:
    print('TMP', error.strerror)
(own / 'poison').write_text('x')
os.makedirs('/out/checkpoint')
pathlib.Path('/out/checkpoint/model').write_text('x')
"""


@pytest.fixture
def compiling(sandbox: Sandbox) -> Sandbox:
    """A sandbox whose payloads have a place for compiled code, as those with a GPU have."""
    sandbox.compiles = True
    return sandbox


@pytest.fixture
def made(compiling: Sandbox, tag: str) -> Iterator[str]:
    name = compiled_volume(compiling, tag, lambda said: pytest.fail(said), BUILD)
    yield name
    compiling.engine.api.remove_volume(name, force=True)


def trained(sandbox: Sandbox, tag: str, source: str) -> str:
    files: dict[str, Any] = {"prepare/__init__.py": b"", "train/train.py": textwrap.dedent(source).encode()}
    for name in ("sitecustomize", "runner_compiled", "runner_seeds"):
        path = inside.PROBE.parents[2] / "prepare" / "startup" / f"{name}.py"
        files[f"prepare/startup/{name}.py"] = path.read_bytes()
    with sandbox.box(tag, "0001", volumes.archive(files, PLACES), 90) as box:
        done = box.train(30, seed=1)
    assert done.outcome.ending is Ending.OK, done.log
    return done.log.decode()


@pytest.mark.engine
def test_a_training_begins_with_a_copy_that_runs_and_no_other_training_sees_what_it_adds(
    compiling: Sandbox, tag: str, made: str
) -> None:
    compiling.compiled = made
    for _ in range(2):  # the second would hold what the first has added
        said = trained(compiling, tag, LOOK)
        assert "RUNS 0" in said
        assert "HOLDS ['triton/key/driver.so']" in said
        assert "POINTS /compile/triton /compile/inductor /compile/cuda" in said
        assert "SHARED Read-only file system" in said
        assert "TMP Permission denied" in said


@pytest.mark.engine
def test_it_is_made_once_and_by_an_image_and_a_kind_of_gpu(compiling: Sandbox, tag: str, made: str) -> None:
    broken: list[str] = []
    asked: list[str] = []
    data, compiling.data_volume = compiling.data_volume, "no volume without which anything could be run"
    assert compiled_volume(compiling, tag, broken.append, BUILD, before=lambda: asked.append("again")) == made
    assert asked == []
    compiling.data_volume = data
    other = compiled_volume(
        compiling, f"{tag} of another driver", broken.append, BUILD, before=lambda: asked.append("new")
    )
    assert asked == ["new"]
    assert other != made
    compiling.engine.api.remove_volume(other, force=True)
    assert broken == []


@pytest.mark.engine
def test_a_compiler_that_fails_costs_a_message_and_no_training(compiling: Sandbox, tag: str) -> None:
    said: list[str] = []
    program = b"print('collect2: fatal error: cannot find ld')\nraise SystemExit(1)\n"
    before = {volume["Name"] for volume in compiling.engine.api.volumes()["Volumes"]}
    assert compiled_volume(compiling, tag, said.append, program) == ""
    assert len(said) == 1
    assert "crash" in said[0]
    assert "cannot find ld" in said[0]
    filters = {"label": ["autoresearch.run=compiled"]}
    assert compiling.engine.api.containers(all=True, filters=filters) == []
    left = {volume["Name"] for volume in compiling.engine.api.volumes()["Volumes"]} - before
    assert [name for name in left if "compiled" in name] == []


@pytest.mark.engine
def test_the_walls_are_seen_with_a_place_for_compiled_code(compiling: Sandbox) -> None:
    [seen] = inside.stages(compiling, {}, whole=False, names=("train",))
    assert {found.name: found.found for found in seen.findings if found.state == "differs"} == {}
    assert any(found.name == "size of /compile" and found.state == "ok" for found in seen.findings)


def test_without_a_gpu_there_is_no_place_that_can_be_written_and_run(tag: str) -> None:
    plan = Sandbox(None, "sha256:0", SMALL, "data")._plan()  # type: ignore[arg-type]
    spec = Payloads(plan, tag, {}, "out", "code").train(30, 1)
    host = body(spec)["HostConfig"]
    assert all("noexec" in options.split(",") for options in host["Tmpfs"].values())
    compiling = Payloads(replace(plan, compiles=True, compiled="made"), tag, {}, "out", "code").train(30, 1)
    host = body(compiling)["HostConfig"]
    assert {path for path, options in host["Tmpfs"].items() if "exec" in options.split(",")} == {"/compile"}
    assert [m["ReadOnly"] for m in host["Mounts"] if m["Target"] == "/lab/compiled"] == [True]


def test_the_program_that_compiles_reads_no_version_of_train_py() -> None:
    assert b"/lab" not in WARM_UP.read_bytes()
