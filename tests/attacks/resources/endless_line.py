"""Writes one line of a gibibyte, and more, without an end, then a checkpoint."""

import os

from prepare import leave_checkpoint

os.write(1, b"the head")
for _ in range(1 << 14):
    os.write(1, b"x" * (1 << 16))
leave_checkpoint()
os.write(1, b"the tail")
