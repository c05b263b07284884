"""Builds the parts that a command needs: engine, image, data, sandbox. Each step shows itself and is skipped
in a moment where it was done before. Decides nothing about trials.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner import data
from runner.errors import MissingError
from runner.lab import Lab, scoring_digest
from runner.machine.gpu import Gpu, driver_loaded, gpus, named, windows_beneath
from runner.machine.several import Slot, chosen
from runner.parts import Watcher
from runner.pinned import refuse_other_pins, told_of
from runner.record.run import Header
from runner.sandbox import gpu_facts, inside, torch_on_gpu
from runner.sandbox.box import Sandbox
from runner.sandbox.compiled import compiled_volume
from runner.sandbox.engine import Engine
from runner.sandbox.gpu_access import plan_access
from runner.sandbox.images import trial_image
from runner.sandbox.reaper import reap, swept
from runner.sandbox.training_data import data_volume
from runner.trial import Pins
from runner.turn import turn

SHORT_SECONDS = 90.0  # of budget: with less on a GPU train.py is not even compiled


@dataclass(frozen=True)
class Workshop:
    """A lab with everything that trials need. slots, sandboxes: where trials train side by side, one at the least."""

    lab: Lab
    engine: Engine
    sandbox: Sandbox
    gpu: Gpu | None
    manifest: data.Manifest
    slots: tuple[Slot, ...] = ()
    sandboxes: tuple[Sandbox, ...] = field(default=())

    def pins(self) -> Pins:
        return Pins(
            prepare=self.lab.prepare_digest(),
            data=self.manifest.digest,
            image=self.sandbox.image,
            scoring=scoring_digest(),
            settings=self.lab.settings_digest(),
        )

    def refuse_other(self, header: Header, whose: str, recorded: Pins | None = None) -> None:
        """Raises UsageError with what has changed, where new scores would not compare with those of the run `header`.

        recorded: of one trial of it, in the place of the run's own.
        """
        told = (header.data, told_of(self.manifest))
        before = recorded or header.pins
        refuse_other_pins(before, self.pins(), whose, header.settings, self.lab.settings, told)

    def machine(self) -> dict[str, Any]:
        """What the trials ran on, for the record."""
        return {
            "engine": asdict(self.engine.info),
            "gpu": asdict(self.gpu) if self.gpu else None,
            **self._beside(),
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }

    def _beside(self) -> dict[str, Any]:
        """What only several slots have: the GPUs by their UUIDs, or how many shares the processors are cut into."""
        if len(self.slots) < 2:
            return {}
        if self.gpu:
            return {"gpus": [slot.gpu.uuid for slot in self.slots if slot.gpu]}
        return {"shares": len(self.slots)}


@contextmanager
def workshop(lab: Lab, watcher: Watcher, gpus_wanted: str = "") -> Iterator[Workshop]:
    """Engine, image, data and volume, whatever of them is missing being made first.

    gpus_wanted: what `--gpus` says; empty for one device, the settings' own. However the block ends, nothing that was
    made for a trial is left in the engine. Raises MissingError, UsageError, InfraError.
    """
    settings = lab.settings.engine
    with swept(Engine(settings.url, settings.seccomp)) as engine, ExitStack() as stack:
        slots = _slots(lab, engine, gpus_wanted)
        if lab.settings.trial.device == "auto" and not gpus_wanted and not slots[0].gpu and driver_loaded():
            watcher.message(
                "NVIDIA's driver is loaded, and no GPU answers (see nvidia-smi): trained on the processor"
            )
        if slots[0].gpu and (budget := lab.settings.trial.budget_seconds) < SHORT_SECONDS:
            watcher.message(
                f"{budget:g} s of training are few on a GPU, where starting takes ten of them: a night's are usually"
                " some minutes each (trial.budget_seconds in runner.toml)"
            )
        # A connection each: docker-py does not promise that threads may share one.
        more = [stack.enter_context(closing(Engine(settings.url, settings.seccomp))) for _ in slots[1:]]
        for one in (engine, *more):
            one.patience = settings.patience_seconds
        yield _assembled(lab, [engine, *more], slots, watcher)


def _slots(lab: Lab, engine: Engine, wanted: str) -> list[Slot]:
    device = lab.settings.trial.device
    if not wanted:
        return [Slot("", choose_gpu(device))]
    count = int(engine.raw.get("NCPU") or 1)
    processors = sorted(os.sched_getaffinity(0)) if engine.local else range(count)
    return chosen(wanted, [] if wanted.startswith("cpu") else _gpus(), device, processors)


def _assembled(lab: Lab, engines: list[Engine], slots: list[Slot], watcher: Watcher) -> Workshop:
    engine, gpu = engines[0], slots[0].gpu
    removed = reap(engine)
    if removed:
        watcher.message(f"removed {len(removed)} leftovers of a run that was killed")
    with watcher.step("trial image") as progress:
        image = trial_image(engine, lab.root, lab.settings.image, cuda=gpu is not None, progress=progress)
    with watcher.step("data") as progress:
        manifest = data.prepare(lab.root, lab.settings.data, progress)
        files = data.public_files(lab.root)
        volume = data_volume(engine, image, manifest.digest, files, lambda said: progress(said, None))
    sandboxes = []
    facts = gpu_facts.gather(engine) if gpu else None
    for one, slot in zip(engines, slots, strict=True):
        way = plan_access(facts, slot.gpu, lab.settings.trial.gpu_access) if facts and slot.gpu else None
        sandboxes.append(Sandbox(one, image, lab.settings.trial, volume, way))
        if len(slots) > 1:
            sandboxes[-1].slot, sandboxes[-1].cpuset = slot.name, slot.cpuset
    if gpu:
        with watcher.step("compilers"):
            compiled = _compiled(lab, sandboxes[0], gpu, watcher)
        for sandbox in sandboxes:
            sandbox.compiled = compiled
    with watcher.step("isolation"):
        for sandbox in sandboxes:
            inside.require_walls(sandbox)
    return Workshop(lab, engine, sandboxes[0], gpu, manifest, tuple(slots), tuple(sandboxes))


def _compiled(lab: Lab, sandbox: Sandbox, gpu: Gpu, watcher: Watcher) -> str:
    """What any program for this kind of GPU needs compiled, made in this process's turn on the GPU.

    Before it is made, and so once for an image, a kind of GPU and a driver: whether the GPU is there and PyTorch
    computes on it. Raises MissingError where not.
    """

    def usable() -> None:
        inside.require_walls(sandbox)  # an engine that ignores the request is told of as such
        torch_on_gpu.require(sandbox, gpu.driver)

    stopped = sandbox.engine.stopping.is_set
    with ExitStack() as stack:
        if lab.settings.trial.takes_turns(gpu=True):
            stack.enter_context(turn(sandbox.turns, str(lab.root), watcher.message, stopped=stopped))
        return compiled_volume(sandbox, f"{gpu.name}, driver {gpu.driver}", watcher.message, before=usable)


def choose_gpu(device: str) -> Gpu | None:
    """The GPU that trials get: the first one, or none. Raises MissingError where one is demanded in vain.

    AUTORESEARCH_GPU names another, for machines with several: its number, its UUID or a part of its name.
    """
    if device == "cpu":
        return None
    found = named(_gpus(), os.environ.get("AUTORESEARCH_GPU", ""))
    if not found and device == "cuda":
        raise MissingError(
            "trial.device is cuda, and no NVIDIA GPU answers on this machine",
            "See nvidia-smi; or set trial.device to auto or cpu in runner.toml",
        )
    return found[0] if found else None


def _gpus() -> list[Gpu]:
    """Raises MissingError where they cannot be told apart inside a container."""
    found = gpus()
    if found and windows_beneath():
        raise MissingError(
            f"the {found[0].name} of this machine cannot be passed: Linux inside Windows (WSL2) has one device for all"
            " GPUs, so that exactly one could not be seen to be inside",
            'Use Linux by itself; or train on the processor: [trial] device = "cpu" in runner.toml',
        )
    return found


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
