"""Compiles one pass of train.py for a GPU that is not there: run by kernels.py in the place of a training.

Fake tensors, PyTorch's own, stand for those on the GPU, and answers to "which GPU?" come from here. Tracing, inductor,
Triton and ptxas are the real ones; nothing that they make is ever run. It holds on to internals of the PyTorch that
images/trial.txt pins.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

GPU = json.loads(Path("/lab/train/gpu.json").read_text())
SITE = os.path.join(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
HEADERS = f"{SITE}/triton/backends/nvidia/include"
PROPERTIES = """
#include <cuda_runtime_api.h>
#include <cstring>
extern "C" { int fake_count = 0; }
static cudaDeviceProp made() {
    cudaDeviceProp p;
    memset(&p, 0, sizeof p);
    strcpy(p.name, "%(name)s");
    p.major = %(major)d; p.minor = %(minor)d;
    p.totalGlobalMem = %(gib)dull << 30;
    p.multiProcessorCount = 100; p.warpSize = 32;
    p.maxThreadsPerBlock = 1024; p.maxThreadsPerMultiProcessor = 1536; p.regsPerMultiprocessor = 65536;
    p.sharedMemPerBlock = 49152; p.sharedMemPerBlockOptin = %(shared)d; p.sharedMemPerMultiprocessor = %(shared)d;
    return p;
}
static cudaDeviceProp* properties() { static cudaDeviceProp p = made(); return &p; }
namespace c10 { namespace cuda {
    signed char device_count() noexcept { return fake_count; }
    bool hasPrimaryContext(signed char) { return false; }
} }
namespace at { namespace cuda {
    cudaDeviceProp* getCurrentDeviceProperties() { return properties(); }
    cudaDeviceProp* getDeviceProperties(signed char) { return properties(); }
    int warp_size() { return 32; }
} }
"""
DRIVER = """
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int* version) { *version = 13000; return 0; }
int cuCtxGetCurrent(void** context) { *context = 0; return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) { *flags = *active = 0; return 0; }
"""


def stand_ins(folder: str) -> dict[str, str]:
    """Builds what answers for the driver and the GPU's properties; the environment that has them loaded."""
    os.makedirs(folder)
    asked = "".join(path.read_text() for path in Path(f"{SITE}/triton/backends/nvidia").glob("*.c"))
    others = sorted(set(re.findall(r"\bcu[A-Z]\w*", asked)) - set(re.findall(r"\bcu[A-Z]\w*", DRIVER)))
    driver = DRIVER + "".join(f"int {name}(void) {{ return 0; }}\n" for name in others)
    for name, source, compiler in (
        ("libcuda.so.1", driver, ["gcc", "-xc"]),
        ("gpu.so", PROPERTIES % GPU, ["g++", "-xc++"]),
    ):
        command = [*compiler, "-shared", "-fPIC", "-w", f"-I{HEADERS}", "-o", f"{folder}/{name}", "-"]
        subprocess.run(command, input=source, text=True, check=True)
    return {"LD_LIBRARY_PATH": folder, "LD_PRELOAD": f"{folder}/gpu.so"}


def pretend() -> list[int]:
    """Makes PyTorch's Python side believe in the GPU; a list that gets inductor's own estimate of each graph's peak."""
    import torch
    import torch._functorch.config as functorch_config
    import torch._inductor.config as inductor_config
    import torch._inductor.fx_passes.fuse_attention as attention
    import torch._inductor.memory as memory
    import torch._inductor.runtime.triton_heuristics as heuristics
    import torch._subclasses.fake_tensor as fake
    import torch.cuda.random as random
    from torch._dynamo.device_interface import CudaInterface

    torch._C._ensureCUDADeviceGuardSet()  # while there is no device: a guard that does nothing
    ctypes.c_int.in_dll(ctypes.CDLL(None), "fake_count").value = 64
    found = types.SimpleNamespace(
        name=GPU["name"], major=GPU["major"], minor=GPU["minor"], total_memory=GPU["gib"] << 30,
        multi_processor_count=100, max_threads_per_multi_processor=1536, max_threads_per_block=1024,
        regs_per_multiprocessor=65536, warp_size=32, gcnArchName="", L2_cache_size=50 << 20, clock_rate=1_980_000,
        shared_memory_per_block=49152, shared_memory_per_block_optin=GPU["shared"],
        shared_memory_per_multiprocessor=GPU["shared"],
    )  # fmt: skip
    answers = {
        "is_available": True, "is_initialized": True, "device_count": 1, "current_device": 0, "_lazy_init": None,
        "get_device_capability": (GPU["major"], GPU["minor"]), "get_device_properties": found,
        "get_device_name": GPU["name"], "is_bf16_supported": True, "synchronize": None, "set_device": None,
        "_exchange_device": 0, "_maybe_exchange_device": 0,
        "current_stream": types.SimpleNamespace(cuda_stream=0, stream_id=0),
    }  # fmt: skip
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    for place in (torch.cuda, random):
        place.get_rng_state = lambda *_: torch.empty(0, dtype=torch.uint8)
        place.set_rng_state = lambda *_: None
    for place in (CudaInterface, CudaInterface.Worker):
        place.get_device_properties = staticmethod(lambda *_: found)
        place.current_device = staticmethod(lambda: 0)
    CudaInterface.is_available = staticmethod(lambda: True)
    CudaInterface.get_compute_capability = staticmethod(lambda *_: GPU["major"] * 10 + GPU["minor"])
    CudaInterface.get_raw_stream = staticmethod(lambda _: 0)
    fake.init_gpu_context = lambda _: None
    attention._sfdp_init = lambda *_: (
        None
    )  # looks for attention that is written out; asks for memory on the GPU
    functorch_config.force_non_lazy_backward_lowering = True
    inductor_config.worker_start_method = "fork"
    inductor_config.fx_graph_cache = inductor_config.shape_padding = False
    inductor_config.joint_graph_constant_folding = False  # computes on the GPU
    heuristics.CachingAutotuner._make_launchers = lambda _: None  # loads into the GPU
    peaks: list[int] = []
    estimate, reorder = memory.estimate_peak_memory, memory.reorder_for_peak_memory

    def estimated(*args):
        answer = estimate(*args)
        peaks[-1] = min(peaks[-1] or answer[0], answer[0])
        return answer

    def reordered(*args, **options):
        peaks.append(0)
        return reorder(*args, **options)

    memory.estimate_peak_memory, memory.reorder_for_peak_memory = estimated, reordered
    return peaks


def main() -> None:
    peaks = pretend()
    import subject  # train.py
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    import prepare

    prepare.vocab_size, prepare.window = lambda: GPU["vocab"], lambda: GPU["window"]
    times = subject.times("cuda")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda"):
        model = subject.Model(**subject.sizes(times))
        model.compute = subject.compute_dtype("cuda")
        tokens = subject.batch_tokens(times["BATCH_TOKENS"], enough=10**12)
        rows, micro = subject.batch_rows(tokens, GPU["window"], model.compute)
        x = torch.zeros(rows, GPU["window"], dtype=torch.int64)
        # The whole step, operation by operation: shapes, types, and no question that needs the GPU's answer.
        subject.gradients(model.loss, x, x, micro)
        optimiser = subject.Optimiser(model)
        optimiser.step(0.0)
        optimiser.step(0.5)
        model.zero_grad(set_to_none=True)
        began = time.monotonic()
        try:
            torch.compile(model.loss, dynamic=False, fullgraph=True)(x[:micro], x[:micro])
        except RuntimeError as error:  # the compiled code is there, and asks for memory on the GPU
            if "cudaGetDeviceCount" not in str(error):
                raise
        seconds = time.monotonic() - began
    cubins = list(Path("/compile").rglob("*.cubin"))
    code = "".join(path.read_text() for path in Path("/compile").rglob("*.py"))
    attention = set(re.findall(r"aten\.(_scaled_dot_product_\w+?)(?:_backward)?\.", code))
    print(
        "RESULT "
        + json.dumps(
            {
                "type": str(model.compute).removeprefix("torch."),
                "parameters": sum(p.numel() for p in model.parameters()),
                "tokens": micro * GPU["window"],
                "attention": sorted(attention),
                "kernels": len({path.name for path in cubins}),
                "architectures": sorted(set(re.findall(r"sm_\d+a?", " ".join(map(of, cubins[:3]))))),
                "peaks": peaks,
                "seconds": seconds,
            }
        ),
        flush=True,
    )


def of(cubin: Path) -> str:
    """What NVIDIA's own reader says that a compiled kernel is for."""
    reader = f"{SITE}/triton/backends/nvidia/bin/cuobjdump"
    return subprocess.run([reader, "-lelf", str(cubin)], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.path.insert(0, "/lab/train")
    if "LD_PRELOAD" not in os.environ:
        os.makedirs("/out/checkpoint")
        Path("/out/checkpoint/model").write_text("x")
        os.execve(sys.executable, [sys.executable, __file__], os.environ | stand_ins("/compile/absent"))
    main()
