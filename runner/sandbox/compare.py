"""A container's own view beside what was asked of the engine: one finding for each property. Pure.

Engines silently ignore what they do not know; what a container sees cannot be ignored. `body` is the JSON that the
engine was given, so that the spec is the only place where a limit is written down. A finding is `ok`; `differs`
where a wall is missing or weaker; `note` where something is other than asked and no wall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.sandbox import compare_files, compare_gpu
from runner.sandbox.finding import DIFFERS, NOTE, OK, Finding, check, finding
from runner.sandbox.spec import PAYLOAD_UID, WATCHDOG_CAPS
from runner.sandbox.view import View

GPU_OWN = "NVIDIA_"  # what the toolkit adds for a GPU; its names of drivers' parts come in any order
GPU_PARTS = "NVIDIA_DRIVER_CAPABILITIES"
GPU_VISIBLE = (
    "NVIDIA_VISIBLE_DEVICES"  # what it names is no wall: what is inside is told by device nodes and CUDA
)
CAPABILITY_BITS = {"KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8}
REFUSED = ("EPERM", "ENOSYS", "EAFNOSUPPORT")  # as the filter, or a kernel without the call, answers
KERNEL_NAMES = {"core": "Max core file size", "memlock": "Max locked memory", "nofile": "Max open files",
                "nproc": "Max processes"}  # fmt: skip
UPGRADE = "the engine ignored it: upgrade it, or use another (docs/security.md, Engines)"
DELEGATE = (
    "a rootless engine needs control groups of version 2, delegated to its user (docs/security.md, Rootless)"
)


@dataclass(frozen=True)
class Asked:
    """What the view is compared with. bounds: megabytes and files of volumes in memory, by mount point.

    image_environment: names that the image sets. outside: this process's own namespaces, empty where the engine
    is on another machine. gpu: UUID, empty for none; gpu_mode: how it was passed. rootless: what the engine says of
    itself.
    """

    body: Mapping[str, Any]
    bounds: Mapping[str, tuple[int, int]]
    image_environment: frozenset[str] = frozenset()
    outside: Mapping[str, str] = field(default_factory=dict)
    gpu: str = ""
    gpu_mode: str = ""
    rootless: bool = False

    @property
    def host(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.body["HostConfig"]
        return config


def compare(view: View, asked: Asked) -> list[Finding]:
    """Every property, in the order of the page that `runner check` shows."""
    found: list[Finding] = []
    for part in PARTS:
        found += part(view, asked)
    return found


def _user(view: View, asked: Asked) -> Iterator[Finding]:
    ids = {*view.status.get("Uid", "?").split(), *view.status.get("Gid", "?").split()}
    groups = view.status.get("Groups", "?")
    shown = f"uid and gid {' '.join(sorted(ids))}, {f'groups {groups}' if groups else 'no groups'}"
    yield check("user", ids == {str(PAYLOAD_UID)} and not groups, f"uid and gid {PAYLOAD_UID}, no groups", shown,
                "the image's setpriv, or the engine's handling of the user, is at fault")  # fmt: skip
    sets = {name: view.status.get(name, "?") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    held = [f"{name} {value}" for name, value in sets.items() if value.strip("0")]
    yield check("capabilities", not held, "every set empty", ", ".join(held) or "every set empty", UPGRADE)
    unset = [
        who for who, of in (("PID 1", view.pid1), ("the program", view.status)) if of.get("NoNewPrivs") != "1"
    ]
    shown = f"not set for {', '.join(unset)}" if unset else "set"
    yield check("no-new-privs", not unset, "set", shown, UPGRADE)


def _watchdog(view: View, asked: Asked) -> Iterator[Finding]:
    allowed = sum(1 << CAPABILITY_BITS[name] for name in WATCHDOG_CAPS)
    held = int(view.pid1.get("CapBnd") or "-1", 16)
    name, uid = view.pid1.get("Name", "?"), (view.pid1.get("Uid") or "?").split()[0]
    good = name == "timeout" and uid == "0" and held & ~allowed == 0
    yield check("watchdog", good, f"PID 1 is timeout, uid 0, capabilities at most {allowed:016x}",
                f"PID 1 is {name}, uid {uid}, capabilities at most {held:016x}", UPGRADE)  # fmt: skip
    others = {
        pid: name for pid, name in view.raw["processes"].items() if pid not in ("1", view.status.get("Pid"))
    }
    yield check("processes", not others, "PID 1 and itself",
                ", ".join(f"{pid} {str(name).strip()}" for pid, name in others.items()) or "PID 1 and itself",
                "the process namespace is shared with something else")  # fmt: skip


def _calls(view: View, asked: Asked) -> Iterator[Finding]:
    mode = view.status.get("Seccomp", "?")
    yield check("seccomp", mode == "2", "a filter", {"0": "no filter", "2": "a filter"}.get(mode, mode),
                "the kernel or the engine was built without seccomp, or the engine ignored the profile")  # fmt: skip
    answers: Mapping[str, str] = view.raw["calls"]
    if not answers:
        yield finding("system calls", NOTE, "refused by our filter", "not tried on this kind of processor")
        return
    through = [f"{name}: {answer}" for name, answer in answers.items() if answer not in REFUSED]
    yield check("system calls", not through, f"{len(answers)} refused by our filter",
                ", ".join(through) or f"{len(answers)} refused: {', '.join(answers)}",
                "another profile than images/seccomp.json is in force")  # fmt: skip


def _limits(view: View, asked: Asked) -> Iterator[Finding]:
    host, seen = asked.host, view.cgroup
    advice = DELEGATE if asked.rootless else UPGRADE
    yield check(
        "memory", _at_most(seen.memory, host["Memory"]), _mib(host["Memory"]), _mib(seen.memory), advice
    )
    both = seen.memory_and_swap
    if both is None and view.swap_bytes == 0 and seen.memory:
        yield finding("memory and swap", OK, _mib(host["MemorySwap"]), "this machine has no swap")
    else:
        swap_advice = f"{advice}; or turn swap accounting on (swapaccount=1), or swap off"
        yield check(
            "memory and swap",
            _at_most(both, host["MemorySwap"]),
            _mib(host["MemorySwap"]),
            _mib(both),
            swap_advice,
        )
    pids = host["PidsLimit"]
    yield check("processes at once", _at_most(seen.pids, pids), str(pids), str(seen.pids or "no limit"), advice)
    cpus = host["NanoCpus"] / 1e9
    good = not cpus or (seen.cpus is not None and seen.cpus <= cpus + 0.011)
    yield check("processors", good, _cpus(cpus or None), _cpus(seen.cpus), advice)
    wrong, expected = [], []
    for limit in host["Ulimits"]:
        value, name = str(limit["Hard"]), KERNEL_NAMES[limit["Name"]]
        expected.append(f"{limit['Name']} {value}")
        found = view.limits.get(name, ("?", "?"))
        if not all(_lower(word, limit["Hard"]) for word in found):
            wrong.append(f"{limit['Name']} {found[0]}, hard {found[1]}")
    yield check(
        "process limits", not wrong, ", ".join(expected), "; ".join(wrong) or ", ".join(expected), UPGRADE
    )


def _lower(word: str, limit: int) -> bool:
    return word.isdigit() and int(word) <= limit


def _at_most(found: int | None, limit: int) -> bool:
    return found is not None and 0 < found <= limit


def _mib(value: int | None) -> str:
    return "no limit" if value is None else f"{value / (1 << 20):,.0f} MiB"


def _cpus(value: float | None) -> str:
    return "all" if value is None else f"{value:g}"


def _network(view: View, asked: Asked) -> Iterator[Finding]:
    strange = [name for name in view.interfaces if name != "lo"]
    if strange and view.down.issuperset(strange):
        # Tunnels that the kernel adds to each new namespace (tunl0, sit0 …) where their modules are loaded.
        yield finding(
            "network", NOTE, "loopback only", f"{', '.join(strange)}: down, and nothing here can raise them"
        )
    else:
        yield check("network", not strange, "loopback only", ", ".join(strange) or "loopback only", UPGRADE)
    sockets = view.raw["texts"]["/proc/net/unix"] or ""
    abstract = [line.split()[-1] for line in sockets.splitlines()[1:] if line.split()[-1].startswith("@")]
    shown = ", ".join(abstract[:5]) or "none"
    yield check("abstract sockets", not abstract, "none", shown, "the network is the machine's own")


def _namespaces(view: View, asked: Asked) -> Iterator[Finding]:
    inside: Mapping[str, str] = view.raw["namespaces"]
    if not asked.outside:
        yield finding("namespaces", NOTE, "its own", "not compared: the engine is on another machine")
    else:
        shared = [
            name for name in ("ipc", "mnt", "net", "pid", "uts") if inside.get(name) == asked.outside.get(name)
        ]
        yield check("namespaces", not shared, "its own (ipc, mnt, net, pid, uts)",
                    f"the machine's: {', '.join(shared)}" if shared else "its own", UPGRADE)  # fmt: skip
    paths = {line.split(":", 2)[2] for line in (view.raw["texts"]["/proc/self/cgroup"] or "").splitlines()}
    if paths - {"/", ""}:
        yield finding(
            "control groups", NOTE, "its own namespace", "it can read the names of the groups above its own"
        )
    else:
        yield finding("control groups", OK, "its own namespace", "its own namespace")
    mapped = [line.split() for line in (view.raw["texts"]["/proc/self/uid_map"] or "").splitlines()]
    outer = next((int(to) for start, to, _ in mapped if start == "0"), None)
    shown = "root inside is root outside" if outer == 0 else f"root inside is uid {outer} outside"
    yield finding("user namespace", OK, "either", shown)


def _given(view: View, asked: Asked) -> Iterator[Finding]:
    wanted = dict(word.split("=", 1) for word in asked.body["Env"])
    inside: Mapping[str, str] = view.raw["environment"]
    wrong = [name for name, value in wanted.items() if not _same(name, inside.get(name), value, asked.gpu)]
    allowed = {*wanted, *asked.image_environment, "PATH"}  # as `spec._watched` passes them on
    strange = [n for n in inside if n not in allowed and not (asked.gpu and n.startswith(GPU_OWN))]
    problems = [f"{name} missing or changed" for name in wrong] + [f"{name} added" for name in strange]
    yield check("environment", not problems, f"{len(wanted)} named variables, the image's and PATH",
                ", ".join(problems) or f"{len(inside)} variables, all known",
                "see the engine's own configuration: proxies, default environment, hooks")  # fmt: skip
    strange_files = [f"{n} {to}" for n, to in view.raw["fds"].items() if n not in ("0", "1", "2")]
    yield check(
        "open files", not strange_files, "0, 1 and 2", ", ".join(strange_files) or "0, 1 and 2", UPGRADE
    )


def _same(name: str, found: str | None, value: str, gpu: str) -> bool:
    """From 29.2 on Docker answers a request for a GPU by NVIDIA's CDI specification, which says `void`."""
    if name == GPU_VISIBLE and gpu and found == "void":
        return True
    return found == value or (name == GPU_PARTS and {*(found or "").split(",")} == {*value.split(",")})


def _devices(view: View, asked: Asked) -> Iterator[Finding]:
    yield from compare_files.devices(view, gpu=_by_engine(asked))
    yield from compare_gpu.gpus(view, asked.host, asked.gpu, asked.gpu_mode)


def _files(view: View, asked: Asked) -> Iterator[Finding]:
    yield from compare_files.places(view, asked.host, asked.bounds, gpu=_by_engine(asked))


def _by_engine(asked: Asked) -> bool:
    """Whether the engine mounts a driver of its own accord; `nodes` names every file itself."""
    return bool(asked.gpu) and asked.gpu_mode != "nodes"


PARTS: tuple[Callable[[View, Asked], Iterator[Finding]], ...] = (
    _user, _watchdog, _calls, _files, _limits, _network, _namespaces, _devices, _given
)  # fmt: skip

__all__ = ["DIFFERS", "Asked", "Finding", "compare"]
