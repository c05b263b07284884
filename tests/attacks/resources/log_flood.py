"""Writes short lines to both outputs as fast as it can, for ever."""

import os

for output in (1, 2):  # which of the two is heard first is chance
    os.write(output, b"the head\n")
lines = b"step 1 loss 1.0\n" * 1000
while True:
    os.write(1, lines)
    os.write(2, lines)
