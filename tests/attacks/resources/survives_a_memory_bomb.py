"""A child dies for memory and the training does not mind: no excuse to lose it."""

import os

from prepare import leave_checkpoint

if os.fork() == 0:
    taken = []
    while True:
        taken.append(bytearray(4 << 20))
os.wait()
leave_checkpoint()
