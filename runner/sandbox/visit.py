"""An agent's box: one visit for one proposal. It comes, works, and leaves nothing but what is asked for by name.

Four volumes in memory, bounded in bytes and files: `/lab` read-only, the working folder and the home, which the
agent may write, and one with nothing but the gateway's socket. Its container has no network; a relay in it carries
its loopback port to that socket. What it leaves is read through the keeper once its container is gone, so
nothing can be swapped while it is looked at. No word of the agent is believed here: tokens are counted by the gateway,
time by this process.
"""

from __future__ import annotations

import secrets
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError
from runner.sandbox import gateway, owner, volumes
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine
from runner.sandbox.evidence import MemoryWatch
from runner.sandbox.gateway import Gateway
from runner.sandbox.spec import PAYLOAD_UID, ContainerSpec, Limits, Mount
from runner.sandbox.stream import Attached, BoundedLog
from runner.sandbox.task import AgentLimits, Task, Visit
from runner.scoring.protocol import ChannelClosed, ChannelTimeout

GRACE = 5.0  # seconds after its deadline at which a container ends without the host's help
READY = 15.0  # seconds within which the gateway must listen
LAB_MB, GATE_MB = 64, 1
RELAY = (
    f"socat TCP-LISTEN:{gateway.PORT},bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:/gateway/api.sock &\n"
    'cd "$1" && shift && exec "$@"'
)


class _Enough(Exception):
    """Raised in the middle of a wait to end a visit; its text is why."""


@dataclass
class AgentBox:
    """Makes boxes on one engine from the ids of two images."""

    engine: Engine
    image: str
    gateway_image: str
    limits: AgentLimits = field(default_factory=AgentLimits)

    def visit(self, tag: str, proposal: str, task: Task, cancelled: threading.Event | None = None) -> Visit:
        """One visit from beginning to end; everything that it used is removed. Raises InfraError only.

        cancelled: once it is set, from another thread, the visit ends soon.
        """
        began = time.monotonic()
        name = f"autoresearch-{tag}-{proposal}-agent-{secrets.token_hex(3)}"
        labels = owner.labels(tag, f"{proposal}-agent", task.seconds + READY + 300)
        with ExitStack() as stack:
            place = stack.enter_context(self._place(name, labels, task))
            cancelled = cancelled or threading.Event()
            gate = stack.enter_context(self._gateway(place, task, cancelled))
            ran = _Ran(self.limits.output_bytes, task.quiet_seconds, cancelled)
            with Container(self.engine, self._agent(place, task)) as container:
                attached = container.attach()
                reader = threading.Thread(target=ran.read, args=(attached,), daemon=True, name="agent-output")
                reader.start()
                gate.on_request = ran.alive
                try:
                    container.start()
                    setup = time.monotonic() - began
                    ran.watch(container, task.seconds)
                    reader.join(timeout=2.0)
                finally:
                    attached.close()
            files = {path: place.read(path, limit) for path, limit in task.wanted.items()}
            return Visit(
                ran.exit_code, ran.stopped, ran.oom, ran.seconds, setup, ran.out.value(), ran.err.value(),
                ran.out.total + ran.err.total, files, gate.traffic(),
            )  # fmt: skip

    @contextmanager
    def _place(self, name: str, labels: Mapping[str, str], task: Task) -> Iterator[_Place]:
        limits = self.limits
        sizes = {
            "/lab": (LAB_MB, False),
            task.work_path: (limits.work_mb, True),
            task.home_path: (limits.home_mb, True),
            "/gateway": (GATE_MB, True),
        }
        with ExitStack() as stack:
            mounts = {
                path: stack.enter_context(
                    volumes.memory_volume(
                        self.engine, f"{name}-{path.strip('/').replace('/', '-')}", megabytes,
                        limits.files if megabytes > GATE_MB else 64, labels, payload_owns=theirs,
                    )
                )
                for path, (megabytes, theirs) in sizes.items()
            }  # fmt: skip
            life = task.seconds + READY + 300  # a slow engine must not lose what is to be read at the end
            spec = ContainerSpec(
                f"{name}-keep", self.image, ("sleep", f"{life + GRACE:.0f}"),
                tuple(Mount(volume, path, read_only=False) for path, volume in mounts.items()),
                Limits(memory_mb=128 + LAB_MB, cpus=0, pids=16, tmp_mb=1, shm_mb=1), life, labels, payload=False,
            )  # fmt: skip
            keeper = stack.enter_context(Container(self.engine, spec))
            keeper.start()
            keeper.put("/lab", task.lab)
            keeper.put(task.work_path, volumes.archive(task.work, owner=PAYLOAD_UID))
            now = int(time.time())  # some programs fetch anew what looks old
            keeper.put(task.home_path, volumes.archive(task.home, task.folders, owner=PAYLOAD_UID, made=now))
            yield _Place(keeper, name, labels, mounts)

    @contextmanager
    def _gateway(self, place: _Place, task: Task, cancelled: threading.Event) -> Iterator[Gateway]:
        archive = gateway.configuration(task.gateway)
        spec = ContainerSpec(
            name=f"{place.name}-gateway",
            image=self.gateway_image,
            command=gateway.command(archive),
            mounts=(Mount(place.volumes["/gateway"], "/gateway", read_only=False),),
            limits=Limits(memory_mb=256, cpus=0, pids=64, tmp_mb=64, shm_mb=1),
            life_seconds=task.seconds + READY + GRACE,
            labels=place.labels,
            environment={"HOME": "/tmp"},
            stdin=True,
            network="host" if task.gateway.on_this_machine else "bridge",
        )
        with Container(self.engine, spec) as container:
            gate = Gateway(container, archive)
            try:
                gate.start(time.monotonic() + READY)
                _listening(place, container, gate, cancelled)
                yield gate
            finally:
                gate.close()

    def _agent(self, place: _Place, task: Task) -> ContainerSpec:
        limits = self.limits
        read_only = {"/lab": True, task.work_path: False, task.home_path: False, "/gateway": True}
        return ContainerSpec(
            name=f"{place.name}-agent",
            image=self.image,
            command=("sh", "-c", RELAY, "agent", task.work_path, *task.command),
            mounts=tuple(Mount(place.volumes[path], path, read_only=ro) for path, ro in read_only.items()),
            limits=Limits(limits.memory_mb, limits.cpus, limits.pids, limits.tmp_mb, shm_mb=64, nofile=8192),
            life_seconds=task.seconds + GRACE,
            labels=place.labels,
            environment=task.environment,
        )


def _listening(place: _Place, container: Container, gate: Gateway, cancelled: threading.Event) -> None:
    """Waits until nginx serves. Raises InfraError where it does not."""
    end = time.monotonic() + READY
    while not cancelled.is_set() and not place.keeper.execute(
        ["sh", "-c", "[ -S /gateway/api.sock ] && echo yes"], 10
    ):
        if time.monotonic() > end or not container.state().get("Running"):
            said = gate.log.decode("utf-8", "replace").strip().splitlines()
            raise InfraError(
                f"the agent's gateway does not start: {said[-1] if said else 'no message'}",
                "See [agent] api_url, and that the API's name can be resolved on this machine",
            )
        time.sleep(0.05)


@dataclass(frozen=True)
class _Place:
    """The volumes of one visit, by where they are mounted, and the keeper that holds them."""

    keeper: Container
    name: str
    labels: Mapping[str, str]
    volumes: Mapping[str, str]

    def read(self, path: str, limit: int) -> bytes | str:
        """A regular file's bytes, or why not. Only when no other container has the volume any more."""
        kind, _, size = (
            self.keeper.execute(["stat", "--format=%F:%s", path], 200)
            .decode("ascii", "replace")
            .strip()
            .partition(":")
        )
        if not kind:
            return "is gone"
        if not kind.startswith("regular"):
            return f"is a {kind}, not a regular file"
        if not size.isdigit() or int(size) > limit:
            return f"has {size} bytes; {limit:,} are allowed"
        with tempfile.TemporaryDirectory(prefix="agent-") as folder:
            fetched = Path(folder) / "file.tar"
            self.keeper.fetch(path, fetched, limit=int(size) + (64 << 10))
            with tarfile.open(fetched, "r:") as tar:
                member = tar.next()
                content = tar.extractfile(member) if member and member.isreg() else None
                return content.read(limit) if content else "is not a regular file"


class _Ran:
    """The program while it runs: its output, when it was last alive, and how it ended."""

    def __init__(self, output_bytes: int, quiet_seconds: float, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self.out, self.err = BoundedLog(output_bytes), BoundedLog(output_bytes // 4)
        self.exit_code: int | None = None
        self.stopped = ""
        self.oom = False
        self.seconds = 0.0
        self._most = output_bytes
        self._quiet = quiet_seconds
        self._last = time.monotonic()

    def alive(self) -> None:
        self._last = time.monotonic()

    def read(self, attached: Attached) -> None:
        while True:
            try:
                kind, data = attached.receive(None)
            except (ChannelTimeout, ChannelClosed, ValueError):
                return
            if not data:
                return
            (self.out if kind == 1 else self.err).add(data)
            self.alive()

    def watch(self, container: Container, seconds: float) -> None:
        """Until it ends, its time is over, or it says too much or nothing."""
        self.alive()
        try:
            ended = container.wait(container.started + seconds, self._look)
        except _Enough as why:
            self.stopped = str(why)
            container.kill()
            self.seconds = time.monotonic() - container.started
            return
        self.exit_code, self.oom, self.seconds = ended.exit_code, ended.oom, ended.seconds
        self.stopped = "timeout" if ended.killed else ""

    def _look(self, _: MemoryWatch) -> None:
        if self._cancelled.is_set():
            raise _Enough("cancelled")
        if self.out.total + self.err.total > self._most:
            raise _Enough("output")
        if time.monotonic() - self._last > self._quiet:
            raise _Enough("quiet")
