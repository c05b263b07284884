"""Sets the system's clock back, bends its rate, asks for a time namespace, and patches every clock that Python has, so
that its deadline never comes."""

import ctypes
import time

import prepare
from prepare import attempt, syscall, write

CLONE_NEWTIME = 0x80
long = ctypes.c_long * 32

attempt("time.clock_settime", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
attempt("clock_settime", lambda: syscall("clock_settime", 0, long(1, 0)))
attempt("settimeofday", lambda: syscall("settimeofday", long(1, 0), 0))
attempt("adjtimex", lambda: syscall("adjtimex", long(0x4000, 0)))
attempt("clock_adjtime", lambda: syscall("clock_adjtime", 0, long(0x4000, 0)))
attempt("a time namespace", lambda: syscall("unshare", CLONE_NEWTIME))
attempt("the hardware clock", lambda: open("/dev/rtc0", "w"))
attempt("its offsets", lambda: write("/proc/self/timens_offsets", "monotonic -86400 0\n"))
sleep = time.sleep
for name in ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns"):
    setattr(time, name, lambda: 0)
prepare.remaining = lambda: 3600
while prepare.remaining() > 0:
    sleep(1)
