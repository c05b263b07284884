"""Attacks on memory, files and the log: tests/attacks/resources, each in a real box."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from attack_lab import ATTACKS, Arena, Want, contained

from runner.report.text import clean
from runner.sandbox.box import FLOOD, Box
from runner.trial import Ending

pytestmark = pytest.mark.engine
MIB = 1 << 20
FULL = {"bytes": (7.5 * MIB, 8 * MIB), "files": (16_000, 16_384)}
ATTACKED = {
    "memory_bomb": Want(Ending.OOM),
    "memory_bomb_in_a_child": Want(Ending.OOM),
    "memory_bomb_in_a_grandchild": Want(Ending.OOM),
    "waits_for_a_child_that_died_of_memory": Want(Ending.OOM, budget=2.0),
    "survives_a_memory_bomb": Want(Ending.OK),
    "fills_memory_with_files": Want(Ending.OOM, settings={"out_mb": 200, "tmp_mb": 200, "shm_mb": 200}),
    "fills_tmp": Want(Ending.OK, 2, FULL),
    "fills_shm": Want(Ending.OK, 2, FULL),
    "fills_out_in_bytes": Want(Ending.OVERFLOW),
    "fills_out_in_files": Want(Ending.OVERFLOW),
    "fills_out_with_hard_links": Want(Ending.OVERFLOW),
    "sparse_terabyte": Want(Ending.OVERFLOW),
    "sparse_exbibytes": Want(Ending.OVERFLOW),
    "oversized_checkpoint": Want(Ending.OVERFLOW),
    "endless_line": Want(Ending.OVERFLOW),
    "log_flood": Want(Ending.OVERFLOW),
    "log_by_single_bytes": Want(Ending.OK),
    "opens_every_file": Want(Ending.OK, 1, {"descriptors": (4000, 4096)}),
    "dumps_core": Want(Ending.CRASH),
}
# Where the engine's tmpfs takes no bound on files, those in /tmp are bounded by memory: runner/sandbox/dialect.py.
ON_PODMAN = {"fills_tmp": Want(Ending.OOM, 1, budget=60.0)}


def test_every_attack_is_listed() -> None:
    assert {path.stem for path in (ATTACKS / "resources").glob("*.py")} == set(ATTACKED)


@pytest.mark.parametrize("name", ATTACKED)
def test_contained(arena: Arena, name: str) -> None:
    want = ATTACKED[name]
    if arena.engine.info.name == "podman":
        want = ON_PODMAN.get(name, want)
    contained(arena.attack(f"resources/{name}", want), want)


@pytest.mark.parametrize("name", ["endless_line", "log_flood", "log_by_single_bytes"])
def test_a_log_without_end_costs_a_bounded_file(arena: Arena, name: str) -> None:
    log = arena.attack(f"resources/{name}", ATTACKED[name]).log
    assert log.startswith(b"the head")
    assert b"bytes left out ...]" in log
    assert len(log) < 65 << 10
    assert len(clean(log, limit=len(log) + 1).encode()) < 200 << 10


def test_a_log_within_bounds_keeps_its_tail(arena: Arena) -> None:
    log = arena.attack("resources/log_by_single_bytes", ATTACKED["log_by_single_bytes"]).log
    assert log.endswith(b"the tail\n")


def test_a_flood_of_lines_is_ended_before_its_deadline_and_takes_little_memory_here(arena: Arena) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = arena.attack("resources/log_flood", Want(Ending.OVERFLOW, settings={"log_kb": 1024})).outcome
    assert outcome.train_seconds < 20
    assert "log" in outcome.detail
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_no_core_file_is_left(arena: Arena) -> None:
    seen = arena.attack("resources/dumps_core", ATTACKED["dumps_core"])
    assert seen.after["out"] == {}
    assert seen.outcome.exit_code == 139  # 128 + SIGSEGV


def test_what_fills_out_is_within_its_bounds(arena: Arena) -> None:
    """Seen by the next stage: never more bytes or names than the settings allow."""
    full = arena.attack("resources/fills_out_in_bytes", ATTACKED["fills_out_in_bytes"]).after["out"]
    assert sum(about[2] for about in full.values()) == 8 * MIB
    named = arena.attack("resources/fills_out_in_files", ATTACKED["fills_out_in_files"]).after["out"]
    assert 60 < len(named) <= 64


def test_an_archive_of_a_sparse_checkpoint_is_not_written(arena: Arena, tmp_path: Path) -> None:
    """Were it asked for in spite of its ending, the host's disk is safe."""
    from runner.errors import InfraError

    def save(box: Box) -> None:
        with pytest.raises(InfraError, match="larger than"):
            box.save_checkpoint(tmp_path / "checkpoint.tar")

    arena.attack("resources/sparse_terabyte", ATTACKED["sparse_terabyte"], then=save)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 16 * MIB


def test_the_bound_of_a_log_is_far_above_what_is_kept() -> None:
    assert FLOOD * 1024 >= 1 << 20, "a gibibyte by default: no honest training is ended for its log"
