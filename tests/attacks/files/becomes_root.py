"""Looks for setuid programs and file capabilities, makes a setuid program of its own, and asks for users, groups and
capabilities that it does not have."""

import ctypes
import os
import shutil
import stat
import subprocess
import sys

from prepare import attempt, leave_checkpoint, number

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def runs_from(folder):
    copy = shutil.copy(sys.executable, f"{folder}/python")
    os.chmod(copy, 0o6755)
    subprocess.run([copy, "-c", "pass"], check=True)


found = 0
for folder, _, names in os.walk("/"):
    if folder.startswith(("/proc", "/sys")):
        continue
    for name in names:
        path = os.path.join(folder, name)
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and (mode & 0o6000 or "security.capability" in os.listxattr(path)):
                found += 1
                print("found", path)
        except OSError:
            pass
number("programs that raise privileges", found)
attempt("setuid", lambda: os.setuid(0))
attempt("setreuid", lambda: os.setreuid(0, 0))
attempt("setresuid", lambda: os.setresuid(0, 0, 0))
attempt("another user", lambda: os.setuid(1000))
attempt("setgid", lambda: os.setgid(0))
attempt("setgroups", lambda: os.setgroups([0, 5, 6, 42]))
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
attempt("capset", lambda: call("capset", header, (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)))
attempt("an ambient capability", lambda: call("prctl", 47, 2, 21, 0, 0))
attempt("new privileges again", lambda: call("prctl", 38, 0, 0, 0, 0))
attempt("securebits", lambda: call("prctl", 28, 1, 0, 0, 0))
for folder in ("/out", "/tmp", "/dev/shm"):
    attempt(f"a setuid program in {folder}", lambda: runs_from(folder))
    os.path.exists(f"{folder}/python") and os.unlink(f"{folder}/python")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
number("capabilities", sum(int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")))
number("no new privileges", int(status["NoNewPrivs"]))
number("uid 0 ids", status["Uid"].split().count("0") + status["Gid"].split().count("0"))
leave_checkpoint()
