"""Sends itself SIGKILL, which looks like the kernel's kill for memory."""

import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
