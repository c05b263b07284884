"""What a container sees of itself, read from the probe's answer. Pure: parses text, judges nothing.

The answer comes from a container in which no code of a proposal ever ran, so it is believed; it is bounded all
the same, since a broken engine may send anything.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import InfraError

HEADER = re.compile(rb"VIEW (\d{10})\n")
HEADER_BYTES = len(b"VIEW 0000000000\n")
LARGEST = 16 << 20  # bytes of an answer
IFF_UP = 1  # netdevice(7)
UNLIMITED = 1 << 60  # control groups of version 1 write a number of about this size for no limit


@dataclass(frozen=True)
class MountSeen:
    """A line of /proc/self/mountinfo. root: the folder within its file system that is mounted here."""

    target: str
    root: str
    kind: str
    source: str
    options: frozenset[str]


@dataclass(frozen=True)
class CgroupSeen:
    """Limits as the control group states them; None: not limited, or no such controller here."""

    memory: int | None  # bytes
    memory_and_swap: int | None
    pids: int | None
    cpus: float | None


@dataclass(frozen=True)
class View:
    """One container from within. status, pid1: fields of /proc/PID/status. raw: the whole answer.

    limits: soft and hard limit by the kernel's name. down: the interfaces that are known to be. sizes: bytes, inodes,
    owner, permissions by folder.
    """

    status: Mapping[str, str]
    pid1: Mapping[str, str]
    mounts: tuple[MountSeen, ...]
    limits: Mapping[str, tuple[str, str]]
    cgroup: CgroupSeen
    swap_bytes: int
    interfaces: tuple[str, ...]
    down: frozenset[str]
    sizes: Mapping[str, tuple[int, int, int, int] | None]
    raw: Mapping[str, Any]

    def mount(self, target: str) -> MountSeen | None:
        """What is mounted at `target`, the uppermost if several are."""
        return next((m for m in reversed(self.mounts) if m.target == target), None)


def parse(answer: bytes) -> View:
    """The view in a probe's answer, which may stand in the middle of other output. Raises InfraError."""
    found = HEADER.search(answer)
    try:
        if not found or len(answer) > LARGEST:
            raise ValueError("no view")
        packed = base64.b64decode(answer[found.end() : found.end() + int(found[1])], validate=True)
        raw = json.loads(zlib.decompressobj().decompress(packed, LARGEST))
        return of(raw)
    except (ValueError, KeyError, TypeError, IndexError, binascii.Error, zlib.error) as error:
        said = answer[:400].decode(errors="replace").strip()
        raise InfraError(
            f"the container did not tell what it sees ({error}): {said or 'it said nothing'}"
        ) from None


def of(raw: dict[str, Any]) -> View:
    """The view in a probe's decoded answer."""
    texts: dict[str, str] = {path: text or "" for path, text in raw["texts"].items()}
    sizes = {path: tuple(size) if size else None for path, size in raw["sizes"].items()}
    return View(
        status=fields(texts["/proc/self/status"]),
        pid1=fields(texts["/proc/1/status"]),
        mounts=tuple(mounts(texts["/proc/self/mountinfo"])),
        limits=limits(texts["/proc/self/limits"]),
        cgroup=cgroup(raw["cgroup"]),
        swap_bytes=int(fields(texts["/proc/meminfo"]).get("SwapTotal", "0 kB").split()[0]) << 10,
        interfaces=tuple(
            line.split(":")[0].strip() for line in texts["/proc/net/dev"].splitlines() if ":" in line
        ),
        down=frozenset(name for name, flags in raw.get("interfaces", {}).items() if not flags & IFF_UP),
        sizes=sizes,
        raw=raw,
    )


def fields(text: str) -> dict[str, str]:
    """`Name:  value` lines, as in /proc/PID/status."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def mounts(text: str) -> list[MountSeen]:
    """The lines of mountinfo, proc_pid_mountinfo(5): optional fields end with a single hyphen."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        words, rest = before.split(), after.split(" ")
        kind, source = rest[0], rest[1]
        options = frozenset(words[5].split(","))
        found.append(MountSeen(_plain(words[4]), _plain(words[3]), kind, source, options))
    return found


def _plain(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), path)


def limits(text: str) -> dict[str, tuple[str, str]]:
    """/proc/PID/limits: the name ends in column 26, then the soft and the hard limit."""
    found = {}
    for line in text.splitlines()[1:]:
        soft, hard = line[26:].split()[:2]
        found[line[:26].strip()] = (soft, hard)
    return found


def cgroup(texts: Mapping[str, str | None]) -> CgroupSeen:
    """The limits of either version of control groups; version 2 counts swap apart from memory."""
    memory = _number(texts.get("memory.max"))
    swap = _number(texts.get("memory.swap.max"))
    if texts.get("memory.max") is None:
        memory = _number(texts.get("memory/memory.limit_in_bytes"))
        both = _number(texts.get("memory/memory.memsw.limit_in_bytes"))
    else:
        both = None if memory is None or swap is None else memory + swap
    pids = _number(texts.get("pids.max") or texts.get("pids/pids.max"))
    return CgroupSeen(memory, both, pids, _cpus(texts))


def _cpus(texts: Mapping[str, str | None]) -> float | None:
    words = (texts.get("cpu.max") or "").split()
    if not words:
        words = [texts.get(f"cpu/cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    quota, period = _number(words[0]), _number(words[1])
    return quota / period if quota and period else None


def _number(text: str | None) -> int | None:
    """The number, None for `max`, -1, a number without meaning, or nothing."""
    try:
        value = int((text or "").strip())
    except ValueError:
        return None
    return value if 0 <= value < UNLIMITED else None
