"""Makes device nodes, FIFOs and sockets wherever it may write: the host's disk, its memory, a pipe that blocks
whoever opens it."""

import os
import stat

from prepare import attempt, leave_checkpoint, syscall

KINDS = {
    "disk": (stat.S_IFBLK | 0o666, os.makedev(8, 0)),
    "virtual disk": (stat.S_IFBLK | 0o666, os.makedev(254, 0)),
    "memory": (stat.S_IFCHR | 0o666, os.makedev(1, 1)),
    "null": (stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "fuse": (stat.S_IFCHR | 0o666, os.makedev(10, 229)),
    "kvm": (stat.S_IFCHR | 0o666, os.makedev(10, 232)),
    "tun": (stat.S_IFCHR | 0o666, os.makedev(10, 200)),
    "graphics": (stat.S_IFCHR | 0o666, os.makedev(195, 0)),
    "socket": (stat.S_IFSOCK | 0o666, 0),
    "FIFO": (stat.S_IFIFO | 0o666, 0),
}
for folder in ("/out", "/tmp", "/dev/shm"):
    for what, (mode, device) in KINDS.items():
        attempt(f"{what} in {folder}", lambda: os.mknod(f"{folder}/node", mode, device))
    attempt(f"mkfifo in {folder}", lambda: os.mkfifo(f"{folder}/fifo"))
attempt(
    "past the library", lambda: syscall("mknodat", -100, b"/out/node", stat.S_IFBLK | 0o666, os.makedev(8, 0))
)
leave_checkpoint()
