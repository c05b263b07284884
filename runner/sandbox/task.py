"""What an agent's box is given and what it leaves: limits, a task, a visit. Nouns without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.sandbox.gateway import GatewayPlan
from runner.sandbox.traffic import Traffic


@dataclass(frozen=True)
class AgentLimits:
    """What an agent's container may use. Memory counts swap, its folders and its /tmp."""

    memory_mb: int = 4096
    cpus: float = 2.0  # bounded: a trial may train beside it, and its seconds count
    pids: int = 512
    tmp_mb: int = 256
    home_mb: int = 512
    work_mb: int = 64
    files: int = 20_000
    output_bytes: int = 16 << 20  # of its standard output and error; more ends it


@dataclass(frozen=True)
class Task:
    """What an agent finds and what is wanted back. Paths of files are relative to the folder named before them.

    command, environment: passed on as they are. lab: a tar archive
    for /lab. seconds: from the start of its program to the kill. quiet_seconds: without output or a request.
    wanted: paths to read back, with the most bytes of each.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    lab: bytes
    work: Mapping[str, bytes]
    home: Mapping[str, bytes]
    gateway: GatewayPlan
    seconds: float
    quiet_seconds: float
    wanted: Mapping[str, int]
    work_path: str = "/task"
    home_path: str = "/home/agent"
    folders: tuple[str, ...] = ()  # under the home, made empty


@dataclass(frozen=True)
class Visit:
    """What one visit left. `stopped`: "" where the program ended by itself, else `timeout`, `output`, `quiet`
    or `cancelled`.

    files: what was wanted: its bytes, or a sentence that says why they are not taken. setup_seconds: from the first
    volume to the start of the agent's program.
    """

    exit_code: int | None
    stopped: str
    oom: bool
    seconds: float
    setup_seconds: float
    stdout: bytes
    stderr: bytes
    output_bytes: int
    files: Mapping[str, bytes | str]
    traffic: Traffic
