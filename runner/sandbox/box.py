"""One trial's containers: the keeper, the train container, the model containers, and the volumes they share.

The order is the security: `/lab` and `/out` are made in memory, the host writes the lab into `/lab` through
the keeper, the train container gets `/lab` read-only and `/out` writable, and only when it is gone do model
containers get `/out` read-only, each fresh. Everything is removed on leaving, whatever happens.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.config import TrialSettings
from runner.errors import InfraError
from runner.sandbox import leftover, owner, patience, volumes
from runner.sandbox.channel import ContainerChannel
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine
from runner.sandbox.evidence import Ended, Left, MemoryWatch, classify
from runner.sandbox.gpu_words import GpuAccess
from runner.sandbox.payloads import LAB_FILES, LAB_MB, Payloads, Plan
from runner.sandbox.spec import LABEL, MIB, ContainerSpec
from runner.sandbox.stream import LogReader
from runner.scoring.protocol import ChannelClosed, ModelFault
from runner.trial import Ending, Outcome

FLOOD = (
    1024  # times what is kept of a log: a training that writes more is ended, for it costs the host its time
)
# What an archive of /out may need for each file beyond its bytes: headers and a path of 4,096 bytes, twice.
MEMBER_BYTES = 10 << 10


@dataclass(frozen=True)
class Trained:
    """One training's outcome and its bounded log, raw bytes from an untrusted program."""

    outcome: Outcome
    log: bytes

    def how(self) -> str:
        """How it ended, with the last line of what it said, in one line that may be shown."""
        last = self.log.decode(errors="replace").strip().rpartition("\n")[2]
        said = "".join(c for c in last if c.isprintable())[:200]
        return f"{self.outcome.ending}, {self.outcome.detail}" + (f" ({said})" if said else "")


class Sandbox:
    """Makes boxes on one engine from one image, by its id. access: the GPU of its payloads and how they get it."""

    def __init__(
        self,
        engine: Engine,
        image: str,
        settings: TrialSettings,
        data_volume: str,
        access: GpuAccess | None = None,
    ) -> None:
        self.engine = engine
        self.image = image
        self.settings = settings
        self.data_volume = data_volume
        self.access = access
        self.compiles = access is not None  # whether its payloads have a place for compiled code
        self.compiled = ""  # name of the volume with what is compiled already (`compiled.py`), if there is one
        self.slot = ""  # of several side by side, which: named in the label of all it makes (`stop.py`)
        self.cpuset = ""  # processors that its payloads may run on; empty: any
        self._kept: set[str] = set()  # names of boxes that the engine may not have removed, for it failed

    @property
    def gpu(self) -> str:
        """UUID of the GPU, empty for none."""
        return self.access.uuid if self.access else ""

    @property
    def device(self) -> str:
        return "cuda" if self.gpu else "cpu"

    @property
    def turns(self) -> str:
        """What trials take turns on: the GPU, or the processors that they have."""
        return self.gpu or self.slot or "cpu"

    @property
    def out_mb(self) -> int:
        """MiB that a trial may leave under /out."""
        return self.settings.out(gpu=bool(self.gpu))

    @contextmanager
    def box(self, tag: str, trial: str, lab: bytes, life_seconds: float) -> Iterator[Box]:
        """A box whose /lab holds the tar archive `lab`. `life_seconds` bounds everything in it."""
        name = f"autoresearch-{tag}-{trial}-{secrets.token_hex(3)}"
        labels = owner.labels(tag, trial, life_seconds)
        if self.slot:
            labels[f"{LABEL}.slot"] = self.slot
        if self._kept:
            patience.recover(self.engine, self._kept, self.engine.patience)
            self._kept.clear()
        try:
            with self._made(name, labels, lab, life_seconds) as made:
                yield made
        except InfraError:
            self._kept.add(name)
            raise

    @contextmanager
    def _made(self, name: str, labels: Mapping[str, str], lab: bytes, life_seconds: float) -> Iterator[Box]:
        settings = self.settings
        with ExitStack() as stack:
            out = stack.enter_context(
                volumes.memory_volume(
                    self.engine, f"{name}-out", self.out_mb, settings.out_files, labels, payload_owns=True
                )
            )
            code = stack.enter_context(
                volumes.memory_volume(self.engine, f"{name}-lab", LAB_MB, LAB_FILES, labels, payload_owns=False)
            )
            payloads = Payloads(self._plan(), name, labels, out, code)
            keeper = stack.enter_context(Container(self.engine, payloads.keeper(life_seconds)))
            keeper.start()
            keeper.put("/lab", lab)
            yield Box(self, keeper, payloads)

    def _plan(self) -> Plan:
        return Plan(
            self.image, self.settings, self.data_volume, self.access, self.cpuset, self.compiles, self.compiled
        )


class Box:
    """The containers of one trial, one after the other."""

    def __init__(self, sandbox: Sandbox, keeper: Container, payloads: Payloads) -> None:
        self._sandbox = sandbox
        self._keeper = keeper
        self._payloads = payloads

    def train_spec(self, budget_seconds: float, seed: int) -> ContainerSpec:
        """The container that `train` runs; `runner check` looks around in one."""
        return self._payloads.train(budget_seconds, seed)

    def model_spec(self, phase: str, life_seconds: float) -> ContainerSpec:
        """The container that `channel` speaks to."""
        return self._payloads.model(phase, life_seconds)

    def train(
        self,
        budget_seconds: float,
        seed: int,
        on_line: Callable[[bytes], None] | None = None,
        on_tick: Callable[[float, MemoryWatch], None] | None = None,
    ) -> Trained:
        """Runs train.py for at most `budget_seconds` of wall-clock. Raises InfraError only."""
        spec = self.train_spec(budget_seconds, seed)
        volumes.require_volume(self._sandbox.engine, self._sandbox.data_volume)
        if self._sandbox.compiled:
            volumes.require_volume(self._sandbox.engine, self._sandbox.compiled, "compiled code")
        with Container(self._sandbox.engine, spec) as container:
            attached = container.attach()
            kept = self._sandbox.settings.log_kb << 10
            reader = LogReader(attached, kept, on_line)
            reader.start()
            try:
                container.start()
                started = container.started

                def tick(watch: MemoryWatch) -> None:
                    if on_tick:
                        on_tick(time.monotonic() - started, watch)

                ended = container.wait(started + budget_seconds, tick, lambda: reader.log.total > FLOOD * kept)
                reader.join(timeout=2.0)  # what it wrote last is on its way
            finally:
                attached.close()
        return Trained(self._outcome(ended), reader.log.value())

    def _outcome(self, ended: Ended) -> Outcome:
        ending, detail = classify(ended, self._left())
        return Outcome(
            ending=ending,
            detail=detail,
            exit_code=ended.exit_code,
            train_seconds=round(ended.seconds, 3),
            overrun_seconds=round(ended.overrun_seconds, 3),
            peak_memory_mb=ended.peak_memory_mb,
        )

    def _left(self) -> Left:
        """What is in /out now, told by the image's own programs in the keeper."""
        said = self._keeper.execute(["sh", "-c", leftover.LOOK], 200)
        try:
            return leftover.read(said, self._sandbox.out_mb)
        except ValueError as error:
            raise InfraError(f"the keeper of {self._payloads.name} could not look at /out: {error}") from None

    def save_checkpoint(self, to: Path) -> None:
        """Keeps /out/checkpoint as the engine's own archive, unopened; bounded by what /out may hold."""
        sandbox = self._sandbox
        limit = (sandbox.out_mb + 1) * MIB + sandbox.settings.out_files * MEMBER_BYTES
        self._keeper.fetch("/out/checkpoint", to, limit=limit)

    def load_checkpoint(self, archive: Path) -> None:
        """Puts an archive of `save_checkpoint` where a training would have left it."""
        with archive.open("rb") as stream:
            self._keeper.put("/out", stream)

    @contextmanager
    def channel(self, phase: str, life_seconds: float) -> Iterator[ContainerChannel]:
        """A fresh model container and the channel to its model host.

        A ModelFault raised inside is sharpened by the engine's evidence: what looks like a broken
        connection may have been the kernel's kill for memory, or the program's own end.
        """
        with Container(self._sandbox.engine, self.model_spec(phase, life_seconds)) as container:
            channel = ContainerChannel(container.attach(), 64 << 10)
            try:
                container.start()
                yield channel
            except ModelFault as fault:
                raise self._sharpened(fault, container, phase) from None
            except ChannelClosed as closed:
                raise self._sharpened(ModelFault(Ending.CRASH, str(closed)), container, phase) from None
            finally:
                channel.close()

    def _sharpened(self, fault: ModelFault, container: Container, phase: str) -> ModelFault:
        if fault.ending is not Ending.CRASH:
            return fault
        for _ in range(20):  # the connection breaks a moment before the state says so
            state = container.state()
            oom = container.died_of_memory(state)  # at every look: Podman does not say so, and the counter goes
            if not state.get("Running"):
                if oom:
                    return ModelFault(Ending.OOM, f"the model was killed for memory ({phase})")
                return ModelFault(
                    Ending.CRASH, f"the model ended with exit code {state.get('ExitCode')} ({phase})"
                )
            time.sleep(0.05)
        return fault
