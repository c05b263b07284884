"""Leaves a checkpoint that is a device."""

import os
import stat

from prepare import attempt

attempt("a device", lambda: os.mknod("/out/checkpoint", stat.S_IFBLK | 0o666, os.makedev(254, 0)))
