"""A GPU passed to real containers of the real engine, on a machine that has none: what stands in for it is `gpu_lab`'s.

The device nodes are real and have no driver behind them; `libcuda` is one that counts what it is told to. So what is
seen here is that exactly what was asked for is inside, and that whatever an engine makes of the request is found out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gpu_lab
import pytest
from gpu_lab import LIBRARIES, OTHER, UUID, Gpu
from ignoring import Relay

from runner.config import ImageSettings, TrialSettings
from runner.errors import MissingError
from runner.sandbox import gpu_facts, inside
from runner.sandbox.box import Sandbox
from runner.sandbox.engine import Engine
from runner.sandbox.finding import DIFFERS, OK, Finding
from runner.sandbox.gpu_access import Facts, plan_access
from runner.sandbox.gpu_words import DRIVER_LIBRARIES, GpuAccess
from runner.sandbox.images import image_name

pytestmark = pytest.mark.engine
SMALL = TrialSettings(memory_mb=256, cpus=1.5, pids=32, out_mb=8, out_files=64, tmp_mb=8, shm_mb=8)
Change = Callable[[dict[str, Any]], None]
TOOLKIT = GpuAccess("toolkit", UUID, UUID)
CDI = GpuAccess("cdi", UUID, f"nvidia.com/gpu={UUID}")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two GPUs and a driver that opens the first."""
    root = tmp_path_factory.mktemp("machine")
    gpu_lab.driver(root, gpu_lab.libcuda(root / "made.so"))
    return root


def by_nodes(root: Path, gpu: Gpu | None = None) -> GpuAccess:
    return plan_access(gpu_facts.of_machine("docker", "20.10.24", {}, root), gpu or Gpu(), "nodes")


def with_cuda(root: Path, to: Path, **how: Any) -> GpuAccess:
    """The access of `root`, with another libcuda."""
    to.write_bytes(gpu_lab.libcuda(to.with_suffix(".made"), **how))
    access = by_nodes(root)
    mine = tuple((str(to) if "libcuda" in at else path, at) for path, at in access.libraries)
    return replace(access, libraries=mine)


@pytest.fixture
def relayed(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[[GpuAccess | None, Change], Sandbox]]:
    """Makes the sandbox with a GPU on an engine that does `change` to what it is asked."""
    ends: list[Any] = []

    def made(access: GpuAccess | None, change: Change) -> Sandbox:
        relay = Relay(sandbox.engine.url, tmp_path / f"{len(ends)}.sock", change)
        engine = Engine(relay.url)
        ends.extend((engine, relay))
        return Sandbox(engine, sandbox.image, sandbox.settings, sandbox.data_volume, access)

    yield made
    for end in ends:
        end.close()


def look(sandbox: Sandbox, *names: str) -> list[inside.Seen]:
    return inside.stages(sandbox, {}, whole=False, names=names or ("train",))


def with_gpu(sandbox: Sandbox, access: GpuAccess) -> Sandbox:
    return Sandbox(sandbox.engine, sandbox.image, sandbox.settings, sandbox.data_volume, access)


def differing(seen: inside.Seen) -> dict[str, Finding]:
    return {found.name: found for found in seen.findings if found.state == DIFFERS}


def only_the_first(seen: inside.Seen, uuid: str) -> None:
    """All is as asked, and of the machine's GPUs nothing is inside but the first, whose UUID this is."""
    assert differing(seen) == {}
    nodes = {path: kind for path, kind in seen.view.raw["devices"].items() if "nvidia" in path}
    assert nodes == {"/dev/nvidia0": "c 195:0", "/dev/nvidiactl": "c 195:255", "/dev/nvidia-uvm": "c 511:0"}
    [told] = [found for found in seen.findings if found.name == "GPU"]
    assert (told.state, told.found) == (OK, f"one, {uuid}: by its device node, and CUDA opens it")


# As it should be


def test_exactly_the_gpus_nodes_are_inside_in_training_and_in_scoring(sandbox: Sandbox, machine: Path) -> None:
    for seen in look(with_gpu(sandbox, by_nodes(machine)), "train", "model"):
        only_the_first(seen, UUID)


def test_the_drivers_libraries_are_inside_read_only_and_are_all_of_the_host_that_is(
    sandbox: Sandbox, machine: Path
) -> None:
    [seen] = look(with_gpu(sandbox, by_nodes(machine)))
    for name in LIBRARIES:
        mount = seen.view.mount(f"{DRIVER_LIBRARIES}/{name}")
        assert mount is not None
        assert "ro" in mount.options
    of_host = [mount.target for mount in seen.view.mounts if "/usr/lib/gnu/" in mount.root]
    assert sorted(of_host) == sorted(f"{DRIVER_LIBRARIES}/{name}" for name in LIBRARIES)


def test_a_gpus_models_have_room_for_their_checkpoints(sandbox: Sandbox, machine: Path) -> None:
    """The new one lies beside the old one, and train.py's are half a gigabyte on a large GPU, proposals' more."""
    settings = replace(sandbox.settings, out_mb=0)
    for access, room in ((by_nodes(machine), "8192"), (None, "1024")):
        own = Sandbox(sandbox.engine, sandbox.image, settings, sandbox.data_volume, access)
        [seen] = look(own)
        [told] = [found for found in seen.findings if found.name == "size of /out"]
        assert (told.state, told.expected.split()[0]) == (OK, room)


def test_the_second_gpu_is_the_second_and_not_the_first(
    sandbox: Sandbox, machine: Path, tmp_path: Path
) -> None:
    second = Gpu(uuid=OTHER, minor=1)
    library = tmp_path / "libcuda.so"
    access = with_cuda(machine, library, uuid=OTHER)
    access = replace(by_nodes(machine, second), libraries=access.libraries)
    [seen] = look(with_gpu(sandbox, access))
    assert differing(seen) == {}
    assert seen.view.raw["devices"]["/dev/nvidia1"] == "c 195:1"
    assert "/dev/nvidia0" not in seen.view.raw["devices"]


# As it should not be


def test_a_docker_that_was_started_before_its_toolkit_says_what_to_do(sandbox: Sandbox) -> None:
    """The hook's file is there, and Docker, which looks for it when it starts, knows nothing of it."""
    if sandbox.engine.info.name != "docker" or "nvidia" in sandbox.engine.raw["Runtimes"]:
        pytest.skip("this engine answers such requests, or ignores them")
    facts = Facts(version=(20, 10, 24), hook="/usr/bin/nvidia-container-runtime-hook")
    with pytest.raises(MissingError, match="nobody to answer its request for a GPU") as raised:
        look(with_gpu(sandbox, plan_access(facts, Gpu(), "toolkit")))
    assert "systemctl restart docker" in raised.value.advice


def nothing(body: dict[str, Any]) -> None:
    """The engine does what it is asked."""


def ignored(body: dict[str, Any]) -> None:
    body["HostConfig"]["DeviceRequests"] = []


def without_nodes(body: dict[str, Any]) -> None:
    body["HostConfig"]["Devices"] = []


def without_libraries(body: dict[str, Any]) -> None:
    host = body["HostConfig"]
    host["Mounts"] = [one for one in host.get("Mounts", []) if one["Type"] == "volume"]
    host["Binds"] = [one for one in host.get("Binds", []) if DRIVER_LIBRARIES not in one]


def writable_libraries(body: dict[str, Any]) -> None:
    host = body["HostConfig"]
    for one in host.get("Mounts", []):
        one["ReadOnly"] = one["ReadOnly"] and one["Type"] == "volume"
    host["Binds"] = [
        one.replace(":ro,", ":rw,") if DRIVER_LIBRARIES in one else one for one in host.get("Binds", [])
    ]


@pytest.mark.parametrize("access", [TOOLKIT, CDI], ids=["toolkit", "cdi"])
def test_a_request_that_the_engine_ignores_ends_the_command_before_any_trial(
    relayed: Any, access: GpuAccess
) -> None:
    with pytest.raises(MissingError) as raised:
        inside.require_walls(relayed(access, ignored))
    assert raised.value.exit_code == 3
    assert "GPU: no device node of a GPU; libcuda.so.1 cannot be loaded" in raised.value.what
    assert f"not one, {UUID}, and no other" in raised.value.what
    assert "the engine ignored the request" in raised.value.advice
    assert "No trial was run" in raised.value.advice


@pytest.mark.parametrize(
    ("change", "named"),
    [(without_nodes, "GPU"), (without_libraries, "GPU"), (writable_libraries, "volumes")],
    ids=["no nodes", "no libraries", "libraries that can be written"],
)
def test_an_engine_that_passes_less_or_weaker_is_found_out(
    relayed: Any, machine: Path, change: Change, named: str
) -> None:
    [seen] = look(relayed(by_nodes(machine), change))
    assert named in differing(seen)


@pytest.mark.parametrize("name", ["nvidia1", "nvidia-caps/nvidia-cap1"])
def test_an_engine_that_passes_more_is_found_out(
    relayed: Any, machine: Path, tmp_path: Path, name: str
) -> None:
    gpu_lab.node(tmp_path, name, (195, 77))

    def more(body: dict[str, Any]) -> None:
        body["HostConfig"]["Devices"].append(
            {
                "PathOnHost": f"{tmp_path}/dev/{name}",
                "PathInContainer": f"/dev/{name}",
                "CgroupPermissions": "rw",
            }
        )

    [seen] = look(relayed(by_nodes(machine), more))
    assert set(differing(seen)) == {"GPU"}
    assert f"/dev/{name} besides" in differing(seen)["GPU"].found


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"uuid": OTHER}, "CUDA opens another, 99999999-2222"),
        ({"count": 2}, "CUDA counts 2"),
        ({"count": 0}, "CUDA counts none"),
        ({"broken": "return 999"}, "cuInit says CUDA_ERROR_UNKNOWN"),
        ({"broken": "__builtin_trap()"}, "the CUDA driver broke off"),
    ],
    ids=["another", "two", "none", "an error", "a crash"],
)
def test_what_the_cuda_driver_says_is_believed_rather_than_the_request(
    sandbox: Sandbox, machine: Path, tmp_path: Path, how: dict[str, Any], words: str
) -> None:
    [seen] = look(with_gpu(sandbox, with_cuda(machine, tmp_path / "libcuda.so", **how)))
    assert set(differing(seen)) == {"GPU"}
    assert words in differing(seen)["GPU"].found


def test_a_gpu_that_nobody_asked_for_is_found_out(relayed: Any, machine: Path) -> None:
    access = by_nodes(machine)

    def generous(body: dict[str, Any]) -> None:
        host, inside = access.nodes[0]
        body["HostConfig"]["Devices"] = [
            {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": "rw"}
        ]

    with pytest.raises(MissingError, match="GPU: /dev/nvidia0, not none"):
        inside.require_walls(relayed(None, generous))


def test_an_image_that_asks_for_all_gpus_does_not_get_its_way(
    sandbox: Sandbox, tag: str, tmp_path: Path
) -> None:
    """With NVIDIA's as its default runtime an engine obeys this variable, of a CPU trial's container too."""
    (tmp_path / "Dockerfile").write_text(f"FROM {sandbox.image}\nENV NVIDIA_VISIBLE_DEVICES=all\n")
    name = f"{tag}:all"
    said = list(sandbox.engine.api.build(path=str(tmp_path), tag=name, rm=True, decode=True))
    try:
        greedy = sandbox.engine.api.inspect_image(name)["Id"]
        assert "NVIDIA_VISIBLE_DEVICES=all" in sandbox.engine.api.inspect_image(name)["Config"]["Env"], said
        [seen] = look(Sandbox(sandbox.engine, greedy, sandbox.settings, sandbox.data_volume))
    finally:
        sandbox.engine.api.remove_image(name, force=True)
    assert seen.view.raw["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert differing(seen) == {}


# The command


class Boastful(Relay):
    """An engine that says that it has NVIDIA's runtime, and drops every device request."""

    KNOWN = b'"io.containerd.runtime.v1.linux":'

    def __init__(self, engine_url: str, path: Path) -> None:
        super().__init__(engine_url, path, ignored)

    def _pass(self, source: Any, to: Any, asking: bool) -> None:
        super()._pass(source if asking else _Said(source, self.KNOWN), to, asking)


class _Said:
    """A connection whose answers name a runtime `nvidia` in the place of another, byte for byte as long."""

    def __init__(self, source: Any, known: bytes) -> None:
        self._source, self._known = source, known

    def recv(self, size: int) -> bytes:
        data: bytes = self._source.recv(size)
        return data.replace(self._known, b'"nvidia"' + b" " * (len(self._known) - 9) + b":")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def test_the_commands_end_with_3_where_the_engine_ignores_the_gpu_and_no_trial_runs(
    lab: Path, runner: Any, image: str, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if b"io.containerd.runtime.v1.linux" not in json.dumps(engine.raw.get("Runtimes") or {}).encode():
        pytest.skip("this engine has no runtime whose name could be taken")
    (lab / "images" / "trial.txt").write_text((lab / "images" / "trial.txt").read_text() + f"# {tmp_path}\n")
    name = image_name(lab, ImageSettings(), cuda=True)
    engine.api.tag(image, *name.rsplit(":", 1))  # without CUDA: nothing is trained with it
    relay = Boastful(engine.url, tmp_path / "engine.sock")
    settings = (lab / "runner.toml").read_text().replace('device = "cpu"', 'device = "auto"')
    (lab / "runner.toml").write_text(f'{settings}\n[engine]\nurl = "{relay.url}"\n')
    gpu_lab.libnvml(tmp_path / "libnvidia-ml.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}{os.pathsep}{os.environ.get('LD_LIBRARY_PATH', '')}")
    try:
        looked, went = runner(lab, "check"), runner(lab, "go", "--max-trials", "1")
    finally:
        relay.close()
        engine.api.remove_image(name)
    shown = " ".join(looked.stdout.split())
    assert looked.returncode == 3, looked.stdout + looked.stderr
    assert f"NVIDIA Made-up, 8,192 MiB, driver {gpu_lab.DRIVER}" in shown
    assert "ok gpu access toolkit: the engine has the runtime nvidia" in shown
    assert "differs GPU" in shown
    assert went.returncode == 3, went.stdout + went.stderr
    assert "No trial was run" in went.stderr
    assert "20 s of training are few on a GPU" in went.stderr
    assert "the engine ignored the request" in " ".join(went.stderr.split())
