"""Writes short lines to both outputs as fast as it can, for ever."""

import os

os.write(1, b"the head\n")
lines = b"step 1 loss 1.0\n" * 1000
while True:
    os.write(1, lines)
    os.write(2, lines)
