"""Samples of kept versions: the same prompts from one container, cut to what fits, read by the page and by `show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner import config
from runner.config import SampleSettings
from runner.errors import UsageError
from runner.jobs import samples
from runner.record.run import RunFolder
from runner.report.page import material


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path, "nov23")
    made.trial(7).mkdir(parents=True)
    return made


class Repo:
    """What `samples` asks of a repository."""

    def trial_sha(self, tag: str, number: int) -> str | None:
        return "0" * 40

    def source(self, sha: str) -> bytes:
        return b""


class Evaluator:
    """Notes what it is asked to draw, and draws the prompt back."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def sample(self, *asked: Any) -> list[str]:
        self.asked.append(asked)
        return [f"{prompt} …" for prompt in asked[3]]


def test_a_kept_version_gets_all_prompts_from_one_container(folder: RunFolder) -> None:
    (folder.trial(7) / "checkpoint.tar").write_bytes(b"")
    evaluator, settings = Evaluator(), SampleSettings(("Once", "The king"), 40, 0.5, 3)
    samples.keep(folder, Repo(), evaluator, 7, settings)  # type: ignore[arg-type]
    [asked] = evaluator.asked
    assert asked[3:] == (("Once", "The king"), 40, 0.5, 3)
    found = material.samples_of(folder.trial(7))
    assert found == [material.Sample("Once", "Once …"), material.Sample("The king", "The king …")]
    assert (folder.trial(7) / "sample.txt").read_text() == "Once …"


def test_no_prompts_no_container(folder: RunFolder) -> None:
    evaluator = Evaluator()
    samples.keep(folder, Repo(), evaluator, 7, SampleSettings(()))  # type: ignore[arg-type]
    assert evaluator.asked == []


def test_a_version_without_a_checkpoint_is_named(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match="trial 7 of nov23 has no checkpoint"):
        samples.keep(folder, Repo(), Evaluator(), 7, SampleSettings())  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["x" * 100_000, "日" * 100_000, '"\n' * 50_000])
def test_however_much_is_written_the_page_can_read_all_of_it(text: str, folder: RunFolder) -> None:
    prompts = [f"prompt {i}" for i in range(8)]
    samples.write(folder, 7, prompts, [text] * 8)
    found = material.samples_of(folder.trial(7))
    assert [one.prompt for one in found] == prompts
    assert all(one.text.endswith("… (cut)") for one in found)


def test_the_defaults_are_three_prompts_fit_for_tales() -> None:
    assert len(SampleSettings().prompts) == 3
    assert SampleSettings().prompts[0] == "Once upon a time"


def test_prompts_are_read_from_the_lab_and_survive_json() -> None:
    found = config.from_dict({"sample": {"prompts": ["A", "B"], "length": 20}})
    assert found.sample.prompts == ("A", "B")
    assert json.loads(json.dumps(found.sample.prompts)) == ["A", "B"]


@pytest.mark.parametrize("wrong", [[""], ["x"] * 9, [1], 3, ["x" * 1001], {"a": "b"}])
def test_prompts_that_are_none_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"sample\.prompts"):
        config.from_dict({"sample": {"prompts": wrong}})
