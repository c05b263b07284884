"""Never ends by itself, ignores what can be ignored, and keeps every core busy with processes that do the same."""

import contextlib
import os
import signal
import time

for number in range(1, signal.NSIG):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
for _ in range(2 * (os.cpu_count() or 1)):
    if os.fork() == 0:
        os.setsid()
        break
while True:
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    print("still here", flush=True)
