"""Ends by itself with 143, the exit code of a program that was asked to end."""

import sys

sys.exit(143)
