"""Leaves compiled kernels, caches and messages wherever a later process could find them: caches of torch, Triton and
CUDA, shared memory of both kinds, semaphores, message queues, abstract sockets."""

import ctypes
import os
import socket
from multiprocessing import shared_memory

from prepare import attempt, leave_checkpoint, write

for cache in (
    "torchinductor_root",
    "torchinductor_10001",
    ".triton/cache",
    ".cache/torch",
    ".nv/ComputeCache",
    ".config",
):
    os.makedirs(f"/tmp/{cache}", exist_ok=True)
    write(f"/tmp/{cache}/poison.so")
shared = shared_memory.SharedMemory("poison", create=True, size=4096)
write("/dev/shm/sem.poison")
libc = ctypes.CDLL(None, use_errno=True)
assert libc.shmget(0x1234, 4096, 0o1666) >= 0
assert libc.semget(0x1234, 1, 0o1666) >= 0
write("/dev/mqueue/poison", "")
kept = socket.socket(socket.AF_UNIX)
kept.bind("\0poison")
for folder in ("/var/tmp", "/var/cache", "/run", "/run/lock", "/opt/lab/cache", "/home", "/root", "/lab/data"):
    attempt(f"a cache in {folder}", lambda: write(f"{folder}/poison"))
leave_checkpoint()
