"""The box on a real engine: each ending, the deadline, the walls, and nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.config import TrialSettings
from runner.sandbox import volumes
from runner.sandbox.box import Sandbox, Trained
from runner.sandbox.container import Container
from runner.sandbox.reaper import reap
from runner.sandbox.spec import ContainerSpec, Limits
from runner.sandbox.stream import BoundedLog
from runner.scoring.protocol import ChannelClosed, ChannelTimeout, ModelFault
from runner.trial import Ending

pytestmark = pytest.mark.engine
SMALL = TrialSettings(memory_mb=128, pids=32, out_mb=8, out_files=64, tmp_mb=8, shm_mb=8, log_kb=64)
CHECKPOINT = "import os\nos.makedirs('/out/checkpoint')\nopen('/out/checkpoint/model', 'w').write('x')\n"

Train = Callable[..., Trained]


@pytest.fixture
def sandbox(engine: Any, image: str, tag: str) -> Any:
    name = f"autoresearch-{tag}-data"
    engine.api.create_volume(name, labels={"autoresearch.run": f"{tag}-data"})
    yield Sandbox(engine, image, SMALL, name)
    engine.api.remove_volume(name, force=True)


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
import json, os, sys
def writable(path):
    try:
        open(os.path.join(path, 'x'), 'w').close()
        return True
    except OSError:
        return False
print('@@' + json.dumps({
    'argv': sys.argv, 'uid': os.getuid(),
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
    assert seen["uid"] == 10001
    assert seen["interfaces"] == ["lo"]
    status = dict(line.split(":", 1) for line in seen["status"])
    assert {k: v.strip() for k, v in status.items()} == {
        "CapInh": "0" * 16, "CapPrm": "0" * 16, "CapEff": "0" * 16, "CapBnd": "0" * 16, "CapAmb": "0" * 16,
        "NoNewPrivs": "1", "Seccomp": "2", "Groups": "",
    }  # fmt: skip


def test_the_deadline_kills_what_ignores_every_signal(train: Train, leftovers: Any) -> None:
    source = """
        import signal, time
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: time.sleep(1)
    """
    trained = train(source, budget=2.0)
    assert trained.outcome.ending is Ending.TIMEOUT
    assert 2.0 <= trained.outcome.train_seconds < 4.0
    assert trained.outcome.overrun_seconds < 2.0
    assert leftovers() == []


def test_a_checkpoint_written_in_time_counts_though_the_process_was_killed(train: Train) -> None:
    assert train(CHECKPOINT + "import time; time.sleep(60)", budget=2.0).outcome.ending is Ending.OK


@pytest.mark.parametrize("code", [1, 124, 137, 143])
def test_an_exit_code_of_its_own_is_a_crash(train: Train, code: int) -> None:
    outcome = train(f"import sys; sys.exit({code})").outcome
    assert (outcome.ending, outcome.exit_code) == (Ending.CRASH, code)


def test_no_checkpoint_is_invalid(train: Train) -> None:
    assert train("print('val_bpb 0.1')").outcome.ending is Ending.INVALID


BIND = "import socket; socket.socket(socket.AF_UNIX).bind('/out/checkpoint{}')"


@pytest.mark.parametrize("left", ["os.symlink('/lab', '/out/checkpoint')", "os.mkdir('/out/checkpoint')",
                                  "os.mkdir('/out/checkpoint'); os.symlink('/lab', '/out/checkpoint/a')",
                                  BIND.format(""), "os.mkdir('/out/checkpoint'); " + BIND.format("/a")])  # fmt: skip
def test_a_checkpoint_that_is_no_folder_with_a_file_is_invalid(train: Train, left: str) -> None:
    assert train(f"import os\n{left}").outcome.ending is Ending.INVALID


@pytest.mark.parametrize("made", ["os.mkfifo('/out/a')", "os.mknod('/out/a', 0o20666, os.makedev(1, 3))"])
def test_fifos_and_devices_cannot_be_made(train: Train, made: str) -> None:
    trained = train(f"import os\n{made}")
    assert trained.outcome.ending is Ending.CRASH
    assert b"PermissionError" in trained.log


def test_a_memory_bomb_is_oom(train: Train) -> None:
    assert train("b = []\nwhile True: b.append(bytearray(4 << 20))").outcome.ending is Ending.OOM


def test_a_memory_bomb_in_a_child_is_oom(train: Train) -> None:
    source = """
        import subprocess, sys
        done = subprocess.run([sys.executable, '-c', 'b = []\\nwhile True: b.append(bytearray(4 << 20))'])
        sys.exit(1 if done.returncode else 0)
    """
    assert train(source).outcome.ending is Ending.OOM


@pytest.mark.parametrize("fill", ["open('/out/a', 'wb').write(bytes(64 << 20))",
                                  "[open(f'/out/{i}', 'w').close() for i in range(1000)]"])  # fmt: skip
def test_a_full_out_is_overflow(train: Train, fill: str) -> None:
    assert train(fill).outcome.ending is Ending.OVERFLOW


def test_a_log_without_end_costs_a_bounded_file_with_head_and_tail(train: Train) -> None:
    source = """
import os
print('the head', flush=True)
for _ in range(4000): os.write(1, b'x' * 65536)
print('\\nthe tail', flush=True)
"""
    log = train(source).log
    assert b"the head" in log
    assert b"the tail" in log
    assert len(log) < 70_000


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


def test_the_container_ends_by_itself_when_the_host_is_gone(engine: Any, image: str, tag: str) -> None:
    """PID 1 kills the payload at its limit; the payload can neither kill nor trace nor stop PID 1."""
    source = """
import ctypes, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def refused(call):
    try: call()
    except PermissionError: return True
    return False
attached = ctypes.CDLL(None).ptrace(16, 1, 0, 0)
print(refused(lambda: os.kill(1, 9)), refused(lambda: os.kill(1, 19)), attached, flush=True)
time.sleep(60)
"""
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    labels = {"autoresearch.run": tag}
    spec = ContainerSpec(f"autoresearch-{tag}", image, ("python", "-c", source), (), limits, 2.0, labels)
    with Container(engine, spec) as container:
        attached = container.attach()
        container.start()
        said = attached.receive(time.monotonic() + 10)[1]
        began = time.monotonic()
        while container.state().get("Running") and time.monotonic() < began + 10:
            time.sleep(0.05)
        assert not container.state().get("Running")
        assert said.split() == [b"True", b"True", b"-1"]


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
    assert len(before) == 3  # keeper, /out, /lab
    reap(engine, tag)
    assert sorted(leftovers()) == sorted(before), "its owner lives"
    child.kill()
    child.wait()
    reap(engine, tag)
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
