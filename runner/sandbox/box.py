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
from dataclasses import dataclass, replace
from pathlib import Path

from runner.config import TrialSettings
from runner.errors import InfraError
from runner.sandbox import owner, volumes
from runner.sandbox.channel import ContainerChannel
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine
from runner.sandbox.evidence import Ended, Left, MemoryWatch, classify
from runner.sandbox.spec import MIB, ContainerSpec, Limits, Mount
from runner.sandbox.stream import LogReader
from runner.scoring.protocol import ChannelClosed, ModelFault
from runner.trial import Ending, Outcome

GRACE = 5.0  # seconds after its deadline at which a container ends without the host's help
LAB_MB, LAB_FILES = 64, 2000
# Where a payload may look for settings and write: nothing but /tmp, which dies with its container.
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_WAIT_POLICY": "passive",  # threads that spin slow each other on a machine that does other work too
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONPATH": "/lab",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Trained:
    """One training's outcome and its bounded log, raw bytes from an untrusted program."""

    outcome: Outcome
    log: bytes


class Sandbox:
    """Makes boxes on one engine from one image. `image` is the image's id; `gpu` a UUID, empty for none."""

    def __init__(
        self, engine: Engine, image: str, settings: TrialSettings, data_volume: str, gpu: str = ""
    ) -> None:
        self.engine = engine
        self.image = image
        self.settings = settings
        self.data_volume = data_volume
        self.gpu = gpu

    @property
    def device(self) -> str:
        return "cuda" if self.gpu else "cpu"

    @contextmanager
    def box(self, tag: str, trial: str, lab: bytes, life_seconds: float) -> Iterator[Box]:
        """A box whose /lab holds the tar archive `lab`. `life_seconds` bounds everything in it."""
        name = f"autoresearch-{tag}-{trial}-{secrets.token_hex(3)}"
        labels = owner.labels(tag, trial, life_seconds)
        settings = self.settings
        with ExitStack() as stack:
            out = stack.enter_context(
                volumes.memory_volume(
                    self.engine, f"{name}-out", settings.out_mb, settings.out_files, labels, payload_owns=True
                )
            )
            code = stack.enter_context(
                volumes.memory_volume(self.engine, f"{name}-lab", LAB_MB, LAB_FILES, labels, payload_owns=False)
            )
            mounts = (Mount(out, "/out", read_only=False), Mount(code, "/lab", read_only=False))
            keeper = stack.enter_context(
                Container(self.engine, self._keeper(name, mounts, labels, life_seconds))
            )
            keeper.start()
            keeper.put("/lab", lab)
            yield Box(self, keeper, name, labels, out, code)

    def _keeper(
        self, name: str, mounts: tuple[Mount, ...], labels: Mapping[str, str], life_seconds: float
    ) -> ContainerSpec:
        small = Limits(memory_mb=64 + LAB_MB, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
        life = f"{life_seconds + GRACE:.0f}"
        return ContainerSpec(
            f"{name}-keep", self.image, ("sleep", life), mounts, small, life_seconds, labels, payload=False
        )


class Box:
    """The containers of one trial, one after the other."""

    def __init__(
        self, sandbox: Sandbox, keeper: Container, name: str, labels: Mapping[str, str], out: str, code: str
    ) -> None:
        self._sandbox = sandbox
        self._keeper = keeper
        self._name = name
        self._labels = labels
        self._out = out
        self._code = code

    def _spec(self, stage: str, command: tuple[str, ...], life: float, env: Mapping[str, str]) -> ContainerSpec:
        settings = self._sandbox.settings
        limits = Limits(settings.memory_mb, settings.cpus, settings.pids, settings.tmp_mb, settings.shm_mb)
        return ContainerSpec(
            name=f"{self._name}-{stage}",
            image=self._sandbox.image,
            command=command,
            mounts=(Mount(self._out, "/out", read_only=stage != "train"), Mount(self._code, "/lab")),
            limits=limits,
            life_seconds=life + GRACE,
            labels=self._labels,
            environment={**ENVIRONMENT, **env},
            gpu=self._sandbox.gpu,
        )

    def train(
        self,
        budget_seconds: float,
        seed: int,
        on_line: Callable[[bytes], None] | None = None,
        on_tick: Callable[[float, MemoryWatch], None] | None = None,
    ) -> Trained:
        """Runs train.py for at most `budget_seconds` of wall-clock. Raises InfraError only."""
        env = {
            "RUNNER_BUDGET_SECONDS": f"{budget_seconds:g}",
            "RUNNER_SEED": str(seed),
            "RUNNER_DEVICE": self._sandbox.device,
        }
        spec = self._spec("train", ("python", "/lab/train/train.py"), budget_seconds, env)
        spec = replace(spec, mounts=(*spec.mounts, Mount(self._sandbox.data_volume, "/lab/data")))
        with Container(self._sandbox.engine, spec) as container:
            attached = container.attach()
            reader = LogReader(attached, self._sandbox.settings.log_kb << 10, on_line)
            reader.start()
            try:
                container.start()
                started = container.started

                def tick(watch: MemoryWatch) -> None:
                    if on_tick:
                        on_tick(time.monotonic() - started, watch)

                ended = container.wait(started + budget_seconds, tick)
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
        look = (
            'stat -f -c "%a %d" /out; [ -d /out/checkpoint ] && [ ! -L /out/checkpoint ] && '
            "find /out/checkpoint -mindepth 1 -type f -printf F -quit"
        )
        words = self._keeper.execute(["sh", "-c", look], 200).split()
        if len(words) < 2 or not all(w.isdigit() for w in words[:2]):
            raise InfraError(f"the keeper of {self._name} could not look at /out: {words!r}")
        return Left(checkpoint=words[2:] == [b"F"], full=0 in (int(words[0]), int(words[1])))

    def save_checkpoint(self, to: Path) -> None:
        """Keeps /out/checkpoint as the engine's own archive, unopened; bounded by what /out may hold."""
        self._keeper.fetch("/out/checkpoint", to, limit=2 * self._sandbox.settings.out_mb * MIB)

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
        command = ("python", "/lab/prepare/model_host.py")
        env = {"RUNNER_DEVICE": self._sandbox.device}
        spec = replace(self._spec(phase, command, life_seconds, env), stdin=True)
        with Container(self._sandbox.engine, spec) as container:
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
            if not state.get("Running"):
                if state.get("OOMKilled"):
                    return ModelFault(Ending.OOM, f"the model was killed for memory ({phase})")
                return ModelFault(
                    Ending.CRASH, f"the model ended with exit code {state.get('ExitCode')} ({phase})"
                )
            time.sleep(0.05)
        return fault
