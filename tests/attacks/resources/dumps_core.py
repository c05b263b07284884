"""Dies with all its memory, in /out, so that a core file of it may be left there or with the host."""

import ctypes
import os
import resource

os.chdir("/out")
try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
except (OSError, ValueError):
    pass
memory = bytearray(16 << 20)
ctypes.string_at(0)
