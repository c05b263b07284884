"""The part of the comparison that is about places: mounts, what can be written, bounds, devices. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.sandbox import compare_gpu
from runner.sandbox.finding import NOTE, Finding, check, finding
from runner.sandbox.spec import PAYLOAD_UID
from runner.sandbox.view import MountSeen, View

# What engines mount of their own accord. Of the machine's disk only three files, written by the engine.
ENGINES_OWN = re.compile(r"/|/proc(/.*)?|/sys(/.*)?|/dev|/dev/(pts|mqueue|shm|console)")
ENGINES_FILES = re.compile(r"/etc/(hostname|hosts|resolv\.conf)|/run/\.containerenv")
HARMLESS = ("nosuid", "nodev", "noexec")  # of what can be written
EMPTY_KINDS = {"tmpfs", "ramfs"}
DEVICES = {"null": "c 1:3", "zero": "c 1:5", "full": "c 1:7", "random": "c 1:8", "urandom": "c 1:9", "tty": "c 5:0",
           "pts/ptmx": "c 5:2", "ptmx": "c 5:2"}  # fmt: skip
TERMINAL = re.compile(r"/dev/(console|pts/\d+)")
GPU_MOUNTS = re.compile(r"(?i).*(nvidia|/nv-fabricmanager|/lib(cuda|nv)|/dev/dri).*")
ENGINE_SOCKETS = re.compile(r".*/(docker|podman|containerd|crio|buildkitd)[^/]*\.sock")
UPGRADE = "the engine ignored it: upgrade it, or use another (docs/security.md, Engines)"


def places(
    view: View, host: Mapping[str, Any], bounds: Mapping[str, tuple[int, int]], *, gpu: bool
) -> Iterator[Finding]:
    """Root, the mounts of the spec, mounts that it does not know, what can be written, bounds, masked paths."""
    yield from _writes(view, host)
    yield from _mounts(view, host, gpu=gpu)
    yield from _bounds(view, host, bounds)
    opened = [path for path, state in view.raw["hidden"].items() if state == "open"]
    opened += [f"{path} writable" for path, read_only in view.raw["unwritable"].items() if not read_only]
    yield check(
        "masked paths", not opened, "hidden or read-only", ", ".join(opened) or "hidden or read-only", UPGRADE
    )
    walked: Mapping[str, list[str]] | None = view.raw["tree"]
    if walked is not None:
        engines = [path for path in walked["sockets"] if ENGINE_SOCKETS.fullmatch(path)]
        shown = ", ".join(engines or walked["sockets"][:5]) or "none"
        allowed = all(gpu and compare_gpu.DAEMONS.fullmatch(path) for path in walked["sockets"])
        yield check("sockets", allowed, "none, the engine's least of all", shown,
                    "something of the machine is mounted into containers: see the engine's configuration")  # fmt: skip
        programs = walked["setuid"]
        if programs:
            yield finding(
                "setuid programs", NOTE, "none", f"{', '.join(programs[:5])}: harmless under no-new-privs"
            )


def _writes(view: View, host: Mapping[str, Any]) -> Iterator[Finding]:
    allowed = {m["Target"] for m in host["Mounts"] if not m["ReadOnly"]}
    allowed |= {target for target, options in host["Tmpfs"].items() if "rw" in options.split(",")}
    root = view.mount("/")
    locked = root is not None and "ro" in root.options
    yield check("root", locked, "read-only", "read-only" if locked else "writable", UPGRADE)
    can = {folder for folder, answer in view.raw["writes"].items() if answer == "yes"}
    strange, missing = sorted(can - allowed), sorted(allowed - can)
    shown = ", ".join(sorted(can)) + (f"; cannot write {', '.join(missing)}" if missing else "")
    yield check("can write", not strange and not missing, ", ".join(sorted(allowed)), shown,
                f"nothing but the expected may be writable; {UPGRADE}")  # fmt: skip


def _mounts(view: View, host: Mapping[str, Any], *, gpu: bool) -> Iterator[Finding]:
    wanted = {m["Target"]: m for m in host["Mounts"]}
    problems, shown = [], []
    for target, mount in wanted.items():
        seen, mode = view.mount(target), "ro" if mount["ReadOnly"] else "rw"
        if seen is None:
            problems.append(f"{target} is not mounted")
        elif mode not in seen.options:
            problems.append(f"{target} is not {mode}")
        elif mode == "rw" and (lost := set(HARMLESS) - seen.options):
            problems.append(f"{target} without {', '.join(sorted(lost))}")
        shown.append(f"{target} {mode}")
    for target, options in host["Tmpfs"].items():
        seen, needed = view.mount(target), [word for word in HARMLESS if word in options.split(",")]
        if seen is None or seen.kind != "tmpfs" or set(needed) - seen.options:
            problems.append(f"{target} is no tmpfs with {', '.join(needed)}")
    expected = ", ".join(shown)
    yield check("volumes", not problems, expected, "; ".join(problems) or expected, UPGRADE)
    known = {*wanted, *host["Tmpfs"]}
    strange = sorted({_told(m) for m in view.mounts if m.target not in known and _strange(m, gpu=gpu)})
    yield check("other mounts", not strange, "the engine's own", ", ".join(strange) or "the engine's own",
                "something of the machine is mounted into containers: see the engine's configuration")  # fmt: skip


def _strange(mount: MountSeen, *, gpu: bool) -> bool:
    """Whether a mount is neither the engine's own nor, with a GPU, a read-only part of the driver."""
    if gpu and compare_gpu.DAEMONS.fullmatch(mount.target):
        return False  # told by a note of its own
    if gpu and GPU_MOUNTS.fullmatch(mount.target):
        return "ro" not in mount.options and not mount.target.startswith(("/dev/", "/proc/"))
    if mount.kind == "devtmpfs":  # a rootless engine can make no node: it mounts the machine's own, one by one
        hides = mount.target.startswith("/proc/") and mount.root == "/null"
        usual = mount.target == f"/dev{mount.root}" and mount.root[1:] in DEVICES
        return not (hides or usual)
    if ENGINES_FILES.fullmatch(mount.target):
        return "ro" not in mount.options
    if mount.target.startswith(("/proc/", "/sys/")) and mount.kind not in (*EMPTY_KINDS, "proc", "sysfs"):
        return not mount.kind.startswith("cgroup") or "ro" not in mount.options
    return not ENGINES_OWN.fullmatch(mount.target)


def _told(mount: MountSeen) -> str:
    return f"{mount.target} ({mount.kind} {mount.root})"


def _bounds(view: View, host: Mapping[str, Any], bounds: Mapping[str, tuple[int, int]]) -> Iterator[Finding]:
    for target, (megabytes, files) in bounds.items():
        yield _bound(view, target, megabytes, files)
    for target, options in host["Tmpfs"].items():
        words = dict(word.split("=", 1) for word in options.split(",") if "=" in word)
        if "ro" not in options.split(","):
            megabytes, inodes = int(words["size"].removesuffix("m")), int(words.get("nr_inodes", 0))
            yield _bound(view, target, megabytes, inodes or None)
    out = view.sizes.get("/out")
    good = out is not None and out[2] == PAYLOAD_UID and out[3] == 0o755
    shown = f"uid {out[2]}, {out[3]:o}" if out else "not there"
    yield check("owner of /out", good, f"uid {PAYLOAD_UID}, 755", shown, UPGRADE)


def _bound(view: View, target: str, megabytes: int, files: int | None) -> Finding:
    seen, limit = view.sizes.get(target), megabytes << 20
    expected = f"{megabytes} MiB" + (f" and {files} files" if files else "")
    if seen is None:
        return check(f"size of {target}", False, expected, "not there", UPGRADE)
    shown = f"{seen[0] >> 20} MiB and {seen[1]} files"
    good = 0 < seen[0] <= limit and (files is None or 0 < seen[1] <= files)
    if good and files is None:
        return finding(
            f"size of {target}", NOTE, expected, f"{shown}: this engine bounds its files by memory alone"
        )
    return check(f"size of {target}", good, expected, shown if seen[0] else "no limit", UPGRADE)


def devices(view: View, *, gpu: bool) -> Iterator[Finding]:
    """The usual harmless devices; a GPU's are `compare_gpu`'s."""
    seen: Mapping[str, str] = view.raw["devices"]
    strange = [
        f"{path} ({kind})" for path, kind in sorted(seen.items())
        if not compare_gpu.is_gpu(path, gpu=gpu) and not TERMINAL.fullmatch(path)
        and DEVICES.get(path.removeprefix("/dev/")) != kind
    ]  # fmt: skip
    yield check("devices", not strange, "null, zero, full, random, urandom, tty", ", ".join(strange) or "the usual",
                "see the engine's configuration; a device is a way to the machine")  # fmt: skip
