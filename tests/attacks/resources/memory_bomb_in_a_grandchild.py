"""A daemon, no longer anybody's child but PID 1's, takes all memory; the program ends with an error when it is gone."""

import os
import sys

alive, held = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        taken = []
        while True:
            taken.append(bytearray(4 << 20))
    os._exit(0)
os.close(held)
os.read(alive, 1)  # comes back when the last holder of the other end is dead
sys.exit(1)
