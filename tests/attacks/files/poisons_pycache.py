"""Leaves compiled modules where Python looks for them before it compiles, for the next stage and the next trial."""

import os
import py_compile
import sys

import torch

from prepare import attempt, leave_checkpoint, write

write("/tmp/evil.py", "import os; os._exit(66)")
for module in (
    "/lab/prepare/__init__.py",
    "/lab/prepare/model_host.py",
    "/lab/train/train.py",
    os.__file__,
    torch.__file__,
):
    cached = f"{os.path.dirname(module)}/__pycache__/{os.path.basename(module)[:-3]}.{sys.implementation.cache_tag}.pyc"
    attempt(f"a folder for {cached}", lambda: os.makedirs(os.path.dirname(cached), exist_ok=False))
    attempt(f"write {cached}", lambda: py_compile.compile("/tmp/evil.py", cached, doraise=True))
leave_checkpoint()
