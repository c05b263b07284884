"""Works on PID 1, which ends the container at its limit if nobody else does: kills, stops, traces, starves it, reads
and writes its memory. Then outstays its deadline."""

import ctypes
import os
import resource
import signal
import time

from prepare import attempt, number, syscall

SEIZE, ATTACH = 0x4206, 16

attempt("kill", lambda: os.kill(1, signal.SIGKILL))
attempt("stop", lambda: os.kill(1, signal.SIGSTOP))
attempt("alarm", lambda: os.kill(1, signal.SIGALRM))
attempt("all but PID 1 and me", lambda: os.kill(-1, signal.SIGSTOP))
attempt("by pidfd", lambda: syscall("pidfd_send_signal", os.pidfd_open(1), signal.SIGSTOP, None, 0))
attempt("ptrace attach", lambda: syscall("ptrace", ATTACH, 1, 0, 0))
attempt("ptrace seize", lambda: syscall("ptrace", SEIZE, 1, 0, 0))
attempt("limit its time", lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)))
attempt("lower its priority", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt("idle it", lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)))
attempt("pin it", lambda: os.sched_setaffinity(1, {0}))
attempt("offer it to the memory killer", lambda: open("/proc/1/oom_score_adj", "w"))
attempt("write its memory", lambda: open("/proc/1/mem", "r+b"))
attempt("read its environment", lambda: open("/proc/1/environ"))
attempt("take its files", lambda: os.listdir("/proc/1/fd"))
attempt("take its root", lambda: os.listdir("/proc/1/root"))
buffer = ctypes.create_string_buffer(16)
attempt("process_vm_writev", lambda: syscall("process_vm_writev", 1, buffer, 1, buffer, 1, 0))
attempt("page it out", lambda: syscall("process_madvise", os.pidfd_open(1), buffer, 1, 21, 0))
number("pid_1_is_alive", int(os.path.exists("/proc/1")))
time.sleep(3600)
