"""Every isolation flag of every container on one screen. Pure: builds the engine's JSON, talks to nothing.

Two kinds of containers exist. A *keeper* runs `sleep` from the image and holds the volumes of one trial; no
code of a proposal ever runs in it. A *payload* runs code of a proposal: as an unprivileged user without
capabilities, under PID 1 that is coreutils' `timeout` owned by root, which the payload can neither signal
nor trace, so that the container ends by itself even if this program and its deadline are gone.

Of the host's files nothing is ever mounted, with the one exception in `gpu_words.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.sandbox import gpu_words
from runner.sandbox.gpu_words import COMPILE, COMPILERS, GpuAccess

PAYLOAD_UID = 10001  # has no entry in /etc/passwd and owns nothing in the image
LABEL = "autoresearch"
SECCOMP = Path(__file__).parents[2] / "images" / "seccomp.json"
WATCHDOG_CAPS = ("KILL", "SETGID", "SETPCAP", "SETUID")  # PID 1 drops the payload to PAYLOAD_UID with these
MIB = 1 << 20
FILES = 16384  # in /tmp, and in /dev/shm
# The kernel counts RLIMIT_NPROC over all processes of a user, whatever container they are in: a limit as low as
# `pids` would let the threads of one run stop another's. The bound of a container is its control group's.
NPROC_FACTOR = 16
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)  # of a variable that a shell can pass on


@dataclass(frozen=True)
class Limits:
    """What one container may use. Memory counts swap, /tmp, /dev/shm and what it writes to /out."""

    memory_mb: int
    cpus: float  # 0: all
    pids: int
    tmp_mb: int
    shm_mb: int
    nofile: int = 4096
    cpuset: str = ""  # numbers of the processors that it may run on, "0-3,8"; empty: any
    compile_mb: int = 0  # of COMPILE, in memory; 0: there is none


@dataclass(frozen=True)
class Mount:
    """A volume of the engine at a path of the container."""

    volume: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ContainerSpec:
    """One container, wholly described.

    image: by id, never by a name that could have moved. life_seconds: after this PID 1 kills the payload and
    ends, whatever became of the host process. gpu: the one GPU to pass and how, None for none. network: `none`
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
    gpu: GpuAccess | None = None
    network: str = "none"


def _watched(spec: ContainerSpec, variables: Collection[str]) -> list[str]:
    """The command as PAYLOAD_UID with nothing but its own rights, under root's `timeout` as PID 1.

    Of the environment it gets `variables` alone: engines add some of their own, the machine's proxies among them. They
    are passed on by their names, since any user of the machine may read PID 1's arguments. Its limits are set once
    more, since a rootless Podman forgets them; one that is lower already stays.
    """
    user = f"{PAYLOAD_UID}"
    lower = [f"prlimit --pid $$ --{name}={value}:{value}" for name, value in sorted(_unit_limits(spec).items())]
    named = " ".join(f'{name}="${name}"' for name in sorted(variables) if NAME.fullmatch(name))
    only = ["sh", "-c", f'{{ {"; ".join(lower)}; }} 2>/dev/null; exec env -i {named} "$@"', "sh"]
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all"]
    drop += ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs", "--"]
    return ["timeout", "--signal=KILL", f"{spec.life_seconds:.1f}", *only, *drop, *spec.command]


def _unit_limits(spec: ContainerSpec) -> dict[str, int]:
    limits = spec.limits
    return {
        "core": 0,
        "nofile": limits.nofile,
        "nproc": NPROC_FACTOR * max(limits.pids, 512),
        "memlock": 64 << 10,  # what CUDA pins is locked by its driver and not counted here
    }


def own_folders(limits: Limits) -> dict[str, int]:
    """What a container may write and nobody else ever sees, by path: megabytes."""
    compile_mb = {COMPILE: limits.compile_mb} if limits.compile_mb else {}
    return {"/tmp": limits.tmp_mb, "/dev/shm": limits.shm_mb, **compile_mb}


def rights(folder: str) -> str:
    """How one of `own_folders` is mounted, in the words of mount(8)."""
    return f"rw,{'exec' if folder == COMPILE else 'noexec'},nosuid,nodev"


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    limits = spec.limits
    memory = limits.memory_mb * MIB
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
        **({"CpusetCpus": limits.cpuset} if limits.cpuset else {}),
        "PidsLimit": limits.pids,
        "Ulimits": [{"Name": n, "Soft": v, "Hard": v} for n, v in sorted(_unit_limits(spec).items())],
        "ShmSize": limits.shm_mb * MIB,
        # /dev/shm by our own mount, since the engine's bounds bytes alone.
        "Tmpfs": {
            path: f"{rights(path)},size={size}m,nr_inodes={FILES},mode=1777"
            for path, size in own_folders(limits).items()
        },
        "Mounts": [
            {"Type": "volume", "Source": m.volume, "Target": m.target, "ReadOnly": m.read_only,
             "VolumeOptions": {"NoCopy": True}}
            for m in spec.mounts
        ] + gpu_words.driver_mounts(spec.gpu),
        "Devices": gpu_words.nodes(spec.gpu),
        "DeviceRequests": gpu_words.request(spec.gpu),
        "Init": False,
        "AutoRemove": False,  # races with reading the state; removed in `finally` and by the reaper
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "none"},  # the log is read from the attached stream, bounded, by us
    }  # fmt: skip


def seccomp_profile() -> str:
    """Our own seccomp profile as the engine wants it: JSON in a string, since the engine may be remote."""
    return json.dumps(json.loads(SECCOMP.read_text(encoding="utf-8")), separators=(",", ":"))


def body(spec: ContainerSpec, inherited: Collection[str] = ()) -> dict[str, Any]:
    """The JSON that the engine's `POST /containers/create` takes for `spec`. inherited: variables of the image."""
    environment = {**spec.environment, **gpu_words.environment(spec.gpu)}
    environment |= COMPILERS if spec.limits.compile_mb else {}
    variables = {"PATH", *inherited, *environment}
    command = _watched(spec, variables) if spec.payload else list(spec.command)
    return {
        "Image": spec.image,
        "Entrypoint": [],
        "Cmd": command,
        # PID 1 is root's, the payload PAYLOAD_UID's. A keeper is the latter's, without a capability: to its user
        # Podman gives the files of an archive.
        "User": "0:0" if spec.payload else f"{PAYLOAD_UID}:{PAYLOAD_UID}",
        "WorkingDir": "/tmp",
        "Env": [f"{key}={value}" for key, value in sorted(environment.items())],
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
