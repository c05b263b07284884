"""What the attacks on the box may import: they try something, and say whether it was refused.

An attack that succeeds confesses by a line `GOT`; one that is refused says with which error. The tests count both
lines, so that an attack that never came to try anything does not pass for contained. HOST and PORT are filled in
by the tests of the network.
"""

import ctypes
import errno
import os
import platform

HOSTS = []  # addresses of the host
PORT = 0  # where a listener of the test waits, on every one of them
ABSTRACT = ""  # name of a listener among the abstract unix sockets of the host

_LIBC = ctypes.CDLL(None, use_errno=True)
# x86_64, aarch64: asm/unistd_64.h, asm-generic/unistd.h
_NUMBERS = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "chroot": (161, 51),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435),
    "fanotify_init": (300, 262), "finit_module": (313, 273), "fsopen": (430, 430), "init_module": (175, 105),
    "io_uring_setup": (425, 425), "kcmp": (312, 272), "kexec_load": (246, 104), "keyctl": (250, 219),
    "memfd_secret": (447, 447), "mknodat": (259, 33), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "mq_open": (240, 180), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41), "process_madvise": (440, 440), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60), "reboot": (169, 142),
    "request_key": (249, 218), "setns": (308, 268), "settimeofday": (164, 170), "swapon": (167, 224),
    "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282),
}  # fmt: skip


def attempt(what, call):
    """Does what an attack would do. The result of `call`, None where it was refused by an OSError."""
    try:
        result = call()
    except OSError as error:
        print("refused", what, errno.errorcode.get(error.errno, str(error)), flush=True)
        return None
    print("GOT", what, flush=True)
    return result


def number(what, value):
    """How much an attack got of what it may have some of."""
    print("number", what, value, flush=True)


def syscall(name, *arguments):
    """A system call by its name, past every library. Raises OSError."""
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _LIBC.syscall(ctypes.c_long(_NUMBERS[name][platform.machine() == "aarch64"]), *given)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def write(path, content="poison"):
    with open(path, "w") as file:
        file.write(content)


def leave_checkpoint(content="weights"):
    """What an honest training leaves."""
    os.makedirs("/out/checkpoint", exist_ok=True)
    write("/out/checkpoint/model", content)
