"""A driver that answers like `pynvml`, from recorded answers: pynvml's own structures, errors and numbers, no GPU.

    lab = Nvml(Card(changes={3: {"reasons": 0x40}}))       # from its fourth look on the card is too hot
    Device(lab.cards[0].uuid, lab)

A look is one question for the clocks' reasons, which a `Device` asks once a sample. What a card does not tell raises
pynvml's error for it, as the library would.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pynvml

MIB = 1 << 20
IDLE, POWER_CAP, HARDWARE, SOFT_HEAT, HEAT, BRAKE = 0x1, 0x4, 0x8, 0x20, 0x40, 0x80
# What a consumer's card does not tell: no ECC, no page retirement, no counter of energy, no cutting, no events.
CONSUMER = frozenset(
    {
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetTotalEccErrors",
        "nvmlDeviceGetRemappedRows",
        "nvmlDeviceGetRetiredPages",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetProcessUtilization",
        "nvmlDeviceGetProcessesUtilizationInfo",
        "nvmlDeviceRegisterEvents",
    }
)
SILENT = CONSUMER | {  # next to nothing
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetCurrentClocksThrottleReasons",
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetGraphicsRunningProcesses_v2",
}


@dataclass
class Instance:
    """A MIG instance: its places among the GPU's, and what it tells of itself."""

    gi: int
    ci: int
    uuid: str
    profile: str = "1g.5gb"
    total_mb: int = 4864
    used_mb: float = 12.0
    compute: Mapping[int, float | None] = field(default_factory=dict)
    card: Card = field(default=None, repr=False)  # type: ignore[assignment]


@dataclass
class Card:
    """One GPU, at work. changes: fields by the look from which on they hold. silent: questions it does not answer.

    compute, graphics: MiB by process; used: percent by process. xids: told once, at the look that names them.
    """

    uuid: str = "GPU-8a1bd0a2-0000-4000-8000-000000000001"
    name: str = "NVIDIA H100 80GB HBM3"
    minor: int = 0
    total_mb: int = 81_559
    used_mb: float = 45_000.0
    reserved_mb: float = 0.0
    busy: int = 97
    watts: float = 640.0
    limit_watts: float = 700.0
    joules: float = 1_000_000.0
    joules_a_look: float = 640.0
    sm_mhz: int = 1755
    celsius: int = 66
    reasons: int = POWER_CAP
    compute: Mapping[int, float | None] = field(default_factory=dict)
    graphics: Mapping[int, float | None] = field(default_factory=dict)
    used: Mapping[int, int] = field(default_factory=dict)
    ecc: int = 0
    rows: tuple[int, int] = (0, 0)
    xids: Mapping[int, int] = field(default_factory=dict)  # by look: the number
    xid_instance: int = 0xFFFFFFFF
    cut: bool | None = False  # None: it knows no such mode
    places: list[Instance | None] = field(default_factory=list)
    silent: frozenset[str] = frozenset()
    lost: bool = False
    changes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    looks: int = 0

    def __post_init__(self) -> None:
        for place in self.places:
            if place:
                place.card = self

    def look(self) -> None:
        for name, value in self.changes.get(self.looks, {}).items():
            setattr(self, name, value)
        self.looks += 1
        self.joules += self.joules_a_look


def error(number: int) -> pynvml.NVMLError:
    return pynvml.NVMLError(number)


class Nvml:
    """`pynvml` over some cards. hangs: an Event to wait for at each question of a card, as a driver in trouble does."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *cards: Card, driver: str | None = "570.124.06", hangs: threading.Event | None = None):
        self.cards, self.driver, self.hangs = list(cards), driver, hangs
        self.opened = self.asked = 0
        self._heard: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        """Constants are pynvml's; so is that a question of no card here does not exist."""
        if name.startswith(("NVML_", "nvmlEventType", "nvmlMemory_")):
            return getattr(pynvml, name)
        raise AttributeError(name)

    def _card(self, handle: Any, question: str) -> Card:
        self.asked += 1
        if self.hangs is not None:
            self.hangs.wait()
        card: Card = handle.card if isinstance(handle, Instance) else handle
        if card.lost:
            raise error(pynvml.NVML_ERROR_GPU_IS_LOST)
        if question in card.silent:
            raise error(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return card

    def _whole(self, handle: Any, question: str) -> Card:
        """Of what is told of a GPU only, and of no instance."""
        card = self._card(handle, question)
        if isinstance(handle, Instance):
            raise error(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return card

    def nvmlInit(self) -> None:
        self.opened += 1
        if self.driver is None:
            raise error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    def nvmlShutdown(self) -> None: ...

    def nvmlSystemGetDriverVersion(self) -> str:
        assert self.driver is not None
        return self.driver

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self._card(self.cards[index], "nvmlDeviceGetHandleByIndex")

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        self._card(handle, "nvmlDeviceGetUUID")
        return str(handle.uuid)

    def nvmlDeviceGetName(self, handle: Any) -> str:
        card = self._card(handle, "nvmlDeviceGetName")
        return f"{card.name} MIG {handle.profile}" if isinstance(handle, Instance) else card.name

    def nvmlDeviceGetMinorNumber(self, handle: Any) -> int:
        return self._whole(handle, "nvmlDeviceGetMinorNumber").minor

    def nvmlDeviceGetMigMode(self, handle: Any) -> list[int]:
        card = self._whole(handle, "nvmlDeviceGetMigMode")
        if card.cut is None:
            raise error(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(card.cut), int(card.cut)]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:
        return len(self._whole(handle, "nvmlDeviceGetMaxMigDeviceCount").places)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Instance:
        found = self._whole(handle, "nvmlDeviceGetMigDeviceHandleByIndex").places[index]
        if found is None:
            raise error(pynvml.NVML_ERROR_NOT_FOUND)
        return found

    def nvmlDeviceGetGpuInstanceId(self, handle: Instance) -> int:
        return handle.gi

    def nvmlDeviceGetComputeInstanceId(self, handle: Instance) -> int:
        return handle.ci

    def nvmlDeviceGetMemoryInfo(self, handle: Any, version: int | None = None) -> Any:
        card = self._card(handle, "nvmlDeviceGetMemoryInfo")
        total, used, reserved = (int(mb * MIB) for mb in (handle.total_mb, handle.used_mb, card.reserved_mb))
        if version == pynvml.nvmlMemory_v2:
            if "nvmlDeviceGetMemoryInfo_v2" in card.silent:
                raise error(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
            return pynvml.c_nvmlMemory_v2_t(total=total, used=used, reserved=reserved)
        return pynvml.c_nvmlMemory_t(total=total, used=used + reserved, free=total - used - reserved)

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        return pynvml.c_nvmlUtilization_t(
            gpu=self._whole(handle, "nvmlDeviceGetUtilizationRates").busy, memory=40
        )

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        return int(1000 * self._whole(handle, "nvmlDeviceGetPowerUsage").watts)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Any) -> int:
        return int(1000 * self._whole(handle, "nvmlDeviceGetEnforcedPowerLimit").limit_watts)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:
        return int(1000 * self._whole(handle, "nvmlDeviceGetTotalEnergyConsumption").joules)

    def nvmlDeviceGetClockInfo(self, handle: Any, kind: int) -> int:
        assert kind == pynvml.NVML_CLOCK_SM
        return self._whole(handle, "nvmlDeviceGetClockInfo").sm_mhz

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int:
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return self._whole(handle, "nvmlDeviceGetTemperature").celsius

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: Any) -> int:
        card = self._whole(handle, "nvmlDeviceGetCurrentClocksEventReasons")
        card.look()
        return card.reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Any) -> int:
        card = self._whole(handle, "nvmlDeviceGetCurrentClocksThrottleReasons")
        card.look()
        return card.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:
        self._card(handle, "nvmlDeviceGetComputeRunningProcesses")
        return _processes(handle.compute)

    def nvmlDeviceGetComputeRunningProcesses_v2(self, handle: Any) -> list[Any]:
        self._card(handle, "nvmlDeviceGetComputeRunningProcesses_v2")
        return _processes(handle.compute)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> list[Any]:
        return _processes(self._whole(handle, "nvmlDeviceGetGraphicsRunningProcesses").graphics)

    def nvmlDeviceGetGraphicsRunningProcesses_v2(self, handle: Any) -> list[Any]:
        return _processes(self._whole(handle, "nvmlDeviceGetGraphicsRunningProcesses_v2").graphics)

    def nvmlDeviceGetTemperatureV(self, handle: Any, sensor: int) -> int:
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return self._whole(handle, "nvmlDeviceGetTemperatureV").celsius

    def nvmlDeviceGetProcessUtilization(self, handle: Any, since: int) -> list[Any]:
        used = self._whole(handle, "nvmlDeviceGetProcessUtilization").used
        return _used(used, since, pynvml.c_nvmlProcessUtilizationSample_t)

    def nvmlDeviceGetProcessesUtilizationInfo(self, handle: Any, since: int) -> list[Any]:
        used = self._whole(handle, "nvmlDeviceGetProcessesUtilizationInfo").used
        return _used(used, since, pynvml.c_nvmlProcessUtilizationInfo_v1_t)

    def nvmlDeviceGetTotalEccErrors(self, handle: Any, kind: int, counter: int) -> int:
        assert (kind, counter) == (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC)
        return self._whole(handle, "nvmlDeviceGetTotalEccErrors").ecc

    def nvmlDeviceGetRemappedRows(self, handle: Any) -> tuple[int, int, int, int]:
        return (*self._whole(handle, "nvmlDeviceGetRemappedRows").rows, 0, 0)

    def nvmlDeviceGetRetiredPages(self, handle: Any, cause: int) -> list[int]:
        self._whole(handle, "nvmlDeviceGetRetiredPages")
        return []

    def nvmlEventSetCreate(self) -> list[Card]:
        return []

    def nvmlDeviceRegisterEvents(self, handle: Any, kinds: int, events: list[Card]) -> None:
        assert kinds == pynvml.nvmlEventTypeXidCriticalError
        events.append(self._whole(handle, "nvmlDeviceRegisterEvents"))

    def nvmlEventSetWait_v2(self, events: list[Card], milliseconds: int) -> Any:
        assert milliseconds == 0, "nobody waits for what may never happen"
        for card in events:
            due = [look for look in card.xids if self._heard.get(card.uuid, -1) < look < card.looks]
            if due:
                self._heard[card.uuid] = due[0]
                return pynvml.c_nvmlEventData_t(
                    eventType=pynvml.nvmlEventTypeXidCriticalError,
                    eventData=card.xids[due[0]],
                    gpuInstanceId=card.xid_instance,
                    computeInstanceId=0xFFFFFFFF,
                )
        raise error(pynvml.NVML_ERROR_TIMEOUT)


def _used(used: Mapping[int, int], since: int, kind: Any) -> list[Any]:
    if not used:
        raise error(pynvml.NVML_ERROR_NOT_FOUND)
    return [kind(pid=pid, timeStamp=since + 1, smUtil=percent) for pid, percent in used.items()]


def _processes(listed: Mapping[int, float | None]) -> list[Any]:
    return [
        pynvml.nvmlFriendlyObject(
            {
                "pid": pid,
                "usedGpuMemory": None if memory is None else int(memory * MIB),
                "gpuInstanceId": 0xFFFFFFFF,
                "computeInstanceId": 0xFFFFFFFF,
            }
        )
        for pid, memory in listed.items()
    ]


def cut_card(**changes: Any) -> Card:
    """An A100 in MIG mode with two instances, and places without one before and between them."""
    places = [
        None,
        Instance(7, 0, "MIG-c0000000-0000-4000-8000-000000000007", used_mb=1200.0),
        None,
        Instance(2, 0, "MIG-c0000000-0000-4000-8000-000000000002", "3g.20gb", 19_968),
    ]
    fields: dict[str, Any] = {
        "uuid": "GPU-a1000000-0000-4000-8000-00000000000a",
        "name": "NVIDIA A100-SXM4-40GB",
        "minor": 3,
        "total_mb": 40_960,
        "cut": True,
        "places": places,
        "silent": frozenset({"nvmlDeviceGetProcessUtilization", "nvmlDeviceGetUtilizationRates"}),
    }
    return Card(**{**fields, **changes})
