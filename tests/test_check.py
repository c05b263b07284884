"""The comparison of a container's view with what was asked, without an engine: recorded views, and doctored ones."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner import leak
from runner.errors import InfraError
from runner.jobs import check, check_machine
from runner.sandbox import view
from runner.sandbox.compare import Asked, compare
from runner.sandbox.engine import EngineInfo
from runner.sandbox.finding import DIFFERS, NOTE, OK, Finding

VIEWS = Path(__file__).parent / "views"
RECORDS = {path.stem: json.loads(path.read_text()) for path in sorted(VIEWS.glob("*.json"))}
Doctor = Callable[[dict[str, Any]], None]


def asked(record: dict[str, Any], **changes: Any) -> Asked:
    fields = record["asked"] | {"image_environment": frozenset(record["asked"]["image_environment"])}
    fields["bounds"] = {target: tuple(bound) for target, bound in fields["bounds"].items()}
    return Asked(**(fields | changes))


def findings(record: dict[str, Any], **changes: Any) -> list[Finding]:
    return compare(view.of(record["raw"]), asked(record, **changes))


def names(found: list[Finding], state: str) -> set[str]:
    return {one.name for one in found if one.state == state}


@pytest.mark.parametrize("stage", ["train", "model"])
@pytest.mark.parametrize("engine", sorted(RECORDS))
def test_nothing_differs_in_what_was_recorded(engine: str, stage: str) -> None:
    found = findings(RECORDS[engine][stage])
    assert names(found, DIFFERS) == set()
    assert len(names(found, OK)) >= 28


def test_what_podman_does_otherwise_is_noted() -> None:
    found = findings(RECORDS["podman-4.3"]["train"])
    assert names(found, NOTE) == {"size of /tmp", "size of /dev/shm", "control groups"}


def edit(text: str, old: str, new: str) -> Doctor:
    """A change of one of the texts of the record; what is not there cannot be changed."""

    def doctor(raw: dict[str, Any]) -> None:
        before = raw["texts"][text]
        raw["texts"][text] = before.replace(old, new)
        assert raw["texts"][text] != before

    return doctor


def put(key: str, *path: str, to: Any) -> Doctor:
    def doctor(raw: dict[str, Any]) -> None:
        inner = raw
        for word in (key, *path[:-1]) if path else ():
            inner = inner[word]
        last = path[-1] if path else key
        assert inner.get(last) != to
        inner[last] = to

    return doctor


def mounted(line: str) -> Doctor:
    def doctor(raw: dict[str, Any]) -> None:
        raw["texts"]["/proc/self/mountinfo"] += f"900 185 {line}\n"

    return doctor


def unmounted(target: str) -> Doctor:
    def doctor(raw: dict[str, Any]) -> None:
        lines = raw["texts"]["/proc/self/mountinfo"].splitlines()
        kept = [line for line in lines if line.split()[4] != target]
        assert len(kept) < len(lines)
        raw["texts"]["/proc/self/mountinfo"] = "\n".join(kept)

    return doctor


def limit(name: str, value: str) -> Doctor:
    """The hard limit of `name` is gone."""
    line = f"Max {name}".ljust(26) + value.ljust(21)
    return edit("/proc/self/limits", line + value.ljust(21), line + "unlimited".ljust(21))


def shared(kind: str) -> Doctor:
    """A namespace is the machine's own."""
    return put("namespaces", kind, to=RECORDS["docker-20.10"]["train"]["asked"]["outside"][kind])


STATUS, PID1, MOUNTS = "/proc/self/status", "/proc/1/status", "/proc/self/mountinfo"
ZERO, FULL = "0" * 16, "000001ffffffffff"
DOCTORED: list[tuple[str, str, Doctor]] = [
    ("root inside", "user", edit(STATUS, "Uid:\t10001\t10001\t10001\t10001", "Uid:\t0\t0\t0\t0")),
    ("a saved uid of root", "user", edit(STATUS, "Uid:\t10001\t10001\t10001\t10001", "Uid:\t10001\t10001\t0\t10001")),
    ("the group of root", "user", edit(STATUS, "Gid:\t10001\t10001", "Gid:\t0\t10001")),
    ("another group", "user", edit(STATUS, "Groups:\t", "Groups:\t998")),
    *[
        (f"{kind} capabilities", "capabilities", edit(STATUS, f"{kind}:\t{ZERO}", f"{kind}:\t{FULL}"))
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    ],
    ("new privileges", "no-new-privs", edit(STATUS, "NoNewPrivs:\t1", "NoNewPrivs:\t0")),
    ("new privileges of PID 1", "no-new-privs", edit(PID1, "NoNewPrivs:\t1", "NoNewPrivs:\t0")),
    ("no seccomp", "seccomp", edit(STATUS, "Seccomp:\t2", "Seccomp:\t0")),
    ("a filter that lets io_uring through", "system calls", put("calls", "io_uring_setup", to="EFAULT")),
    ("a filter that lets a namespace through", "system calls", put("calls", "unshare", to="done")),
    ("PID 1 is the program", "watchdog", edit(PID1, "Name:\ttimeout", "Name:\tpython")),
    ("PID 1 is the program's user", "watchdog", edit(PID1, "Uid:\t0\t0", "Uid:\t10001\t10001")),
    ("PID 1 may administer", "watchdog", edit(PID1, "CapBnd:\t00000000000001e0", "CapBnd:\t00000000002001e0")),
    ("a process of the machine", "processes", put("processes", "4321", to="sshd\n")),
    ("a writable root", "root", edit(MOUNTS, " / / ro,", " / / rw,")),
    ("a file in the root", "can write", put("writes", "/", to="yes")),
    ("a file in the lab", "can write", put("writes", "/lab/train", to="yes")),
    ("no file in /out", "can write", put("writes", "/out", to="EACCES")),
    ("a writable lab", "volumes", edit(MOUNTS, " / /lab ro,", " / /lab rw,nosuid,nodev,noexec,")),
    ("writable data", "volumes", edit(MOUNTS, "/lab/data ro,", "/lab/data rw,nosuid,nodev,noexec,")),
    ("no /out", "volumes", unmounted("/out")),
    ("setuid programs in /out", "volumes", edit(MOUNTS, "/out rw,nosuid,", "/out rw,")),
    ("programs in /out", "volumes", edit(MOUNTS, "/out rw,nosuid,nodev,noexec,", "/out rw,nosuid,nodev,")),
    ("programs in /tmp", "volumes", edit(MOUNTS, "/tmp rw,nosuid,nodev,noexec,", "/tmp rw,nosuid,nodev,")),
    ("/dev/shm of the machine", "volumes", unmounted("/dev/shm")),
    ("a folder of the machine", "other mounts", mounted("254:0 /home/me /home/me rw,relatime - ext4 /dev/vda rw")),
    ("a read-only one", "other mounts", mounted("254:0 /etc /etc ro,relatime - ext4 /dev/vda rw")),
    ("one that looks like the kernel's", "other mounts", mounted("254:0 /etc /proc/host ro - ext4 /dev/vda rw")),
    ("writable control groups", "other mounts", mounted("0:29 / /sys/fs/cgroup rw - cgroup2 cgroup rw")),
    ("the engine's socket", "sockets", put("tree", "sockets", to=["/run/docker.sock"])),
    ("the kernel's memory", "masked paths", put("hidden", "/proc/kcore", to="open")),
    ("the kernel's settings", "masked paths", put("unwritable", "/proc/sys", to=False)),
    ("/out without bound", "size of /out", put("sizes", "/out", to=[0, 0, 10001, 0o755])),
    ("/out with too many files", "size of /out", put("sizes", "/out", to=[1 << 30, 1 << 20, 10001, 0o755])),
    ("/out of another", "owner of /out", put("sizes", "/out", to=[1 << 30, 1000, 65534, 0o755])),
    ("/tmp too large", "size of /tmp", put("sizes", "/tmp", to=[1 << 40, 16384, 0, 0o1777])),
    ("/dev/shm too large", "size of /dev/shm", put("sizes", "/dev/shm", to=[1 << 40, 16384, 0, 0o1777])),
    ("no limit of memory", "memory", put("cgroup", "memory/memory.limit_in_bytes", to="9223372036854771712\n")),
    ("too much memory", "memory", put("cgroup", "memory/memory.limit_in_bytes", to=f"{5 << 30}\n")),
    ("swap besides", "memory and swap", put("cgroup", "memory/memory.memsw.limit_in_bytes", to=f"{8 << 30}\n")),
    ("no limit of processes", "processes at once", put("cgroup", "pids/pids.max", to="max\n")),
    ("no limit of processors", "processors", put("cgroup", "cpu/cpu.cfs_quota_us", to="-1\n")),
    ("core dumps", "process limits",
     limit("core file size", "0")),
    ("open files", "process limits",
     limit("open files", "4096")),
    ("a network", "network", edit("/proc/net/dev", "lo:", "eth0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n lo:")),
    ("the machine's abstract sockets", "abstract sockets",
     put("texts", "/proc/net/unix", to="Num RefCount\n0: 2 0 0 1 1 77 @/tmp/.X11-unix/X0\n")),
    ("the machine's ipc", "namespaces", shared("ipc")),
    ("the machine's processes", "namespaces",
     shared("pid")),
    ("a disk", "devices", put("devices", "/dev/vda", to="b 254:0")),
    ("a disk under a harmless name", "devices", put("devices", "/dev/null", to="b 254:0")),
    ("a GPU that was not asked for", "GPU", put("devices", "/dev/nvidia0", to="c 195:0")),
    ("a proxy of the engine's", "environment", put("environment", "HTTP_PROXY", to="http://10.0.0.1")),
    ("another seed", "environment", put("environment", "RUNNER_SEED", to="8")),
    ("a file left open", "open files", put("fds", "7", to="/var/lib/docker")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "doctor"), [d[1:] for d in DOCTORED], ids=[d[0] for d in DOCTORED])
def test_one_doctored_property_is_named(name: str, doctor: Doctor) -> None:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    doctor(record["raw"])
    found = findings(record)
    assert names(found, DIFFERS) == {name}
    told = next(one for one in found if one.name == name)
    assert told.found != told.expected
    assert told.advice


def version_two(raw: dict[str, Any], **values: str | None) -> None:
    """The record as if the control groups were of version 2."""
    raw["cgroup"] = dict.fromkeys(raw["cgroup"])
    raw["cgroup"] |= {
        "memory.max": f"{4 << 30}\n",
        "memory.swap.max": "0\n",
        "pids.max": "512\n",
        "cpu.max": "150000 100000\n",
    }
    raw["cgroup"] |= {name.replace("_", "."): value for name, value in values.items()}


def test_control_groups_of_version_2_are_read() -> None:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    version_two(record["raw"])
    assert names(findings(record), DIFFERS) == set()


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"memory_max": None, "memory_swap_max": None}, {"memory", "memory and swap"}),
        ({"memory_max": "max\n"}, {"memory", "memory and swap"}),
        ({"memory_swap_max": "max\n"}, {"memory and swap"}),
        ({"pids_max": None}, {"processes at once"}),
        ({"cpu_max": None}, {"processors"}),
        ({"cpu_max": "max 100000\n"}, {"processors"}),
    ],
)
def test_a_rootless_engine_without_delegation_loses_limits_and_is_told(
    values: dict[str, str | None], missing: set[str]
) -> None:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    version_two(record["raw"], **values)
    record["raw"]["texts"]["/proc/meminfo"] = "SwapTotal:  2097148 kB\n"
    found = findings(record, rootless=True)
    assert names(found, DIFFERS) == missing
    assert all("delegated" in one.advice for one in found if one.state == DIFFERS)


def test_without_swap_accounting_a_machine_without_swap_is_fine() -> None:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    record["raw"]["cgroup"]["memory/memory.memsw.limit_in_bytes"] = None
    assert names(findings(record), DIFFERS) == set()
    record["raw"]["texts"]["/proc/meminfo"] = "SwapTotal:  2097148 kB\n"
    assert names(findings(record), DIFFERS) == {"memory and swap"}


def test_a_remapped_root_is_shown() -> None:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    record["raw"]["texts"]["/proc/self/uid_map"] = (
        "         0       1000          1\n         1     100000      65536\n"
    )
    told = next(one for one in findings(record) if one.name == "user namespace")
    assert told.found == "root inside is uid 1000 outside"


GPU = "GPU-11111111-2222-3333-4444-555555555555"


def with_gpu(*nodes: str, uuids: tuple[str, ...] = (GPU,)) -> dict[str, Any]:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    for node in (*nodes, "/dev/nvidiactl", "/dev/nvidia-uvm"):
        record["raw"]["devices"][node] = "c 195:0"
    record["raw"]["gpus"] = {f"0000:0{i}:00.0": f"GPU UUID: \t {uuid}\n" for i, uuid in enumerate(uuids)}
    mounted("254:0 /usr/lib/libcuda.so.1 /usr/lib/x86_64-linux-gnu/libcuda.so.1 ro,nosuid - ext4 /dev/vda rw")(
        record["raw"]
    )
    return record


def test_exactly_the_assigned_gpu_is_what_must_be_seen() -> None:
    assert names(findings(with_gpu("/dev/nvidia0"), gpu=GPU), DIFFERS) == set()


@pytest.mark.parametrize(
    "record",
    [
        with_gpu(uuids=()),
        with_gpu("/dev/nvidia0", "/dev/nvidia1"),
        with_gpu("/dev/nvidia0", uuids=("GPU-other",)),
        with_gpu("/dev/nvidia0", uuids=(GPU, "GPU-other")),
    ],
    ids=["none", "two", "another", "two by the driver"],
)
def test_a_gpu_request_that_was_ignored_or_overdone_is_named(record: dict[str, Any]) -> None:
    assert names(findings(record, gpu=GPU), DIFFERS) == {"GPU"}


def test_a_writable_part_of_the_driver_is_named() -> None:
    record = with_gpu("/dev/nvidia0")
    mounted("254:0 /x /usr/bin/nvidia-smi rw,nosuid - ext4 /dev/vda rw")(record["raw"])
    assert names(findings(record, gpu=GPU), DIFFERS) == {"other mounts"}


def answer(raw: Any) -> bytes:
    packed = base64.b64encode(zlib.compress(json.dumps(raw).encode()))
    return b"VIEW %010d\n" % len(packed) + packed


def test_an_answer_is_found_in_the_middle_of_other_output() -> None:
    raw = RECORDS["docker-20.10"]["train"]["raw"]
    assert view.parse(b"a warning of Python\n" + answer(raw) + b"\nbye").status["Seccomp"] == "2"


@pytest.mark.parametrize(
    "said",
    [b"", b"python: not found", b"VIEW 0000000010\nabc", b"VIEW 0000000004\nAAAA", answer({}), answer([1]),
     answer({"texts": {}}), answer("x" * (17 << 20)), bytes(17 << 20)],
    ids=["nothing", "a message", "cut short", "garbage", "empty", "a list", "half", "a bomb", "too much"],
)  # fmt: skip
def test_an_answer_that_is_none_is_the_engines_fault(said: bytes) -> None:
    with pytest.raises(InfraError, match="did not tell what it sees"):
        view.parse(said)


def info(**changes: Any) -> EngineInfo:
    given = {
        "name": "docker",
        "version": "27.0",
        "kernel": "6.8",
        "cgroup": "v2",
        "rootless": True,
        "url": "unix:///x",
    }
    return EngineInfo(**(given | changes))


@pytest.mark.parametrize(
    ("cgroup", "words"), [("v1", "no limit holds"), ("v2", "as far as they are delegated")]
)
def test_a_rootless_engine_is_said_to_be_one(cgroup: str, words: str) -> None:
    found = check_machine.of_info(
        info(cgroup=cgroup), "1.46", {"SecurityOptions": ["name=seccomp", "name=rootless"]}
    )
    told = next(one for one in found if one.name == "rootless")
    assert told.state == NOTE
    assert words in told.found


def test_an_engine_older_than_docker_20_10_is_missing_something() -> None:
    told = next(iter(check_machine.of_info(info(rootless=False), "1.40", {})))
    assert (told.name, told.state) == ("engine", "missing")


def test_what_an_engine_says_it_cannot_limit_is_noted() -> None:
    raw = {"MemoryLimit": False, "PidsLimit": True}
    assert any("MemoryLimit" in one.found for one in check_machine.of_info(info(), "1.46", raw))


def test_the_page_joins_what_both_containers_say_and_names_what_differs() -> None:
    same, other = (
        Finding("root", OK, "read-only", "read-only"),
        Finding("network", DIFFERS, "none", "eth0", "mend it"),
    )
    page = check.Page(train=[same, other], model=[same, Finding("network", OK, "none", "none")])
    text = "\n".join(check.lines(page, 100))
    assert text.count("root ") == 1
    assert "network, train" in text
    assert "expected: none" in text
    assert "mend it" in text
    assert "Not ready: network" in text
    assert not page.good


def test_the_page_obeys_no_control_codes_from_a_container() -> None:
    page = check.Page(train=[Finding("other mounts", DIFFERS, "none", "/\x1b[2Jx\n/y", "")])
    assert all("\x1b[2J" not in line and "\n" not in line for line in check.lines(page, 80))


def tokens(count: int, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 2048, size=count).astype(np.uint16)


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def test_hidden_tokens_that_are_not_there_are_not_found() -> None:
    wanted = leak.needles("val", tokens(10_000, 1), 32, 7)
    given = tokens(100_000, 2).tobytes()
    assert leak.search(chunks(given, 1000), wanted) == (set(), set(), len(given))


@pytest.mark.parametrize("size", [100, 4096, 1 << 20])
def test_a_hidden_split_in_the_middle_of_a_file_is_found_whole(size: int) -> None:
    hidden = tokens(10_000, 1)
    wanted = leak.needles("val", hidden, 32, 7)
    given = tokens(5001, 2).tobytes() + b"x" + hidden.tobytes() + tokens(999, 3).tobytes()
    short, long, whole = leak.search(chunks(given, size), wanted, 5000)  # runs lie across blocks
    assert (len(short), len(long), whole) == (32, 32, len(given))


def test_a_phrase_that_both_texts_share_is_no_leak() -> None:
    hidden = tokens(10_000, 1)
    wanted = leak.needles("val", hidden, 8, 7)
    given = tokens(100, 2).tobytes() + wanted[3].short + tokens(100, 3).tobytes()
    assert leak.search([given], wanted)[:2] == ({3}, set())


def test_a_split_shorter_than_a_run_is_looked_for_whole() -> None:
    hidden = tokens(20, 1)
    wanted = leak.needles("holdout", hidden, 3, 7)
    assert leak.search([b"abc" + hidden.tobytes()], wanted)[1] == {0, 1, 2}
