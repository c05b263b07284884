"""Ignores every signal and never ends; so do its children, in sessions of their own."""

import os
import signal
import time

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        continue
if os.fork() == 0:
    os.setsid()
while True:
    print("still here", flush=True)
    time.sleep(0.5)
