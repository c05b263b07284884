"""Leaves hard links to the lab and to the root as its checkpoint."""

import os

from prepare import attempt

os.mkdir("/out/checkpoint")
for path in ("/lab/train/train.py", "/lab/prepare/model_host.py", "/etc/passwd", "/proc/self/environ"):
    attempt(f"a hard link to {path}", lambda: os.link(path, "/out/checkpoint/model"))
