"""How a GPU gets into containers: what is decided from which facts, and how the facts are read from a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gpu_lab
import pytest
from conftest import ROOT
from gpu_lab import ARM, DRIVER, LIBRARIES, MIG, OTHER, UUID, X86, Gpu

from runner.errors import MissingError
from runner.jobs.check_machine import of_access
from runner.sandbox import dialect, gpu_facts, gpu_toolkit
from runner.sandbox.finding import MISSING, NOTE, OK
from runner.sandbox.gpu_access import Facts, Library, plan_access
from runner.sandbox.gpu_words import GpuAccess
from runner.sandbox.spec import ContainerSpec, Limits, body

GPU = Gpu()
SLICE = Gpu(uuid=MIG, minor=1, parent=UUID, instance=(3, 0))
NODES = {path: (0o666, path) for path in ("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm")}
CAPS = {path: (0o444, path) for path in ("/dev/nvidia-caps/nvidia-cap12", "/dev/nvidia-caps/nvidia-cap13")}
HOST = tuple(
    Library(name, f"/usr/lib/{name.split('.so')[0]}.so.{DRIVER}", 64, X86, 0o755) for name in LIBRARIES
)
BARE = Facts(version=(20, 10, 24), nodes=NODES, libraries=HOST)
TOOLKIT = replace(BARE, runtimes=frozenset({"runc", "nvidia"}), toolkit="1.17.8")
CDI = replace(
    BARE, version=(28, 3), cdi=True, cdi_names=frozenset({f"nvidia.com/gpu={UUID}"}), toolkit="1.17.8"
)
BOTH = replace(CDI, runtimes=TOOLKIT.runtimes)
PODMAN = replace(CDI, engine="podman", version=(5, 4, 0))
ELSEWHERE = Facts(version=(28, 3), local=False)
LIMITS = Limits(64, 0, 16, 4, 4)
SPEC = ContainerSpec("n", "sha256:0", ("true",), (), LIMITS, 9, {})


# What is decided


@pytest.mark.parametrize(
    ("facts", "mode"),
    [
        (TOOLKIT, "toolkit"),
        (replace(BARE, hook="/usr/bin/nvidia-container-runtime-hook"), "toolkit"),
        (replace(ELSEWHERE, runtimes=TOOLKIT.runtimes), "toolkit"),
        (BOTH, "toolkit"),
        (CDI, "cdi"),
        (replace(ELSEWHERE, cdi=True, cdi_names=CDI.cdi_names), "cdi"),
        (PODMAN, "cdi"),
        (replace(PODMAN, runtimes=TOOLKIT.runtimes), "cdi"),
        (replace(PODMAN, version=(5, 3)), "nodes"),
        (replace(PODMAN, version=(4, 3, 1)), "nodes"),
        (replace(CDI, cdi_names=frozenset({"nvidia.com/gpu=0", f"nvidia.com/gpu={OTHER}"})), "nodes"),
        (replace(CDI, cdi=False), "nodes"),
        (BARE, "nodes"),
    ],
    ids=["runtime", "hook", "runtime elsewhere", "both", "cdi", "cdi elsewhere", "podman", "podman with a runtime",
         "podman 5.3", "podman 4.3", "other names", "cdi off", "nothing installed"],
)  # fmt: skip
def test_the_first_way_that_the_machine_has_is_taken(facts: Facts, mode: str) -> None:
    assert plan_access(facts, GPU).mode == mode


@pytest.mark.parametrize("mode", ["toolkit", "cdi", "nodes"])
def test_what_is_wanted_is_taken_where_it_is_there(mode: str) -> None:
    assert plan_access(BOTH, GPU, mode).mode == mode


@pytest.mark.parametrize(
    ("facts", "wanted", "words"),
    [
        (CDI, "toolkit", "no runtime nvidia in the engine"),
        (PODMAN, "toolkit", "podman does not answer"),
        (TOOLKIT, "cdi", "needs Docker 25"),
        (replace(PODMAN, version=(5, 3)), "cdi", "needs Podman 5.4"),
        (replace(CDI, cdi=False), "cdi", "daemon.json"),
        (replace(CDI, cdi_names=frozenset()), "cdi", "device-name-strategy=uuid"),
        (ELSEWHERE, "nodes", "another machine"),
        (ELSEWHERE, "auto", "no runtime nvidia in the engine, and no nvidia-container-runtime-hook by the engine"),
        (replace(BARE, nodes={**NODES, "/dev/nvidia0": (0o660, "/dev/nvidia0")}), "auto", "by other users"),
        (replace(TOOLKIT, nodes={**NODES, "/dev/nvidia0": (0o660, "/dev/nvidia0")}), "toolkit", "DeviceFileMode=0666"),
        (replace(CDI, nodes={**NODES, "/dev/nvidia0": (0o660, "/dev/nvidia0")}), "cdi", "by other users"),
        (replace(BARE, nodes={"/dev/nvidia0": NODES["/dev/nvidia0"]}), "nodes", "nvidia-modprobe"),
        (replace(BARE, libraries=HOST[1:]), "nodes", "no libcuda.so.1 of driver"),
    ],
    ids=["no toolkit", "podman", "old docker", "old podman", "off", "no name", "elsewhere", "nothing elsewhere",
         "closed node", "closed to the toolkit's", "closed to cdi's", "no uvm", "no libcuda"],
)  # fmt: skip
def test_what_is_missing_is_said(facts: Facts, wanted: str, words: str) -> None:
    with pytest.raises(MissingError, match=UUID) as raised:
        plan_access(facts, GPU, wanted)
    assert words in raised.value.what
    assert raised.value.advice


def test_with_no_way_at_all_each_is_told_with_what_it_lacks() -> None:
    with pytest.raises(MissingError) as raised:
        plan_access(Facts(version=(20, 10)), GPU)
    assert all(f"{mode}: " in raised.value.what for mode in ("toolkit", "cdi", "nodes"))


def test_why_a_later_way_was_taken_is_told() -> None:
    assert "cdi: no specification names" in plan_access(replace(CDI, cdi_names=frozenset()), GPU).why


# The toolkit's versions


@pytest.mark.parametrize(
    ("installed", "toolkit", "cdi"),
    [
        ("1.16.1", ["CVE-2024-0132", "CVE-2025-23359", "CVE-2025-23266"], ["CVE-2025-23266"]),
        ("1.16.2", ["CVE-2025-23359", "CVE-2025-23266"], ["CVE-2025-23266"]),
        ("1.17.3", ["CVE-2025-23359", "CVE-2025-23266"], ["CVE-2025-23266"]),
        ("1.17.4", ["CVE-2025-23266"], ["CVE-2025-23266"]),
        ("1.17.7", ["CVE-2025-23266"], ["CVE-2025-23266"]),
        ("1.17.8-rc.1", ["CVE-2025-23266"], ["CVE-2025-23266"]),
        ("1.17.8", [], []),
        ("1.18.0-rc.2", [], []),
        ("1.20.0", [], []),
        ("2.0.0", [], []),
        ("", [], []),
        ("unknown", [], []),
    ],
)
def test_known_ways_out_of_containers_by_version_and_mode(
    installed: str, toolkit: list[str], cdi: list[str]
) -> None:
    assert [flaw.cve for flaw in gpu_toolkit.flaws(installed, "toolkit")] == toolkit
    assert [flaw.cve for flaw in gpu_toolkit.flaws(installed, "cdi")] == cdi


@pytest.mark.parametrize("facts", [TOOLKIT, CDI, PODMAN], ids=["toolkit", "cdi", "podman"])
def test_a_version_with_a_way_out_is_refused_with_the_one_to_upgrade_to(facts: Facts) -> None:
    with pytest.raises(
        MissingError, match=r"1\.17\.7 lets programs out of containers .*CVE-2025-23266"
    ) as raised:
        plan_access(replace(facts, toolkit="1.17.7"), GPU)
    assert "1.17.8 or newer" in raised.value.advice
    assert raised.value.exit_code == 3


def test_a_flawed_toolkit_is_not_passed_over_in_silence_for_another_way() -> None:
    with pytest.raises(MissingError, match=r"1\.16\.1"):
        plan_access(replace(BOTH, toolkit="1.16.1"), GPU)
    assert plan_access(replace(BOTH, toolkit="1.16.1"), GPU, "nodes").mode == "nodes"


@pytest.mark.parametrize(
    ("facts", "states"),
    [
        (replace(TOOLKIT, toolkit="1.20.0"), [OK, OK]),
        (TOOLKIT, [OK, NOTE]),
        (replace(TOOLKIT, toolkit=""), [OK, NOTE]),
        (replace(TOOLKIT, toolkit="1.16.1"), [MISSING]),
        (BARE, [OK]),
        (ELSEWHERE, [MISSING]),
    ],
    ids=["new", "not the newest", "unknown", "flawed", "nodes", "none"],
)
def test_runner_check_says_the_way_and_what_is_to_be_known_of_it(facts: Facts, states: list[str]) -> None:
    assert [found.state for found in of_access(facts, GPU, "auto")] == states


# The GPU's own nodes and libraries


def test_of_two_gpus_only_the_nodes_of_the_assigned_one_are_passed() -> None:
    assert plan_access(BARE, GPU).nodes == tuple(
        (path, path) for path in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
    )
    assert plan_access(BARE, replace(GPU, minor=1)).nodes[0] == ("/dev/nvidia1", "/dev/nvidia1")


def test_a_mig_instance_gets_its_own_capabilities_and_no_others() -> None:
    paths = {"gpu1/mig/gi3/access": 12, "gpu1/mig/gi3/ci0/access": 13, "gpu1/mig/gi4/access": 21}
    access = plan_access(replace(BARE, nodes={**NODES, **CAPS}, capabilities=paths), SLICE)
    assert [inside for _, inside in access.nodes] == [
        "/dev/nvidia1",
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
        *CAPS,
    ]


def test_a_mig_instance_that_the_driver_does_not_list_is_told() -> None:
    with pytest.raises(MissingError, match="gpu1/mig/gi3/access is not there"):
        plan_access(replace(BARE, nodes={**NODES, **CAPS}), SLICE)


@pytest.mark.parametrize(
    "bad",
    [
        replace(HOST[0], path="/usr/lib/libcuda.so.535.183.01"),
        replace(HOST[0], path="/usr/lib/libcuda.so"),
        replace(HOST[0], bits=32),
        replace(HOST[0], machine=ARM),
        replace(HOST[0], mode=0o750),
    ],
    ids=["another driver's", "a stub", "32 bits", "another processor's", "closed to others"],
)
def test_a_library_that_does_not_fit_is_none_and_the_next_that_does_is_taken(bad: Library) -> None:
    with pytest.raises(MissingError, match=bad.path):
        plan_access(replace(BARE, libraries=(bad, *HOST[1:])), GPU, "nodes")
    plan = plan_access(replace(BARE, libraries=(bad, *HOST)), GPU, "nodes")
    assert (HOST[0].path, "/usr/local/nvidia/lib64/libcuda.so.1") in plan.libraries


def test_nothing_else_of_the_linker_cache_is_mounted() -> None:
    strange = Library("libc.so.6", f"/usr/lib/libc.so.{DRIVER}", 64, X86, 0o755)
    plan = plan_access(replace(BARE, libraries=(*HOST, strange)), GPU)
    assert [inside.rsplit("/", 1)[1] for _, inside in plan.libraries] == sorted(LIBRARIES)


# What the engine is asked


def host(access: GpuAccess | None, **changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = body(replace(SPEC, gpu=access, **changes))
    return {**asked["HostConfig"], "Env": dict(word.split("=", 1) for word in asked["Env"])}


def test_the_toolkit_is_asked_for_the_gpu_by_uuid_and_for_computing_alone() -> None:
    asked = host(plan_access(TOOLKIT, GPU))
    [request] = asked["DeviceRequests"]
    assert request == {
        "Driver": "",
        "DeviceIDs": [UUID],
        "Capabilities": [["gpu", "compute", "utility"]],
    }
    assert asked["Env"] == {"NVIDIA_VISIBLE_DEVICES": UUID, "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    assert asked["Devices"] == asked["Mounts"] == []


def test_cdi_is_asked_for_the_name_that_the_specification_gives() -> None:
    asked = host(plan_access(CDI, GPU))
    assert asked["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={UUID}"]}]
    assert asked["Env"] == {"NVIDIA_VISIBLE_DEVICES": "void"}
    assert asked["Devices"] == asked["Mounts"] == []


def test_nodes_can_be_opened_and_not_made_and_libraries_are_read_only() -> None:
    asked = host(plan_access(BARE, GPU))
    assert {one["CgroupPermissions"] for one in asked["Devices"]} == {"rw"}
    assert [one["PathInContainer"] for one in asked["Devices"]] == [
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
    ]
    assert {(one["Type"], one["ReadOnly"]) for one in asked["Mounts"]} == {("bind", True)}
    assert asked["Env"]["LD_LIBRARY_PATH"] == "/usr/local/nvidia/lib64"
    assert asked["DeviceRequests"] == []


@pytest.mark.parametrize("payload", [True, False], ids=["payload", "keeper, gateway"])
@pytest.mark.parametrize("said", [{}, {"NVIDIA_VISIBLE_DEVICES": "all"}], ids=["unsaid", "said otherwise"])
def test_a_container_without_a_gpu_says_so_whatever_its_image_says(said: dict[str, str], payload: bool) -> None:
    asked = host(None, environment=said, payload=payload)
    assert asked["Env"] == {"NVIDIA_VISIBLE_DEVICES": "void"}
    assert asked["DeviceRequests"] == asked["Devices"] == asked["Mounts"] == []


@pytest.mark.parametrize("facts", [TOOLKIT, CDI, BARE], ids=["toolkit", "cdi", "nodes"])
def test_no_way_shares_the_gpu_by_a_multi_process_service(facts: Facts) -> None:
    asked = host(plan_access(facts, GPU))
    assert not [name for name in asked["Env"] if name.startswith("CUDA_MPS")]
    assert asked["IpcMode"] == "private"
    assert "mps" not in json.dumps(asked)


def test_podman_mounts_a_library_as_what_it_is_and_no_volume() -> None:
    asked = body(replace(SPEC, gpu=plan_access(BARE, GPU)))
    binds = dialect.for_podman(asked, "/x", "n")["HostConfig"]["Binds"]
    assert f"{HOST[0].path}:/usr/local/nvidia/lib64/libcuda.so.1:ro,nosuid,nodev" in binds


# How the facts are read

YAML = f"""---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: {UUID}
- name: all
kind: nvidia.com/gpu
"""
SPECIFICATION = {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [{"name": UUID}, {"name": "0"}]}


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("nvidia.yaml", YAML, True),
        ("nvidia.yml", YAML.replace(UUID, f'"{UUID}"'), True),
        ("nvidia.json", json.dumps(SPECIFICATION), True),
        ("nvidia.json", json.dumps(SPECIFICATION, indent=4), True),
        ("nvidia.yaml", YAML.replace("kind: nvidia.com/gpu", "kind: management.nvidia.com/gpu"), False),
        ("nvidia.yaml", YAML.replace(UUID, OTHER), False),
        ("nvidia.json", json.dumps(SPECIFICATION)[:-9], False),
        ("nvidia.json", '{"kind": 5, "devices": [7]}', False),
        ("nvidia.yaml", "", False),
        ("nvidia.yaml.bak", YAML, False),
    ],
    ids=["yaml", "quoted", "json", "json in lines", "another kind", "another gpu", "cut short", "no specification",
         "empty", "another file"],
)  # fmt: skip
def test_a_specification_names_the_gpu_or_not(tmp_path: Path, name: str, text: str, known: bool) -> None:
    folder = tmp_path / "var" / "run" / "cdi"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    facts = gpu_facts.of_machine("docker", "28.3.0", {"CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]}, tmp_path)
    assert (f"nvidia.com/gpu={UUID}" in facts.cdi_names) == known
    assert f"nvidia.com/gpu={UUID}" not in gpu_facts.of_machine("docker", "28.3.0", {}, tmp_path).cdi_names


def test_what_the_engine_says_of_itself_is_enough_where_it_is_elsewhere() -> None:
    said = {
        "Runtimes": {"runc": {}, "nvidia": {}},
        "CDISpecDirs": ["/etc/cdi"],
        "DiscoveredDevices": [{"Source": "cdi", "ID": f"nvidia.com/gpu={UUID}"}],
    }
    facts = gpu_facts.of_machine("docker", "28.3.0-rc.1", said, None)
    assert facts == Facts(
        "docker", (28, 3, 0), False, frozenset({"runc", "nvidia"}), cdi=True, cdi_names=CDI.cdi_names
    )


@pytest.mark.parametrize("said", [{}, {"Runtimes": None, "CDISpecDirs": None, "DiscoveredDevices": None}])
def test_an_engine_that_says_nothing_has_nothing(said: dict[str, Any]) -> None:
    assert gpu_facts.of_machine("docker", "20.10.24+dfsg1", said, None) == replace(
        ELSEWHERE, version=(20, 10, 24)
    )


@pytest.mark.parametrize(
    ("program", "says", "version"),
    [
        ("usr/bin/nvidia-ctk", "NVIDIA Container Toolkit CLI version 1.17.8\ncommit: f202b80a9b9d0db0", "1.17.8"),
        ("usr/bin/nvidia-ctk", "NVIDIA Container Toolkit CLI version 1.18.0-rc.2", "1.18.0-rc.2"),
        ("usr/local/nvidia/toolkit/nvidia-ctk", "NVIDIA Container Toolkit CLI version 1.16.1", "1.16.1"),
        ("usr/bin/nvidia-cdi-hook", "NVIDIA CDI Hook version 1.19.1", "1.19.1"),
        ("usr/bin/nvidia-container-cli", "cli-version: 1.17.4\nlib-version: 1.17.4\nbuild date: 2025-01-23", "1.17.4"),
        ("usr/bin/nvidia-ctk", "no number here", ""),
        ("home/me/bin/nvidia-ctk", "NVIDIA Container Toolkit CLI version 9.9.9", ""),
    ],
    ids=["ctk", "candidate", "operator's folder", "hook", "cli", "none", "not the system's"],
)  # fmt: skip
def test_the_toolkit_tells_its_version(tmp_path: Path, program: str, says: str, version: str) -> None:
    gpu_lab.program(tmp_path / program, says)
    assert gpu_facts.toolkit_version(tmp_path) == version


@pytest.mark.parametrize("does", ["exec sleep 60", "exit 1", "kill -9 $$"])
def test_a_toolkit_that_hangs_or_fails_has_no_version(tmp_path: Path, does: str) -> None:
    gpu_lab.program(tmp_path / "usr/bin/nvidia-ctk", "")
    (tmp_path / "usr/bin/nvidia-ctk").write_text(f"#!/bin/sh\n{does}\n")
    assert gpu_facts.toolkit_version(tmp_path, seconds=0.3) == ""


@pytest.mark.parametrize(
    ("name", "known"), [("nvidia-container-runtime-hook", True), ("nvidia-container-cli", False)]
)
def test_only_the_hook_that_docker_looks_for_is_its_hook(tmp_path: Path, name: str, known: bool) -> None:
    gpu_lab.program(tmp_path / "usr/bin" / name, "")
    assert bool(gpu_facts.of_machine("docker", "20.10.24", {}, tmp_path).hook) == known


def test_a_bare_machine_is_read_from_its_files(tmp_path: Path) -> None:
    gpu_lab.driver(tmp_path)
    access = plan_access(gpu_facts.of_machine("docker", "20.10.24+dfsg1", {}, tmp_path), GPU)
    assert access.mode == "nodes"
    assert access.nodes[0] == (f"{tmp_path}/dev/nvidia0", "/dev/nvidia0")
    assert dict(access.libraries) == {
        f"{tmp_path}/usr/lib/gnu/{name.split('.so')[0]}.so.{DRIVER}": f"/usr/local/nvidia/lib64/{name}"
        for name in LIBRARIES
    }


def test_what_is_not_a_device_node_is_none(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").write_text("")
    (tmp_path / "dev" / "nvidiactl").symlink_to("nowhere")
    assert gpu_facts.nodes(tmp_path) == {}


def test_of_a_library_in_two_architectures_the_machines_own_is_taken(tmp_path: Path) -> None:
    gpu_lab.driver(tmp_path)
    gpu_lab.library(tmp_path, "libcuda.so.1", gpu_lab.elf(3, 32), folder="usr/lib32")
    lines = [(name, "libc6,x86-64", f"/usr/lib/gnu/{name}") for name in LIBRARIES]
    gpu_lab.cache(tmp_path, [("libcuda.so.1", "libc6", "/usr/lib32/libcuda.so.1"), *lines])
    access = plan_access(gpu_facts.of_machine("docker", "20.10.24", {}, tmp_path), GPU)
    assert [path for path, at in access.libraries if "libcuda" in at] == [
        f"{tmp_path}/usr/lib/gnu/libcuda.so.{DRIVER}"
    ]


def test_a_driver_that_no_linker_cache_knows_is_found_beside_the_nvml_that_was_loaded(tmp_path: Path) -> None:
    # As in NixOS, or where LD_LIBRARY_PATH leads to a driver that was mounted.
    for name in LIBRARIES:
        gpu_lab.library(tmp_path, name, gpu_lab.elf(), folder="driver")
    gpu_lab.libnvml(tmp_path / "driver" / f"libnvidia-ml.so.{DRIVER}")
    look = (
        "import ctypes, sys; from pathlib import Path; from runner.sandbox import gpu_facts\n"
        "if sys.argv[1:]: ctypes.CDLL(sys.argv[1])\n"
        "for one in gpu_facts.libraries(Path('/')): print(one.path)"
    )

    def found(*loaded: str) -> set[str]:
        said = subprocess.check_output([sys.executable, "-c", look, *loaded], cwd=ROOT, text=True)
        return {line for line in said.split() if line.startswith(str(tmp_path))}

    assert found() == set()
    assert found(f"{tmp_path}/driver/libnvidia-ml.so.1") == {
        f"{tmp_path}/driver/{name.split('.so')[0]}.so.{DRIVER}" for name in LIBRARIES
    }


def test_migs_capabilities_are_read_as_the_driver_writes_them(tmp_path: Path) -> None:
    top = tmp_path / "proc/driver/nvidia/capabilities"
    for path, minor in (("gpu1/mig/gi3/access", 12), ("gpu1/mig/gi3/ci0/access", 13), ("mig/config", 1)):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
    assert gpu_facts.capabilities(tmp_path) == {"gpu1/mig/gi3/access": 12, "gpu1/mig/gi3/ci0/access": 13}
