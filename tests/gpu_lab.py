"""A machine with NVIDIA GPUs in a folder: device nodes, specifications, a linker cache, and libraries that answer.

The device nodes have NVIDIA's numbers, and no driver behind them here. The libraries are compiled: a `libcuda` that
counts what it is told to, a `libnvidia-ml` that knows one GPU. Nothing is installed; all of it is below one folder.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

UUID = "GPU-11111111-2222-3333-4444-555555555555"
OTHER = "GPU-99999999-2222-3333-4444-555555555555"
MIG = "MIG-aaaaaaaa-2222-3333-4444-555555555555"
DRIVER = "550.54.15"
X86, ARM = 62, 183  # as ELF numbers processors
HERE = ARM if os.uname().machine == "aarch64" else X86
LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1", "libnvidia-nvvm.so.4")

CUDA = r"""
int cuInit(unsigned flags) { BROKEN; return 0; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuGetErrorName(int code, const char **name) { *name = "CUDA_ERROR_UNKNOWN"; return 0; }
int cuDeviceGetUuid_v2(unsigned char *to, int device) {
    static const char digits[] = DIGITS;
    for (int i = 0; i < 16; i++) {
        int byte = 0;
        for (int half = 0; half < 2; half++) {
            char c = digits[2 * i + half];
            byte = 16 * byte + (c >= 'a' ? c - 'a' + 10 : c - '0');
        }
        to[i] = byte + (i == 15 ? device : 0);
    }
    return 0;
}
"""
NVML = r"""
static int say(char *to, const char *what) { while ((*to++ = *what++)); return 0; }
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *to, unsigned n) { return say(to, DRIVER); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = (void *)1; return 0; }
int nvmlDeviceGetUUID(void *handle, char *to, unsigned n) { return say(to, UUID); }
int nvmlDeviceGetName(void *handle, char *to, unsigned n) { return say(to, "NVIDIA Made-up"); }
int nvmlDeviceGetMinorNumber(void *handle, unsigned *minor) { *minor = 0; return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *m) { m[0] = 8ull << 30; m[1] = m[0]; m[2] = 0; return 0; }
"""


@dataclass(frozen=True)
class Gpu:
    """As `runner.machine.gpu.Gpu`, as far as passing it goes."""

    uuid: str = UUID
    driver: str = DRIVER
    minor: int = 0
    parent: str = ""
    instance: tuple[int, int] = (0, 0)


def elf(machine: int = HERE, bits: int = 64) -> bytes:
    """The beginning of an ELF file."""
    return b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9) + struct.pack("<HH", 3, machine)


def program(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    path.chmod(0o755)


def node(root: Path, name: str, number: tuple[int, int], mode: int = 0o666) -> None:
    """A character device in the folder's /dev. Skips the test where that is not allowed."""
    path = root / "dev" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.mknod(path, stat.S_IFCHR | mode, os.makedev(*number))
    except PermissionError:
        pytest.skip("only root makes device nodes")
    path.chmod(mode)


def library(root: Path, name: str, content: bytes, version: str = DRIVER, folder: str = "usr/lib/gnu") -> None:
    """A library of the driver's `version`, with the link by which programs find it."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    whole = f"{name.split('.so')[0]}.so.{version}"
    (root / folder / whole).write_bytes(content)
    (root / folder / name).unlink(missing_ok=True)
    (root / folder / name).symlink_to(whole)


def cache(root: Path, lines: list[tuple[str, str, str]] | None = None) -> None:
    """What `ldconfig -p` prints: name, kind and path of each; of all LIBRARIES where none are given."""
    lines = lines or [(name, "libc6,x86-64", f"/usr/lib/gnu/{name}") for name in LIBRARIES]
    told = "".join(f"\n\t{name} ({kind}) => {path}" for name, kind, path in lines)
    program(root / "sbin" / "ldconfig", f"{len(lines)} libs found in cache `/etc/ld.so.cache'{told}")


def driver(root: Path, content: bytes | None = None) -> None:
    """GPUs 0 and 1 with their driver's libraries, as a machine without any toolkit has them."""
    for name, minor in (("nvidia0", 0), ("nvidia1", 1), ("nvidiactl", 255)):
        node(root, name, (195, minor))
    node(root, "nvidia-uvm", (511, 0))
    for name in LIBRARIES:
        library(root, name, content or elf())
    cache(root)


def compiled(to: Path, source: str, **named: str) -> Path:
    """A shared library that needs no other."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler")
    words = [f"-D{name}={value}" for name, value in named.items()]
    alone = ["-shared", "-fPIC", "-nostdlib", "-fno-stack-protector"]
    command = [compiler, *alone, *words, "-x", "c", "-", "-o", str(to)]
    subprocess.run(command, input=source, text=True, check=True)
    return to


def libcuda(to: Path, uuid: str = UUID, count: int = 1, broken: str = "") -> bytes:
    """A CUDA driver that counts `count` devices, the first by this UUID. broken: a statement of C in cuInit."""
    digits = uuid.split("-", 1)[1].replace("-", "")
    return compiled(to, CUDA, COUNT=str(count), DIGITS=f'"{digits}"', BROKEN=broken or "").read_bytes()


def libnvml(to: Path) -> Path:
    return compiled(to, NVML, DRIVER=f'"{DRIVER}"', UUID=f'"{UUID}"')
