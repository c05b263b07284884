"""The program that looks around inside a container, and prints what it sees as one line of base64.

Runs in the place of train.py and of the model host: as the same user, under the same PID 1 and limits. Needs the
standard library only and imports nothing of ours, for it is sent as one file. It judges nothing: `view.py` reads
what it says and `compare.py` compares that with the spec. Never run on the host.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import platform
import select
import signal
import socket
import stat
import struct
import sys
import zlib
from typing import Any

TEXTS = ("/proc/self/status", "/proc/1/status", "/proc/self/mountinfo", "/proc/self/limits", "/proc/self/cgroup",
         "/proc/net/dev", "/proc/net/unix", "/proc/self/uid_map", "/proc/meminfo")  # fmt: skip
CGROUP = ("memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "pids/pids.max",
          "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us",
          "memory.max", "memory.swap.max", "pids.max", "cpu.max")  # fmt: skip
WRITES = ("/", "/etc", "/usr/lib", "/var/tmp", "/run", "/dev", "/sys/fs/cgroup", "/lab", "/lab/prepare", "/lab/train",
          "/lab/data", "/lab/compiled", "/out", "/tmp", "/dev/shm", "/compile")  # fmt: skip
HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/proc/acpi",
          "/sys/firmware")  # fmt: skip
UNWRITABLE = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/sys")
BOUNDED = ("/out", "/tmp", "/dev/shm", "/lab", "/compile")
CUDA_SECONDS = 30  # for the driver to wake: a GPU without persistence mode takes some
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
# Calls that the filter must refuse, with arguments that do nothing where they reach the kernel.
CALLS: dict[str, tuple[int, int, tuple[int, ...]]] = {  # name: number on x86_64, on aarch64, arguments
    "keyctl": (250, 219, (99999, 0, 0, 0, 0)),
    "bpf": (321, 280, (99999, 0, 0)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "userfaultfd": (323, 282, (0x7FFFFFFF,)),
    "io_uring_setup": (425, 425, (0, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "ptrace": (101, 117, (0x4206, 1, 0, 0)),
    "process_vm_readv": (310, 270, (1, 0, 0, 0, 0, 0)),
    "socket AF_VSOCK": (41, 198, (40, 1, 0)),
    "socket AF_NETLINK": (41, 198, (16, 3, 0)),
    "mknod FIFO": (133, 0, (0, 0o10600, 0)),
    "unshare": (272, 97, (0x10000000,)),  # the last: where it goes through, the looker is changed by it
}


def text(path: str) -> str | None:
    try:
        with open(path, errors="replace") as file:
            return file.read(200_000)
    except OSError:
        return None


def link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError as error:
        return f"?{error.errno}"


def names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def interfaces() -> dict[str, int]:
    """The flags of each network interface of which the kernel tells them, by SIOCGIFFLAGS of netdevice(7)."""
    found = {}
    for line in (text("/proc/net/dev") or "").splitlines():
        name, colon, _ = line.strip().partition(":")
        request = struct.pack("16sH22x", name.encode(), 0)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            if colon:
                found[name] = struct.unpack_from("H", fcntl.ioctl(any_socket, 0x8913, request), 16)[0]
    return found


def refused(number: int, arguments: tuple[int, ...]) -> str:
    """`EPERM`, `EINVAL` … as the kernel or the filter answers; `done` where the call went through."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    answer = call(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    return "done" if answer >= 0 else errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def calls() -> dict[str, str]:
    column = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
    if column is None:
        return {}
    found = {}
    for name, (*numbers, arguments) in CALLS.items():
        if numbers[column]:
            found[name] = refused(numbers[column], arguments)
    return found


def writable(folder: str) -> str:
    path = os.path.join(folder, f".probe-{os.getpid()}")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(path)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "yes"


def hidden(path: str) -> str:
    """`absent`, `hidden` (nothing can be read there) or `open`."""
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return "open" if os.listdir(path) else "hidden"
        with open(path, "rb") as file:
            return "open" if file.read(1) else "hidden"
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "hidden"


def size(path: str) -> list[int] | None:
    """Bytes, inodes, owner, permissions."""
    try:
        found, owner = os.statvfs(path), os.stat(path)
    except OSError:
        return None
    return [found.f_blocks * found.f_frsize, found.f_files, owner.st_uid, stat.S_IMODE(owner.st_mode)]


def devices() -> dict[str, str]:
    found = {}
    for folder, _, files in os.walk("/dev"):
        for name in files:
            path = os.path.join(folder, name)
            try:
                mode = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISCHR(mode.st_mode) or stat.S_ISBLK(mode.st_mode):
                kind = "c" if stat.S_ISCHR(mode.st_mode) else "b"
                found[path] = f"{kind} {os.major(mode.st_rdev)}:{os.minor(mode.st_rdev)}"
    return found


def counted() -> dict[str, Any]:
    """The devices that the CUDA driver counts, by UUID: of a MIG instance its own. Source: CUDA Driver API."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"error": f"libcuda.so.1 cannot be loaded: {error}"}
    code = driver.cuInit(0)
    if code:
        said = ctypes.c_char_p()
        driver.cuGetErrorName(code, ctypes.byref(said))
        return {"error": f"cuInit says {(said.value or b'').decode() or code}"}
    count, device, found = ctypes.c_int(), ctypes.c_int(), []
    driver.cuDeviceGetCount(ctypes.byref(count))
    for index in range(count.value):
        uuid = (ctypes.c_ubyte * 16)()
        driver.cuDeviceGet(ctypes.byref(device), index)
        ask = driver.cuDeviceGetUuid_v2 if hasattr(driver, "cuDeviceGetUuid_v2") else driver.cuDeviceGetUuid
        failed = ask(ctypes.byref(uuid), device)
        digits = bytes(uuid).hex()
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        found.append("?" if failed else "-".join(parts))
    return {"devices": found}


def cuda() -> dict[str, Any]:
    """`counted` in a process of its own, since a broken driver may end, or hang, whoever asks it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.write(writing, json.dumps(counted()).encode())
        os._exit(0)
    os.close(writing)
    said = b""
    if select.select([reading], [], [], CUDA_SECONDS)[0]:
        said = os.read(reading, 65536)
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    status = os.waitpid(child, 0)[1]
    if said:
        answer: dict[str, Any] = json.loads(said)
        return answer
    how = f"gave no answer in {CUDA_SECONDS} s" if status == signal.SIGKILL else f"broke off ({status})"
    return {"error": f"the CUDA driver {how}"}


def tree() -> dict[str, list[str]]:
    """Sockets, and setuid or setgid programs, anywhere but in /proc and /sys."""
    found: dict[str, list[str]] = {"sockets": [], "setuid": []}
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            folders[:] = [name for name in folders if name not in ("proc", "sys")]
        for name in files:
            path = os.path.join(folder, name)
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            if stat.S_ISSOCK(mode):
                found["sockets"].append(path)
            elif stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                found["setuid"].append(path)
    return found


def files(contents: bool) -> dict[str, list[Any]]:
    """Everything that is no folder under /lab: size, and SHA-256 of what it holds."""
    found: dict[str, list[Any]] = {}
    for folder, _, inside in os.walk("/lab"):
        for name in inside:
            path = os.path.join(folder, name)
            mode = os.lstat(path)
            digest = ""
            if contents and stat.S_ISREG(mode.st_mode):
                whole = hashlib.sha256()
                with open(path, "rb") as file:
                    while block := file.read(1 << 20):
                        whole.update(block)
                digest = whole.hexdigest()
            found[path] = [mode.st_size, digest if stat.S_ISREG(mode.st_mode) else "no regular file"]
    return found


def look(whole: bool) -> dict[str, Any]:
    """Everything, as JSON. whole: also what takes longer, digests of files and a walk through the image."""
    descriptors = {}
    for name in names("/proc/self/fd"):
        to = link(f"/proc/self/fd/{name}")
        if not to.startswith("?"):  # the one that the listing itself had open
            descriptors[name] = to
    processes = {pid: text(f"/proc/{pid}/comm") for pid in names("/proc") if pid.isdigit()}
    gpus = "/proc/driver/nvidia/gpus"
    return {
        "texts": {path: text(path) for path in TEXTS},
        "cgroup": {name: text(f"/sys/fs/cgroup/{name}") for name in CGROUP},
        "fds": descriptors,
        "processes": processes,
        "namespaces": {name: link(f"/proc/self/ns/{name}") for name in NAMESPACES},
        "environment": dict(os.environ),
        "hostname": platform.node(),
        "interfaces": interfaces(),
        "devices": devices(),
        "gpus": {name: text(f"{gpus}/{name}/information") for name in names(gpus)},
        "cuda": cuda(),
        "writes": {folder: writable(folder) for folder in WRITES if os.path.isdir(folder)},
        "hidden": {path: hidden(path) for path in HIDDEN},
        "unwritable": {p: bool(os.statvfs(p).f_flag & os.ST_RDONLY) for p in UNWRITABLE if os.path.exists(p)},
        "sizes": {path: size(path) for path in BOUNDED},
        "lab": files(whole),
        "tree": tree() if whole else None,
        "arguments": sys.argv,
        "calls": calls(),  # the last, for the same reason
    }


def main(whole: bool) -> None:
    """Called by a line that the host puts at the end of this file when it sends it."""
    told = base64.b64encode(zlib.compress(json.dumps(look(whole)).encode()))
    sys.stdout.flush()
    os.write(1, b"VIEW %010d\n" % len(told))
    while told:
        told = told[os.write(1, told) :]
