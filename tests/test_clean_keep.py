"""`runner clean --keep`: what goes, what stays, and that a dry run is one."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker.errors
import pytest
import tamperlab
from recordlab import git, isolate, snapshot

from runner.errors import UsageError
from runner.jobs import prune
from runner.keep import Item, Keep, doomed, parse, size
from runner.record.run import Header, RunFolder
from runner.sandbox import prune as engines
from runner.sandbox import used
from runner.trial import Pins

DAY = 86_400.0
NOW = 1_800_000_000.0


def item(name: str, days: float, megabytes: int = 1, by_size: bool = True) -> Item:
    return Item("thing", name, megabytes * 10**6, NOW - days * DAY, lambda: True, by_size)


def names(items: list[Item], *specs: str) -> list[str]:
    return [one.name for one in doomed(items, parse(specs), NOW)]


# What goes


@pytest.mark.parametrize(
    ("spec", "keep"),
    [("14d", Keep(14 * DAY, None)), ("36h", Keep(1.5 * DAY, None)), ("2w", Keep(14 * DAY, None)),
     ("20GB", Keep(None, 20 * 10**9)), ("1.5TiB", Keep(None, 3 << 39)), ("0d", Keep(0, None)), ("0gb", Keep(None, 0))],
)  # fmt: skip
def test_a_bound_is_an_age_or_a_size(spec: str, keep: Keep) -> None:
    assert parse([spec]) == keep


def test_of_several_bounds_the_least_holds() -> None:
    assert parse(["20GB", "3d", "1w", "5GB"]) == Keep(3 * DAY, 5 * 10**9)


@pytest.mark.parametrize("spec", ["", "14", "d", "-3d", "14 days", "1e9d", "20kb", "14d 20GB", "∞d", "14D"])
def test_a_bound_that_is_neither_is_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        parse([spec])


def test_what_was_not_used_for_so_long_goes_and_nothing_else() -> None:
    assert names([item("old", 15), item("new", 13), item("older", 30)], "14d") == ["older", "old"]


def test_of_too_much_the_longest_unused_goes_until_the_rest_fits() -> None:
    things = [item("a", 1, 30), item("b", 3, 30), item("c", 2, 30)]
    assert names(things, "60MB") == ["b"]
    assert names(things, "59MB") == ["b", "c"]
    assert names(things, "90MB") == []


def test_what_goes_for_its_age_leaves_room() -> None:
    assert names([item("old", 20, 50), item("new", 1, 50)], "14d", "50MB") == ["old"]


def test_a_thing_of_unknown_size_does_not_go_for_room_that_it_would_not_make() -> None:
    assert names([item("unknown", 9, 0), item("known", 1, 50)], "10MB") == ["known"]


def test_what_goes_by_age_only_does_not_go_for_room() -> None:
    assert names([item("log", 9, 50, by_size=False), item("image", 1, 50)], "10MB") == ["image"]


def test_without_a_bound_nothing_goes() -> None:
    assert doomed([item("old", 1000, 10**6)], Keep(), NOW) == []


def test_a_dry_run_removes_nothing_and_says_what_would_go() -> None:
    gone: list[str] = []
    thing = Item("image", "x", 5_000_000, 0, lambda: not gone.append("x"))
    lines = list(prune.remove([thing], Keep(seconds=0), dry_run=True))
    assert gone == []
    assert lines[0] == "would remove image x (5.0 MB, used last never)"
    assert (
        list(prune.remove([thing], Keep(seconds=0), dry_run=False))[-1]
        == "1 of 1 things went: 5.0 MB; 0 bytes stay"
    )
    assert gone == ["x"]


def test_sizes_are_said_as_disks_are_sold() -> None:
    assert [size(n) for n in (0, 999, 1500, 2 * 10**9)] == ["0 bytes", "999 bytes", "1.5 kB", "2.0 GB"]


# In the engine


@pytest.fixture
def made(engine: Any, tag: str) -> Iterator[Any]:
    """Images and volumes that carry this test's label only."""
    label = f"autoresearch.test={tag}"
    things: list[tuple[Any, str]] = []

    def make(kind: str, name: str) -> str:
        if kind == "volume":
            engine.api.create_volume(f"{tag}-{name}", labels={"autoresearch.test": tag})
            things.append((engine.api.remove_volume, f"{tag}-{name}"))
            return f"{tag}-{name}"
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.size = 1 << 20
            tar.addfile(member, io.BytesIO(os.urandom(1 << 20)))
        engine.api.import_image_from_data(
            archive.getvalue(), repository=tag, tag=name, changes=[f"LABEL {label}"]
        )
        things.append((engine.api.remove_image, f"{tag}:{name}"))
        return f"{tag}:{name}"

    make.filters = {"label": [label]}  # type: ignore[attr-defined]
    yield make
    for container in engine.api.containers(all=True, filters={"label": [label]}):
        engine.api.remove_container(container["Id"], force=True)
    for remove, name in things:
        with contextlib.suppress(docker.errors.NotFound):  # a test has removed it
            remove(name, force=True)
        used.unmark(name)


def there(engine: Any, make: Any) -> list[str]:
    images = engine.api.images(filters=make.filters)
    volumes = engine.api.volumes(filters=make.filters).get("Volumes") or []
    return sorted([t for i in images for t in i["RepoTags"] or [i["Id"]]] + [v["Name"] for v in volumes])


def everything(engine: Any, make: Any) -> list[Item]:
    return [*engines.images(engine, make.filters), *engines.volumes(engine, make.filters)]


def removed(items: list[Item]) -> list[str]:
    return list(prune.remove(items, Keep(seconds=-1), dry_run=False))


@pytest.mark.engine
def test_images_and_volumes_go(engine: Any, made: Any) -> None:
    made("image", "a")
    made("volume", "b")
    found = everything(engine, made)
    assert all(abs(time.time() - one.used) < 600 for one in found)
    assert found[0].bytes >= 1 << 20
    removed(found)
    assert there(engine, made) == []


@pytest.mark.engine
def test_what_a_container_uses_stays(engine: Any, made: Any, tag: str) -> None:
    image, volume = made("image", "a"), made("volume", "b")
    host = engine.api.create_host_config(binds=[f"{volume}:/b"])
    labels = {"autoresearch.test": tag}
    engine.api.create_container(image, ["true"], host_config=host, volumes=["/b"], labels=labels)
    lines = removed(everything(engine, made))
    assert there(engine, made) == sorted([image, volume])
    assert lines[-1].startswith("0 of 2 things went")


@pytest.mark.engine
def test_what_a_living_process_uses_stays_between_its_containers_and_goes_after_it(
    engine: Any, made: Any
) -> None:
    image, volume = made("image", "a"), made("volume", "b")
    program = "import sys\nfrom runner.sandbox.used import hold\n"
    program += "for name in sys.argv[1:]: print(hold(name), flush=True)\ninput()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, image, volume], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout
        holder.stdout.readline()
        holder.stdout.readline()
        removed(everything(engine, made))
        assert there(engine, made) == sorted([image, volume])
    finally:
        holder.kill()
        holder.communicate()
    removed(everything(engine, made))
    assert there(engine, made) == []


@pytest.mark.engine
def test_only_what_has_our_label_is_listed(engine: Any, made: Any) -> None:
    made("image", "a")
    made("volume", "b")
    listed = {one.name for one in [*engines.images(engine), *engines.volumes(engine)]}
    assert not listed & set(there(engine, made))  # they carry another label than images and data of ours


def test_the_last_use_is_remembered(tag: str) -> None:
    try:
        assert used.last_use(tag) == 0
        used.hold(tag)
        assert abs(used.last_use(tag) - time.time()) < 5
    finally:
        used.unmark(tag)


def test_a_mark_that_is_a_link_is_not_followed(tag: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    os.utime(victim, (1, 1))
    mark = used.folder() / f"autoresearch-used-{tag}"
    mark.symlink_to(victim)
    try:
        used.hold(tag)
        assert victim.stat().st_mtime == 1
        with used.free(tag) as unused:
            assert not unused
    finally:
        mark.unlink()


@pytest.mark.engine
def test_the_command_with_dry_run_removes_nothing(
    engine: Any, image: str, lab: Path, runner: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "state" / "labs" / "a"
    kept.mkdir(parents=True)
    aged(kept, 20)
    done = runner(
        lab, "clean", "--keep", "0d", "--keep", "0MB", "--dry-run", "--state", str(tmp_path / "state")
    )
    assert done.returncode == 0, done.stderr
    assert f"would remove lab of runner ci {kept}" in done.stderr
    assert "would remove image autoresearch/trial:" in done.stderr
    assert "\nremoved" not in f"\n{done.stderr}"
    assert kept.is_dir()
    assert engine.api.inspect_image(image)


def test_the_command_refuses_what_is_no_bound(lab: Path, runner: Any) -> None:
    done = runner(lab, "clean", "--keep", "14 days")
    assert done.returncode == 2
    assert "--keep 14d" in done.stderr


# Runs


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A lab with a real run in the middle of three, and what they left."""
    isolate(tmp_path / "home", monkeypatch)
    lab = tamperlab.make(tmp_path / "lab")
    tamperlab.go(lab, (1.9, 2.1))
    for tag, created in (("older", "2020-01-01T00:00:00Z"), ("newest", "2099-01-01T00:00:00Z")):
        folder = RunFolder(lab.root, tag)
        folder.create(Header(tag, created, "f" * 40, Pins("a", "b", "c", "d", "e"), {}, 1))
    for tag in ("older", tamperlab.TAG, "newest"):
        trial = RunFolder(lab.root, tag).trial(1)
        trial.mkdir(parents=True, exist_ok=True)
        for name in ("checkpoint.tar", "attempt-0.log", "train.py", "outcome.json"):
            if not (trial / name).exists():
                (trial / name).write_bytes(b"x" * 5000)
    return lab


def of(lab: Any, tag: str) -> set[str]:
    return {path.name for path in (lab.root / "runs" / tag / "trials" / "0001").iterdir()}


def test_checkpoints_and_logs_of_old_runs_go_and_the_newest_is_left_alone(runs: Any) -> None:
    removed(prune.of_runs(runs))
    assert of(runs, "older") == of(runs, tamperlab.TAG) == {"train.py", "outcome.json"}
    assert of(runs, "newest") == {"train.py", "outcome.json", "checkpoint.tar", "attempt-0.log"}


def test_a_run_under_way_is_left_alone(runs: Any) -> None:
    listed = prune.of_runs(runs)
    with RunFolder(runs.root, "older").lock():
        assert not [one for one in prune.of_runs(runs) if "older" in one.name]
        removed(listed)  # started between the look and the removal
        assert "checkpoint.tar" in of(runs, "older")
    assert "checkpoint.tar" not in of(runs, tamperlab.TAG)


def test_the_record_stays_as_it_is_and_still_verifies(runs: Any) -> None:
    ledger = (runs.root / "runs" / tamperlab.TAG / "ledger.jsonl").read_bytes()
    refs, mine = git(runs.root, "for-each-ref"), snapshot(runs.root)
    removed(prune.of_runs(runs))
    assert (runs.root / "runs" / tamperlab.TAG / "ledger.jsonl").read_bytes() == ledger
    assert (git(runs.root, "for-each-ref"), snapshot(runs.root)) == (refs, mine)
    done = subprocess.run(
        [sys.executable, "-m", "runner", "--lab", runs.root, "verify", tamperlab.TAG], capture_output=True
    )
    assert done.returncode == 0, done.stdout


# State of runner ci, temporary folders


def aged(path: Path, days: float) -> Path:
    for one in (*path.rglob("*"), path):
        os.utime(one, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in ("labs/a", "tools/b", "scores/c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(b"x" * 5000)
        aged(tmp_path / name, 20)
    return tmp_path


def left(state: Path) -> set[str]:
    return {str(path.relative_to(state)) for path in state.glob("*/*")}


def test_labs_and_runners_of_old_jobs_go_and_scores_and_verdicts_stay(state: Path) -> None:
    removed(prune.of_state(state))
    assert left(state) == {"scores/c"}


def test_what_a_job_of_the_last_day_uses_stays(state: Path) -> None:
    listed = prune.of_state(state)
    os.utime(state / "labs" / "a")
    removed(listed)
    assert left(state) == {"labs/a", "scores/c"}


def test_a_runner_that_a_job_holds_stays(state: Path) -> None:
    with (state / "tools" / "b.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as ci/common.sh does
        removed(prune.of_state(state))
    assert "tools/b" in left(state)


def test_a_link_in_the_state_is_neither_followed_nor_listed(
    state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").write_text("x")
    (state / "labs" / "link").symlink_to(elsewhere)
    (state / "labs" / "a" / "link").symlink_to(elsewhere)
    aged(state / "labs" / "a", 20)
    removed(prune.of_state(state))
    assert left(state) == {"labs/link", "scores/c"}
    assert (elsewhere / "file").exists()


def test_temporary_folders_of_ours_go_by_age_and_others_never(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name, days in (
        ("runner-trial-a", 20),
        ("runner-trial-b", 0.5),
        ("runner-error-c.log", 20),
        ("theirs", 20),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_text("x")
        aged(tmp_path / name, days)
    (tmp_path / "runner-trial-link").symlink_to(tmp_path / "elsewhere")
    for specs in (("1m",), ("14d", "0MB")):
        prune_now = list(prune.remove(prune.temporary(tmp_path, parse(specs)), parse(specs), dry_run=False))
        assert prune_now
    assert {path.name for path in tmp_path.iterdir()} == {
        "runner-trial-b",
        "theirs",
        "elsewhere",
        "runner-trial-link",
    }


def test_temporary_folders_stay_where_only_a_size_is_given(tmp_path: Path) -> None:
    (tmp_path / "runner-trial-a").mkdir()
    aged(tmp_path / "runner-trial-a", 20)
    assert prune.temporary(tmp_path, parse(["0MB"])) == []


def test_who_takes_a_thing_while_it_is_removed_has_its_mark_in_the_end() -> None:
    name = f"test-{secrets.token_hex(4)}"
    removes = (
        "import sys, time\nfrom runner.sandbox import used\n"
        "with used.free(sys.argv[1]) as unused:\n"
        "    assert unused\n    print('removing', flush=True)\n    time.sleep(0.5)\n    used.unmark(sys.argv[1])\n"
    )
    asks = "import sys\nfrom runner.sandbox import used\nwith used.free(sys.argv[1]) as unused: print(unused)"
    mark = used.folder() / f"autoresearch-used-{name}"
    remover = subprocess.Popen([sys.executable, "-c", removes, name], stdout=subprocess.PIPE, text=True)
    try:
        assert remover.stdout is not None
        assert remover.stdout.readline() == "removing\n"
        used.hold(name)
        assert remover.wait(timeout=10) == 0
        asked = subprocess.run([sys.executable, "-c", asks, name], capture_output=True, text=True)
        assert asked.stdout == "False\n", asked.stderr
    finally:
        mark.unlink(missing_ok=True)
