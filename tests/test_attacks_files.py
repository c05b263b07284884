"""Attacks on files, privilege and what comes after: tests/attacks/files, each in a real box."""

from __future__ import annotations

import contextlib
import os
import platform
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from attack_lab import ATTACKS, Arena, Want, clean_stage, contained, look

from runner.sandbox import scratch, spec
from runner.sandbox.box import Box
from runner.sandbox.stream import Attached
from runner.trial import Ending

pytestmark = pytest.mark.engine
OK, INVALID = Ending.OK, Ending.INVALID
NOTHING = ("programs that raise privileges", "capabilities", "uid 0 ids")
HIDDEN = ("bytes of /proc/keys", "bytes of /proc/timer_list", "files of the firmware", "other devices",
          "other processes", "interfaces", "sockets", "other variables")  # fmt: skip
ATTACKED = {
    "writes_the_lab_and_the_root": Want(OK, 95),
    "remounts": Want(OK, 18),
    "makes_devices": Want(OK, 34),
    "becomes_root": Want(OK, 13, {**dict.fromkeys(NOTHING, (0, 0)), "no new privileges": (1, 1)}),
    "asks_the_kernel": Want(OK, 46),
    "speaks_another_abi": Want(OK, 2 if platform.machine() == "x86_64" else 0),
    "looks_for_secrets": Want(OK, 42, dict.fromkeys(HIDDEN, (0, 0))),
    "output_is_a_link": Want(INVALID),
    "output_is_a_file": Want(INVALID),
    "output_is_a_socket": Want(INVALID),
    "output_is_a_fifo": Want(INVALID, 1),
    "output_is_a_device": Want(INVALID, 1),
    "output_is_an_empty_folder": Want(INVALID),
    "output_is_the_lab": Want(INVALID, 4),
    "checkpoint_holds_links": Want(INVALID),
    "checkpoint_holds_a_socket": Want(INVALID),
    "checkpoint_cannot_be_read": Want(INVALID),
    "checkpoint_with_odd_names": Want(OK),
    "poisons_pycache": Want(OK, 10),
    "poisons_start_up": Want(OK, 18),
    "poisons_caches": Want(OK, 8),
}
SWAPS = "swaps_while_watched"  # its ending is a matter of where its last swap was


def test_every_attack_is_listed() -> None:
    assert {path.stem for path in (ATTACKS / "files").glob("*.py")} == {*ATTACKED, SWAPS}


@pytest.mark.parametrize("name", ATTACKED)
def test_contained(arena: Arena, name: str) -> None:
    seen = arena.attack(f"files/{name}", ATTACKED[name])
    contained(seen, ATTACKED[name])


def test_a_swapper_is_dead_before_anyone_looks(arena: Arena) -> None:
    """What the host decides by, what the next stage finds and what is archived are one and the same thing."""
    found: list[Any] = []

    def twice(box: Box) -> None:
        found.extend([look(box)["out"], look(box)["out"]])

    seen = arena.attack(f"files/{SWAPS}", Want(OK, budget=1.5), then=twice)
    assert seen.after["out"] == found[0] == found[1]
    folder = seen.after["out"].get("checkpoint", ["?"])[0].startswith("d")
    kind = seen.after["out"].get("checkpoint", ["none"])[0][0]
    assert seen.outcome.ending is (OK if folder else Ending.TIMEOUT), kind
    clean_stage(seen.after, seen.sent)


@pytest.mark.parametrize("name", ["poisons_pycache", "poisons_start_up", "poisons_caches"])
def test_the_next_trial_finds_nothing_of_a_poisoner(arena: Arena, name: str) -> None:
    arena.attack(f"files/{name}", ATTACKED[name])
    train = b"import prepare\nprepare.leave_checkpoint()\n"
    with arena.box(train) as box:
        assert look(box)["out"] == {}
        assert box.train(20, 1).outcome.ending is OK
        assert set(look(box)["out"]) == {"checkpoint", "checkpoint/model"}


def test_odd_names_come_back_from_an_archive_as_they_were(arena: Arena, tmp_path: Path) -> None:
    archive = tmp_path / "checkpoint.tar"
    seen = arena.attack(
        "files/checkpoint_with_odd_names",
        ATTACKED["checkpoint_with_odd_names"],
        then=lambda box: box.save_checkpoint(archive),
    )
    assert os.listdir(tmp_path) == ["checkpoint.tar"], "the host unpacked nothing"
    with tarfile.open(archive) as tar:
        assert {member.type for member in tar} <= {tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE}
    with arena.box(b"") as box:
        box.load_checkpoint(archive)
        assert look(box)["out"] == seen.after["out"]


@pytest.mark.parametrize("name", [n for n, want in ATTACKED.items() if want.ending is INVALID])
def test_an_archive_of_what_is_no_checkpoint_harms_nobody(arena: Arena, tmp_path: Path, name: str) -> None:
    """It is never asked for. Were it: the host writes one bounded file, and unpacking it stays inside /out."""
    from runner.errors import InfraError

    archive = tmp_path / "checkpoint.tar"

    def save(box: Box) -> None:
        try:
            box.save_checkpoint(archive)
        except InfraError:
            archive.with_name("checkpoint.tar.partial").unlink(missing_ok=True)

    arena.attack(f"files/{name}", ATTACKED[name], then=save)
    assert set(os.listdir(tmp_path)) <= {"checkpoint.tar"}
    if not archive.exists():
        return
    assert archive.stat().st_size < 1 << 20
    with arena.box(b"") as box:
        before = look(box)
        with contextlib.suppress(InfraError):
            box.load_checkpoint(archive)
        after = look(box)
        assert after["lab"] == before["lab"]
        assert all(about[4] not in before["lab"].values() for about in after["out"].values())


DENIED = {"EPERM", "ENOSYS", "EAFNOSUPPORT"}


def test_the_filter_refuses_each_call_before_the_kernel_looks_at_it(arena: Arena) -> None:
    """With other arguments' errors (EINVAL, EFAULT, EBADF) a call would have got through the filter."""
    seen = arena.attack("files/asks_the_kernel", ATTACKED["asks_the_kernel"])
    assert {line.rsplit(" ", 1)[1] for line in seen.lines("refused")} <= DENIED


def test_without_our_filter_the_same_attack_gets_what_it_asks_for(arena: Arena) -> None:
    """The control: the attack is able to succeed, so that its failing says something about the box."""
    api = arena.engine.api
    with arena.box((ATTACKS / "files" / "asks_the_kernel.py").read_bytes()) as box:
        given = box.train_spec(20, 1)
        body = arena.engine.shaped(spec.body(given), given.name)
        body["HostConfig"]["SecurityOpt"] = ["seccomp=unconfined", "no-new-privileges"]
        scratch.make(arena.engine, given)
        made = api.create_container_from_config(body, given.name)["Id"]
        try:
            attached = Attached(api.attach_socket(made, params={"stdout": 1, "stderr": 1, "stream": 1}))
            api.start(made)
            log = b"".join(iter(lambda: attached.receive(time.monotonic() + 30)[1], b"")).decode()
            attached.close()
        finally:
            api.remove_container(made, force=True)
            scratch.remove(arena.engine, given)
    assert {"keyctl", "unshare user"} <= {line[4:] for line in log.split("\n") if line.startswith("GOT ")}
