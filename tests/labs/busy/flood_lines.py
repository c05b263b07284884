"""Writes lines to its log as fast as it can, for as long as it lives."""

import os

print("the head", flush=True)
chunk = b"a line of a log that nobody will read\n" * 1700
while True:
    os.write(1, chunk)
