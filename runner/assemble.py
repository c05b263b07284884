"""Builds the parts that a command needs: engine, image, data, sandbox. Each step shows itself and is skipped
in a moment where it was done before. Decides nothing about trials.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner import data
from runner.errors import MissingError
from runner.lab import Lab, scoring_digest
from runner.machine.gpu import Gpu, gpus, named
from runner.parts import Watcher
from runner.sandbox import inside
from runner.sandbox.box import Sandbox
from runner.sandbox.engine import Engine
from runner.sandbox.images import trial_image
from runner.sandbox.reaper import reap, swept
from runner.sandbox.training_data import data_volume
from runner.trial import Pins


@dataclass(frozen=True)
class Workshop:
    """A lab with everything that trials need."""

    lab: Lab
    engine: Engine
    sandbox: Sandbox
    gpu: Gpu | None
    manifest: data.Manifest

    def pins(self) -> Pins:
        return Pins(
            prepare=self.lab.prepare_digest(),
            data=self.manifest.digest,
            image=self.sandbox.image,
            scoring=scoring_digest(),
            settings=self.lab.settings_digest(),
        )

    def machine(self) -> dict[str, Any]:
        """What the trials ran on, for the record."""
        return {
            "engine": asdict(self.engine.info),
            "gpu": asdict(self.gpu) if self.gpu else None,
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }


@contextmanager
def workshop(lab: Lab, watcher: Watcher) -> Iterator[Workshop]:
    """Engine, image, data and volume, whatever of them is missing being made first.

    However the block ends, nothing that was made for a trial is left in the engine. Raises MissingError, UsageError,
    InfraError.
    """
    with swept(Engine(lab.settings.engine.url, lab.settings.engine.seccomp)) as engine:
        engine.patience = lab.settings.engine.patience_seconds
        yield _assembled(lab, engine, watcher)


def _assembled(lab: Lab, engine: Engine, watcher: Watcher) -> Workshop:
    removed = reap(engine)
    if removed:
        watcher.message(f"removed {len(removed)} leftovers of a run that was killed")
    gpu = choose_gpu(lab.settings.trial.device)
    with watcher.step("trial image") as progress:
        image = trial_image(engine, lab.root, lab.settings.image, cuda=gpu is not None, progress=progress)
    with watcher.step("data") as progress:
        manifest = data.prepare(lab.root, lab.settings.data, progress)
    volume = data_volume(engine, image, manifest.digest, data.public_files(lab.root))
    sandbox = Sandbox(engine, image, lab.settings.trial, volume, gpu.uuid if gpu else "")
    with watcher.step("isolation"):
        inside.require_walls(sandbox)
    return Workshop(lab, engine, sandbox, gpu, manifest)


def choose_gpu(device: str) -> Gpu | None:
    """The GPU that trials get: the first one, or none. Raises MissingError where one is demanded in vain.

    AUTORESEARCH_GPU names another, for machines with several: its number, its UUID or a part of its name.
    """
    if device == "cpu":
        return None
    found = named(gpus(), os.environ.get("AUTORESEARCH_GPU", ""))
    if not found and device == "cuda":
        raise MissingError(
            "trial.device is cuda, and no NVIDIA GPU answers on this machine",
            "See nvidia-smi; or set trial.device to auto or cpu in runner.toml",
        )
    return found[0] if found else None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
