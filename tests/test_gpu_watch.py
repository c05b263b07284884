"""What is seen of a GPU during a training, and when a training is not to be believed for it: by recorded answers."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import nvml_lab
import pytest
from nvml_lab import CONSUMER, SILENT, Card, Nvml, cut_card

from runner.machine import marks, processes
from runner.machine.device import Device, within
from runner.machine.gpu import gpus, named
from runner.machine.host import Clock, Host, processors
from runner.machine.readings import Gpus
from runner.machine.telemetry import Told, Watch
from runner.sandbox.container import Container
from runner.sandbox.evidence import MemoryWatch
from runner.sandbox.spec import ContainerSpec, Limits

OURS, THEIRS = 4_100_001, 4_100_002  # above any process number of Linux
LOOKS = 12
A, B = (f"GPU-8a1bd0a2-0000-4000-8000-00000000000{n}" for n in (1, 2))


def groups(pid: int) -> str:
    return {OURS: "0::/docker/c0ffee\n", THEIRS: "0::/user.slice\n"}.get(pid, "")


def watched(
    nvml: Nvml, uuid: str = A, *, looks: int = LOOKS, failed: bool = False, host: Host | None = None
) -> Told:
    """A training of about `looks` looks in container c0ffee."""
    watch = Watch(Device(uuid, nvml), host, every=0.002, container_of=groups)
    card = next((c for c in nvml.cards if uuid in (c.uuid, *(p.uuid for p in c.places if p))), None)
    with watch:
        watch.tick("c0ffee", None)
        end = time.monotonic() + 5
        while (card is None or card.looks < looks) and time.monotonic() < end:
            time.sleep(0.001)
            if card is None or card.silent >= SILENT:
                time.sleep(0.05)
                break
    return watch.told(failed=failed)


# -- which GPUs there are


def test_a_cut_gpu_is_its_instances_wherever_they_sit() -> None:
    whole, one, two = gpus(Nvml(Card(), cut_card()))
    assert (whole.name, whole.memory_mb, whole.minor, whole.parent) == ("NVIDIA H100 80GB HBM3", 81_559, 0, "")
    assert [gpu.instance for gpu in (one, two)] == [(7, 0), (2, 0)]
    assert {gpu.parent for gpu in (one, two)} == {"GPU-a1000000-0000-4000-8000-00000000000a"}
    assert [(gpu.name, gpu.memory_mb, gpu.minor) for gpu in (one, two)] == [
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4864, 3),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 19_968, 3),
    ]


def test_a_cut_gpu_without_instances_is_none() -> None:
    assert gpus(Nvml(cut_card(places=[None] * 7))) == []


def test_an_instance_is_meant_by_its_own_uuid_and_all_of_them_by_their_gpus() -> None:
    found = gpus(Nvml(Card(), cut_card()))
    assert named(found, found[2].uuid.upper()) == [found[2]]
    assert named(found, found[1].parent) == found[1:]
    assert named(found, "3g.20gb") == [found[2]]


def test_a_lost_gpu_hides_no_other() -> None:
    assert [gpu.uuid for gpu in gpus(Nvml(Card(lost=True), Card(uuid=B)))] == [B]


def test_a_gpu_that_tells_of_no_memory_of_its_own_is_one() -> None:
    found = gpus(Nvml(Card(name="NVIDIA GB10", silent=CONSUMER | {"nvmlDeviceGetMemoryInfo"})))
    assert [(gpu.name, gpu.memory_mb) for gpu in found] == [("NVIDIA GB10", 0)]


def test_without_a_driver_there_is_none() -> None:
    assert gpus(Nvml(driver=None)) == []
    assert not Device(A, Nvml(driver=None)).known


# -- what is told


def test_a_healthy_training_is_summed_up_and_has_no_mark() -> None:
    more = {"used_mb": 52_000.0, "compute": {OURS: 51_000.0}, "celsius": 71}
    told = watched(Nvml(Card(compute={OURS: 44_000.0}, changes={6: more})))
    gpu = told.telemetry["gpu"]
    assert told.marks == ()
    assert (told.vram_mb, gpu["own_mb"], gpu["memory_mb"]) == (51_000.0, 51_000.0, 52_000.0)
    assert (gpu["busy_mean"], gpu["watts_mean"], gpu["celsius"]) == (97.0, 640.0, 71)
    assert (gpu["sm_mhz_mean"], gpu["sm_mhz_min"]) == (1755, 1755)
    assert gpu["clocks"] == {"power cap": 1.0}
    assert gpu["kilojoules"] == pytest.approx(0.64 * (gpu["looks"] - 1))
    assert "others" not in gpu
    assert json.loads(json.dumps(told.telemetry, allow_nan=False)) == told.telemetry


def test_memory_is_that_of_the_gpu_of_the_training_and_of_no_other() -> None:
    nvml = Nvml(Card(used_mb=70_000.0), Card(uuid=B, used_mb=1_500.0, compute={OURS: 1_400.0}))
    assert watched(nvml, B).vram_mb == 1_400.0


@pytest.mark.parametrize("ours", [None, 1.0])
def test_memory_of_processes_that_is_not_told_is_what_is_in_use_more_than_before(ours: float | None) -> None:
    """Of a browser's or a colleague's before the training nothing is the training's."""
    at_work = {"used_mb": 9_000.0, "compute": {OURS: ours, 4_100_003: None}}
    card = Card(used_mb=2_000.0, changes={4: at_work})
    assert watched(Nvml(card)).vram_mb == (7_000.0 if ours is None else 1.0)


def test_what_the_driver_keeps_for_itself_is_nobodys() -> None:
    assert watched(Nvml(Card(used_mb=8.0, reserved_mb=900.0))).telemetry["gpu"]["memory_mb"] == 8.0
    older = CONSUMER | {"nvmlDeviceGetMemoryInfo_v2"}
    assert (
        watched(Nvml(Card(used_mb=8.0, reserved_mb=900.0, silent=older))).telemetry["gpu"]["memory_mb"] == 908.0
    )


class Later(Nvml):
    """A pynvml without what its present one says will be removed."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("nvmlDeviceGetTemperature", "nvmlDeviceGetCurrentClocksThrottleReasons"):
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_a_pynvml_without_its_older_questions_is_asked_the_newer_ones() -> None:
    gpu = watched(Later(Card(reasons=nvml_lab.HEAT))).telemetry["gpu"]
    assert (gpu["celsius"], gpu["clocks"]) == (66, {"hardware thermal": 1.0})
    assert [reading.temperature for reading in Gpus(Later(Card())).read()] == [66]


def test_what_a_device_does_not_tell_is_left_out() -> None:
    gpu = watched(Nvml(Card(silent=SILENT))).telemetry["gpu"]
    assert set(gpu) == {"memory_mb", "looks", "look_ms"}


def test_energy_is_power_over_time_where_it_is_not_counted() -> None:
    gpu = watched(Nvml(Card(silent=CONSUMER, watts=500.0))).telemetry["gpu"]
    assert 0 < gpu["kilojoules"] < 5 * 0.5


def test_of_an_instance_memory_is_its_own_and_the_clock_its_gpus() -> None:
    nvml = Nvml(cut_card(sm_mhz=1410))
    told = watched(nvml, nvml.cards[0].places[1].uuid)
    gpu = told.telemetry["gpu"]
    assert gpu["memory_mb"] == 1200.0
    assert (gpu["sm_mhz_mean"], gpu["whole_gpu"]) == (1410, True)
    assert "busy_mean" not in gpu


def test_the_clock_of_a_gpu_that_waits_is_not_counted() -> None:
    """Before the first kernel a GPU clocks down; what counts is its clock at work."""
    gpu = watched(Nvml(Card(busy=0, sm_mhz=345, changes={5: {"busy": 99, "sm_mhz": 1980}}))).telemetry["gpu"]
    assert gpu["sm_mhz_min"] == 1980


# -- marks


@pytest.mark.parametrize("bits", [nvml_lab.HARDWARE, nvml_lab.SOFT_HEAT, nvml_lab.HEAT, nvml_lab.BRAKE])
def test_a_gpu_that_gets_too_hot_midway_marks_the_training(bits: int) -> None:
    told = watched(Nvml(Card(changes={6: {"reasons": bits, "sm_mhz": 900}})))
    assert told.marks == ("throttled",)
    assert told.telemetry["gpu"]["sm_mhz_min"] == 900


@pytest.mark.parametrize("bits", [0, 0x1, 0x2, 0x4, 0x10, 0x100, 0x400])
def test_a_limit_that_someone_set_is_no_mark(bits: int) -> None:
    assert watched(Nvml(Card(reasons=bits))).marks == ()


def test_a_slow_clock_now_and_then_is_within_the_noise() -> None:
    assert not marks.throttled(slow=3, looks=100)
    assert marks.throttled(slow=5, looks=100)


def test_a_process_of_another_user_that_the_kernel_hides_is_known_from_before() -> None:
    hidden = 4_100_003
    assert watched(Nvml(Card(compute={hidden: 10.0}, silent=CONSUMER))).marks == ("shared",)


def test_one_look_at_a_slow_clock_is_no_evidence() -> None:
    """NVML may tell a hardware slowdown in the moment in which a clock changes."""
    told = watched(Nvml(Card(changes={5: {"reasons": nvml_lab.HARDWARE}, 6: {"reasons": nvml_lab.POWER_CAP}})))
    assert told.marks == ()
    assert 0 < told.telemetry["gpu"]["clocks"]["hardware slowdown"] < 0.2


def test_an_older_driver_is_asked_by_the_older_names() -> None:
    older = {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetComputeRunningProcesses"}
    nvml = Nvml(Card(reasons=nvml_lab.HEAT, compute={THEIRS: 1.0}, silent=CONSUMER | older))
    assert watched(nvml).marks == ("shared", "throttled")


def test_a_process_that_comes_to_the_gpu_midway_marks_the_training() -> None:
    at_work = {"compute": {OURS: 44_000.0, THEIRS: 900.0}, "used": {OURS: 60, THEIRS: 35}}
    told = watched(Nvml(Card(compute={OURS: 44_000.0}, used={OURS: 99}, changes={6: at_work})))
    assert told.marks == ("shared",)
    assert told.telemetry["gpu"]["others"] == [{"pid": THEIRS, "memory_mb": 900, "percent": 35.0}]


def test_a_process_that_holds_memory_and_does_nothing_is_no_mark() -> None:
    told = watched(Nvml(Card(compute={OURS: 44_000.0, THEIRS: 900.0}, used={OURS: 99})))
    assert told.marks == ()
    assert told.telemetry["gpu"]["others_count"] == 1


def test_it_is_one_where_the_training_failed_that_may_have_wanted_that_memory() -> None:
    nvml = Nvml(Card(compute={OURS: 44_000.0, THEIRS: 900.0}, used={OURS: 99}))
    assert watched(nvml, failed=True).marks == ("shared",)


def test_a_process_of_which_it_is_not_told_what_it_does_is_taken_to_work() -> None:
    assert watched(Nvml(Card(compute={THEIRS: None}, silent=CONSUMER))).marks == ("shared",)


def test_a_desktop_on_the_gpu_is_no_mark() -> None:
    nvml = Nvml(Card(compute={THEIRS: 300.0}, graphics={THEIRS: 300.0}, silent=CONSUMER))
    assert watched(nvml).marks == ()


@pytest.mark.parametrize(("percent", "found"), [(3, ()), (40, ("shared",))], ids=["compositor", "game"])
@pytest.mark.parametrize("computes", [False, True])
def test_what_draws_is_a_mark_where_it_takes_much_of_the_gpu(
    percent: int, found: tuple[str, ...], computes: bool
) -> None:
    """A browser or a renderer is listed under both kinds of process."""
    drawing = {THEIRS: 600.0}
    card = Card(graphics=drawing, compute={OURS: 44_000.0, **(drawing if computes else {})})
    card.used = {OURS: 90, THEIRS: percent}
    told = watched(Nvml(card))
    assert told.marks == found
    assert ("others" in told.telemetry["gpu"]) == bool(found)


def test_what_draws_and_is_busy_for_a_moment_is_no_mark() -> None:
    card = Card(graphics={THEIRS: 600.0}, changes={5: {"used": {THEIRS: 60}}, 6: {"used": {THEIRS: 0}}})
    assert watched(Nvml(card)).marks == ()


def test_a_desktops_memory_excuses_no_failure() -> None:
    nvml = Nvml(Card(graphics={THEIRS: 600.0}, used={OURS: 90}))
    assert watched(nvml, failed=True).marks == ()


def test_a_gpu_that_knows_the_newer_question_alone_tells_who_is_at_work() -> None:
    """Blackwell's, with drivers from 580 on."""
    newer = frozenset({"nvmlDeviceGetProcessUtilization"})
    idle = Card(compute={OURS: 44_000.0, THEIRS: 900.0}, used={OURS: 99}, silent=newer)
    assert watched(Nvml(idle)).marks == ()
    busy = Card(compute={OURS: 44_000.0, THEIRS: 900.0}, used={OURS: 60, THEIRS: 35}, silent=newer)
    assert watched(Nvml(busy)).marks == ("shared",)


def test_a_process_of_which_nothing_is_known_is_nobodys() -> None:
    """One that is gone before it was looked at, or of a container in which this program runs itself."""
    nvml = Nvml(Card(silent=CONSUMER, changes={6: {"compute": {4_100_003: 10.0}}}))
    assert watched(nvml).marks == ()


def test_the_trainings_processes_are_known_by_its_container() -> None:
    watch = Watch(Device(A, Nvml(card := Card(compute={OURS: 1.0}))), None, every=0.002, container_of=groups)
    card.compute = {}
    with watch:
        watch.tick("c0ffee", None)
        card.changes = {4: {"compute": {OURS: 1.0}}}
        while card.looks < LOOKS:
            time.sleep(0.001)
    assert watch.own == {OURS}


def test_the_programs_control_groups_are_read_from_proc() -> None:
    assert processes.groups(os.getpid()) == Path("/proc/self/cgroup").read_text()
    assert processes.groups(OURS) == ""
    assert (processes.alive(os.getpid()), processes.alive(1), processes.alive(OURS)) == (True, True, False)
    assert processes.name_of(os.getpid())


@pytest.mark.engine
def test_a_real_containers_processes_are_its_own(engine: Any, image: str, tag: str, tmp_path: Path) -> None:
    """By the same control groups that the driver's process numbers lead to on a machine with a GPU."""
    if not engine.local:
        pytest.skip("the engine is on another machine")
    limits = Limits(memory_mb=64, cpus=0, pids=16, tmp_mb=1, shm_mb=1)
    labels = {"autoresearch.run": tag}
    spec = ContainerSpec(f"autoresearch-{tag}-watch", image, ("sleep", "30"), (), limits, 30.0, labels)
    with Container(engine, spec) as container:
        container.start()
        pid = engine.api.inspect_container(container.id)["State"]["Pid"]
        card = Card(compute={pid: 900.0, os.getpid(): 100.0}, silent=CONSUMER)
        evidence = MemoryWatch(engine, container.id)
        evidence.sample()
        host = Host(tmp_path)
        with Watch(Device(A, Nvml(card)), host, every=0.01) as watch:
            while card.looks < 5:
                watch.tick(evidence.container, evidence.cpu_seconds)
                time.sleep(0.01)
    told = watch.told(failed=False)
    assert watch.own == {pid}
    assert told.marks == ("shared",)
    assert [other["pid"] for other in told.telemetry["gpu"]["others"]] == [os.getpid()]
    assert evidence.cpu_seconds is not None
    assert 0 < evidence.cpu_seconds < 30
    assert "cpu_others" in told.telemetry["host"]


@pytest.mark.parametrize("number", [48, 63, 74, 79, 94, 119])
def test_an_error_of_the_gpu_marks_the_training(number: int) -> None:
    told = watched(Nvml(Card(xids={5: number})))
    assert told.marks == ("xid",)
    assert told.telemetry["gpu"]["xids"] == [number]


@pytest.mark.parametrize("number", [13, 31, 43, 45, 69, 109, 121, 154])
def test_an_error_that_a_program_makes_by_itself_is_told_and_no_mark(number: int) -> None:
    told = watched(Nvml(Card(xids={5: number})), failed=True)
    assert told.marks == ()
    assert told.telemetry["gpu"]["xids"] == [number]


def test_an_error_from_before_the_training_is_not_its_own() -> None:
    card = Card(xids={0: 79}, looks=1)
    assert watched(Nvml(card)).marks == ()


def test_an_error_of_another_instance_is_not_this_ones() -> None:
    nvml = Nvml(cut_card(xids={5: 94}, xid_instance=2))
    one, other = (place.uuid for place in nvml.cards[0].places if place)
    assert watched(nvml, one).marks == ()
    nvml.cards[0].xids = {nvml.cards[0].looks + 5: 94}
    assert watched(nvml, other, looks=nvml.cards[0].looks + LOOKS).marks == ("xid",)


def test_memory_errors_count_from_the_start_of_the_training() -> None:
    assert watched(Nvml(Card(ecc=7))).marks == ()
    told = watched(Nvml(Card(ecc=7, rows=(1, 0), changes={6: {"ecc": 9, "rows": (1, 1)}})))
    assert told.marks == ("ecc",)
    assert (told.telemetry["gpu"]["ecc"], told.telemetry["gpu"]["retired"]) == (2, 1)


def test_a_gpu_that_breaks_after_its_training_is_noticed() -> None:
    nvml = Nvml(card := Card())
    watch = Watch(Device(A, nvml), None, every=0.002, container_of=groups)
    with watch:
        while card.looks < 5:
            time.sleep(0.001)
    assert watch.told(failed=False).marks == watch.broken() == ()
    card.xids = {card.looks - 1: 79}
    assert watch.broken() == ("xid",)


# -- a driver in trouble


def test_a_driver_that_does_not_answer_holds_nothing_up() -> None:
    nvml = Nvml(Card())
    device = Device(A, nvml)
    nvml.hangs = threading.Event()
    began = time.monotonic()
    with Watch(device, None, every=0.01, container_of=groups, stuck=0.2) as watch:
        watch.tick("c0ffee", None)
    told = watch.told(failed=False)
    assert time.monotonic() - began < 2
    assert (told.telemetry["gpu"], told.marks, watch.broken()) == ({"unanswered": 1}, (), ())
    nvml.hangs.set()


def test_a_gpu_that_is_lost_midway_leaves_what_was_seen_before() -> None:
    told = watched(Nvml(Card(compute={OURS: 45_000.0}, changes={6: {"lost": True}})), looks=7)
    assert told.vram_mb == 45_000.0


def test_nonsense_of_a_driver_is_no_fault() -> None:
    card = Card(watts=100.0, changes={4: {"compute": None}, 5: {"reasons": "x"}, 6: {"used": 3}})
    assert isinstance(watched(Nvml(card)), Told)


def test_a_question_without_an_answer_is_left_behind() -> None:
    never = threading.Event()
    assert within(0.05, never.wait) is None
    assert within(5.0, lambda: 7) == 7
    never.set()


def test_a_look_takes_less_than_five_milliseconds() -> None:
    gpu = watched(Nvml(Card(compute={OURS: 1.0, THEIRS: 2.0})), looks=100).telemetry["gpu"]
    assert gpu["look_ms"] < 5


# -- the host


def shares(
    tmp_path: Path, *, idle: float, ours: float, seconds: float = 30.0
) -> tuple[dict[str, Any], list[str]]:
    """What a host tells of a machine with two CPUs on which the rest was taken by others."""
    host = Host(tmp_path)
    host._first, host._last = Clock(0, 0, 0), Clock(2 * seconds, idle, ours)
    return host.told(seconds)


@pytest.mark.parametrize(
    ("idle", "ours", "marked"),
    [
        (0.0, 59.0, False),  # alone, on all of it
        (1.0, 52.0, False),  # a desktop that is used beside it
        (25.0, 10.0, False),  # others at work, and room for all
        (1.0, 40.0, True),  # a third of it taken by others
        (0.0, 30.0, True),  # another training at its side
    ],
)
def test_a_training_is_overloaded_where_others_took_what_it_could_have_had(
    tmp_path: Path, idle: float, ours: float, marked: bool
) -> None:
    assert shares(tmp_path, idle=idle, ours=ours)[1] == ["overloaded"] * marked


def test_only_the_processors_that_a_training_may_run_on_count(tmp_path: Path) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor")
    one, both = Host(tmp_path, "0"), Host(tmp_path)
    for host in (one, both):
        host.cpu(0.0)
    assert one._last is not None
    assert both._last is not None
    assert one._last.all < 0.75 * both._last.all
    assert processors("0,2-4,7") == (0, 2, 3, 4, 7)


def test_a_training_of_a_moment_is_not_judged(tmp_path: Path) -> None:
    assert shares(tmp_path, idle=0.0, ours=1.0, seconds=2.0)[1] == []


def test_swapping_is_a_steady_flow_and_not_a_window_that_wakes_up() -> None:
    assert not marks.swapping(200.0, 60.0)
    assert marks.swapping(600.0, 60.0)


def test_the_hosts_numbers_are_this_machines(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.cpu(0.0)
    host.sample()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    host.cpu(0.3)
    host.sample()
    facts, found = host.told(1.0)
    assert {"load", "free_memory_mb", "free_disk_mb", "cpu_idle", "cpu_others"} <= set(facts)
    assert found == []
    assert 0 <= facts["cpu_idle"] <= 1
    assert facts["free_disk_mb"] > 0


def test_words_of_all_bits() -> None:
    assert marks.words(0x4 | 0x40 | 0x4000) == ["power cap", "hardware thermal", "0x4000"]
