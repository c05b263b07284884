"""Section 5, "Container Runtime", of the CIS Docker Benchmark as docker-bench-security checks it, on a living trial.

Numbers and titles are those of version 1.2.0 of the benchmark. Each check is an assertion on what the engine's
`inspect` says while a training runs. Where a trial departs from the benchmark the test says so, and what holds instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack_lab import Arena, Want

from runner.sandbox.spec import WATCHDOG_CAPS
from runner.trial import Ending

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[1]
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def living(engine: Any, image: str) -> Seen:
    """`inspect` of a training container while it runs, and the names of the programs in it."""
    if engine.info.name == "podman":
        pytest.skip(
            "the benchmark is Docker's and reads Docker's words; test_check_engine.py looks from within"
        )
    data = "autoresearch-data-test-bench"
    engine.api.create_volume(data)
    arena = Arena(engine, image, "test-bench", data)
    found: Seen = {}

    def see(_: float, __: Any) -> None:
        if not found:
            [at] = engine.api.containers(filters={"name": "autoresearch-test-bench-.*-train"})
            found.update(engine.api.inspect_container(at["Id"]))
            found["programs"] = [line[-1] for line in engine.api.top(at["Id"])["Processes"]]

    try:
        want = Want(Ending.OK, budget=1.0, settings={"cpus": 1.0})
        arena.attack("time/sleeps_past_the_deadline", want, on_tick=see)
    finally:
        engine.api.remove_volume(data, force=True)
    return found


def security(seen: Seen) -> list[str]:
    return [option.split("=", 1)[0] for option in seen["HostConfig"]["SecurityOpt"]]


def no_ports(seen: Seen) -> bool:
    return not seen["NetworkSettings"]["Ports"] and not seen["HostConfig"]["PortBindings"]


def sensitive(seen: Seen) -> set[str]:
    roots = ("/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")
    mounted = {m["Destination"] for m in seen["Mounts"] if m["Type"] != "volume" or m["RW"]}
    return {m for m in mounted if m == "/" or m.startswith(roots)}


CHECKS: dict[str, tuple[str, Callable[[Seen], bool]]] = {
    "5.3": (
        "Linux kernel capabilities are restricted within containers",
        # PID 1's four, of the benchmark's list of those that are granted by default; the payload has none.
        lambda s: s["HostConfig"]["CapDrop"] == ["ALL"]
        and {c.removeprefix("CAP_") for c in s["HostConfig"]["CapAdd"]} == set(WATCHDOG_CAPS),
    ),
    "5.4": ("privileged containers are not used", lambda s: s["HostConfig"]["Privileged"] is False),
    "5.5": (
        "sensitive host system directories are not mounted on containers",
        lambda s: not sensitive(s) and not s["HostConfig"]["Binds"],
    ),
    "5.6": ("sshd is not run within containers", lambda s: not any("sshd" in p for p in s["programs"])),
    "5.7": ("privileged ports are not mapped within containers", no_ports),
    "5.8": (
        "only needed ports are open on the container",
        lambda s: no_ports(s) and not s["Config"].get("ExposedPorts"),
    ),
    "5.9": ("the host's network namespace is not shared", lambda s: s["HostConfig"]["NetworkMode"] == "none"),
    "5.10": (
        "the memory usage for containers is limited",
        lambda s: s["HostConfig"]["Memory"] == s["HostConfig"]["MemorySwap"] == 256 << 20,
    ),
    "5.12": ("the container's root filesystem is mounted as read only", lambda s: s["HostConfig"]["ReadonlyRootfs"]),
    "5.13": ("incoming container traffic is bound to a specific host interface", no_ports),
    "5.15": ("the host's process namespace is not shared", lambda s: s["HostConfig"]["PidMode"] == ""),
    "5.16": ("the host's IPC namespace is not shared", lambda s: s["HostConfig"]["IpcMode"] == "private"),
    "5.17": (
        "host devices are not directly exposed to containers",
        lambda s: not s["HostConfig"]["Devices"] and not s["HostConfig"]["DeviceRequests"],
    ),
    "5.18": (
        "the default ulimit is overwritten at runtime if needed",
        lambda s: {u["Name"] for u in s["HostConfig"]["Ulimits"]} == {"core", "memlock", "nofile", "nproc"},
    ),
    "5.19": (
        "mount propagation mode is not set to shared",
        lambda s: not [m for m in s["Mounts"] if "shared" in m.get("Propagation", "")],
    ),
    "5.20": ("the host's UTS namespace is not shared", lambda s: s["HostConfig"]["UTSMode"] == ""),
    "5.21": (
        "the default seccomp profile is not disabled",
        lambda s: json.loads(next(o for o in s["HostConfig"]["SecurityOpt"] if o.startswith("seccomp="))[8:])
        == json.loads((ROOT / "images" / "seccomp.json").read_text()),
    ),
    "5.22": ("docker exec commands are not used with the privileged option", lambda s: not s["ExecIDs"]),
    "5.23": ("docker exec commands are not used with the user=root option", lambda s: not s["ExecIDs"]),
    "5.24": ("cgroup usage is confirmed", lambda s: s["HostConfig"]["CgroupParent"] == ""),
    "5.25": (
        "the container is restricted from acquiring additional privileges",
        lambda s: "no-new-privileges" in security(s),
    ),
    "5.27": (
        "commands always make use of the latest version of their image",
        lambda s: s["Config"]["Image"].startswith("sha256:"),  # named by its content: no other can take its place
    ),
    "5.28": ("the PIDs cgroup limit is used", lambda s: s["HostConfig"]["PidsLimit"] == 64),
    "5.29": (
        "Docker's default bridge docker0 is not used",
        lambda s: set(s["NetworkSettings"]["Networks"]) <= {"none"},
    ),
    "5.30": ("the host's user namespaces are not shared", lambda s: s["HostConfig"]["UsernsMode"] != "host"),
    "5.31": (
        "the Docker socket is not mounted inside any containers",
        lambda s: "docker.sock" not in json.dumps([s["Mounts"], s["HostConfig"].get("Binds")]),
    ),
    # Departures, with what holds instead.
    "5.11": (
        "CPU priority is set appropriately on containers (departs: a bound on CPUs, not a share of them)",
        lambda s: s["HostConfig"]["CpuShares"] == 0 and s["HostConfig"]["NanoCpus"] == 10**9,
    ),
    "5.14": (
        "the 'on-failure' container restart policy is set to '5' (departs: never started again)",
        lambda s: s["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0},
    ),
    "5.26": (
        "container health is checked at runtime (departs: no program of ours runs beside it; PID 1 ends it)",
        lambda s: s["Config"]["Healthcheck"] == {"Test": ["NONE"]}
        and s["Config"]["Cmd"][:2] == ["timeout", "--signal=KILL"],
    ),
}  # fmt: skip


def test_every_check_of_the_section_is_here() -> None:
    assert {*CHECKS, "5.1", "5.2"} == {f"5.{number}" for number in range(1, 32)}


@pytest.mark.parametrize(
    "number", sorted(CHECKS, key=lambda n: int(n[2:])), ids=lambda n: f"{n} {CHECKS[n][0]}"
)
def test_check(living: Seen, number: str) -> None:
    title, holds = CHECKS[number]
    assert holds(living), title


def test_5_1_if_applicable_an_apparmor_profile_is_enabled(living: Seen) -> None:
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    if not enabled.exists() or enabled.read_text().strip() != "Y":
        pytest.skip("this kernel has no AppArmor")
    assert living["AppArmorProfile"] not in ("", "unconfined")


def test_5_2_if_applicable_selinux_security_options_are_set(living: Seen) -> None:
    if not Path("/sys/fs/selinux/enforce").exists():
        pytest.skip("this kernel has no SELinux")
    assert living["ProcessLabel"]
