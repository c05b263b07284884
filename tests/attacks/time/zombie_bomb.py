"""Makes children that end at once, and never asks after them; also orphans, which fall to PID 1."""

import os
import time

from prepare import number

made = 0
while True:
    try:
        if os.fork() == 0:
            try:
                os.fork()
            except OSError:
                pass
            os._exit(0)
        made += 1
    except OSError:
        break
number("zombies", made)
time.sleep(3600)
