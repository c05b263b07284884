"""Machines that fail under the program: each a clear message, the right exit code, nothing lost, and the run goes on.

The program is the real one and so is what fails: a full file system is a mounted one, a vanished engine a broken
connection, a missing image one that was removed. Every run is looked at with `walklab.wrong`: plain git, plain files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import conftest
import factories
import pytest
import walklab
from relay import Relay

from runner.errors import InfraError
from runner.record.ledger import Ledger
from runner.record.run import RunFolder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walklab.make(tmp_path_factory.mktemp("bad") / "lab", lingers=False)


@pytest.fixture
def lab(template: Path, tmp_path: Path, tag: str, engine: Any, image: str) -> Iterator[Path]:
    lab = tmp_path / "lab"
    shutil.copytree(template, lab)
    yield lab
    walklab.clean(lab, tag, engine)


@pytest.fixture
def go(lab: Path, tag: str) -> Callable[..., tuple[int, str]]:
    """Runs `runner go`: (exit code, stderr), which never is a traceback or longer than a screen."""

    def run(trials: int, url: str = "", *more: str) -> tuple[int, str]:
        command = (*walklab.GO, "--tag", tag, "--max-trials", str(trials), *more)
        code, _, err = walklab.ended(walklab.runner(lab, *command, url=url))
        assert "Traceback" not in err
        assert "a fault of this program" not in err
        return code, err

    return run


def said(err: str) -> str:
    """The error's own lines: from `runner: ` on, without what closes the screen."""
    lines = err[err.rindex("runner: ") :].splitlines()
    lines = [line for line in lines if not line.startswith("plot: ")]
    assert 1 <= len(lines) <= 2, lines
    return "\n".join(lines)


def goes_on(lab: Path, tag: str, go: Callable[..., tuple[int, str]], engine: Any, before: list[bytes]) -> None:
    """Once the machine is mended the run has lost nothing, does another trial, and leaves nothing behind."""
    code, err = go(1)
    assert code == 0, err
    found = walklab.lines(lab, tag)
    assert found[: len(before)] == before
    assert len(found) > len(before)
    assert walklab.wrong(lab, tag) == []
    assert walklab.leftovers(engine, tag) == []


# A file system that is full, or cannot be written


@pytest.fixture
def mounted() -> Iterator[Callable[..., None]]:
    """Mounts a small file system in memory at a folder; where that is not permitted the test is skipped."""
    places: list[Path] = []

    def mount(place: Path, options: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        places.append(place)

    yield mount
    for place in places:
        while os.path.ismount(place):  # there may be a view of it on top
            subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def fill(place: Path, leave: int) -> Path:
    """A file that leaves `leave` bytes free."""
    ballast = place / "ballast"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - leave, 4096))
    return ballast


@pytest.mark.engine
@pytest.mark.parametrize("leave", [0, 24 << 10])
def test_a_disk_that_is_full_ends_the_run_with_4_and_it_goes_on_once_there_is_room(
    lab: Path, tag: str, go: Any, engine: Any, mounted: Any, leave: int
) -> None:
    mounted(lab / "runs", "size=8m")
    assert go(0)[0] == 0
    before = walklab.lines(lab, tag)
    ballast = fill(lab / "runs", leave)
    code, err = go(3)
    assert code == 4, err
    assert "No space left" in said(err) or "disk is full" in said(err)
    assert "Make room" in said(err) or "Free some disk space" in said(err)
    assert walklab.lines(lab, tag)[: len(before)] == before
    ballast.unlink()
    goes_on(lab, tag, go, engine, before)


def test_a_disk_that_fills_in_the_middle_of_a_line_of_the_ledger_leaves_no_half_line(
    tmp_path: Path, mounted: Any
) -> None:
    place = tmp_path / "small"
    mounted(place, "size=32k")
    ledger = Ledger(place / "ledger.jsonl")
    with pytest.raises(InfraError) as caught:
        fill_up(ledger)
    assert "Make room" in caught.value.advice
    written = len(ledger)
    assert 3 < written < 99
    assert len(Ledger(ledger.path)) == written
    assert Ledger(ledger.path).torn == b""
    remount(place, "size=1m")
    ledger.append(factories.entry(written))
    assert len(Ledger(ledger.path)) == written + 1


def fill_up(ledger: Ledger) -> None:
    for number in range(100):
        ledger.append(factories.entry(number))


@pytest.mark.engine
def test_runs_that_cannot_be_written_is_a_matter_of_settings_and_nothing_is_started(
    lab: Path, tag: str, go: Any, engine: Any, mounted: Any
) -> None:
    mounted(lab / "runs", "size=4m,ro")
    code, err = go(1)
    assert code == 2, err
    assert "Read-only file system" in said(err)
    assert str(lab / "runs") in said(err)
    remount(lab / "runs", "rw")
    goes_on(lab, tag, go, engine, [])


@pytest.mark.engine
def test_a_disk_that_turns_read_only_under_way_loses_nothing(
    lab: Path, tag: str, go: Any, engine: Any, mounted: Any, relay: Relay
) -> None:
    mounted(lab / "runs", "size=8m")
    assert go(0)[0] == 0
    before = walklab.lines(lab, tag)
    # What a kernel does with a disk that has errors: no writer is asked.
    relay.arm("create audit", "before", lambda: read_only(lab / "runs"))
    code, err = go(1, relay.url)
    assert relay.reached
    assert code in (2, 4), err
    assert "Read-only file system" in said(err)
    subprocess.run(["umount", "--lazy", lab / "runs"], check=True)
    goes_on(lab, tag, go, engine, before)


def read_only(place: Path) -> None:
    """A read-only view over it, since files that are open for writing hold a remount up."""
    subprocess.run(["mount", "--bind", place, place], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)


def test_a_file_where_the_folder_of_runs_should_be_is_named(lab: Path, go: Any) -> None:
    (lab / "runs").write_text("")
    code, err = go(1)
    assert code == 2
    assert str(lab / "runs") in said(err)


# An engine that fails


@pytest.fixture
def relay(tmp_path: Path, engine: Any) -> Iterator[Relay]:
    between = Relay(tmp_path / "engine.sock", engine.url)
    yield between
    between.close()


@pytest.mark.engine
@pytest.mark.parametrize("step", ["start train", "create claims", "get files of keep"])
def test_an_engine_that_vanishes_under_way_ends_the_run_with_4(
    lab: Path, tag: str, go: Any, engine: Any, relay: Relay, step: str
) -> None:
    assert go(0)[0] == 0
    before = walklab.lines(lab, tag)
    relay.arm(step, "answered", relay.cut)
    code, err = go(1, relay.url)
    assert relay.reached
    assert code == 4, err
    assert "the container engine stopped answering" in said(err)
    assert "docker info" in said(err)
    assert walklab.lines(lab, tag) == before
    relay.restore()
    goes_on(lab, tag, go, engine, before)


@pytest.mark.engine
def test_an_engine_that_comes_back_soon_costs_one_training_and_nothing_of_it_stays(
    lab: Path, tag: str, go: Any, engine: Any, relay: Relay
) -> None:
    assert go(0)[0] == 0
    before = walklab.lines(lab, tag)
    kept: list[int] = []

    def blink() -> None:
        relay.cut()
        threading.Timer(0.7, relay.restore).start()

    def count(stop: threading.Event) -> None:
        while not stop.wait(0.05):
            running = engine.api.containers(filters={"label": [f"autoresearch.run={tag}"]})
            kept.append(len([c for c in running if c["Names"][0].endswith("-keep")]))

    relay.arm("start train", "answered", blink)
    stop = threading.Event()
    watching = threading.Thread(target=count, args=(stop,))
    watching.start()
    code, err = go(1, relay.url)
    stop.set()
    watching.join()
    assert relay.reached
    assert code == 0, err
    assert max(kept) == 1, "two trials shared the machine"
    assert len(walklab.lines(lab, tag)) == len(before) + 1
    assert walklab.wrong(lab, tag) == []
    assert walklab.leftovers(engine, tag) == []


@pytest.mark.engine
def test_an_engine_that_is_not_there_at_the_start_is_missing(lab: Path, go: Any, tmp_path: Path) -> None:
    code, err = go(1, f"unix://{tmp_path}/no.sock")
    assert code == 3
    assert "no container engine answers" in said(err)


@pytest.mark.engine
def test_a_data_volume_removed_under_way_is_no_fault_of_the_proposal(
    lab: Path, tag: str, go: Any, engine: Any, relay: Relay
) -> None:
    assert go(0)[0] == 0
    before = walklab.lines(lab, tag)
    # The first container of a trial: nothing holds the volume yet.
    relay.arm("create keep", "before", lambda: remove_data(lab, tag, engine))
    code, err = go(1, relay.url)
    assert relay.reached
    assert code == 4, err
    assert "training data, is gone" in said(err)
    assert walklab.lines(lab, tag) == before
    goes_on(lab, tag, go, engine, before)


def remove_data(lab: Path, tag: str, engine: Any) -> None:
    walklab.clean(lab, tag, engine)


@pytest.mark.engine
def test_an_image_removed_under_way_is_no_fault_of_the_proposal(
    lab: Path, tag: str, go: Any, engine: Any, image: str, relay: Relay
) -> None:
    from runner.config import ImageSettings
    from runner.sandbox.images import image_name

    with (lab / "Dockerfile").open("a") as file:  # another file, another name: the shared image is not touched
        file.write(f"# {tag}\n")
    name = image_name(lab, ImageSettings(), cuda=False)
    derive(engine, image, name, tag)
    try:
        assert go(0)[0] == 0
        before = walklab.lines(lab, tag)
        relay.arm("create keep", "before", lambda: engine.api.remove_image(name, force=True))
        code, err = go(1, relay.url)
        assert relay.reached
        assert code == 4, err
        assert "was removed from the engine while it was in use" in said(err)
        assert walklab.lines(lab, tag) == before
        if walklab.leftovers(engine, tag):
            assert go(0, relay.url)[0] in (0, 2)
        derive(engine, image, name, f"{tag} again")
        code, err = go(1)  # another image: its scores are not those of the first
        assert code == 2
        assert "another image" in said(err)
        assert "--new-tag" in said(err)
        assert walklab.lines(lab, tag) == before
    finally:
        engine.api.remove_image(name, force=True)
    assert walklab.leftovers(engine, tag) == []


def derive(engine: Any, image: str, name: str, label: str) -> None:
    """An image of a byte's difference."""
    import io

    dockerfile = io.BytesIO(f'FROM {image}\nLABEL test="{label}"\n'.encode())
    for line in engine.api.build(fileobj=dockerfile, tag=name, decode=True, rm=True, forcerm=True):
        assert "error" not in line, line


# A record, or a repository, that was damaged


@pytest.fixture
def recorded(lab: Path, tag: str, go: Any) -> RunFolder:
    """A run with a baseline and one trial."""
    assert go(1)[0] == 0
    return RunFolder(lab, tag)


def spoiled(lines: list[bytes], at: int) -> bytes:
    lines = list(lines)
    lines[at] = lines[at].replace(b'"val_bpb":3', b'"val_bpb":2', 1)
    return b"".join(line + b"\n" for line in lines)


@pytest.mark.engine
def test_a_damaged_record_is_named_left_as_it_is_and_goes_on_from_a_backup(
    lab: Path, tag: str, go: Any, engine: Any, recorded: RunFolder
) -> None:
    good = walklab.lines(lab, tag)
    header = recorded.run_json.read_bytes()
    cases = {
        "line 1": spoiled(good, 0),
        "line 2": spoiled(good, 1),
        "line 2: ": b"\n".join([good[0], b"\x00" * 100, b""]),
        "line 1: ": b"\n".join([good[1], good[0], b""]),
        "lines of it were lost": b"",
    }
    for words, content in cases.items():
        recorded.ledger.write_bytes(content)
        code, err = go(1)
        assert (code, words in said(err)) == (2, True), (words, err)
        assert recorded.ledger.read_bytes() == content
        for look in ("status", "log"):
            seen, _, told = walklab.ended(walklab.runner(lab, look, tag))
            assert "Traceback" not in told + err
            assert seen in (0, 2), told
    recorded.ledger.write_bytes(b"".join(line + b"\n" for line in good))
    for content in (b"", b"{", b"[]", b"null", header.replace(b'"base"', b'"bass"'), header[:200], b"\xff" * 99,
                    header.replace(f'"{tag}"'.encode(), b'"other"')):  # fmt: skip
        recorded.run_json.write_bytes(content)
        code, err = go(1)
        assert (code, "run.json" in said(err)) == (2, True), (content, err)
    recorded.run_json.write_bytes(header)
    goes_on(lab, tag, go, engine, good)


@pytest.mark.engine
def test_a_ledger_cut_in_its_last_line_loses_that_trial_alone_and_keeps_the_rest_of_it_aside(
    lab: Path, tag: str, go: Any, engine: Any, recorded: RunFolder
) -> None:
    good = walklab.lines(lab, tag)
    recorded.ledger.write_bytes(recorded.ledger.read_bytes()[:-40])
    code, err = go(0)
    assert json.loads(good[1])["status"] == "keep"  # so the branch knows of a trial that the ledger has lost
    assert code == 2, err
    advice = re.search(r"git branch .*", err)
    assert advice is not None
    subprocess.run(advice[0], shell=True, cwd=lab, check=True, env=conftest.environment(lab.parent))
    goes_on(lab, tag, go, engine, good[:1])
    assert (recorded.path / "ledger.torn-1").read_bytes() == good[1][:-39]


@pytest.mark.engine
def test_a_branch_that_another_git_has_locked_ends_the_run_with_4_and_the_trial_counts(
    lab: Path, tag: str, go: Any, engine: Any
) -> None:
    assert go(0)[0] == 0
    before = walklab.lines(lab, tag)
    lock = lab / ".git" / "refs" / "heads" / "autoresearch" / f"{tag}.lock"
    lock.write_text("")
    code, err = go(1)
    assert code == 4, err
    assert str(lock) in said(err)
    recorded = walklab.lines(lab, tag)
    assert recorded[: len(before)] == before
    lock.unlink()
    goes_on(lab, tag, go, engine, recorded)


@pytest.mark.engine
def test_a_repository_that_is_broken_or_gone_is_said_in_gits_words(
    lab: Path, tag: str, go: Any, engine: Any, recorded: RunFolder
) -> None:
    good = walklab.lines(lab, tag)
    git = lab / ".git"
    git.rename(lab / "git-elsewhere")
    code, err = go(1)
    assert code == 3
    assert "in no git repository" in said(err)
    (lab / "git-elsewhere").rename(git)
    (git / "packed-refs").write_text("this is no list of references\n")
    code, err = go(1)
    assert code in (2, 3, 4), err
    assert "packed-refs" in said(err)
    (git / "packed-refs").unlink()
    head = (git / "HEAD").read_text()
    (git / "HEAD").write_text("nonsense\n")
    code, err = go(1)
    assert code == 3
    said(err)
    (git / "HEAD").write_text(head)
    tip = subprocess.run(
        ["git", "rev-parse", f"autoresearch/{tag}"], cwd=lab, capture_output=True, text=True, check=True
    ).stdout.strip()
    kept = git / "objects" / tip[:2] / tip[2:]
    content = kept.read_bytes()
    kept.unlink()
    code, err = go(1)
    assert code in (2, 4), err
    assert tip[:12] in said(err)
    kept.write_bytes(content)
    goes_on(lab, tag, go, engine, good)


@pytest.mark.engine
def test_a_worktree_deleted_while_a_trial_trains_comes_back(
    lab: Path, tag: str, go: Any, engine: Any, relay: Relay, recorded: RunFolder
) -> None:
    good = walklab.lines(lab, tag)
    relay.arm("create audit", "before", lambda: shutil.rmtree(recorded.worktree))
    code, err = go(1, relay.url)
    assert code == 0, err
    assert len(walklab.lines(lab, tag)) == len(good) + 1
    assert walklab.wrong(lab, tag) == []


@pytest.mark.engine
def test_a_runs_folder_deleted_while_a_trial_trains_is_told(
    lab: Path, tag: str, go: Any, engine: Any, relay: Relay, recorded: RunFolder
) -> None:
    relay.arm("create audit", "before", lambda: shutil.rmtree(recorded.path))
    code, err = go(1, relay.url)
    assert relay.reached
    assert code in (2, 4), err
    assert tag in said(err)
    assert walklab.leftovers(engine, tag) == []


@pytest.mark.engine
def test_a_runs_folder_deleted_by_hand_is_not_begun_over_and_the_advice_works(
    lab: Path, tag: str, go: Any, engine: Any, recorded: RunFolder
) -> None:
    shutil.rmtree(recorded.path)
    code, err = go(1)
    assert code == 2
    assert f"runner clean {tag}" in said(err)
    code, _, err = walklab.ended(walklab.runner(lab, "clean", tag, "--yes"))
    assert code == 0, err
    goes_on(lab, tag, go, engine, [])


@pytest.mark.engine
def test_a_clock_that_jumps_while_a_trial_trains_changes_nothing(lab: Path, image: str, tmp_path: Path) -> None:
    """libfaketime steps the program's wall clock, and only that, by two days in mid-training, there and back."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed (apt-get install libfaketime)")
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    process = subprocess.Popen(
        ["env", f"LD_PRELOAD={library}", "DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1",
         f"FAKETIME_TIMESTAMP_FILE={clock}", sys.executable, "-m", "runner", "--lab", str(lab), "trial", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    began = time.monotonic()
    for offset in ("+172800", "-172800", "+172800"):
        time.sleep(0.8)
        clock.write_text(f"{offset}\n")
    code, out, err = walklab.ended(process)
    assert code == 0, err
    assert '"ending": "ok"' in out
    assert time.monotonic() - began < 30
