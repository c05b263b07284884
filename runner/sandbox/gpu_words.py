"""How one GPU, and the place for what its compilers build, stand in the engine's JSON. Pure.

The only place where files of the host are mounted: without NVIDIA's toolkit the libraries of the GPU's driver, named
one by one, each read-only. What is asked for is decided by `gpu_access.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GPU_CAPABILITIES = ("compute", "utility")  # of the driver: no graphics, no video, no display
DRIVER_LIBRARIES = "/usr/local/nvidia/lib64"
# Where a GPU's compilers put what they build and load it from: with `noexec` it could not be loaded, and torch.compile
# would not work. It gives a program nothing that it has not: Python runs what it is given, and memory can be executed.
COMPILE = "/compile"
COMPILERS = {"TORCHINDUCTOR_CACHE_DIR": f"{COMPILE}/inductor", "TRITON_CACHE_DIR": f"{COMPILE}/triton",
             "CUDA_CACHE_PATH": f"{COMPILE}/cuda"}  # fmt: skip

NO_DRIVER = "could not select device driver"  # Docker's words
FOR_NO_DRIVER = (
    "Docker has nobody to answer its request for a GPU: the NVIDIA Container Toolkit was installed after it was"
    " started, or is not set up for it",
    "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker\n"
    'Without the toolkit: [trial] gpu_access = "nodes" in runner.toml; see docs/gpu.md, Passing',
)


@dataclass(frozen=True)
class GpuAccess:
    """How one GPU, or one MIG instance, gets into a payload; `gpu_access.plan_access` makes it.

    mode: `toolkit`, `cdi` or `nodes`. uuid: the GPU's, `MIG-…` of an instance. request: what the engine is asked
    for by name, empty with `nodes`. nodes, libraries: paths on the host and inside. why: for a person.
    """

    mode: str
    uuid: str
    request: str = ""
    nodes: tuple[tuple[str, str], ...] = ()
    libraries: tuple[tuple[str, str], ...] = ()
    why: str = ""


def request(gpu: GpuAccess | None) -> list[dict[str, Any]]:
    if gpu is None or not gpu.request:
        return []
    if gpu.mode == "cdi":
        return [{"Driver": "cdi", "DeviceIDs": [gpu.request]}]
    return [{"Driver": "", "DeviceIDs": [gpu.request], "Capabilities": [["gpu", *GPU_CAPABILITIES]]}]


def nodes(gpu: GpuAccess | None) -> list[dict[str, Any]]:
    return [
        {
            "PathOnHost": host,
            "PathInContainer": inside,
            "CgroupPermissions": "rw",
        }  # and not m: none can be made
        for host, inside in (gpu.nodes if gpu else ())
    ]


def driver_mounts(gpu: GpuAccess | None) -> list[dict[str, Any]]:
    return [
        {"Type": "bind", "Source": host, "Target": inside, "ReadOnly": True,
         "BindOptions": {"Propagation": "rprivate", "NonRecursive": True}}
        for host, inside in (gpu.libraries if gpu else ())
    ]  # fmt: skip


def environment(gpu: GpuAccess | None) -> dict[str, str]:
    """What decides on GPUs is said to every container, since an image may say `all`.

    An engine whose default runtime is NVIDIA's obeys NVIDIA_VISIBLE_DEVICES in any container; `void` makes it leave
    one alone (`none` gave all GPUs in versions before 1.18.2).
    """
    if gpu and gpu.mode == "toolkit":
        caps = ",".join(GPU_CAPABILITIES)
        return {"NVIDIA_VISIBLE_DEVICES": gpu.uuid, "NVIDIA_DRIVER_CAPABILITIES": caps}
    libraries = {"LD_LIBRARY_PATH": DRIVER_LIBRARIES} if gpu and gpu.libraries else {}
    return {"NVIDIA_VISIBLE_DEVICES": "void", **libraries}
