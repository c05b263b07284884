"""Asks the kernel for what has been a way out of containers before: namespaces, bpf, perf, keyrings, io_uring,
userfaultfd, tracing, file handles, modules. Each is asked for so that a kernel without a filter would grant it to
anybody, or would answer with another error than EPERM."""

import ctypes
import os
import socket

from prepare import attempt, leave_checkpoint, syscall

zeros = ctypes.create_string_buffer(256)
SPACES = {"time": 0x80, "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000,
          "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000}  # fmt: skip

for name, flag in SPACES.items():
    attempt(f"unshare {name}", lambda: syscall("unshare", flag))
    attempt(f"clone {name}", lambda: syscall("clone", flag | 17, 0, 0, 0, 0) or os._exit(0))
attempt("unshare user and all", lambda: syscall("unshare", sum(SPACES.values()) - 0x80))
attempt("clone3", lambda: syscall("clone3", (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17), 64) or os._exit(0))
attempt("setns", lambda: syscall("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0))
attempt("setns by pidfd", lambda: syscall("setns", os.pidfd_open(1), 0x40000000))
attempt("bpf", lambda: syscall("bpf", 0, zeros, 72))
attempt("perf_event_open", lambda: syscall("perf_event_open", (ctypes.c_uint32 * 32)(1, 128), 0, -1, -1, 0))
attempt("keyctl", lambda: syscall("keyctl", 0, -3, 1))
attempt("add_key", lambda: syscall("add_key", b"user", b"name", b"data", 4, -2))
attempt("request_key", lambda: syscall("request_key", b"user", b"name", None, 0))
attempt("io_uring_setup", lambda: syscall("io_uring_setup", 1, zeros))
attempt("userfaultfd", lambda: syscall("userfaultfd", 1))
attempt("ptrace", lambda: syscall("ptrace", 0, 0, 0, 0))
attempt("process_vm_readv", lambda: syscall("process_vm_readv", os.getpid(), zeros, 0, zeros, 0, 0))
attempt("process_vm_writev", lambda: syscall("process_vm_writev", os.getpid(), zeros, 0, zeros, 0, 0))
attempt("pidfd_getfd", lambda: syscall("pidfd_getfd", os.pidfd_open(os.getpid()), 0, 0))
attempt("kcmp", lambda: syscall("kcmp", os.getpid(), os.getpid(), 0, 0, 0))
attempt(
    "name_to_handle_at",
    lambda: syscall("name_to_handle_at", -100, b"/out", (ctypes.c_uint32 * 34)(128), zeros, 0),
)
attempt("open_by_handle_at", lambda: syscall("open_by_handle_at", -100, zeros, 0))
attempt("fanotify_init", lambda: syscall("fanotify_init", 0x200, 0))
attempt("init_module", lambda: syscall("init_module", zeros, 0, b""))
attempt("finit_module", lambda: syscall("finit_module", 0, b"", 0))
attempt("kexec_load", lambda: syscall("kexec_load", 0, 0, 0, 0))
attempt("quotactl", lambda: syscall("quotactl", 0, 0, 0, 0))
attempt("swapon", lambda: syscall("swapon", b"/out/a", 0))
attempt("reboot", lambda: syscall("reboot", 0, 0, 0, 0))
attempt("the kernel's log", lambda: syscall("syslog", 10, 0, 0))
attempt("acct", lambda: syscall("acct", b"/out/a"))
attempt("mq_open", lambda: syscall("mq_open", b"queue", os.O_CREAT | os.O_RDWR, 0o600, 0))
attempt("memfd_secret", lambda: syscall("memfd_secret", 0))
attempt("a vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
leave_checkpoint()
