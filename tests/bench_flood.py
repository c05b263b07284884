"""Host memory of the program while a training floods its log, and the size of the log that it stores.

    .venv/bin/python tests/bench_flood.py --seconds 60

`runner trial` runs as a user runs it; its peak resident memory is the kernel's own mark (VmHWM of proc(5)), read until
it ends. Two floods: lines, and one line without an end, of bytes that are no text.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import walklab

FLOODS = Path(__file__).parent / "labs" / "busy"


@dataclass(frozen=True)
class Flood:
    """peak_mb: of the program, at any time. before_mb: before the training. log: what was stored of `written_mb`."""

    peak_mb: float
    before_mb: float
    written_mb: float
    log: bytes
    result: dict[str, Any]


def _peak_mb(pid: int) -> float:
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def flood(lab: Path, source: Path, seconds: float) -> Flood:
    """One trial of `source`, watched from outside."""
    process = walklab.runner(lab, "trial", "--budget", f"{seconds:g}", "--train", str(source), "--json")
    began, before, peak = time.monotonic(), 0.0, 0.0
    while process.poll() is None:
        peak = max(peak, _peak_mb(process.pid))
        if time.monotonic() < began + 0.7:  # the libraries are there, the container is not
            before = peak
        time.sleep(0.02)
    out, err = process.communicate()
    assert out, err
    result = json.loads(out)
    path = Path(result["log"])
    log = path.read_bytes()
    shutil.rmtree(path.parent)
    gap = re.search(rb"\[\.\.\. (\d+) bytes left out", log)
    return Flood(peak, before, ((int(gap[1]) if gap else 0) + len(log)) / 1e6, log, result)


def main() -> None:
    from runner.sandbox.engine import Engine

    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-flood-") as folder:
        lab = walklab.make(Path(folder) / "lab")
        try:
            for name in ("flood_lines", "flood_bytes"):
                found = flood(lab, FLOODS / f"{name}.py", given.seconds)
                print(
                    f"{name:12} wrote {found.written_mb:9.0f} MB, stored {len(found.log) / 1e6:6.2f} MB; program's "
                    f"memory {found.before_mb:5.0f} MB before, {found.peak_mb:5.0f} MB at most; "
                    f"ended {found.result['ending']}, {found.result['overrun_seconds']:.2f} s late"
                )
        finally:
            walklab.clean(lab, "trial", Engine())


if __name__ == "__main__":
    main()
