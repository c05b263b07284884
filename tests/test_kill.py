"""The kill on time, with small numbers; `tests/bench_kill.py` and `tests/bench_flood.py` measure it in earnest."""

from __future__ import annotations

import ast
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench_flood
import bench_kill
import pytest
import walklab
from conftest import ROOT

pytestmark = pytest.mark.engine
CLOCKS = {"time", "time_ns", "localtime", "gmtime", "ctime"}  # of the module time: they follow a step
# The one use of the wall clock beside the deadline: a label that another machine's process can compare with its own.
STEPPED = {("sandbox/owner.py", "time"), ("sandbox/visit.py", "time")}  # a label; the age of files for a person


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, engine: Any, image: str) -> Iterator[Path]:
    lab = walklab.make(tmp_path_factory.mktemp("kill") / "lab")
    yield lab
    walklab.clean(lab, "trial", engine)


def test_a_training_that_will_not_end_is_gone_at_its_deadline_by_every_clock(engine: Any, image: str) -> None:
    found = bench_kill.kills(engine, image, 3)
    assert [kill.ending for kill in found] == ["timeout"] * 3
    for kill in found:
        assert 0 <= kill.product < 2
        assert -0.05 < kill.engine < 2, "the engine's clock may step; this bound is wide"
        assert 0 <= kill.kernel < 2
        # Podman says that a container is gone once it has put it away, and the program counts that as overrun.
        late = 1.0 if engine.info.name == "podman" else 0.05
        assert kill.kernel > kill.product - late, "the kernel's clock began first"


def test_when_the_program_is_killed_its_container_ends_alone_and_the_next_start_tidies_up(
    engine: Any, lab: Path
) -> None:
    living = walklab.runner(lab, "trial", "--budget", "90")  # a second run on the same machine
    bench_kill.train_container(engine, living.pid)
    its = walklab.owned_by(engine, living.pid)
    for _ in range(6):  # other tests' programs tidy up too when they start: then it is tried again
        found = bench_kill.orphan(engine, lab, budget=2.5)
        assert found.reaped
        if not found.helped:
            break
    assert found.kill_to_deadline > 0
    assert 0 < found.late < 5
    assert walklab.owned_by(engine, living.pid) == its, "what a living run owns is left alone"
    living.terminate()
    code, out, err = walklab.ended(living)
    assert code == 130, err + out
    assert walklab.owned_by(engine, living.pid) == []


def test_a_program_that_was_stopped_past_the_deadline_calls_it_a_timeout(engine: Any, lab: Path) -> None:
    """Ctrl-Z, a debugger, a frozen group: the container ends by itself, and that is no crash of the training."""
    train = bench_kill.BUSY / "train.py"
    process = walklab.runner(lab, "trial", "--budget", "2", "--train", str(train), "--json")
    life = bench_kill.Life(engine, bench_kill.train_container(engine, process.pid))
    process.send_signal(signal.SIGSTOP)
    try:
        assert life.end(30) - life.started - 2 < 5
    finally:
        process.send_signal(signal.SIGCONT)
    code, out, err = walklab.ended(process)
    assert code == 1, err
    assert '"ending": "timeout"' in out


@pytest.mark.parametrize("name", ["flood_lines", "flood_bytes"])
def test_a_flooded_log_costs_the_host_bounded_memory_and_a_bounded_file(lab: Path, name: str) -> None:
    found = bench_flood.flood(lab, bench_flood.FLOODS / f"{name}.py", 3.0)
    assert found.written_mb > 50, "it was a flood"
    assert found.peak_mb < 200
    assert found.log.startswith(b"the head")
    assert len(found.log) < 4 << 20  # 1 MiB is kept, of which what is no text takes up to three times its room
    assert found.result["ending"] in ("timeout", "overflow")


def reads_the_wall_clock(path: Path) -> set[str]:
    """Names of functions of `time`, and of now() and today(), called or passed on in a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            of_time = node.value.id == "time" and node.attr in CLOCKS
            if of_time or (node.value.id in ("datetime", "date") and node.attr in ("now", "utcnow", "today")):
                found.add(node.attr)
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {alias.name for alias in node.names if alias.name in CLOCKS}
    return found


def test_no_deadline_of_the_box_or_of_the_scoring_reads_a_clock_that_can_be_stepped() -> None:
    packages = [path for part in ("sandbox", "scoring") for path in (ROOT / "runner" / part).glob("*.py")]
    modules = [*packages, *(ROOT / "runner" / name for name in ("loop.py", "evaluate.py"))]
    found = {
        (str(path.relative_to(ROOT / "runner")), name)
        for path in modules
        for name in reads_the_wall_clock(path)
    }
    assert found == STEPPED
