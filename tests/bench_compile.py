"""What torch.compile takes in the box: without a place for compiled code, with one, with the copy made ahead.

    python tests/bench_compile.py

Inductor on the CPU stands in for a GPU's compilers, in an image with gcc and g++, which is built if it is not there
(where pip is pointed at builds for the CPU: `PIP_CONFIG_FILE=/dev/null`, and without PIP_FIND_LINKS).
The loss of the lab's train.py at a small size, compiled with its gradients; each line is a container of its own.
"""

from __future__ import annotations

import time

import conftest

from runner.config import TrialSettings
from runner.sandbox import volumes
from runner.sandbox.box import Sandbox
from runner.sandbox.compiled import compiled_volume
from runner.sandbox.payloads import PLACES

LIMITS = TrialSettings(memory_mb=8192, pids=256)
PROGRAM = """
import os, sys, time
sys.path.insert(0, '/lab/train')
import torch
import subject
os.makedirs('/out/checkpoint')
open('/out/checkpoint/model', 'w').write('x')
model = subject.Model(vocab=97, window=32, depth=2, width=64, heads=2, head_dim=32, hidden=128, bigrams=128)
model.compute = torch.bfloat16
tokens, targets = torch.randint(97, (8, 32)), torch.randint(97, (8, 32))
began = time.monotonic()
try:
    torch.compile(model.loss, dynamic=False)(tokens, targets).backward()
    print('RESULT compiled in %.1f s' % (time.monotonic() - began))
except Exception as error:
    print('RESULT does not compile:', ' '.join(str(error).split())[:240])
"""


def once(sandbox: Sandbox, tag: str) -> str:
    code = volumes.archive(conftest.with_subject(PROGRAM), PLACES)
    with sandbox.box(tag, "0001", code, 400) as box:
        said = box.train(300, seed=1).log.decode(errors="replace")
    return next((line[7:] for line in said.splitlines() if line.startswith("RESULT ")), said[-300:])


def main() -> None:
    with conftest.compilers(LIMITS) as (sandbox, tag):
        sandbox.compiles = False
        print("no place for it   ", once(sandbox, tag), flush=True)
        sandbox.compiles = True
        for _ in range(2):
            print("a place, empty    ", once(sandbox, tag), flush=True)
        began = time.monotonic()
        sandbox.compiled = compiled_volume(sandbox, tag, print)
        print(f"made ahead, once   in {time.monotonic() - began:.1f} s", flush=True)
        for _ in range(2):
            print("a place, its copy ", once(sandbox, tag), flush=True)


if __name__ == "__main__":
    main()
