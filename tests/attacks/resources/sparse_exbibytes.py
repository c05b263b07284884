"""Leaves many sparse files as large as a file can be: the sum of their sizes does not fit in 64 bits."""

from prepare import leave_checkpoint

leave_checkpoint()
for count in range(20):
    with open(f"/out/checkpoint/{count}", "wb") as file:
        file.truncate((1 << 63) - 4096)
