"""Every isolation flag of every container on one screen. Pure: builds the engine's JSON, talks to nothing.

Two kinds of containers exist. A *keeper* runs `sleep` from the image and holds the volumes of one trial; no
code of a proposal ever runs in it. A *payload* runs code of a proposal: as an unprivileged user without
capabilities, under PID 1 that is coreutils' `timeout` owned by root, which the payload can neither signal
nor trace, so that the container ends by itself even if this program and its deadline are gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAYLOAD_UID = 10001  # has no entry in /etc/passwd and owns nothing in the image
LABEL = "autoresearch"
SECCOMP = Path(__file__).parents[2] / "images" / "seccomp.json"
WATCHDOG_CAPS = ("KILL", "SETGID", "SETPCAP", "SETUID")  # PID 1 drops the payload to PAYLOAD_UID with these
MIB = 1 << 20
FILES = 16384  # in /tmp, and in /dev/shm
# The kernel counts RLIMIT_NPROC over all processes of a user, whatever container they are in: a limit as low as
# `pids` would let the threads of one run stop another's. The bound of a container is its control group's.
NPROC_FACTOR = 16


@dataclass(frozen=True)
class Limits:
    """What one container may use. Memory counts swap, /tmp, /dev/shm and what it writes to /out."""

    memory_mb: int
    cpus: float  # 0: all
    pids: int
    tmp_mb: int
    shm_mb: int
    nofile: int = 4096


@dataclass(frozen=True)
class Mount:
    """A volume of the engine at a path of the container. Nothing is ever mounted from the host's files."""

    volume: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ContainerSpec:
    """One container, wholly described.

    image: by id, never by a name that could have moved. life_seconds: after this PID 1 kills the payload and
    ends, whatever became of the host process. gpu: UUID of the one GPU to pass, empty for none. network: `none`
    for everything that runs code of a proposal or of an agent; only a gateway has another.
    """

    name: str
    image: str
    command: tuple[str, ...]
    mounts: tuple[Mount, ...]
    limits: Limits
    life_seconds: float
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    payload: bool = True
    stdin: bool = False
    gpu: str = ""
    network: str = "none"


def _watched(command: tuple[str, ...], life_seconds: float) -> list[str]:
    """`command` as PAYLOAD_UID with nothing but its own rights, under root's `timeout` as PID 1."""
    user = f"{PAYLOAD_UID}"
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all"]
    drop += ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs", "--"]
    return ["timeout", "--signal=KILL", f"{life_seconds:.1f}", *drop, *command]


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    limits = spec.limits
    memory = limits.memory_mb * MIB
    processes = NPROC_FACTOR * max(limits.pids, 512)
    unit_limits = {"core": 0, "nofile": limits.nofile, "nproc": processes, "memlock": 64 << 10}
    if spec.gpu:
        unit_limits["memlock"] = memory  # CUDA pins host memory
    return {
        "NetworkMode": spec.network,
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": list(WATCHDOG_CAPS) if spec.payload else [],
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "CgroupnsMode": "private",
        "Memory": memory,
        "MemorySwap": memory,  # memory and swap together: no swap
        "MemorySwappiness": None,
        "OomKillDisable": False,
        "NanoCpus": int(limits.cpus * 1e9),
        "PidsLimit": limits.pids,
        "Ulimits": [{"Name": n, "Soft": v, "Hard": v} for n, v in sorted(unit_limits.items())],
        "ShmSize": limits.shm_mb * MIB,
        # /dev/shm by our own mount, since the engine's bounds bytes alone.
        "Tmpfs": {
            path: f"rw,noexec,nosuid,nodev,size={size}m,nr_inodes={FILES},mode=1777"
            for path, size in (("/tmp", limits.tmp_mb), ("/dev/shm", limits.shm_mb))
        },
        "Mounts": [
            {"Type": "volume", "Source": m.volume, "Target": m.target, "ReadOnly": m.read_only,
             "VolumeOptions": {"NoCopy": True}}
            for m in spec.mounts
        ],
        "Devices": [],
        "DeviceRequests": _gpu_request(spec.gpu),
        "Init": False,
        "AutoRemove": False,  # races with reading the state; removed in `finally` and by the reaper
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "none"},  # the log is read from the attached stream, bounded, by us
    }  # fmt: skip


def _gpu_request(uuid: str) -> list[dict[str, Any]]:
    if not uuid:
        return []
    return [{"Driver": "", "DeviceIDs": [uuid], "Capabilities": [["gpu", "compute", "utility"]]}]


def seccomp_profile() -> str:
    """Our own seccomp profile as the engine wants it: JSON in a string, since the engine may be remote."""
    return json.dumps(json.loads(SECCOMP.read_text(encoding="utf-8")), separators=(",", ":"))


def body(spec: ContainerSpec) -> dict[str, Any]:
    """The JSON that the engine's `POST /containers/create` takes for `spec`."""
    command = _watched(spec.command, spec.life_seconds) if spec.payload else list(spec.command)
    return {
        "Image": spec.image,
        "Entrypoint": [],
        "Cmd": command,
        "User": "0:0",  # PID 1; the payload is PAYLOAD_UID, a keeper has no capability at all
        "WorkingDir": "/tmp",
        "Env": [f"{key}={value}" for key, value in sorted(spec.environment.items())],
        "Labels": dict(spec.labels),
        "NetworkDisabled": spec.network == "none",
        "Tty": False,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "StopSignal": "SIGKILL",
        "StopTimeout": 0,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(spec),
    }
