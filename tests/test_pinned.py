"""What is no longer as it was when a run began is named: settings with both values, and of the data which part."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import recordlab
from factories import PINS

from runner.config import Settings, from_dict
from runner.data import Manifest
from runner.errors import UsageError
from runner.lab import Lab
from runner.pinned import refuse_other_pins, told_of
from runner.record.repo import LabRepo
from runner.record.run import Header, RunFolder, parse_header
from runner.run import open_run

THEN = from_dict({"trial": {"budget_seconds": 30}, "data": {"source": "tales", "vocab_size": 400}})
COUNTS = {"train": 1000, "val": 100, "holdout": 100}
FILES = ("tokenizer.json", "token_bytes.npy", "train.npy", "val.npy", "holdout.npy", "meta.json")


def manifest(**files: str) -> Manifest:
    """Of data whose files have the digests a… but for those given by their first word."""
    raw = {"files": {name: {"sha256": files.get(name.split(".")[0], "a" * 64)} for name in FILES}}
    return Manifest("d", "tales", 400, 256, 399, COUNTS, COUNTS, COUNTS, raw)


def said(now: Settings = THEN, **changes: Any) -> str:
    data = changes.pop("data", ({}, {}))
    pins = replace(PINS, **dict.fromkeys(changes.pop("pins"), "x"))
    with pytest.raises(UsageError) as caught:
        refuse_other_pins(PINS, pins, "run t", asdict(THEN), now, data)
    assert "runner go --new-tag" in str(caught.value.advice)
    return caught.value.what


def test_what_is_as_it_was_is_let_on() -> None:
    refuse_other_pins(PINS, PINS, "run t", asdict(THEN), from_dict({}))


def test_a_setting_is_named_with_both_values() -> None:
    now = replace(
        THEN, trial=replace(THEN.trial, budget_seconds=60.0), score=replace(THEN.score, audit_positions=99)
    )
    assert "another settings (trial.budget_seconds: 30.0, now 60.0; score.audit_positions: 512, now 99):" in (
        said(now, pins=["settings"])
    )


def test_a_setting_that_changes_no_score_is_not_named() -> None:
    now = replace(THEN, trial=replace(THEN.trial, log_kb=99, budget_seconds=60.0))
    assert "log_kb" not in said(now, pins=["settings"])


def test_a_setting_that_the_header_does_not_know_is_told_to_be_unknown() -> None:
    then = asdict(THEN)
    del then["score"]["audit_positions"]
    with pytest.raises(UsageError, match=r"score\.audit_positions: unknown, now 512"):
        refuse_other_pins(PINS, replace(PINS, settings="x"), "run t", then, THEN)


@pytest.mark.parametrize(
    ("file", "name"), [("tokenizer", "tokenizer"), ("val", "validation split"), ("train", "training split")]
)
def test_the_part_of_the_data_that_differs_is_named(file: str, name: str) -> None:
    told = said(pins=["data"], data=(told_of(manifest()), told_of(manifest(**{file: "b" * 64}))))
    assert f"another data ({name}: aaaaaaaaaaaa, now bbbbbbbbbbbb):" in told


def test_another_source_of_the_data_is_named() -> None:
    other = replace(manifest(), source="text:books", tokens={**COUNTS, "val": 90})
    told = said(pins=["data"], data=(told_of(manifest()), told_of(other)))
    assert "source: 'tales', now 'text:books'" in told


def test_of_a_header_that_tells_nothing_of_the_data_the_settings_are_named() -> None:
    now = replace(THEN, data=replace(THEN.data, source="text:books"))
    assert "another data (data.source: 'tales', now 'text:books'):" in said(now, pins=["data"])


def test_what_has_no_parts_is_named_alone() -> None:
    assert "another prepare, image, scoring:" in said(pins=["prepare", "image", "scoring"])


def test_a_header_from_before_it_told_of_the_data_is_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "t")
    folder.create(Header("t", "2026-01-01T00:00:00Z", "0" * 40, PINS, {}, 1))
    raw = folder.run_json.read_text().replace(',\n "data": {}', "")
    assert '"data": {}' not in raw
    assert parse_header(raw.encode(), "t").data == {}


def test_a_run_that_is_gone_on_with_is_told_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    root = recordlab.make_lab(tmp_path / "lab")
    repo, folder = LabRepo(root), RunFolder(root, "t")

    def opened(files: Manifest, **pins: str) -> None:
        with folder.lock():
            open_run(Lab(root, THEN), repo, folder, replace(PINS, **pins), {}, lambda _: None, told_of(files))

    opened(manifest())
    assert folder.header().data["files"]["val.npy"] == "a" * 64
    opened(manifest())
    with pytest.raises(UsageError, match=r"another data \(validation split: aaaaaaaaaaaa, now b+\)"):
        opened(manifest(val="b" * 64), data="x")
