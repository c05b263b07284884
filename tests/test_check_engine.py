"""`runner check` on a real engine, and on one that ignores what it is asked: each missing wall is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ignoring import Relay

from runner import data
from runner.config import TrialSettings
from runner.errors import MissingError
from runner.jobs import check, check_data
from runner.lab import open_lab
from runner.sandbox import inside, owner
from runner.sandbox.box import Sandbox
from runner.sandbox.compare import compare
from runner.sandbox.engine import Engine
from runner.sandbox.finding import DIFFERS, NOTE, OK

pytestmark = pytest.mark.engine
SMALL = TrialSettings(memory_mb=256, cpus=1.5, pids=32, out_mb=8, out_files=64, tmp_mb=8, shm_mb=8)


def mine(engine: Any) -> list[str]:
    """Containers and volumes of looks by this very process."""
    wanted = {
        "label": [
            f"autoresearch.owner={owner.labels('', '', 0)['autoresearch.owner']}",
            "autoresearch.run=check",
        ]
    }
    found = [c["Id"] for c in engine.api.containers(all=True, filters=wanted)]
    return found + [v["Name"] for v in engine.api.volumes(filters=wanted).get("Volumes") or []]


def test_this_engine_gives_trials_what_they_are_promised(sandbox: Sandbox) -> None:
    seen = inside.stages(sandbox, {}, whole=True)
    assert [one.stage for one in seen] == ["train", "model"]
    assert [found for one in seen for found in one.findings if found.state == DIFFERS] == []
    assert mine(sandbox.engine) == []


def test_the_look_is_as_the_user_under_the_pid_1_and_in_the_place_of_the_program(sandbox: Sandbox) -> None:
    train, model = (one.view for one in inside.stages(sandbox, {}, whole=False))
    assert train.raw["arguments"] == ["/lab/train/train.py"]
    assert model.raw["arguments"] == ["/lab/prepare/model_host.py"]
    assert train.mount("/lab/data") is not None
    assert model.mount("/lab/data") is None
    assert {view.pid1["Name"] for view in (train, model)} == {"timeout"}


def host(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["HostConfig"].update(changes)


def bound(what: str) -> Callable[[dict[str, Any]], None]:
    """Something of the machine's files is mounted besides."""
    return lambda body: body["HostConfig"].update(Binds=[*body["HostConfig"].get("Binds", []), what])


def without_seccomp(body: dict[str, Any]) -> None:
    body["HostConfig"]["SecurityOpt"] = ["no-new-privileges", "seccomp=unconfined"]


def the_engines_seccomp(body: dict[str, Any]) -> None:
    body["HostConfig"]["SecurityOpt"] = ["no-new-privileges"]


def with_a_network(body: dict[str, Any]) -> None:
    body["NetworkDisabled"] = False
    body["HostConfig"]["NetworkMode"] = "host"


def with_a_writable_lab(body: dict[str, Any]) -> None:
    host = body["HostConfig"]  # Docker's words, or Podman's
    for mount in host.get("Mounts", []):
        mount["ReadOnly"] = False
    host["Binds"] = [bind.replace(":ro,", ":rw,") for bind in host.get("Binds", [])]


def without_the_environment(body: dict[str, Any]) -> None:
    body["Env"] = []


def with_a_proxy(body: dict[str, Any]) -> None:
    body["Env"].append("HTTP_PROXY=http://10.0.0.1:3128")


def without_folders_in_memory(body: dict[str, Any]) -> None:
    host = body["HostConfig"]  # Podman's are volumes
    host["Tmpfs"] = {}
    host["Binds"] = [bind for bind in host.get("Binds", []) if bind.split(":")[1] not in ("/tmp", "/dev/shm")]


def without_limits_of_processes(body: dict[str, Any]) -> None:
    body["HostConfig"]["Ulimits"] = []


CANNOT = {"masked paths", "namespaces"}
KMSG = {"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "r"}
IGNORED: list[tuple[str, Callable[[dict[str, Any]], None], set[str]]] = [
    ("seccomp", without_seccomp, {"seccomp", "system calls"}),
    ("our seccomp profile", the_engines_seccomp, {"system calls"}),
    ("no-new-privileges", host(SecurityOpt=["seccomp=unconfined"]), {"no-new-privs", "seccomp"}),
    ("capabilities", host(CapDrop=[], CapAdd=["SYS_ADMIN"]), {"watchdog"}),
    ("network", with_a_network, {"network"}),
    ("root", host(ReadonlyRootfs=False), {"root"}),
    ("a read-only lab", with_a_writable_lab, {"volumes"}),
    ("memory", host(Memory=0, MemorySwap=0), {"memory"}),
    ("pids", host(PidsLimit=0), {"processes at once"}),
    ("cpus", host(NanoCpus=0), {"processors"}),
    ("tmpfs", without_folders_in_memory, {"volumes"}),
    ("private ipc", host(IpcMode="host"), {"namespaces"}),
    ("private processes", host(PidMode="host"), {"processes", "namespaces"}),
    ("a folder of the machine", bound("/etc:/machine:ro"), {"other mounts"}),
    ("the engine's socket", bound("/run:/machine"), {"other mounts"}),
    ("a device", host(Devices=[KMSG]), {"devices"}),
    ("masked paths", host(MaskedPaths=[], ReadonlyPaths=[]), {"masked paths"}),
    ("environment", without_the_environment, {"environment"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "named"), [i[1:] for i in IGNORED], ids=[i[0] for i in IGNORED])
def test_an_engine_that_ignores_it_is_found_out(
    sandbox: Sandbox, tmp_path: Path, change: Callable[[dict[str, Any]], None], named: set[str]
) -> None:
    if sandbox.engine.info.name == "podman" and named & CANNOT:
        pytest.skip("Podman refuses to be asked for less, or has no word for it")
    relay = Relay(sandbox.engine.url, tmp_path / "engine.sock", change)
    weak = Sandbox(Engine(relay.url), sandbox.image, sandbox.settings, sandbox.data_volume)
    try:
        [seen] = inside.stages(weak, {}, whole=False, names=("train",))
    finally:
        weak.engine.close()
        relay.close()
    assert named <= {one.name for one in compare(seen.view, seen.asked) if one.state == DIFFERS}


def test_what_an_engine_adds_to_the_environment_does_not_reach_the_payload(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    relay = Relay(sandbox.engine.url, tmp_path / "engine.sock", with_a_proxy)
    adding = Sandbox(Engine(relay.url), sandbox.image, sandbox.settings, sandbox.data_volume)
    try:
        [seen] = inside.stages(adding, {}, whole=False, names=("train",))
    finally:
        adding.engine.close()
        relay.close()
    named = {word.split("=")[0] for word in seen.asked.body["Env"]}
    assert set(seen.view.raw["environment"]) == named | {"PATH"}


def test_limits_of_processes_hold_on_an_engine_that_ignores_them(sandbox: Sandbox, tmp_path: Path) -> None:
    if sandbox.engine.info.name == "podman" and not sandbox.engine.info.rootless:
        pytest.skip("Podman starts nothing where it is asked for no limits")
    relay = Relay(sandbox.engine.url, tmp_path / "engine.sock", without_limits_of_processes)
    weak = Sandbox(Engine(relay.url), sandbox.image, sandbox.settings, sandbox.data_volume)
    try:
        [seen] = inside.stages(weak, {}, whole=False, names=("train",))
    finally:
        weak.engine.close()
        relay.close()
    assert "process limits" in {one.name for one in compare(seen.view, seen.asked) if one.state == OK}


def test_a_run_does_not_begin_where_a_wall_is_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    relay = Relay(sandbox.engine.url, tmp_path / "engine.sock", host(PidsLimit=0))
    weak = Sandbox(Engine(relay.url), sandbox.image, sandbox.settings, sandbox.data_volume)
    with pytest.raises(MissingError, match=r"processes at once: (no limit|\d+), not 32"):
        inside.require_walls(weak)
    weak.engine.close()
    relay.close()
    inside.require_walls(sandbox)


def test_the_command_says_ready_and_shows_that_hidden_tokens_are_not_given(
    lab: Path, runner: Any, image: str, engine: Any
) -> None:
    done = runner(lab, "check", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    page = json.loads(done.stdout)
    assert page["ok"]
    assert {found["name"] for found in page["data"]} == {
        "files",
        "hidden files",
        "model container",
        "hidden tokens",
    }
    shown = {found["name"]: found["found"] for found in page["data"]}
    assert "holdout.npy" in shown["hidden files"]
    assert "none of 128 random runs" in shown["hidden tokens"]


def test_the_command_ends_with_3_on_an_engine_that_ignores_a_flag_and_nothing_is_trained(
    lab: Path, runner: Any, image: str, engine: Any, tmp_path: Path
) -> None:
    relay = Relay(engine.url, tmp_path / "engine.sock", with_a_network)
    (lab / "runner.toml").write_text((lab / "runner.toml").read_text() + f'\n[engine]\nurl = "{relay.url}"\n')
    looked, went = runner(lab, "check"), runner(lab, "go", "--max-trials", "1")
    relay.close()
    assert looked.returncode == 3
    assert "differs network" in " ".join(looked.stdout.split())
    assert "Not ready" in looked.stdout
    assert went.returncode == 3
    assert "network" in went.stderr
    assert "No trial was run" in went.stderr
    trained = [name for name in relay.created if name.endswith("-train")]
    assert {name.split("-")[1] for name in trained} == {"check"}, "a container of the look, and of no trial"


def test_without_image_and_data_there_are_notes_and_no_failure(lab: Path, runner: Any, engine: Any) -> None:
    shutil.rmtree(lab / "data")
    (lab / "images" / "trial.txt").write_text((lab / "images" / "trial.txt").read_text() + "# another image\n")
    done = runner(lab, "check")
    assert done.returncode == 0, done.stdout
    assert "note image not built" in " ".join(done.stdout.split())
    assert "runner prepare" in done.stdout
    assert "not looked at" in done.stdout


def test_without_data_the_walls_are_seen_all_the_same(lab: Path, engine: Any, image: str) -> None:
    shutil.rmtree(lab / "data")
    page = check.look(open_lab(lab))
    assert page.good
    assert len(page.train) > 25
    assert page.data == []
    assert mine(engine) == []


def test_without_an_engine_the_command_says_so_and_ends_with_3(lab: Path, runner: Any, tmp_path: Path) -> None:
    url = f"unix://{tmp_path / 'nobody.sock'}"
    (lab / "runner.toml").write_text((lab / "runner.toml").read_text() + f'\n[engine]\nurl = "{url}"\n')
    done = runner(lab, "check")
    assert done.returncode == 3
    assert "missing engine" in " ".join(done.stdout.split())
    assert "ok git" in " ".join(done.stdout.split()), "what can be said without one is said"


@pytest.fixture
def seen_lab(lab: Path, sandbox: Sandbox) -> Any:
    """An opened lab, what its train container sees of it, and the sandbox with its data volume."""
    opened = open_lab(lab)
    settings = opened.settings.trial
    made = check.data_volume(sandbox.engine, sandbox.image, data.load(lab).digest, data.public_files(lab))
    own = Sandbox(sandbox.engine, sandbox.image, settings, made)
    [seen] = inside.stages(own, opened.prepare_files(), whole=True, names=("train",))
    return opened, seen.view, own


def differing(found: Any) -> set[str]:
    return {one.name for one in found if one.state == DIFFERS}


def test_a_hidden_file_among_the_public_ones_is_found(seen_lab: Any, lab: Path) -> None:
    opened, view, _ = seen_lab
    program = inside.program(whole=True)
    assert differing(check_data.visible(opened, view, program)) == set()
    stolen = check_data.file_digests(lab / "data", ["val.npy"])["val.npy"]
    view.raw["lab"]["/lab/data/extra.bin"] = list(stolen)
    assert differing(check_data.visible(opened, view, program)) == {"files", "hidden files"}


@pytest.mark.parametrize("path", ["/lab/data/train.npy", "/lab/prepare/__init__.py"])
def test_a_file_that_was_changed_or_is_missing_in_the_volume_is_found(seen_lab: Any, path: str) -> None:
    opened, view, _ = seen_lab
    program = inside.program(whole=True)
    size, _ = view.raw["lab"][path]
    view.raw["lab"][path] = [size, "0" * 64]
    assert differing(check_data.visible(opened, view, program)) == {"files"}
    del view.raw["lab"][path]
    assert differing(check_data.visible(opened, view, program)) == {"files"}


def test_validation_tokens_in_the_volume_are_found_though_no_file_is_theirs(seen_lab: Any, lab: Path) -> None:
    """The training tokens are made anew with the validation tokens in their middle, and the volume filled from them."""
    opened, _, own = seen_lab
    assert check_data.runs(opened, own).state in ("ok", NOTE)
    train, val = np.load(lab / "data" / "train.npy"), np.load(lab / "data" / "val.npy")
    np.save(lab / "data" / "train.npy", np.concatenate([train[:999], val, train[999:]]))
    leaking = check.data_volume(own.engine, own.image, f"leak{owner.labels('', '', 0)['autoresearch.deadline']}",
                                data.public_files(lab))  # fmt: skip
    try:
        told = check_data.runs(opened, Sandbox(own.engine, own.image, own.settings, leaking))
    finally:
        own.engine.api.remove_volume(leaking, force=True)
    assert told.state == DIFFERS
    assert told.found.startswith("64 of 128")
