"""The proof on a GPU: run where there is one; rehearsed on the CPU everywhere, so that it works on the day."""

import subprocess
from pathlib import Path

import pytest

from runner.machine.gpu import gpus

RUN = Path(__file__).parent / "gpu" / "run"


def proof(*arguments: str, seconds: float) -> tuple[int, dict[str, list[str]]]:
    """Exit code, and of each row of the printed table its other cells."""
    done = subprocess.run([str(RUN), *arguments], capture_output=True, text=True, timeout=seconds)
    lines = [line.strip("| \n") for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert lines, done.stderr
    return done.returncode, {cells[0]: cells[1:] for cells in (line.split(" | ") for line in lines)}


@pytest.mark.engine
def test_the_proof_is_rehearsed_on_the_cpu(engine, image):
    status, rows = proof("--device", "cpu", "--budget", "20", "--honest", "1", "--source", "tales", seconds=400)
    assert rows["GPUs seen from within"][0] == "none"
    assert rows["a busy training ends by its kill"][0] in ("timeout", "invalid")
    assert any(name.startswith("val_bpb of train.py") for name in rows)
    assert rows["honest models refused (bfloat16, float32, autocast)"][0].startswith("0 of 1")
    assert rows["containers and volumes left"][0] == "0"
    assert status == 0


@pytest.mark.gpu
@pytest.mark.slow
def test_the_proof_holds_on_this_gpu():
    if not gpus():
        pytest.skip("no NVIDIA GPU answers on this machine")
    status, rows = proof(seconds=1800)
    assert status == 0, rows
