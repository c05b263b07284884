"""Swaps its checkpoint for a link to the lab and back as fast as it can, so that one who looks first and opens then
opens something else; also after its parent is gone and until the end."""

import os
import time

from prepare import leave_checkpoint

leave_checkpoint()
os.symlink("/lab", "/out/link")
os.rename("/out/checkpoint", "/out/folder")
if os.fork():
    time.sleep(3600)
while True:
    os.rename("/out/folder", "/out/checkpoint")
    os.rename("/out/checkpoint", "/out/folder")
    os.rename("/out/link", "/out/checkpoint")
    os.rename("/out/checkpoint", "/out/link")
