"""The part of the comparison that is about GPUs: exactly the assigned one or none, and shared with nobody. Pure.

Two witnesses: the device nodes, without which nothing can be opened, and the CUDA driver, which counts what it can
open. What /proc/driver/nvidia lists is no evidence: without the toolkit's own mount there it is the machine's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.sandbox.finding import NOTE, Finding, check, finding
from runner.sandbox.view import View

CARD = re.compile(r"/dev/nvidia\d+")
HELPERS = re.compile(r"/dev/(nvidiactl|nvidia-uvm(-tools)?|nvidia-modeset|nvidia-caps(-imex-channels)?/.*)")
RENDER = re.compile(r"/dev/dri/(card|renderD)\d+")  # CDI specifications give the GPU's own with it
CAPABILITY = "/dev/nvidia-caps/"
DAEMONS = re.compile(r"(/var)?/run/nvidia-(persistenced|fabricmanager)/socket")
MPS = re.compile(r".*nvidia-mps.*")
NO_CUDA: Mapping[str, Any] = {"error": "the CUDA driver was not asked"}
ADVICE = {
    "toolkit": "the engine ignored the request, or gave other than was asked: see that `docker run --rm --gpus all"
               " IMAGE nvidia-smi -L` works there, or choose another way with trial.gpu_access (docs/gpu.md, Passing)",
    "cdi": "the engine ignored the request, or the specification is of another day: make it anew (sudo nvidia-ctk cdi"
           " generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml), or choose another way with"
           " trial.gpu_access (docs/gpu.md, Passing)",
    "nodes": "the engine ignored the device nodes, or the driver's libraries do not fit: install the NVIDIA Container"
             " Toolkit, or choose another way with trial.gpu_access (docs/gpu.md, Passing)",
}  # fmt: skip


def is_gpu(path: str, *, gpu: bool) -> bool:
    """Whether a device node is one of NVIDIA's; those of rendering only where there is a GPU."""
    return bool(CARD.fullmatch(path) or HELPERS.fullmatch(path) or (gpu and RENDER.fullmatch(path)))


def gpus(view: View, host: Mapping[str, Any], gpu: str, mode: str) -> Iterator[Finding]:
    """Exactly the GPU with the UUID `gpu`, passed by `mode`; no GPU at all where that is empty."""
    nodes = sorted(path for path in view.raw["devices"] if is_gpu(path, gpu=bool(gpu) and mode != "nodes"))
    cuda: Mapping[str, Any] = view.raw.get("cuda") or NO_CUDA
    counted = [str(uuid) for uuid in cuda.get("devices") or []]
    if not gpu:
        seen = nodes + [f"CUDA counts {uuid}" for uuid in counted]
        yield check("GPU", not seen, "none", ", ".join(seen) or "none",
                    "the engine adds GPUs that nobody asked for: see its default runtime and its hooks")  # fmt: skip
        return
    problems = [*_nodes(nodes, host, gpu, mode), *_cuda(cuda, counted, gpu)]
    found = "; ".join(problems) or f"one, {gpu}: by its device node, and CUDA opens it"
    yield check("GPU", not problems, f"one, {gpu}, and no other", found, ADVICE.get(mode, ADVICE["toolkit"]))
    yield from _sharing(view)
    listed: Mapping[str, Any] = view.raw["gpus"]
    if len(listed) > 1:
        found = f"/proc lists the {len(listed)} GPUs of the machine: their names, no way to open them"
        yield finding("names of GPUs", NOTE, "one", found, "The toolkit's older way hides them")


def _nodes(nodes: list[str], host: Mapping[str, Any], gpu: str, mode: str) -> Iterator[str]:
    cards = [path for path in nodes if CARD.fullmatch(path)]
    if len(cards) != 1:
        yield (
            f"{len(cards)} GPUs by their device nodes ({', '.join(cards)})"
            if cards
            else "no device node of a GPU"
        )
    if mode == "nodes":
        wanted = {str(node["PathInContainer"]) for node in host["Devices"]}
        if cards and (besides := sorted(set(nodes) - wanted)):
            yield f"{', '.join(besides)} besides"
        if cards and (lost := sorted(wanted - set(nodes))):
            yield f"{', '.join(lost)} not there"
        return
    capabilities = [path for path in nodes if path.startswith(CAPABILITY)]
    allowed = (
        2 if gpu.startswith("MIG-") else 0
    )  # of the instance: its GPU instance's and its compute instance's
    if len(capabilities) > allowed:
        yield f"capabilities of MIG beyond it: {', '.join(capabilities)}"
    for kind in ("card", "renderD"):
        several = [path for path in nodes if path.startswith(f"/dev/dri/{kind}")]
        if len(several) > 1:
            yield f"{', '.join(several)}: of several GPUs"


def _cuda(cuda: Mapping[str, Any], counted: list[str], gpu: str) -> Iterator[str]:
    """CUDA tells a UUID without its prefix; of a MIG instance the instance's own."""
    if error := cuda.get("error"):
        yield str(error)
    elif not counted:
        yield "CUDA counts none"
    elif len(counted) > 1:
        yield f"CUDA counts {len(counted)}: {', '.join(counted)}"
    elif counted[0].casefold() != re.sub(r"^(GPU|MIG)-", "", gpu).casefold():
        yield f"CUDA opens another, {counted[0]}"


def _sharing(view: View) -> Iterator[Finding]:
    """Multi-Process Service would join programs of several containers in one server process on the GPU."""
    found = [name for name in view.raw["environment"] if name.startswith("CUDA_MPS_")]
    found += [mount.target for mount in view.mounts if MPS.fullmatch(mount.target)]
    yield check("GPU sharing", not found, "off", ", ".join(found) or "off",
                "a Multi-Process Service runs on the machine and the toolkit passes it on: end it"
                " (echo quit | nvidia-cuda-mps-control)")  # fmt: skip
    daemons = sorted(mount.target for mount in view.mounts if DAEMONS.fullmatch(mount.target))
    if daemons:
        found_daemons = f"{', '.join(daemons)}: the toolkit passes on the socket of NVIDIA's own daemon"
        yield finding("GPU daemons", NOTE, "none", found_daemons,
                      'Without it: trial.gpu_access = "nodes", or end nvidia-persistenced')  # fmt: skip
