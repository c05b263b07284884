"""Forks without end."""

import os
import time

made = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
    except OSError:
        print("stopped after", made, flush=True)
        time.sleep(0.2)
