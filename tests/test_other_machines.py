"""What differs on the machines of users: where the room is, which sockets may be opened, a broken driver."""

from __future__ import annotations

import ast
import errno
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner import assemble
from runner.config import TrialSettings
from runner.errors import InfraError, MissingError
from runner.jobs import check_machine
from runner.machine.gpu import Gpu, driver_loaded, windows_beneath
from runner.sandbox import engine, used
from runner.sandbox.build import tidy, written
from runner.sandbox.finding import NOTE, OK


def test_gigabytes_are_gathered_on_a_disk_unless_somebody_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    assert used.roomy() == used.folder()
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    assert used.roomy() == Path(tempfile.gettempdir())


@pytest.mark.parametrize("name", ["base", "build", "compiled", "filled", "images"])
def test_what_is_gathered_there_is_gathered_there(name: str) -> None:
    """Each place says where its files go: where none is said they are in /tmp, and in memory."""
    tree = ast.parse(Path(used.__file__).with_name(f"{name}.py").read_text())
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and "tempfile." in ast.unparse(node.func)
    ]
    assert [ast.unparse(word.value) for call in calls for word in call.keywords if word.arg == "dir"] == [
        "used.roomy()"
    ]
    assert len(calls) == 1


def test_what_cannot_be_tidied_after_a_build_fails_nothing() -> None:
    asked: list[str] = []

    def prune(filters: dict[str, Any]) -> None:
        asked.extend(filters["label"])
        raise OSError(errno.ETIMEDOUT, "slow")

    connected: Any = SimpleNamespace(api=SimpleNamespace(prune_images=prune))
    tidy(connected, "a", "b")
    assert asked == ["a", "b"]


def test_a_disk_that_is_full_is_named_with_what_to_do() -> None:
    with (
        pytest.raises(InfraError, match="cannot be gathered in /somewhere: No space left") as raised,
        written(Path("/somewhere")),
    ):
        raise OSError(errno.ENOSPC, "full")
    assert "TMPDIR" in raised.value.advice


class Sockets:
    """Sockets of engines as a user of some machine sees them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there: dict[str, bool] = {}  # whether this user may open it
        self.closed: set[str] = set()  # folders that this user may not look into
        monkeypatch.setattr(engine.os, "stat", self._stat)
        monkeypatch.setattr(engine.os, "access", lambda path, mode: self.there[str(path)])
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")

    def _stat(self, path: Any) -> Any:
        if str(Path(path).parent) in self.closed:
            raise PermissionError(errno.EACCES, "closed", str(path))
        if str(path) not in self.there:
            raise FileNotFoundError(errno.ENOENT, "none", str(path))
        return os.stat_result((stat.S_IFSOCK | 0o660, *(0 for _ in range(9))))


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with pytest.MonkeyPatch.context() as patch:
        yield Sockets(patch)


DOCKER, PODMAN, MINE = "/var/run/docker.sock", "/run/podman/podman.sock", "/run/user/7/podman/podman.sock"


@pytest.mark.parametrize(
    ("there", "closed", "taken"),
    [
        ({DOCKER: True}, (), DOCKER),
        ({MINE: True}, ("/run/podman",), MINE),  # as Podman closes its folder to all but root
        ({DOCKER: False, MINE: True}, (), MINE),  # a user who is not in the group `docker`
        ({DOCKER: False}, ("/run/podman",), DOCKER),  # and is told so by the engine's own refusal
        ({PODMAN: True, MINE: True}, (), PODMAN),
        ({}, ("/run/podman",), DOCKER),
    ],
)
def test_the_first_socket_that_this_user_may_open_is_taken(
    sockets: Sockets, there: dict[str, bool], closed: tuple[str, ...], taken: str
) -> None:
    sockets.there.update(there)
    sockets.closed.update(closed)
    assert engine._default_url() == f"unix://{taken}"


def test_a_socket_is_known_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        assert engine._is_socket(str(tmp_path / "socket"))
    assert not engine._is_socket(str(tmp_path / "file"))
    assert not engine._is_socket(str(tmp_path / "none"))


@pytest.mark.parametrize("path", ["dev/nvidiactl", "proc/driver/nvidia/version"])
def test_a_driver_that_is_loaded_is_seen_where_no_gpu_answers(tmp_path: Path, path: str) -> None:
    assert not driver_loaded(tmp_path)
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    assert driver_loaded(tmp_path)


def test_a_gpu_beneath_windows_is_refused_and_the_processor_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dxg").touch()
    monkeypatch.setattr(assemble, "gpus", lambda: [Gpu("GPU-1", "NVIDIA GeForce RTX 4090", 24_564, "591.59")])
    monkeypatch.setattr(assemble, "windows_beneath", lambda: windows_beneath(tmp_path))
    for device in ("auto", "cuda"):
        with pytest.raises(MissingError, match=r"RTX 4090 of this machine .*WSL2") as raised:
            assemble.choose_gpu(device)
        assert 'device = "cpu"' in raised.value.advice
    assert assemble.choose_gpu("cpu") is None
    (tmp_path / "dev" / "nvidiactl").touch()
    assert assemble.choose_gpu("auto") is not None


def test_the_check_tells_of_it_and_is_content_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_machine.assemble, "choose_gpu", lambda device: None)
    for loaded, state in ((True, NOTE), (False, OK)):
        monkeypatch.setattr(check_machine, "driver_loaded", lambda loaded=loaded: loaded)
        assert check_machine._gpu(TrialSettings(device="auto")).state == state
        assert check_machine._gpu(TrialSettings(device="cpu")).state == OK
