"""Writes a checkpoint larger than /out."""

import os

os.makedirs("/out/checkpoint")
with open("/out/checkpoint/model", "wb") as file:
    for _ in range(1024):
        file.write(bytes(1 << 20))
