"""What a job leaves for a CI service: outputs, annotations, JUnit, result.json, and the folder they lie in."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import ci_lab
import pytest

from runner.ci import outfolder, workflow
from runner.ci import result as results
from runner.ci.junit import GAIN, LAB, SCORE, junit
from runner.ci.result import Result, plain
from runner.ci.summary import summary
from runner.errors import InfraError, UsageError
from runner.jobs import ci as jobs
from runner.jobs.ci import UNFINISHED


def read_outputs(content: str) -> dict[str, str]:
    """As GitHub's runner reads the file (FileCommandManager.cs)."""
    found, lines = {}, iter(content.split("\n")[:-1])
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        else:
            name, end = line.split("<<", 1)
            value = "\n".join(iter(lambda: next(lines), end))
        found[name] = value
    return found


def commands(log: str) -> list[str]:
    """The lines that GitHub's runner would obey (ActionCommand.cs), `stop-commands` and its word honoured."""
    found, word = [], ""
    for line in re.split(r"\r\n|\r|\n", log):
        begins = re.match(r"\s*::([^ :]+)[^:]*(?::[^:]+)*?::(.*)", line)
        name = begins[1] if begins else (old[1] if (old := re.search(r"##\[([^ \]]+)", line)) else "")
        if word:
            word = "" if name == word else word
        elif name == "stop-commands" and begins:
            word = begins[2]
        elif name:
            found.append(name)
    return found


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_no_value_of_an_output_makes_another_output(said: str) -> None:
    content = workflow.outputs({"verdict": "refused", "report": said})
    assert read_outputs(content) == {"verdict": "refused", "report": said}


def test_a_delimiter_cannot_be_known_before() -> None:
    assert len({workflow.outputs({"a": ""}) for _ in range(100)}) == 100


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_no_line_of_others_is_a_workflow_command(said: str) -> None:
    assert commands(workflow.neutral(said)) == []
    assert commands(workflow.stopped(said) + "\n::notice::ours") == ["notice"]


def test_the_oracle_of_these_tests_obeys_what_the_service_obeys() -> None:
    assert commands("  ::set-output name=x::y") == ["set-output"]
    assert commands("text ##[error]x") == ["error"]
    assert commands("::error file=a,line=1::gone") == ["error"]
    assert commands("::stop-commands::w\n::error::x\n::w::\n::error::y") == ["error"]


def test_progress_is_written_in_whole_and_harmless_lines() -> None:
    stream = io.StringIO()
    guarded = workflow.Guarded(stream)
    for part in ("one\n:", ":error::x\n", "two ##", "[error]x\n", "half"):
        guarded.write(part)
    assert commands(stream.getvalue()) == []
    assert stream.getvalue().count("\n") == 3


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_an_annotation_is_one_command_whatever_it_says(said: str) -> None:
    line = workflow.annotation("error", said, said, 3, said)
    assert "\n" not in line
    assert commands(line) == ["error"]
    properties = re.match(r"::error ([^:]*)::", line)
    assert properties
    assert {pair.split("=")[0] for pair in properties[1].split(",")} <= {"file", "line", "title"}


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
@pytest.mark.parametrize("verdict", ["better", "not-better", "refused", "error"])
def test_junit_has_the_shape_that_others_read(said: str, verdict: str) -> None:
    root = ElementTree.fromstring(junit(replace(ci_lab.hostile(said), verdict=verdict)))
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.tag == "testsuite"
    cases = list(suite)
    assert {case.tag for case in cases} == {"testcase"}
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    kinds = [child.tag for case in cases for child in case]
    assert all(len(case) <= 1 and {"name", "classname", "time"} == set(case.attrib) for case in cases)
    assert counts == {"tests": len(cases), "failures": kinds.count("failure"), "errors": kinds.count("error"),
                      "skipped": kinds.count("skipped")}  # fmt: skip
    wanted = {"better": (0, 0), "not-better": (1, 0), "refused": (1, 0), "error": (0, 1)}[verdict]
    assert (counts["failures"], counts["errors"]) == wanted


@pytest.mark.parametrize(
    "cause",
    ["lab-changed", "stale", "record", "record-absent", "not-python", "failed", "audit", "worse", "same"],
)
def test_what_was_not_reached_is_skipped_in_junit(cause: str) -> None:
    root = ElementTree.fromstring(junit(replace(ci_lab.hostile("x"), cause=cause)))
    kinds = [case[0].tag if len(case) else "" for case in root[0]]
    at = kinds.index("failure")
    assert set(kinds[:at]) <= {""}
    assert set(kinds[at + 1 :]) <= {"skipped"}


@pytest.mark.parametrize(("cause", "case"), [("failed", SCORE), ("stale", LAB), ("worse", GAIN)])
def test_the_case_that_fails_in_junit_is_the_causes_own(cause: str, case: str) -> None:
    root = ElementTree.fromstring(junit(replace(ci_lab.hostile("x"), cause=cause)))
    assert [one.attrib["name"] for one in root[0] if one.find("failure") is not None] == [case]


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_result_json_is_json_and_says_the_delta(said: str) -> None:
    raw = json.loads(json.dumps(plain(ci_lab.hostile(said)), allow_nan=False))
    assert raw["delta"] == pytest.approx(-0.1)
    assert raw["request"]["title"] == said
    assert raw["noise"] == {"sigma": 0.01, "df": 4}


def test_a_job_that_was_killed_has_left_an_error(tmp_path: Path) -> None:
    out = outfolder.prepare(tmp_path / "out", UNFINISHED)
    assert json.loads((out / "result.json").read_text())["verdict"] == "error"
    assert ElementTree.parse(out / "junit.xml").findall(".//error")
    assert not ElementTree.parse(out / "junit.xml").findall(".//failure")
    assert "Nothing is said about the change" in (out / "summary.md").read_text()


def test_what_an_earlier_job_left_is_gone_before_anything_else(tmp_path: Path) -> None:
    better = Result(results.BETTER, "better", "x", 0, diff="d")
    out = outfolder.prepare(tmp_path / "out", UNFINISHED)
    outfolder.write(out, better)
    (out / "head").mkdir()
    (out / "head/attempt-0.log").write_text("x")
    outfolder.prepare(out, UNFINISHED)
    assert sorted(path.name for path in out.iterdir()) == ["junit.xml", "result.json", "summary.md"]
    assert json.loads((out / "result.json").read_text())["verdict"] == "error"


def test_a_folder_of_others_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="holds other files"):
        outfolder.prepare(tmp_path, UNFINISHED)
    assert (tmp_path / "mine.txt").read_text() == "x"


@pytest.mark.parametrize("link", ["out", "above"])
def test_a_link_that_a_checkout_holds_is_not_followed(
    tmp_path: Path, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, here = tmp_path / "outside", tmp_path / "checkout"
    outside.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    os.symlink(outside, here / link)
    with pytest.raises(UsageError, match="symbolic link"):
        outfolder.prepare(Path("out" if link == "out" else "above/out"), UNFINISHED)
    assert list(outside.iterdir()) == []


def test_a_verdict_that_cannot_be_told_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = ci_lab.Repository(tmp_path / "repository")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "missing/output"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    asked = repository.lab, "main", repository.head(None), None, tmp_path / "out", tmp_path / "state"
    with pytest.raises(InfraError, match="GITHUB_OUTPUT"):
        jobs.run(*asked, {}, fresh=False)
    assert json.loads((tmp_path / "out/result.json").read_text())["verdict"] == "error"


def test_hints_that_are_for_another_command_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with jobs.Lines() as lines:
        lines.message("To believe it: runner go --accept 7")
        lines.message("The base scores as it did.")
    said = capsys.readouterr().err
    assert "The base scores as it did." in said
    assert "--accept" not in said


def test_trainings_that_did_not_end_are_counted_in_the_summary_and_in_result_json() -> None:
    better = Result(results.BETTER, "better", "x", 0)
    assert "brought to its end" not in summary(better)
    assert "not brought to its end 2 times" in summary(replace(better, unfinished=2))
    assert plain(replace(better, unfinished=2))["unfinished"] == 2
