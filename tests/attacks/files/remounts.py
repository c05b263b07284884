"""Mounts: makes the lab and the root writable again, lays something over the lab, leaves its root."""

import ctypes
import os

from prepare import attempt, leave_checkpoint, syscall

REMOUNT, BIND, REC, PRIVATE = 32, 4096, 16384, 1 << 18
text = ctypes.c_char_p

for place in (b"/", b"/lab", b"/lab/data", b"/out", b"/proc/sys"):
    again = lambda: syscall("mount", text(b"none"), text(place), text(None), REMOUNT | BIND, text(None))  # noqa: E731
    attempt(f"remount {place.decode()}", again)
attempt(
    "tmpfs over the lab", lambda: syscall("mount", text(b"t"), text(b"/lab"), text(b"tmpfs"), 0, text(None))
)
attempt(
    "bind /out over the lab", lambda: syscall("mount", text(b"/out"), text(b"/lab"), text(None), BIND, None)
)
attempt("proc", lambda: syscall("mount", text(b"p"), text(b"/tmp"), text(b"proc"), 0, None))
attempt("cgroup", lambda: syscall("mount", text(b"c"), text(b"/tmp"), text(b"cgroup2"), 0, None))
attempt("privacy", lambda: syscall("mount", text(b"none"), text(b"/"), text(None), REC | PRIVATE, None))
attempt("umount2 /lab", lambda: syscall("umount2", text(b"/lab"), 2))
attempt("umount2 /proc/keys", lambda: syscall("umount2", text(b"/proc/keys"), 2))
attempt("pivot_root", lambda: syscall("pivot_root", text(b"/tmp"), text(b"/tmp")))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("fsopen", lambda: syscall("fsopen", text(b"tmpfs"), 0))
attempt("open_tree", lambda: syscall("open_tree", -100, text(b"/lab"), 1))
attempt("move_mount", lambda: syscall("move_mount", -100, text(b"/out"), -100, text(b"/lab"), 0))
attempt(
    "mount_setattr", lambda: syscall("mount_setattr", -100, text(b"/lab"), 0, (ctypes.c_uint64 * 4)(0, 1), 32)
)
leave_checkpoint()
