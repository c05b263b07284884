"""Leaves an empty checkpoint, and one folder in it."""

import os

os.makedirs("/out/checkpoint/model")
