"""Fills /out with names of one file, which take neither bytes nor, on most file systems, inodes."""

import itertools
import os

open("/out/file", "w").close()
for count in itertools.count():
    os.link("/out/file", f"/out/{count}")
