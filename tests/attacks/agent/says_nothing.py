"""Hangs without a word and without a request."""

import time

time.sleep(1000)
