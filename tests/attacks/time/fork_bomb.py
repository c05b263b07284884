"""Forks for ever, and so do its children."""

import os
import time

from prepare import number

made = 0
while True:
    try:
        if os.fork() == 0:
            made = -1_000_000
        else:
            made += 1
    except OSError:
        if made > 0:
            number("forked", made)
        made = -1_000_000
        time.sleep(0.01)
