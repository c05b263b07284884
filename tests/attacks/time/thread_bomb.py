"""Starts threads until it gets no more, and keeps them."""

import threading
import time

from prepare import number

made = 0
threading.stack_size(64 << 10)
while True:
    try:
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        made += 1
    except RuntimeError:
        break
number("threads", made)
time.sleep(3600)
