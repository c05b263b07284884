"""Volumes that are filled once: by one process at a time, whole or not at all, and again after a fault."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from runner.errors import InfraError
from runner.sandbox import volumes
from runner.sandbox.engine import Engine
from runner.sandbox.filled import COMPLETE, filled
from runner.sandbox.reaper import reap
from runner.sandbox.training_data import exported
from runner.turn import SHARED, turn

CONTENT = {f"part-{number}": os.urandom(1 << 16) for number in range(100)}


@pytest.fixture
def kind(engine: Any) -> Iterator[str]:
    """A kind of volume that no other test process has; its volumes and its lock go with the test."""
    kind = f"test-{secrets.token_hex(4)}"
    yield kind
    for volume in engine.api.volumes()["Volumes"] or []:
        if volume["Name"].startswith(f"autoresearch-{kind}-"):
            engine.api.remove_volume(volume["Name"], force=True)
    for name in (f"{kind}-volume", f"{kind}-volume.next"):
        for folder in SHARED:
            (folder / f"autoresearch-{name}.lock").unlink(missing_ok=True)


def held(engine: Engine, image: str, name: str) -> dict[str, bytes]:
    """What a volume holds, by the files' names."""
    with exported(engine, image, name) as chunks, tempfile.TemporaryFile() as file:
        file.writelines(chunks)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            # Docker's names begin with the folder's, Podman's do not.
            return {Path(m.name).name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def writing(how_often: list[Any]) -> Callable[[BinaryIO], str]:
    def write(archive: BinaryIO) -> str:
        how_often.append(archive)
        archive.write(volumes.archive(CONTENT))
        return ""

    return write


@pytest.mark.engine
def test_of_many_that_begin_at_once_one_fills_and_all_have_it_whole(engine: Any, image: str, kind: str) -> None:
    """Docker unpacks two archives into one volume by deleting each other's files: "chmod: no such file"."""
    wrote: list[Any] = []
    begin = threading.Barrier(6)

    def one(_: int) -> str:
        own = Engine()
        try:
            begin.wait(30)
            return filled(own, image, kind, "ab" * 32, writing(wrote), lambda said: None)
        finally:
            own.close()

    with ThreadPoolExecutor(6) as pool:
        names = set(pool.map(one, range(6)))
    assert names == {f"autoresearch-{kind}-{'ab' * 8}"}
    assert len(wrote) == 1
    assert held(engine, image, names.pop()) == CONTENT | {COMPLETE: b"ab" * 32}


@pytest.mark.engine
def test_whoever_waits_is_told_once_and_a_filled_one_keeps_nobody_waiting(
    engine: Any, image: str, kind: str
) -> None:
    said: list[str] = []
    waits = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        waits.set()

    with ThreadPoolExecutor(1) as pool, turn(f"{kind}-volume", "another", pytest.fail):
        waiting = pool.submit(filled, engine, image, kind, "cd" * 32, writing([]), say)
        assert waits.wait(30)
        assert not waiting.done()
    name = waiting.result(30)
    assert said == [f"waiting for {kind}-volume, which is in use by process {os.getpid()}, another"]
    with turn(f"{kind}-volume", "another", pytest.fail):
        assert filled(engine, image, kind, "cd" * 32, writing([]), pytest.fail) == name


@pytest.mark.engine
def test_one_that_was_cut_short_is_filled_again(engine: Any, image: str, kind: str) -> None:
    def cut(archive: BinaryIO) -> str:
        archive.write(volumes.archive(CONTENT)[:1_000_000])
        return ""

    with pytest.raises(InfraError):
        filled(engine, image, kind, "ef" * 32, cut, lambda said: None)
    wrote: list[Any] = []
    name = filled(engine, image, kind, "ef" * 32, writing(wrote), lambda said: None)
    assert len(wrote) == 1
    assert held(engine, image, name) == CONTENT | {COMPLETE: b"ef" * 32}


class RefusedError(Exception):
    pass


def refused(archive: BinaryIO) -> str:
    raise RefusedError


def unable(archive: BinaryIO) -> str:
    return "no compiler"


@pytest.mark.engine
@pytest.mark.parametrize("write", [refused, unable])
def test_one_that_is_not_filled_is_not_left_behind(
    engine: Any, image: str, kind: str, write: Callable[[BinaryIO], str]
) -> None:
    with contextlib.suppress(RefusedError):
        assert filled(engine, image, kind, "23" * 32, write, pytest.fail) == ""
    assert [v for v in engine.api.volumes()["Volumes"] or [] if f"-{kind}-" in v["Name"]] == []


KILLED = """
import os, signal, sys
from runner.sandbox.engine import Engine
from runner.sandbox.filled import filled
def write(archive):
    archive.write(bytes(1 << 24))
    archive.flush()
    os.kill(os.getpid(), signal.SIGKILL)
filled(Engine(), *sys.argv[1:], write, print)
"""


@pytest.mark.engine
def test_a_kill_while_the_content_is_written_leaves_no_file_and_no_turn(
    engine: Any, image: str, kind: str, tmp_path: Path
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, image, kind, "01" * 32], env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
    assert reap(engine, kind), "its container"
    name = filled(engine, image, kind, "01" * 32, writing([]), pytest.fail)
    assert held(engine, image, name) == CONTENT | {COMPLETE: b"01" * 32}
