"""Ignores every signal that can be ignored, and goes on for ever."""

import signal
import time

for number in range(1, signal.NSIG):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass  # KILL, STOP, and the two that belong to the C library
while True:
    time.sleep(1)
