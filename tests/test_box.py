"""The box on a real engine: its contract, its channel, its archive, and the end without the host's help.

What attacks it, and how it ends then: test_attacks_*.py.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attack_lab import ATTACKS, Arena

from runner.config import TrialSettings
from runner.errors import InfraError
from runner.sandbox import owner, volumes
from runner.sandbox.box import Sandbox, Trained
from runner.sandbox.container import Container
from runner.sandbox.reaper import reap
from runner.sandbox.spec import ContainerSpec, Limits
from runner.sandbox.stream import BoundedLog
from runner.scoring.protocol import ChannelClosed, ChannelTimeout, ModelFault
from runner.trial import Ending

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[1]
SMALL = TrialSettings(memory_mb=128, pids=32, out_mb=8, out_files=64, tmp_mb=8, shm_mb=8, log_kb=64)
CHECKPOINT = "import os\nos.makedirs('/out/checkpoint')\nopen('/out/checkpoint/model', 'w').write('x')\n"

Train = Callable[..., Trained]


@pytest.fixture
def train(sandbox: Sandbox, tag: str) -> Train:
    def run(source: str, budget: float = 20.0, host: str = "") -> Trained:
        files = {"prepare/__init__.py": b"", "prepare/model_host.py": host.encode()}
        code = volumes.archive({**files, "train/train.py": textwrap.dedent(source).encode()}, ("data",))
        with sandbox.box(tag, "0001", code, budget + 60) as box:
            return box.train(budget, seed=42)

    return run


def test_a_training_that_leaves_a_checkpoint_is_ok(train: Train, leftovers: Any) -> None:
    trained = train(CHECKPOINT + "print('done')")
    assert trained.outcome.ending is Ending.OK
    assert trained.outcome.overrun_seconds == 0
    assert b"done" in trained.log
    assert leftovers() == []


def test_the_contract_of_the_train_container(train: Train) -> None:
    trained = train(
        CHECKPOINT
        + """
import getpass, json, os, sys
def writable(path):
    try:
        open(os.path.join(path, 'x'), 'w').close()
        return True
    except OSError:
        return False
print('@@' + json.dumps({
    'argv': sys.argv, 'uid': os.getuid(), 'name': getpass.getuser(),
    'env': {k: os.environ[k] for k in os.environ if k.startswith('RUNNER_')},
    'writable': [p for p in '/ /lab /lab/train /lab/data /out /tmp /etc /opt/lab'.split() if writable(p)],
    'status': [l for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNewPrivs', 'Seccomp:', 'Groups'))],
    'interfaces': os.listdir('/sys/class/net'),
}))
"""
    )
    seen = json.loads(trained.log.split(b"@@")[1])
    assert seen["argv"] == ["/lab/train/train.py"]
    assert seen["env"] == {"RUNNER_BUDGET_SECONDS": "20", "RUNNER_DEVICE": "cpu", "RUNNER_SEED": "42"}
    assert seen["writable"] == ["/out", "/tmp"]
    assert (seen["uid"], seen["name"]) == (10001, "trial")
    assert seen["interfaces"] == ["lo"]
    status = dict(line.split(":", 1) for line in seen["status"])
    assert {k: v.strip() for k, v in status.items()} == {
        "CapInh": "0" * 16, "CapPrm": "0" * 16, "CapEff": "0" * 16, "CapBnd": "0" * 16, "CapAmb": "0" * 16,
        "NoNewPrivs": "1", "Seccomp": "2", "Groups": "",
    }  # fmt: skip


def test_more_processors_than_there_are_is_no_bound(sandbox: Sandbox, train: Train) -> None:
    sandbox.settings = replace(SMALL, cpus=4096)
    assert train(CHECKPOINT).outcome.ending is Ending.OK


def test_no_checkpoint_is_invalid(train: Train) -> None:
    assert train("print('val_bpb 0.1')").outcome.ending is Ending.INVALID


def test_peak_memory_is_measured(train: Train) -> None:
    trained = train(
        CHECKPOINT
        + "b = bytearray(64 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nimport time; time.sleep(1)"
    )
    assert trained.outcome.peak_memory_mb is not None
    assert 64 < trained.outcome.peak_memory_mb < 128


ECHO = """
import os, sys
while True:
    data = sys.stdin.buffer.read(4)
    if not data: break
    os.write(1, data.upper())
"""


def model(sandbox: Sandbox, tag: str, host: str, train_py: str = CHECKPOINT) -> Any:
    files = {
        "prepare/__init__.py": b"",
        "prepare/model_host.py": host.encode(),
        "train/train.py": train_py.encode(),
    }
    return sandbox.box(tag, "0002", volumes.archive(files, ("data",)), 120)


def test_the_channel_carries_bytes_both_ways(sandbox: Sandbox, tag: str, leftovers: Any) -> None:
    with model(sandbox, tag, ECHO) as box:
        box.train(20, 1)
        with box.channel("audit", 20) as channel:
            deadline = time.monotonic() + 10
            channel.send(b"abcdefgh", deadline)
            assert channel.receive(8, deadline) == b"ABCDEFGH"
            with pytest.raises(ChannelTimeout):
                channel.receive(1, time.monotonic() + 0.2)
    assert leftovers() == []


def test_a_closed_channel_is_closed_whole(sandbox: Sandbox, tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left for the collector to close, or to fail at where nobody sees it but the user."""
    failed: list[object] = []
    with model(sandbox, tag, ECHO) as box:
        box.train(20, 1)
        gc.collect()
        monkeypatch.setattr(sys, "unraisablehook", failed.append)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", ResourceWarning)
            with box.channel("audit", 20) as channel:
                channel.send(b"abcd", time.monotonic() + 10)
                assert channel.receive(4, time.monotonic() + 10) == b"ABCD"
            del channel
            gc.collect()
    assert (failed, warned) == ([], [])


def test_a_model_container_that_ends_is_a_crash_with_its_exit_code(sandbox: Sandbox, tag: str) -> None:
    with (
        model(sandbox, tag, "import os; os._exit(7)") as box,
        pytest.raises(ModelFault, match="exit code 7") as fault,
        box.channel("claims", 20) as channel,
    ):
        channel.receive(4, time.monotonic() + 10)
    assert fault.value.ending is Ending.CRASH


def test_a_model_container_sees_the_checkpoint_and_no_data_and_writes_nothing(
    sandbox: Sandbox, tag: str
) -> None:
    host = """
import os
seen = [open('/out/checkpoint/model').read(), str(os.listdir('/lab')), str(os.path.exists('/lab/data/train.npy'))]
for path in ('/out/x', '/out/checkpoint/x', '/lab/x'):
    try: open(path, 'w'); seen.append('wrote')
    except OSError: seen.append('no')
os.write(1, '|'.join(seen).encode().ljust(200))
"""
    with model(sandbox, tag, host) as box:
        box.train(20, 1)
        with box.channel("audit", 20) as channel:
            seen = channel.receive(200, time.monotonic() + 10).decode().split("|")
    assert seen[0] == "x"
    assert seen[2] == "False"
    assert [s.strip() for s in seen[3:]] == ["no", "no", "no"]


def test_two_model_containers_share_nothing_but_the_checkpoint(sandbox: Sandbox, tag: str) -> None:
    host = """
import os
found = [p for p in ('/tmp/m', '/dev/shm/m') if os.path.exists(p)]
for path in ('/tmp/m', '/dev/shm/m'): open(path, 'w').write('state')
os.write(1, str(len(found)).encode())
"""
    with model(sandbox, tag, host) as box:
        for phase in ("audit", "claims"):
            with box.channel(phase, 20) as channel:
                assert channel.receive(1, time.monotonic() + 10) == b"0"


def test_a_checkpoint_survives_as_an_archive_that_only_containers_open(
    sandbox: Sandbox, tag: str, tmp_path: Path
) -> None:
    host = "import os\nos.write(1, open('/out/checkpoint/model').read().encode())"
    with model(sandbox, tag, host) as box:
        box.train(20, 1)
        box.save_checkpoint(tmp_path / "checkpoint.tar")
    with model(sandbox, tag, host) as box:
        box.load_checkpoint(tmp_path / "checkpoint.tar")
        with box.channel("sample", 20) as channel:
            assert channel.receive(1, time.monotonic() + 10) == b"x"


def test_the_container_ends_by_itself_when_the_host_is_gone(arena: Arena) -> None:
    """PID 1 kills the payload at its limit, though the payload did all it can against PID 1."""
    with arena.box((ATTACKS / "time" / "freezes_pid_1.py").read_bytes()) as box:
        spec = replace(box.train_spec(60, 1), life_seconds=2.0)
        with Container(arena.engine, spec) as container:
            container.start()
            while container.state().get("Running") and time.monotonic() < container.started + 10:
                time.sleep(0.05)
            assert not container.state().get("Running")
            assert 1.5 < time.monotonic() - container.started < 6


def test_a_host_that_was_stopped_past_the_deadline_calls_it_the_deadlines_end(
    engine: Any, image: str, tag: str
) -> None:
    """A closed lid, a debugger: PID 1 ended the payload meanwhile, and its exit code 137 is no crash."""
    program = f"""
import time
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine
from runner.sandbox.spec import ContainerSpec, Limits
limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
labels = {{'autoresearch.run': {tag!r}}}
spec = ContainerSpec('autoresearch-{tag}', {image!r}, ('sleep', '60'), (), limits, 2.0, labels)
with Container(Engine(), spec) as container:
    container.start()
    print('started', flush=True)
    ended = container.wait(container.started + 1.0)
    print(ended.killed, ended.exit_code, ended.overrun_seconds > 0.5, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(4)
        os.kill(child.pid, signal.SIGCONT)
        assert child.stdout.read() == b"True None True\n"


def test_what_a_killed_process_left_is_reaped_and_a_living_runs_things_are_not(
    engine: Any, image: str, tag: str, leftovers: Any
) -> None:
    program = f"""
import os, sys, time
from runner.config import TrialSettings
from runner.sandbox.box import Sandbox
from runner.sandbox.engine import Engine
from runner.sandbox import volumes
with Sandbox(Engine(), {image!r}, TrialSettings(), 'unused').box({tag!r}, '0001', volumes.archive({{'x': b''}}), 60):
    print('made', flush=True)
    time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"made\n"
    before = leftovers()
    own = 1 if engine.needs_scratch else 0  # the keeper's /dev/shm
    assert len(before) == 3 + own  # keeper, /out, /lab
    reap(engine, tag)
    assert sorted(leftovers()) == sorted(before), "its owner lives"
    child.kill()
    child.wait()
    reap(engine, tag)
    assert leftovers() == []


def test_a_container_that_cannot_be_made_leaves_nothing(engine: Any, tag: str, leftovers: Any) -> None:
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    missing = ContainerSpec(
        f"autoresearch-{tag}", "sha256:" + "0" * 64, ("true",), (), limits, 9, owner.labels(tag, "1", 9)
    )
    with pytest.raises(InfraError, match="the image"), Container(engine, missing):
        raise AssertionError("it was made")
    assert leftovers() == []


def test_a_bounded_log_keeps_both_ends() -> None:
    log = BoundedLog(100)
    for number in range(1000):
        log.add(f"{number:04d}\n".encode())
    kept = log.value()
    assert kept.startswith(b"0000\n")
    assert kept.endswith(b"0999\n")
    assert b"4900 bytes left out" in kept


def test_a_closed_channel_says_so(sandbox: Sandbox, tag: str) -> None:
    with model(sandbox, tag, "pass") as box, box.channel("audit", 20) as channel, pytest.raises(ChannelClosed):
        channel.receive(1, time.monotonic() + 10)
