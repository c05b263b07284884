"""What this machine and its engine have to pass a GPU with: the facts that `gpu_access.plan_access` decides from.

Reads the engine's `GET /info`; where the engine is on this machine also device nodes, CDI specifications, MIG's
capabilities, the driver's libraries, and what the toolkit says of its version. Programs are run from the system's own
folders, never from the PATH of the user. Decides nothing. `root` stands for `/`: tests make a machine of a folder.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.sandbox.engine import Engine
from runner.sandbox.gpu_access import CDI_KIND, NEEDED, WELCOME, Assigned, Facts, Library, plan_access
from runner.sandbox.gpu_words import GpuAccess

FOLDERS = ("usr/bin", "usr/local/bin", "usr/sbin", "usr/local/nvidia/toolkit")
HOOK = "nvidia-container-runtime-hook"  # which Docker looks for when it starts
TELLING = ("nvidia-ctk", "nvidia-cdi-hook", "nvidia-container-cli")  # of their version
CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
SPEC_BYTES = 8 << 20
SECONDS = 10.0  # for a program that prints one line
_NAME = re.compile(r"""^["']?name["']?:\s*["']?([^"'\s]+)["']?$""")
_KIND = re.compile(r"""^["']?kind["']?:\s*["']?([^"'\s]+)["']?\s*$""", re.MULTILINE)
_CACHED = re.compile(r"^\s*(\S+) \([^)]*\) => (\S+)$", re.MULTILINE)
_LOADED = re.compile(r" (/\S*)/libnvidia-ml\.so\S*$", re.MULTILINE)
_MINOR = re.compile(r"^DeviceFileMinor:\s*(\d+)", re.MULTILINE)


def access(engine: Engine, gpu: Assigned | None, wanted: str = "auto") -> GpuAccess | None:
    """How payloads on `engine` get `gpu`; None for no GPU. Raises MissingError where they cannot have it."""
    return plan_access(gather(engine), gpu, wanted) if gpu else None


def gather(engine: Engine, root: Path = Path("/")) -> Facts:
    """The facts about `engine`, and about this machine where the engine is on it."""
    return of_machine(engine.info.name, engine.info.version, engine.raw, root if engine.local else None)


def of_machine(name: str, version: str, info: Mapping[str, Any], root: Path | None) -> Facts:
    """The same from the engine's answer to `GET /info`; root: None where the engine is on another machine."""
    told = info.get("CDISpecDirs") or []
    folders = [str(one) for one in told] or (list(CDI_FOLDERS) if name == "podman" else [])
    discovered = [
        str(one.get("ID", "")) for one in info.get("DiscoveredDevices") or [] if isinstance(one, Mapping)
    ]
    facts = Facts(
        engine=name,
        version=tuple(int(word) for word in re.findall(r"\d+", re.split(r"[-+~]", version)[0])),
        local=root is not None,
        runtimes=frozenset(str(one) for one in info.get("Runtimes") or {}),
        cdi=bool(folders),
        cdi_names=frozenset(discovered),
    )
    if root is None:
        return facts
    return replace(
        facts,
        cdi_names=facts.cdi_names or frozenset(cdi_names(root, folders)),
        hook=next(_programs(root, (HOOK,)), ""),
        toolkit=toolkit_version(root),
        nodes=nodes(root),
        capabilities=capabilities(root),
        libraries=tuple(libraries(root)),
        machine=_elf(Path(os.path.realpath("/proc/self/exe")))[1],
    )


def _programs(root: Path, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        for folder in FOLDERS:
            path = root / folder / name
            if path.is_file() and os.access(path, os.X_OK):
                yield str(path)


def _says(command: list[str], seconds: float = SECONDS) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env={"LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def toolkit_version(root: Path, seconds: float = SECONDS) -> str:
    """As the first of its programs says that says one: `1.17.8`, `1.18.0-rc.2`; empty where none does."""
    for program in _programs(root, TELLING):
        found = re.search(
            r"version:?\s+v?(\d+\.\d+\.\d+(?:[-~]rc[.\d]*)?)", _says([program, "--version"], seconds)
        )
        if found:
            return found[1]
    return ""


def cdi_names(root: Path, folders: list[str]) -> Iterator[str]:
    """The devices that the CDI specifications in `folders` name, as `nvidia.com/gpu=GPU-…`.

    A specification is JSON, or YAML as nvidia-ctk writes it: a `kind`, and under `devices` a `name` for each, on lines
    of their own. Whatever is misread here, the engine reads the file itself and refuses a name that is not there.
    """
    for folder in folders:
        for path in sorted((root / folder.lstrip("/")).glob("*")):
            if path.suffix in (".json", ".yaml", ".yml") and path.is_file():
                yield from spec_names(_read(path))


def spec_names(text: str) -> Iterator[str]:
    """The names of NVIDIA's GPUs in one specification; nothing from one that cannot be read."""
    if text.lstrip().startswith("{"):
        try:
            spec = json.loads(text)
            kind, named = spec["kind"], [str(device["name"]) for device in spec["devices"]]
        except (ValueError, KeyError, TypeError):
            return
    else:
        kind = next(iter(_KIND.findall(text)), "")
        named = [
            found[1] for line in text.splitlines() if (found := _NAME.match(line.strip().removeprefix("- ")))
        ]
    if kind == CDI_KIND:
        yield from (f"{kind}={name}" for name in named)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SPEC_BYTES).decode(errors="replace")
    except OSError:
        return ""


def nodes(root: Path) -> dict[str, tuple[int, str]]:
    """Permissions and path of NVIDIA's device nodes, by their usual path."""
    found = {}
    for path in (*(root / "dev").glob("nvidia*"), *(root / "dev" / "nvidia-caps").glob("nvidia-cap*")):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if stat.S_ISCHR(mode):
            found[f"/{path.relative_to(root)}"] = (stat.S_IMODE(mode), str(path))
    return found


def capabilities(root: Path) -> dict[str, int]:
    """The minor numbers that stand for MIG's capabilities. Source: NVIDIA's MIG User Guide, Device Nodes."""
    top = root / "proc" / "driver" / "nvidia" / "capabilities"
    found = {}
    for path in top.glob("gpu*/mig/gi*/**/access"):
        minor = _MINOR.search(_read(path))
        if minor:
            found[str(path.relative_to(top))] = int(minor[1])
    return found


def libraries(root: Path) -> Iterator[Library]:
    """The driver's libraries: those in the linker cache, as `ldconfig -p` prints it; then those beside the NVML that
    this process has loaded, which LD_LIBRARY_PATH or a system without such a cache may have led it to.
    """
    program = next((root / at for at in ("sbin/ldconfig", "usr/sbin/ldconfig") if (root / at).is_file()), None)
    found = _CACHED.findall(_says([str(program), "-p"])) if program else []
    for folder in dict.fromkeys(_LOADED.findall(_read(root / "proc" / "self" / "maps"))):
        found += [(path.name, f"{folder}/{path.name}") for path in sorted((root / folder[1:]).glob("*.so*"))]
    for name, at in found:
        if name not in NEEDED and not name.startswith(WELCOME):
            continue
        path = Path(os.path.realpath(root / at.lstrip("/")))
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode):
            yield Library(name, str(path), *_elf(path), stat.S_IMODE(mode))


def _elf(path: Path) -> tuple[int, int]:
    """Bits and machine of an ELF file, elf(5); zeros for another."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return 0, 0
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return 0, 0
    machine = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0]
    return {1: 32, 2: 64}.get(head[4], 0), int(machine)
