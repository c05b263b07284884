"""The specs of one trial's containers, from what its sandbox was told. Pure: makes nothing, runs nothing.

What every container is held by stands in `spec.py`; here is what a trial's own have and see: commands, mounts,
limits, the named environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runner.config import TrialSettings
from runner.sandbox.gpu_words import GpuAccess
from runner.sandbox.spec import ContainerSpec, Limits, Mount

PLACES = ("data", "compiled")  # folders of /lab that volumes of their own are mounted on
COMPILE_MB, COMPILERS = 2048, 4  # of a GPU's compilers: room for what they build, and how many work at once
SEEDS = "/lab/prepare/startup"  # what Python runs first in a training: seeds belong to the runner
GRACE = 3.0  # seconds after its deadline at which a container ends without the host's help
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
    # No password file knows the payload's user, and what asks for its name fails: PyTorch 2.11's compiler does.
    "USER": "trial",
}


@dataclass(frozen=True)
class Plan:
    """What the containers of a sandbox have in common.

    access: the GPU of its payloads and how they get it. cpuset: processors that payloads may run on; empty: any.
    compiles: whether payloads have a place for compiled code; compiled: name of the volume with what is compiled
    already, empty for none.
    """

    image: str
    settings: TrialSettings
    data_volume: str
    access: GpuAccess | None
    cpuset: str
    compiles: bool
    compiled: str


@dataclass(frozen=True)
class Payloads:
    """Of one box. out, code: the names of its volumes for /out and /lab."""

    plan: Plan
    name: str
    labels: Mapping[str, str]
    out: str
    code: str

    def keeper(self, life_seconds: float) -> ContainerSpec:
        """What holds the volumes, and writes the lab into one of them; no code of a proposal is ever in it."""
        small = Limits(memory_mb=64 + LAB_MB, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
        mounts = (Mount(self.out, "/out", read_only=False), Mount(self.code, "/lab", read_only=False))
        command = ("sleep", f"{life_seconds + GRACE:.0f}")
        name, image, labels = f"{self.name}-keep", self.plan.image, self.labels
        return ContainerSpec(name, image, command, mounts, small, life_seconds, labels, payload=False)

    def train(self, budget_seconds: float, seed: int) -> ContainerSpec:
        plan = self.plan
        env = {
            "RUNNER_BUDGET_SECONDS": f"{budget_seconds:g}",
            "RUNNER_SEED": str(seed),
            "RUNNER_DEVICE": self._device,
            "PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}:{SEEDS}",
        }
        spec = self._payload("train", ("python", "/lab/train/train.py"), budget_seconds, env)
        own = [Mount(plan.data_volume, "/lab/data")]
        own += [Mount(plan.compiled, "/lab/compiled")] if plan.compiled else []
        return replace(spec, mounts=(*spec.mounts, *own))

    def model(self, phase: str, life_seconds: float) -> ContainerSpec:
        command = ("python", "/lab/prepare/model_host.py")
        return replace(self._payload(phase, command, life_seconds, {"RUNNER_DEVICE": self._device}), stdin=True)

    @property
    def _device(self) -> str:
        return "cuda" if self.plan.access else "cpu"

    def _payload(
        self, stage: str, command: tuple[str, ...], life: float, env: Mapping[str, str]
    ) -> ContainerSpec:
        plan, settings = self.plan, self.plan.settings
        memory = settings.memory(gpu=plan.access is not None)
        limits = Limits(memory, settings.cpus, settings.pids, settings.tmp_mb, settings.shm_mb)
        limits = replace(limits, cpuset=plan.cpuset, compile_mb=COMPILE_MB if plan.compiles else 0)
        # Else as many as the machine has cores, hundreds of megabytes each.
        compilers = {"TORCHINDUCTOR_COMPILE_THREADS": str(COMPILERS)} if plan.compiles else {}
        return ContainerSpec(
            name=f"{self.name}-{stage}",
            image=plan.image,
            command=command,
            mounts=(Mount(self.out, "/out", read_only=stage != "train"), Mount(self.code, "/lab")),
            limits=limits,
            life_seconds=life + GRACE,
            labels=self.labels,
            environment={**ENVIRONMENT, **compilers, **env},
            gpu=plan.access,
        )
