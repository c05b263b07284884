"""Leaves a checkpoint that is a FIFO, which would block whoever opens it."""

import os

from prepare import attempt

attempt("a FIFO", lambda: os.mkfifo("/out/checkpoint"))
