"""A run goes on where it was begun: another GPU, driver, processor or number of cores is refused, and both named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.errors import UsageError
from runner.jobs.replay import moved
from runner.machine.several import other_machine
from runner.run import refuse_other_machine
from tests import factories

EPYC: dict[str, Any] = {
    "gpu": None,
    "cpu": "AMD EPYC",
    "cores": 2,
    "engine": {"url": "unix:///run/docker.sock"},
}
BOARD: dict[str, Any] = {"uuid": "GPU-1", "name": "H200", "memory_mb": 143771, "driver": "570.1"}


def test_another_processor_is_refused_and_both_are_named() -> None:
    with pytest.raises(UsageError) as refused:
        refuse_other_machine(EPYC, {**EPYC, "cpu": "Intel Xeon"}, "run t")
    assert "the CPU (AMD EPYC, 2 cores)" in refused.value.what
    assert "the CPU (Intel Xeon, 2 cores)" in refused.value.what
    assert "--new-tag" in str(refused.value.advice)


def test_another_number_of_cores_is_another_machine() -> None:
    assert other_machine(EPYC, {**EPYC, "cores": 4}) == (
        "the CPU (AMD EPYC, 2 cores)",
        "the CPU (AMD EPYC, 4 cores)",
    )


def test_the_same_gpu_beside_another_processor_is_another_machine() -> None:
    """Imports, compilation and what feeds the GPU are within the budget, too."""
    before, after = {**EPYC, "gpu": BOARD}, {**EPYC, "gpu": {**BOARD, "uuid": "GPU-2"}}
    assert other_machine(before, after) is None
    found = other_machine(before, {**after, "cpu": "Intel Xeon"})
    assert found
    assert found[1] == "H200, 143771 MiB, driver 570.1 (Intel Xeon, 2 cores)"


def test_a_gpu_of_another_kind_is_named_without_the_processor() -> None:
    found = other_machine(
        {**EPYC, "gpu": BOARD}, {**EPYC, "gpu": {**BOARD, "name": "A100"}, "cpu": "Intel Xeon"}
    )
    assert found == ("H200, 143771 MiB, driver 570.1", "A100, 143771 MiB, driver 570.1")


@pytest.mark.parametrize("missing", [("cpu",), ("cores",), ("cpu", "cores"), ("gpu",)])
def test_a_record_from_before_such_fields_is_not_held_against_anybody(missing: tuple[str, ...]) -> None:
    old = {key: value for key, value in EPYC.items() if key not in missing}
    now = {**EPYC, **dict.fromkeys(missing, 64)}
    assert other_machine(old, {**now, "gpu": None}) is None
    assert other_machine({**EPYC, "cpu": ""}, EPYC) is None


def test_what_is_known_counts_where_the_rest_is_not() -> None:
    found = other_machine({"gpu": None, "cores": 2}, {**EPYC, "cores": 8})
    assert found == ("the CPU (a processor of unknown model, 2 cores)", "the CPU (AMD EPYC, 8 cores)")


@pytest.mark.parametrize("url", ["ssh://far", "tcp://far:2376"])
def test_the_processor_beside_an_engine_elsewhere_says_nothing_of_its_scores(url: str) -> None:
    far = {**EPYC, "engine": {"url": url}}
    assert other_machine(far, {**far, "cpu": "Intel Xeon", "cores": 64}) is None


def test_engine_and_python_may_be_others() -> None:
    assert other_machine(EPYC, {**EPYC, "python": "3.13", "engine": {"url": "unix:///run/podman.sock"}}) is None


def test_a_run_on_record_refuses_to_go_on_elsewhere(tmp_path: Path) -> None:
    """Of the whole record, as `runner go` reads it."""
    entry = factories.entry(0, machine=EPYC)
    with pytest.raises(UsageError, match=r"AMD EPYC, 2 cores.*AMD EPYC, 16 cores"):
        refuse_other_machine(entry.machine, {**EPYC, "cores": 16}, "run t")


def test_a_replay_elsewhere_is_not_refused_and_names_both() -> None:
    """Whether a version reproduces on another machine may be what is asked."""
    assert moved(EPYC, {**EPYC, "cpu": "Intel Xeon"}) == (
        "it was trained on the CPU (AMD EPYC, 2 cores), and is now trained on the CPU (Intel Xeon, 2 cores)"
    )
    assert "not as it was" in moved(EPYC, {**EPYC, "python": "3.13"})
    assert moved(EPYC, EPYC) == moved({}, EPYC) == ""
