"""Prints 50 MB and more."""

import sys

while True:
    sys.stdout.write("x" * 65536)
