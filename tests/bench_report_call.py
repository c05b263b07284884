"""What a call of `prepare.report` costs a training, and which share of a step that is.

    python tests/bench_report_call.py [STEP_MS]        # of a step of 100 ms

Lines go to a pipe that is read, as in a container. In a training all but five lines a second are dropped by the rate
limit; the second row is the price of a line that is written.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 7
CODE = """
import sys, time
import prepare
prepare.REPORT_SECONDS = float(sys.argv[1])
for _ in range(int(sys.argv[2])):
    began = time.process_time()
    for step in range(int(sys.argv[3])):
        prepare.report(step, 2.123456, 4096 * step, 12345.6, learning_rate=0.04)
    print((time.process_time() - began) / int(sys.argv[3]), file=sys.stderr)
"""


def microseconds(limit: float, calls: int) -> float:
    """Processor time of one call, the median of several rounds, in another process."""
    words = [sys.executable, "-c", CODE, str(limit), str(ROUNDS), str(calls)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return 1e6 * statistics.median(float(line) for line in done.stderr.split())


def main() -> None:
    step_ms = float(sys.argv[1]) if len(sys.argv) > 1 else 100.0
    dropped, written = microseconds(0.2, 200_000), microseconds(0.0, 20_000)
    every = max(1.0, 200 / step_ms)  # steps to a line, at five lines a second
    per_step = dropped + (written - dropped) / every
    print(f"a call within the rate limit, dropped   {dropped:8.2f} us")
    print(f"a call without the limit, written       {written:8.2f} us")
    print(f"a step of {step_ms:g} ms, one call in each     {100 * per_step / (1000 * step_ms):8.4f} %")


if __name__ == "__main__":
    main()
