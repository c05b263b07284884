"""What a GPU's compilers make of train.py, on a machine without a GPU, in the box and the image of trials.

    python tests/gpu/kernels.py
    python tests/gpu/kernels.py --vocab 2048 --window 256 --gpu H100 --gpu T4

A line for each kind of GPU: the type that it computes in, the attention that was chosen, the kernels of one pass
forward and back, for which architecture ptxas made them, inductor's own estimate of the pass's peak memory beside what
the GPU has, and the seconds until all were compiled, here. Nothing of it runs, and no speed follows from it.
Needs PyTorch's CUDA build, some gigabytes: where pip is pointed at builds for the CPU, `PIP_CONFIG_FILE=/dev/null`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import conftest  # noqa: E402

from runner.config import TrialSettings  # noqa: E402
from runner.sandbox import volumes  # noqa: E402
from runner.sandbox.box import Sandbox  # noqa: E402
from runner.sandbox.payloads import PLACES  # noqa: E402

LIMITS = TrialSettings(memory_mb=8192, pids=256)
# name: capability, GiB that CUDA reports as whole ones, bytes of shared memory that a block may have
GPUS = {
    "T4": (7, 5, 14, 65536),
    "A100": (8, 0, 39, 166912),
    "RTX 3090": (8, 6, 23, 101376),
    "RTX 4060": (8, 9, 7, 101376),
    "RTX 4080": (8, 9, 15, 101376),
    "RTX 4090": (8, 9, 23, 101376),
    "H100": (9, 0, 79, 232448),
    "B200": (10, 0, 178, 232448),
    "RTX 5090": (12, 0, 31, 101376),
}


def compiled(sandbox: Sandbox, tag: str, gpu: dict[str, Any]) -> dict[str, Any] | str:
    """What came out for `gpu`; the end of what was said where nothing did."""
    told = {"gpu.json": json.dumps(gpu).encode()}
    files = conftest.with_subject((HERE / "absent.py").read_bytes(), **told)
    with sandbox.box(tag, "0001", volumes.archive(files, PLACES), 700) as box:
        said = box.train(600, seed=1).log.decode(errors="replace")
    found = next((line[7:] for line in said.splitlines() if line.startswith("RESULT ")), None)
    return json.loads(found) if found else said[-1500:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="append", choices=GPUS)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--window", type=int, default=2048)
    given = parser.parse_args()
    print(
        "| GPU | parameters | type | tokens of a pass | attention | kernels | for | peak of memory | compiled in |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = 0
    with conftest.compilers(LIMITS) as (sandbox, tag):
        for name in given.gpu or GPUS:
            major, minor, gib, shared = GPUS[name]
            gpu = {"name": f"NVIDIA {name}", "major": major, "minor": minor, "gib": gib, "shared": shared}
            found = compiled(sandbox, tag, gpu | {"vocab": given.vocab, "window": given.window})
            if isinstance(found, str):
                print(f"| {name} | not compiled: {found}")
                failed += 1
                continue
            print(
                f"| {name} | {found['parameters'] / 1e6:.0f} M | {found['type']} | {found['tokens']:,} "
                f"| {', '.join(found['attention'])} | {found['kernels']} | {', '.join(found['architectures'])} "
                f"| {max(found['peaks']) / 2**30:.1f} of {gib} GiB | {found['seconds']:.1f} s |",
                flush=True,
            )
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
