"""Every isolation flag, without an engine."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from runner.sandbox.gpu_words import GpuAccess
from runner.sandbox.spec import ContainerSpec, Limits, Mount, body

LIMITS = Limits(memory_mb=100, cpus=1.5, pids=32, tmp_mb=8, shm_mb=4)
SPEC = ContainerSpec(
    name="n",
    image="sha256:0",
    command=("python", "/lab/train/train.py"),
    mounts=(Mount("out", "/out", read_only=False), Mount("code", "/lab")),
    limits=LIMITS,
    life_seconds=35.0,
    labels={"autoresearch": "trial"},
    environment={"RUNNER_SEED": "7"},
)
HOST = body(SPEC)["HostConfig"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("NetworkMode", "none"),
        ("ReadonlyRootfs", True),
        ("Privileged", False),
        ("CapDrop", ["ALL"]),
        ("IpcMode", "private"),
        ("Memory", 100 << 20),
        ("MemorySwap", 100 << 20),
        ("PidsLimit", 32),
        ("NanoCpus", 1_500_000_000),
        ("ShmSize", 4 << 20),
        ("Devices", []),
        ("DeviceRequests", []),
        ("AutoRemove", False),
    ],
)
def test_flag(flag: str, value: object) -> None:
    assert HOST[flag] == value


def test_nothing_is_mounted_from_the_hosts_files() -> None:
    assert "Binds" not in HOST
    assert {m["Type"] for m in HOST["Mounts"]} == {"volume"}
    assert {m["Target"]: m["ReadOnly"] for m in HOST["Mounts"]} == {"/out": False, "/lab": True}


def test_the_payload_drops_everything_before_it_starts() -> None:
    command = body(SPEC)["Cmd"]
    assert command[:3] == ["timeout", "--signal=KILL", "35.0"]
    setpriv = command[command.index("setpriv") : command.index("--")]
    for flag in ("--reuid=10001", "--regid=10001", "--clear-groups", "--bounding-set=-all", "--no-new-privs"):
        assert flag in setpriv
    assert command[command.index("--") + 1 :] == list(SPEC.command)


def test_the_payload_gets_the_named_variables_of_spec_and_image_and_no_other() -> None:
    given = {"RUNNER_SEED": "7 8; exit 3", "B": "$(false)", "LINES": "1\n2"}
    asked = body(replace(SPEC, environment=given), ["OF_IMAGE", "no-name; exit 4"])
    only = asked["Cmd"][3 : asked["Cmd"].index("setpriv")]
    wanted = dict(word.split("=", 1) for word in asked["Env"]) | {"OF_IMAGE": "x", "PATH": "/usr/bin:/bin"}
    outside = {**wanted, "HTTP_PROXY": "http://10.0.0.1", "TERM": "xterm", "HOSTNAME": "box"}
    told = subprocess.run([*only, "env", "-0"], env=outside, capture_output=True, text=True, check=True).stdout
    inside = dict(line.split("=", 1) for line in told.split("\0") if line)
    assert inside == wanted
    assert given.items() <= inside.items()


def test_no_value_of_a_variable_stands_in_the_arguments_of_pid_1() -> None:
    assert not any("secret" in word for word in body(replace(SPEC, environment={"KEY": "secret"}))["Cmd"])


def test_only_the_watchdog_has_capabilities_and_a_keeper_has_none() -> None:
    assert HOST["CapAdd"] == ["KILL", "SETGID", "SETPCAP", "SETUID"]
    assert body(replace(SPEC, payload=False))["HostConfig"]["CapAdd"] == []


def test_the_environment_is_the_named_list() -> None:
    assert body(SPEC)["Env"] == ["NVIDIA_VISIBLE_DEVICES=void", "RUNNER_SEED=7"]


def test_core_dumps_and_open_files_are_limited() -> None:
    limits = {u["Name"]: u["Hard"] for u in HOST["Ulimits"]}
    assert limits["core"] == 0
    assert limits["nofile"] == 4096


def test_a_gpu_is_passed_by_its_own_name_and_alone() -> None:
    gpu = GpuAccess("toolkit", "GPU-1", "GPU-1")
    requests = body(replace(SPEC, gpu=gpu))["HostConfig"]["DeviceRequests"]
    assert [r["DeviceIDs"] for r in requests] == [["GPU-1"]]


DENIED = [
    "add_key",
    "bpf",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kcmp",
    "kexec_load",
    "keyctl",
    "mount",
    "move_mount",
    "fsopen",
    "open_tree",
    "name_to_handle_at",
    "open_by_handle_at",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "setns",
    "settimeofday",
    "swapon",
    "umount2",
    "unshare",
    "userfaultfd",
    "mknod",
    "mknodat",
    "chroot",
]


@pytest.mark.parametrize("call", DENIED)
def test_the_seccomp_profile_denies(call: str) -> None:
    profile = seccomp()
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert not [
        rule for rule in profile["syscalls"] if call in rule["names"] and rule["action"] == "SCMP_ACT_ALLOW"
    ]


def test_the_seccomp_profile_allows_clone_without_new_namespaces_only() -> None:
    [clone] = [rule for rule in seccomp()["syscalls"] if "clone" in rule["names"]]
    [argument] = clone["args"]
    assert argument["op"] == "SCMP_CMP_MASKED_EQ"
    assert argument["valueTwo"] == 0
    namespaces = {"TIME": 0x80, "NS": 0x20000, "CGROUP": 0x2000000, "UTS": 0x4000000, "IPC": 0x8000000,
                  "USER": 0x10000000, "PID": 0x20000000, "NET": 0x40000000}  # fmt: skip
    for name, flag in namespaces.items():
        assert argument["value"] & flag, name


def test_the_seccomp_profile_allows_local_and_internet_sockets_only() -> None:
    families = [r["args"][0]["value"] for r in seccomp()["syscalls"] if r["names"] == ["socket"]]
    assert families == [1, 2, 10]


def seccomp() -> dict:
    [option] = [o for o in HOST["SecurityOpt"] if o.startswith("seccomp=")]
    assert "no-new-privileges" in HOST["SecurityOpt"]
    return json.loads(option.removeprefix("seccomp="))


def test_tmp_and_shared_memory_are_bounded_in_bytes_and_files() -> None:
    assert set(HOST["Tmpfs"]) == {"/tmp", "/dev/shm"}
    for path, megabytes in (("/tmp", 8), ("/dev/shm", 4)):
        options = HOST["Tmpfs"][path].split(",")
        assert f"size={megabytes}m" in options
        assert "nr_inodes=16384" in options
        assert {"noexec", "nosuid", "nodev"} <= set(options)


def test_the_limit_of_processes_that_all_containers_of_the_user_share_is_far_above_that_of_one() -> None:
    [nproc] = [u["Hard"] for u in HOST["Ulimits"] if u["Name"] == "nproc"]
    assert nproc >= 100 * HOST["PidsLimit"]
