"""A worker dies for memory and its parent waits for it until the deadline, as data loaders do."""

import os
import time

if os.fork() == 0:
    taken = []
    while True:
        taken.append(bytearray(4 << 20))
time.sleep(3600)
