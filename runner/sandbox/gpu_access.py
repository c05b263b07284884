"""How the assigned GPU gets into payloads: decided from facts about the machine. Pure.

Three ways, the first that the machine has: the NVIDIA Container Toolkit through the engine's device requests; a CDI
specification that names the GPU; or the GPU's own device nodes and its driver's libraries one by one, which needs
nothing installed. `gpu_facts.py` gathers the facts. That the engine did as it was asked is seen from within, by
`compare_gpu.py`: engines ignore such requests in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from runner.errors import MissingError
from runner.sandbox.gpu_toolkit import refuse_flawed
from runner.sandbox.gpu_words import DRIVER_LIBRARIES, GpuAccess
from runner.sandbox.spec import PAYLOAD_UID

CDI_KIND = "nvidia.com/gpu"
NEEDED = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")
# Parts of the compilers that the needed ones load by name, where a driver has them. Source: libnvidia-container.
WELCOME = ("libnvidia-nvvm.so.4", "libnvidia-nvvm70.so.4", "libnvidia-gpucomp.so", "libnvidia-tileiras.so")
CONTROL = ("/dev/nvidiactl", "/dev/nvidia-uvm")
PODMAN_CDI = (5, 4)  # the first whose Docker-compatible API knows device requests, those of CDI alone
DOCKER_CDI = (25,)
READ, READ_WRITE = 0o4, 0o6


class Assigned(Protocol):
    """`machine.gpu.Gpu`, as far as it matters here."""

    @property
    def uuid(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def minor(self) -> int: ...
    @property
    def parent(self) -> str: ...
    @property
    def instance(self) -> tuple[int, int]: ...


@dataclass(frozen=True)
class Library:
    """One library of the driver's. name: as programs ask for it. path: the file itself, links followed.

    bits, machine: of its ELF header. mode: its permissions.
    """

    name: str
    path: str
    bits: int
    machine: int
    mode: int


@dataclass(frozen=True)
class Facts:
    """What a machine and its engine have. Files are looked at only where the engine is on this machine.

    runtimes: the engine's, by name. hook: the path of the toolkit's hook, empty without. toolkit: its
    version, empty where it is not known. cdi: the engine takes CDI requests. cdi_names: of devices, whole. nodes:
    permissions and path on the host of device nodes, by their usual path. capabilities: minor numbers of MIG's, by
    their path below /proc/driver/nvidia/capabilities. machine: ELF's number of this machine's processor.
    """

    engine: str = "docker"
    version: tuple[int, ...] = ()
    local: bool = True
    runtimes: frozenset[str] = frozenset()
    hook: str = ""
    toolkit: str = ""
    cdi: bool = False
    cdi_names: frozenset[str] = frozenset()
    nodes: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    capabilities: Mapping[str, int] = field(default_factory=dict)
    libraries: tuple[Library, ...] = ()
    machine: int = 62


def plan_access(facts: Facts, gpu: Assigned, wanted: str = "auto") -> GpuAccess:
    """How `gpu` gets into payloads: as `wanted` (`toolkit`, `cdi`, `nodes`), or the first way that there is (`auto`).

    Raises MissingError where there is none, or the way has a known hole.
    """
    ways = {"toolkit": (_no_toolkit, _toolkit), "cdi": (_no_cdi, _cdi), "nodes": (_no_nodes, _nodes)}
    missing: list[str] = []
    for mode, (lacking, made) in ways.items():
        if wanted not in ("auto", mode):
            continue
        if lack := lacking(facts, gpu):
            missing.append(f"{mode}: {lack}")
            continue
        return made(facts, gpu, f"; {'; '.join(missing)}" if missing else "")
    raise MissingError(
        f"{gpu.uuid} cannot be passed to containers of this engine: {'; '.join(missing)}",
        "Install the NVIDIA Container Toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker &&"
        " sudo systemctl restart docker\nThe three ways: docs/gpu.md, Passing; runner check says which one is taken",
    )


# The toolkit


def _no_toolkit(facts: Facts, gpu: Assigned) -> str:
    """What the toolkit's way lacks; empty for nothing."""
    if facts.engine != "docker":
        return f"{facts.engine} does not answer its device requests"
    if "nvidia" in facts.runtimes or facts.hook:
        return _closed(facts, gpu)
    where = "on this machine" if facts.local else "by the engine"
    return f"no runtime nvidia in the engine, and no nvidia-container-runtime-hook {where}"


def _toolkit(facts: Facts, gpu: Assigned, besides: str) -> GpuAccess:
    refuse_flawed(facts.toolkit, "toolkit")
    has = "the engine has the runtime nvidia" if "nvidia" in facts.runtimes else f"{facts.hook} is there"
    return GpuAccess("toolkit", gpu.uuid, gpu.uuid, why=f"{has}{besides}")


# CDI


def _no_cdi(facts: Facts, gpu: Assigned) -> str:
    oldest = DOCKER_CDI if facts.engine == "docker" else PODMAN_CDI
    if facts.version < oldest and (facts.engine != "docker" or not facts.cdi):
        return f"needs {facts.engine.capitalize()} {'.'.join(map(str, oldest))} or newer"
    if not facts.cdi:
        return 'the engine has it turned off ({"features": {"cdi": true}} in /etc/docker/daemon.json)'
    if f"{CDI_KIND}={gpu.uuid}" in facts.cdi_names:
        return _closed(facts, gpu)
    known = sorted(name for name in facts.cdi_names if name.startswith(f"{CDI_KIND}="))
    make = "sudo nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml"
    return f"no specification names {CDI_KIND}={gpu.uuid} ({', '.join(known[:4]) or 'none of a GPU'}; {make})"


def _cdi(facts: Facts, gpu: Assigned, besides: str) -> GpuAccess:
    refuse_flawed(facts.toolkit, "cdi")
    name = f"{CDI_KIND}={gpu.uuid}"
    return GpuAccess("cdi", gpu.uuid, name, why=f"a CDI specification names it{besides}")


# Device nodes and libraries


def _capabilities(gpu: Assigned) -> list[str]:
    """Of a MIG instance: what grants its GPU instance, and its compute instance. Source: NVIDIA's MIG User Guide."""
    if not gpu.parent:
        return []
    of_gpu, of_compute = gpu.instance
    gi = f"gpu{gpu.minor}/mig/gi{of_gpu}"
    return [f"{gi}/access", f"{gi}/ci{of_compute}/access"]


def _wanted_nodes(facts: Facts, gpu: Assigned) -> list[tuple[str, int]]:
    """The device nodes of `gpu` with the permissions that any user must have; raises KeyError for a capability."""
    caps = [f"/dev/nvidia-caps/nvidia-cap{facts.capabilities[path]}" for path in _capabilities(gpu)]
    own = [f"/dev/nvidia{gpu.minor}", *CONTROL]
    return [(path, READ_WRITE) for path in own] + [(path, READ) for path in caps]


def _closed(facts: Facts, gpu: Assigned) -> str:
    """Which of the device nodes that are there others may not open; every way passes them on with their rights."""
    try:
        wanted = _wanted_nodes(facts, gpu)
    except KeyError:
        return ""
    closed = [path for path, need in wanted if path in facts.nodes and facts.nodes[path][0] & need != need]
    if not closed:
        return ""
    return (
        f"{', '.join(closed)} cannot be opened by other users, as whom trials run (uid {PAYLOAD_UID}): options nvidia"
        " NVreg_DeviceFileMode=0666 in /etc/modprobe.d, without a line that says otherwise, and a restart"
    )


def _no_nodes(facts: Facts, gpu: Assigned) -> str:
    if not facts.local:
        return "the engine is on another machine, whose device nodes and libraries are not known here"
    try:
        wanted = _wanted_nodes(facts, gpu)
    except KeyError as path:
        return f"/proc/driver/nvidia/capabilities/{path.args[0]} is not there"
    absent = [path for path, _ in wanted if path not in facts.nodes]
    if absent:
        return f"no device node {', '.join(absent)} (sudo nvidia-modprobe -u -c=0 makes them)"
    if closed := _closed(facts, gpu):
        return closed
    chosen = _libraries(facts, gpu)
    lost = [name for name in NEEDED if name not in chosen]
    if lost:
        seen = [f"{one.path} ({one.bits} bits)" for one in facts.libraries if one.name in lost]
        found = f"; there is {', '.join(seen)}" if seen else ""
        return (
            f"no {', '.join(lost)} of driver {gpu.driver} that any user can read, in the linker cache or beside"
            f" libnvidia-ml.so.1{found}"
        )
    return ""


def _libraries(facts: Facts, gpu: Assigned) -> dict[str, str]:
    """Files by the name under which programs load them: of the running driver's version, for this processor."""
    chosen: dict[str, str] = {}
    for library in facts.libraries:
        known = library.name in NEEDED or library.name.startswith(WELCOME)
        fits = library.bits == 64 and library.machine == facts.machine and library.mode & READ
        if known and fits and library.path.endswith(f".so.{gpu.driver}"):
            chosen.setdefault(library.name, library.path)
    return chosen


def _nodes(facts: Facts, gpu: Assigned, besides: str) -> GpuAccess:
    nodes = tuple((facts.nodes[path][1], path) for path, _ in _wanted_nodes(facts, gpu))
    chosen = sorted(_libraries(facts, gpu).items())
    libraries = tuple((path, f"{DRIVER_LIBRARIES}/{name}") for name, path in chosen)
    why = f"{len(nodes)} device nodes and {len(libraries)} libraries of driver {gpu.driver}{besides}"
    return GpuAccess("nodes", gpu.uuid, nodes=nodes, libraries=libraries, why=why)
