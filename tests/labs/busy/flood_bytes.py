"""Writes one line without an end, of bytes that are no text, as fast as it can, for as long as it lives."""

import os

print("the head", flush=True)
chunk = bytes(range(11, 256)) * 260 + b"\xff\xfe\x00\x1b[2J" * 100
while True:
    os.write(1, chunk)
