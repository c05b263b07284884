"""The comparison of a container's view with what was asked, without an engine: recorded views, and doctored ones."""

from __future__ import annotations

import base64
import copy
import json
import shlex
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from runner import leak
from runner.errors import InfraError
from runner.jobs import check, check_machine
from runner.sandbox import view
from runner.sandbox.compare import DELEGATE, Asked, compare
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


ROOTLESS = "podman-4.3-rootless"  # on control groups of version 1
UNLIMITED = {"memory", "memory and swap", "processes at once", "processors"}


@pytest.mark.parametrize("stage", ["train", "model"])
@pytest.mark.parametrize("engine", sorted(set(RECORDS) - {ROOTLESS}))
def test_nothing_differs_in_what_was_recorded(engine: str, stage: str) -> None:
    found = findings(RECORDS[engine][stage])
    assert names(found, DIFFERS) == set()
    assert len(names(found, OK)) >= 28


def test_what_podman_does_otherwise_is_noted() -> None:
    found = findings(RECORDS["podman-4.3"]["train"])
    assert names(found, NOTE) == {"control groups"}


@pytest.mark.parametrize("stage", ["train", "model"])
def test_rootless_without_control_groups_of_version_2_nothing_but_their_limits_is_missing(stage: str) -> None:
    found = findings(RECORDS[ROOTLESS][stage])
    assert names(found, DIFFERS) == UNLIMITED
    assert {one.advice for one in found if one.name == "memory"} == {DELEGATE}


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
    ("a device of the machine", "other mounts", mounted("0:6 /kmsg /dev/kmsg rw,nosuid - devtmpfs devtmpfs rw")),
    ("another in place of a usual one", "other mounts", mounted("0:6 /vda /dev/null rw - devtmpfs devtmpfs rw")),
    ("a device in place of a mask", "other mounts", mounted("0:6 /vda /proc/keys rw - devtmpfs devtmpfs rw")),
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
    ("a name of the engine's own", "environment", put("environment", "container", to="podman")),
    ("another seed", "environment", put("environment", "RUNNER_SEED", to="8")),
    ("a file left open", "open files", put("fds", "7", to="/var/lib/docker")),
]  # fmt: skip


TUNNEL = edit("/proc/net/dev", "lo:", "tunl0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n lo:")
UP, POINT_TO_POINT, NO_ARP = 1, 0x10, 0x80  # netdevice(7)


@pytest.mark.parametrize(
    ("interfaces", "state"),
    [
        ({"lo": UP, "tunl0": NO_ARP}, NOTE),
        ({"lo": UP, "tunl0": NO_ARP | UP}, DIFFERS),
        ({"lo": UP}, DIFFERS),
        ({"lo": UP, "sit0": NO_ARP}, DIFFERS),
        ({"lo": UP, "tunl0": POINT_TO_POINT | NO_ARP}, NOTE),
    ],
    ids=["down", "up", "unknown", "another one down", "point to point"],
)
def test_the_kernels_own_tunnels_are_no_network_while_they_are_down(
    interfaces: dict[str, int], state: str
) -> None:
    """With the module of a tunnel loaded, each new namespace has one: tunl0, sit0 …"""
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    TUNNEL(record["raw"])
    record["raw"]["interfaces"] = interfaces
    assert [(one.state, one.found[:5]) for one in findings(record) if one.name == "network"] == [
        (state, "tunl0")
    ]


def test_the_probe_tells_an_interface_that_is_down_from_one_that_is_up() -> None:
    """By the kernel: loopback is down in a new namespace until someone with the right to do so raises it."""
    if not shutil.which("ip") or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    look = f"{shlex.quote(sys.executable)} -c 'from runner.sandbox import probe; print(probe.interfaces()[\"lo\"])'"
    command = ["unshare", "-rn", "sh", "-c", f"{look}; ip link set lo up; {look}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert [int(flags) & UP for flags in done.stdout.split()] == [0, UP]


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
OTHER = "GPU-99999999-2222-3333-4444-555555555555"
MIG = "MIG-aaaaaaaa-2222-3333-4444-555555555555"
CAPS = ("/dev/nvidia-caps/nvidia-cap12", "/dev/nvidia-caps/nvidia-cap13")


def with_gpu(
    *nodes: str, cuda: tuple[str, ...] = (GPU,), mounts: tuple[str, ...] = (), error: str = ""
) -> dict[str, Any]:
    """The record as if it had these device nodes, and CUDA had counted these GPUs; nodes: of GPU 0 unless given."""
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    raw = record["raw"]
    for node in (*(nodes or ("/dev/nvidia0",)), "/dev/nvidiactl", "/dev/nvidia-uvm"):
        raw["devices"][node] = "c 195:0"
    raw["cuda"] = {"error": error} if error else {"devices": [uuid.split("-", 1)[1] for uuid in cuda]}
    for at in ("/usr/lib/x86_64-linux-gnu/libcuda.so.1 ro,nosuid,nodev", *mounts):
        mounted(f"254:0 /x {at} - ext4 /dev/vda rw")(raw)
    return record


def without_gpu(cuda: dict[str, Any]) -> dict[str, Any]:
    record = copy.deepcopy(RECORDS["docker-20.10"]["train"])
    record["raw"]["cuda"] = cuda
    return record


@pytest.mark.parametrize(
    ("record", "gpu"),
    [
        (with_gpu(), GPU),
        (with_gpu("/dev/nvidia7"), GPU),
        (with_gpu("/dev/nvidia0", "/dev/dri/card1", "/dev/dri/renderD128", "/dev/nvidia-modeset"), GPU),
        (with_gpu("/dev/nvidia0", *CAPS, cuda=(MIG,)), MIG),
        (with_gpu(cuda=(GPU.upper(),)), GPU),
    ],
    ids=["the first", "the eighth", "with nodes of rendering", "a MIG instance", "in capitals"],
)
@pytest.mark.parametrize("mode", ["toolkit", "cdi"])
def test_exactly_the_assigned_gpu_is_what_must_be_seen(record: dict[str, Any], gpu: str, mode: str) -> None:
    found = findings(record, gpu=gpu, gpu_mode=mode)
    assert names(found, DIFFERS) == set()
    assert {"GPU", "GPU sharing"} <= names(found, OK)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (without_gpu({"error": "libcuda.so.1 cannot be loaded"}), "no device node of a GPU; libcuda.so.1 cannot"),
        (with_gpu("/dev/nvidia0", "/dev/nvidia1", cuda=(GPU, OTHER)), "2 GPUs by their device nodes"),
        (with_gpu("/dev/nvidia0", "/dev/nvidia1"), "2 GPUs by their device nodes"),
        (with_gpu(cuda=(GPU, OTHER)), "CUDA counts 2"),
        (with_gpu(cuda=(OTHER,)), "CUDA opens another, 99999999-"),
        (with_gpu(cuda=()), "CUDA counts none"),
        (with_gpu(error="cuInit says CUDA_ERROR_NO_DEVICE"), "CUDA_ERROR_NO_DEVICE"),
        (with_gpu(error="the CUDA driver broke off (11)"), "broke off"),
        (with_gpu("/dev/nvidia0", *CAPS), "capabilities of MIG beyond it"),
        (with_gpu("/dev/nvidia0", "/dev/dri/card0", "/dev/dri/card1"), "of several GPUs"),
        (with_gpu(cuda=("?-?",)), "CUDA opens another"),
    ],
    ids=["none", "two", "two nodes", "two by CUDA", "another", "not counted", "not opened", "a broken driver",
         "MIG's capabilities", "several for rendering", "no UUID"],
)  # fmt: skip
def test_a_gpu_request_that_was_ignored_or_overdone_is_named(record: dict[str, Any], words: str) -> None:
    found = findings(record, gpu=GPU, gpu_mode="toolkit")
    assert names(found, DIFFERS) == {"GPU"}
    told = next(one for one in found if one.name == "GPU")
    assert words in told.found
    assert "docs/gpu.md" in told.advice


def test_a_view_in_which_the_driver_was_not_asked_is_no_proof_of_a_gpu() -> None:
    record = with_gpu()
    del record["raw"]["cuda"]
    assert names(findings(record, gpu=GPU, gpu_mode="toolkit"), DIFFERS) == {"GPU"}


def test_a_third_capability_beside_a_mig_instances_two_is_named() -> None:
    record = with_gpu("/dev/nvidia0", *CAPS, "/dev/nvidia-caps/nvidia-cap21", cuda=(MIG,))
    assert names(findings(record, gpu=MIG, gpu_mode="cdi"), DIFFERS) == {"GPU"}


@pytest.mark.parametrize(
    "cuda",
    [{"devices": [GPU[4:]]}, {"devices": ["?"]}],
    ids=["one", "of an unknown name"],
)
def test_a_gpu_that_cuda_counts_where_none_was_asked_for_is_named(cuda: dict[str, Any]) -> None:
    assert names(findings(without_gpu(cuda)), DIFFERS) == {"GPU"}


@pytest.mark.parametrize("cuda", [{"error": "libcuda.so.1 cannot be loaded"}, {"devices": []}])
def test_a_driver_that_counts_nothing_is_no_gpu(cuda: dict[str, Any]) -> None:
    assert names(findings(without_gpu(cuda)), DIFFERS) == set()


ASKED_NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")


def by_nodes(record: dict[str, Any], *wanted: str) -> list[Finding]:
    """The findings where the GPU was passed by these nodes, and libcuda mounted by us."""
    library = {"Type": "bind", "Target": "/usr/lib/x86_64-linux-gnu/libcuda.so.1", "ReadOnly": True}
    record = copy.deepcopy(record)
    host = record["asked"]["body"]["HostConfig"]
    host["Devices"] = [{"PathInContainer": path} for path in wanted or ASKED_NODES]
    host["Mounts"] = [*host["Mounts"], library]
    return findings(record, gpu=GPU, gpu_mode="nodes")


def test_with_nodes_exactly_those_that_were_asked_for_are_seen() -> None:
    assert names(by_nodes(with_gpu()), DIFFERS) == set()


@pytest.mark.parametrize(
    ("node", "named"),
    [
        ("/dev/nvidia1", "GPU"),
        ("/dev/nvidia-modeset", "GPU"),
        ("/dev/nvidia-caps/nvidia-cap1", "GPU"),
        ("/dev/dri/card0", "devices"),
    ],
)
def test_with_nodes_one_that_was_not_asked_for_is_named(node: str, named: str) -> None:
    assert names(by_nodes(with_gpu("/dev/nvidia0", node)), DIFFERS) == {named}


def test_with_nodes_one_that_is_lost_is_named() -> None:
    assert names(by_nodes(with_gpu(), *ASKED_NODES, "/dev/nvidia-caps/nvidia-cap12"), DIFFERS) == {"GPU"}


def test_with_nodes_no_file_is_mounted_that_was_not_named() -> None:
    record = with_gpu(mounts=("/usr/bin/nvidia-smi ro,nosuid",))
    assert names(by_nodes(record), DIFFERS) == {"other mounts"}


# What the toolkit mounts for `compute` and `utility`; source: libnvidia-container, nvc_info.c.
PROGRAMS = ("nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nv-fabricmanager", "nvidia-cuda-mps-control",
            "nvidia-cuda-mps-server")  # fmt: skip
PARTS = ("libnvidia-ml", "libnvidia-cfg", "libnvidia-nscq", "libcuda", "libcudadebugger", "libnvidia-opencl",
         "libnvidia-gpucomp", "libnvidia-ptxjitcompiler", "libnvidia-nvvm", "libnvidia-tileiras")  # fmt: skip


@pytest.mark.parametrize("name", [*PROGRAMS, *(f"lib/{name}.so.580.95.05" for name in PARTS)])
def test_what_the_toolkit_mounts_of_the_driver_is_no_part_of_the_machine(name: str) -> None:
    at = f"/usr/{name}" if name.startswith("lib") else f"/usr/bin/{name}"
    assert names(findings(with_gpu(mounts=(f"{at} ro,nosuid,nodev",)), gpu=GPU), DIFFERS) == set()


def test_a_writable_part_of_the_driver_is_named() -> None:
    record = with_gpu(mounts=("/usr/bin/nvidia-smi rw,nosuid",))
    assert names(findings(record, gpu=GPU), DIFFERS) == {"other mounts"}
    record = with_gpu(mounts=("/usr/lib/x86_64-linux-gnu/libcuda.so.1 rw,nosuid",))
    assert "volumes" in names(by_nodes(record), DIFFERS)


def test_the_names_of_the_machines_other_gpus_are_noted() -> None:
    record = with_gpu()
    record["raw"]["gpus"] = {"0000:01:00.0": "GPU UUID: x", "0000:02:00.0": "GPU UUID: y"}
    assert "names of GPUs" in names(findings(record, gpu=GPU), NOTE)


@pytest.mark.parametrize(
    ("mounts", "variables"),
    [
        (("/tmp/nvidia-mps rw,nosuid",), {}),
        (("/tmp/nvidia-mps ro,nosuid",), {}),
        ((), {"CUDA_MPS_PIPE_DIRECTORY": "/tmp/pipe"}),
    ],
    ids=["its pipes", "its pipes read-only", "a variable"],
)
def test_a_multi_process_service_that_is_passed_on_is_named(
    mounts: tuple[str, ...], variables: dict[str, str]
) -> None:
    record = with_gpu(mounts=mounts)
    record["raw"]["environment"] |= variables
    assert "GPU sharing" in names(findings(record, gpu=GPU), DIFFERS)


def test_the_toolkits_sockets_of_nvidias_own_daemons_are_noted_and_no_other_socket_is_allowed() -> None:
    record = with_gpu(mounts=("/run/nvidia-persistenced/socket rw,nosuid",))
    record["raw"]["tree"]["sockets"] = ["/run/nvidia-persistenced/socket"]
    found = findings(record, gpu=GPU)
    assert names(found, DIFFERS) == set()
    assert "GPU daemons" in names(found, NOTE)
    record["raw"]["tree"]["sockets"] = ["/tmp/nvidia-mps/control"]
    assert names(findings(record, gpu=GPU), DIFFERS) == {"sockets"}
    assert "sockets" in names(
        findings({**record, "raw": with_gpu()["raw"] | {"tree": record["raw"]["tree"]}}), DIFFERS
    )


def test_the_toolkit_may_tell_the_driver_s_parts_in_any_order() -> None:
    record = with_gpu()
    record["asked"]["body"]["Env"].append("NVIDIA_DRIVER_CAPABILITIES=compute,utility")
    record["raw"]["environment"] |= {"NVIDIA_DRIVER_CAPABILITIES": "utility,compute"}
    assert names(findings(record, gpu=GPU), DIFFERS) == set()
    record["raw"]["environment"] |= {"NVIDIA_DRIVER_CAPABILITIES": "all"}
    assert names(findings(record, gpu=GPU), DIFFERS) == {"environment"}


def test_what_the_toolkit_says_in_a_variable_is_no_wall_and_what_it_passes_is() -> None:
    """Docker from 29.2 on answers a request by NVIDIA's CDI specification, in which the variable says `void`."""
    record = with_gpu()
    env = record["asked"]["body"]["Env"]
    env[:] = [word for word in env if not word.startswith("NVIDIA_VISIBLE_DEVICES=")]
    env.append(f"NVIDIA_VISIBLE_DEVICES={GPU}")
    record["raw"]["environment"] |= {"NVIDIA_VISIBLE_DEVICES": "void"}
    assert names(findings(record, gpu=GPU), DIFFERS) == set()
    record["raw"]["environment"] |= {"NVIDIA_VISIBLE_DEVICES": "all"}
    assert names(findings(record, gpu=GPU), DIFFERS) == {"environment"}


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


@pytest.mark.parametrize(("cgroup", "words"), [("v1", "not bounded"), ("v2", "as far as they are delegated")])
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
