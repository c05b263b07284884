"""The page as data and as a document: bounded, cleaned, and no text able to leave its place in it."""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import factories
import pagelab
import pytest
import recordlab

from runner.jobs.report import Pages, refresh, write
from runner.record.faults import Faults
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import Header, RunFolder
from runner.report.page import facts, html, limits, material, model
from runner.trial import Status
from runner.usage import Usage

PAGE = Path(html.__file__).parent
VENDORED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
HOSTILE = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> & \u2028\u2029\x1b[31m\u202eexe\x00"
)
HEADER = Header(
    "nov23", "2026-01-01T00:00:00Z", "b" * 40, factories.PINS, {"trial": {"budget_seconds": 300.0}}, 1
)


def data(entries: Any, **details: material.Detail) -> dict[str, Any]:
    found = {e.number: details.get(f"n{e.number}", material.detail("")) for e in entries}
    return model.build(entries, HEADER, material.Material(found, {}, None))


class Scripts(HTMLParser):
    """The script elements of a document as a browser would see them, and every other element's name."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self.names: list[str] = []
        self._inside = False
        self.feed(document.decode())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self._inside = tag == "script"
        if self._inside:
            self.found.append((dict(attributes), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, content: str) -> None:
        if self._inside:
            self.found[-1] = (self.found[-1][0], self.found[-1][1] + content)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    return pagelab.make(tmp_path / "lab", 12)


def test_hostile_text_stays_in_the_data_and_reads_back() -> None:
    entries = [replace(factories.entry(0, Status.KEEP, 2.0, None, 2.0), note=HOSTILE, agent=HOSTILE)]
    made = data(entries, n0=material.detail(HOSTILE, HOSTILE.encode(), "x", ()))
    seen = Scripts(html.document(made))
    assert [sorted(attributes) for attributes, _ in seen.found] == [["id", "type"], [], []]
    assert json.loads(seen.found[0][1]) == json.loads(json.dumps(made))
    assert not {"img", "iframe", "object"} & set(seen.names)


def test_a_text_that_names_a_slot_of_the_document_is_not_filled_in() -> None:
    entries = [replace(factories.entry(0, Status.KEEP, 2.0, None, 2.0), note="{{vendored}} {{policy}}")]
    seen = Scripts(html.document(data(entries)))
    assert json.loads(seen.found[0][1])["trials"][0]["note"] == "{{vendored}} {{policy}}"


def test_control_and_bidirectional_characters_do_not_reach_the_page() -> None:
    nasty = "a\x1b[31mb\u202ec\x07d\u200be\x9bf\u2066g"
    entries = [replace(factories.entry(0, Status.KEEP, 2.0, None, 2.0), note=nasty, detail=nasty, agent=nasty)]
    raw = json.dumps(data(entries, n0=material.detail(nasty, nasty.encode(), "x", ())), ensure_ascii=False)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", raw)


def test_the_policy_allows_exactly_the_scripts_and_styles_that_are_there() -> None:
    import base64

    def name(content: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    document = html.document(data([factories.entry(0, Status.KEEP, 2.0, None, 2.0)])).decode()
    policy = html.policy(served=False)
    scripts = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    assert f"script-src {name(scripts[0])} {name(scripts[1])};" in policy
    assert len(scripts) == 2
    assert f"style-src {name(styles[0])};" in policy
    assert len(styles) == 1
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy


def test_no_script_of_ours_makes_markup_or_code_of_text() -> None:
    names = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
    )
    ways = "|".join(map(re.escape, (*names, "DOMParser", "createContextualFragment", "setHTML")))
    for path in [*PAGE.glob("static/*.js"), *PAGE.glob("vendor/*.js")]:
        assert not re.search(ways, path.read_text()), path.name
    for path in PAGE.glob("static/*.html"):
        assert not re.search(r"\son\w+=|\sstyle=", path.read_text()), path.name


def test_every_script_is_in_the_page_and_none_can_end_it() -> None:
    assert sorted(f"{name}.js" for name in html.SCRIPTS) == sorted(p.name for p in PAGE.glob("static/*.js"))
    assert not re.search(r"</script|<!--", html.script() + html.vendored(), re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(VENDORED))
def test_what_is_vendored_is_what_was_published(name: str) -> None:
    assert hashlib.sha256((PAGE / "vendor" / name).read_bytes()).hexdigest() == VENDORED[name]


def test_the_library_travels_with_its_licence() -> None:
    assert "Permission is hereby granted" in html.vendored()
    assert "Leon Sorokin" in html.vendored()


def test_nothing_is_fetched_from_elsewhere() -> None:
    document = html.document(data([factories.entry(0, Status.KEEP, 2.0, None, 2.0)])).decode()
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", document))
    assert outside <= {
        "https://github.com/leeoniya/uPlot",
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xhtml",
    }


@pytest.mark.parametrize("character", ["<", "\u4e2d"])
def test_500_trials_stay_under_2_mb_whatever_they_wrote(character: str) -> None:
    long = character * 1000
    lines = "\n".join([character * 1000] * 100)
    points = tuple(material.Point(float(i), 1 / 3 + i, 1 / 7 + i) for i in range(300))
    attempt = replace(factories.attempt(2.2), detail=long)
    entries = [
        replace(entry, note=long, agent=long, detail=long, attempts=(attempt,) * 3, meta={"model": long})
        for entry in factories.run(500)
    ]
    detail = material.detail(lines, lines.encode(), "trials/0001/attempt-0.log", (points,) * 3)
    samples = {e.number: [material.Sample(long, lines)] * 8 for e in entries if e.status is Status.KEEP}
    found = material.Material({e.number: detail for e in entries}, samples, None)
    assert len(html.document(model.build(entries, HEADER, found))) < 2_000_000


def test_a_short_run_is_shown_whole() -> None:
    diff = "\n".join(f"+line {i}" for i in range(300))
    entries = factories.run(5)
    made = data(entries, n3=material.detail(diff, b"the log", "x", ()))
    assert made["trials"][3]["diff"] == diff
    assert "cut" not in made["trials"][3]
    assert made["trials"][3]["log"] == "the log"


def test_a_long_diff_is_cut_at_a_line_and_says_how_much_is_missing() -> None:
    diff = "\n".join(f"+{'x' * 200} {i}" for i in range(1000))
    made = data(factories.run(2), n1=material.detail(diff, b"", "x", ()))["trials"][1]
    shown = made["diff"].split("\n")
    assert 10 < len(shown) < 1000
    assert all(line.startswith("+xxx") for line in shown)
    assert made["cut"] >= material.DIFF_CHARACTERS // 207 - len(shown)


def test_shares_are_fair_and_keep_to_the_total() -> None:
    chance = random.Random(3)
    for _ in range(300):
        sizes = [chance.choice((0, 5, 50, 5000)) for _ in range(chance.randrange(1, 40))]
        total = chance.randrange(0, 20_000)
        cap = limits.share(sizes, total)
        assert sum(min(size, cap) for size in sizes) <= total
        if cap < max(sizes):
            assert sum(min(size, cap + 1) for size in sizes) > total


def test_a_cut_takes_no_more_than_its_cap_in_the_page() -> None:
    lines = ["<b>", "", "é" * 30, '"quoted"', "plain"] * 5
    for cap in range(0, 400, 7):
        for tail in (False, True):
            shown, missing = limits.Lines(tuple(lines), 0, tail).cut(cap)
            assert not shown or limits.size(shown) <= cap
            assert len(lines) - missing == (len(shown.split("\n")) if missing < len(lines) else 0)


def test_a_curve_keeps_its_ends_and_its_shape_in_100_points() -> None:
    points = tuple(material.Point(float(i), float(i)) for i in range(5000))
    thinned = material.thin(points, 100)
    assert len(thinned) == 100
    assert thinned[0] == points[0]
    assert thinned[-1] == points[-1]
    assert all(abs(point.step - point.loss) < 60 for point in thinned)


def test_what_a_training_wrote_into_its_curve_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "attempt-0.curve.jsonl"
    good = '{"step": 1, "loss": 2.5, "lr": "x"}\n{"step": 2, "loss": 2.4, "lr": 0.1}\n'
    path.write_text(
        '[]\n{"step": "<b>", "loss": 1}\n{"step": 1, "loss": NaN}\nnull\n{{\n' + good + '{"step": 3, "lo'
    )
    assert material.curve_of(path) == (material.Point(1.0, 2.5), material.Point(2.0, 2.4, 0.1))


def test_samples_of_many_prompts_are_read_and_nonsense_is_none(tmp_path: Path) -> None:
    (tmp_path / "samples.json").write_text('[{"prompt": "A", "text": "A b"}, {"text": 3}, 7, {"text": "c"}]')
    assert material.samples_of(tmp_path) == [material.Sample("A", "A b"), material.Sample("", "c")]
    (tmp_path / "samples.json").write_text('{"samples": {"text": 1}}')
    assert material.samples_of(tmp_path) == []


def test_the_prompt_that_all_samples_share_is_found() -> None:
    texts = {0: "Once upon a time the king", 3: "Once upon a time thirteen", 9: "Once upon a time, then"}
    found = material._prompted({n: [material.Sample("", text)] for n, text in texts.items()})
    assert {one[0].prompt for one in found.values()} == {"Once upon a time"}
    assert material._prompted({0: [material.Sample("", "Once")]}) == {0: [material.Sample("", "Once")]}


def test_a_look_at_the_holdout_is_shown_and_nonsense_is_not() -> None:
    look = {"trial": 7, "holdout_bpb": 1.9, "holdout_gain": 0.1, "optimism": 0.02, "optimism_stderr": None}
    raw = {"baseline": {"holdout_bpb": 2.0}, "looks": [{"holdout_bpb": 5}, look]}
    assert facts.holdout(raw) == {"baseline": 2, "best": 1.9, "gain": 0.1, "gap": 0.02, "error": None}
    for nonsense in (None, {}, {"looks": 3}, {"looks": ["<b>"]}, {"looks": []}):
        assert facts.holdout(nonsense) is None
    assert facts.holdout({"looks": [{"optimism": "<b>"}]}) == dict.fromkeys(
        ("baseline", "best", "gain", "gap", "error")
    )


def test_time_is_split_and_what_is_left_was_waiting() -> None:
    entries = [
        replace(
            factories.entry(n), time=f"2026-01-01T0{n}:00:00Z", timings={"training": 1000.0, "agent": 200.0}
        )
        for n in (1, 2)
    ]
    found = facts.times(entries, "2026-01-01T00:00:00Z")
    assert found == {"training": 2000, "scoring": 0, "agent": 400, "other": 0, "waiting": 7200 - 2400}


def test_the_gain_is_reckoned_by_the_hour_and_by_the_dollar() -> None:
    hour = {"training": 3000.0, "scoring": 600.0}
    entries = [
        replace(factories.entry(0, Status.KEEP, 2.0, None, 2.0), timings=hour),
        replace(factories.entry(1, Status.KEEP, 1.9, 2.0, 1.9), timings=hour, meta={"cost_usd": 0.5}),
    ]
    run = data(entries)["run"]
    assert run["hours"] == 2
    assert run["per_hour"] == pytest.approx(0.05)
    assert run["per_cost"] == pytest.approx(0.2)


def test_what_faults_of_the_agent_cost_is_in_the_money() -> None:
    entries = [
        factories.entry(0, Status.KEEP, 2.0, None, 2.0),
        replace(factories.entry(1, Status.KEEP, 1.9, 2.0, 1.9), meta={"cost_usd": 0.5}),
    ]
    details = {entry.number: material.detail("") for entry in entries}
    faults = Faults(usage=Usage(cost_usd=1.5, tokens_in=70))
    run = model.build(entries, HEADER, material.Material(details, {}, None, faults))["run"]
    assert run["cost"] == {"usd": 2, "tokens_in": 70, "tokens_out": None}
    assert run["per_cost"] == pytest.approx(0.05)


def test_after_a_thousand_looks_the_newest_at_the_holdout_is_shown(tmp_path: Path) -> None:
    folder = pagelab.make(tmp_path / "lab", 3)
    look = {"trial": 7, "holdout_bpb": 1.9, "holdout_gain": 0.1, "optimism": 0.02, "detail": "x" * 200}
    looks = [look] * 999 + [{**look, "holdout_bpb": 1.8}]
    folder.holdout.write_text(json.dumps({"baseline": {"holdout_bpb": 2.0}, "looks": looks}))
    pages = Pages(tmp_path / "lab", folder)
    assert pages.data(Ledger(folder.ledger).entries)["run"]["holdout"]["best"] == 1.8  # type: ignore[index]


def test_what_git_did_not_answer_is_asked_again_and_what_it_did_is_not(tmp_path: Path) -> None:
    folder = pagelab.make(tmp_path / "lab", 3)
    entries = Ledger(folder.ledger).entries
    answers: list[dict[int, str]] = [{0: "", 1: "+ a"}, {2: "+ b"}]
    asked: list[list[int]] = []

    def diffs(wanted: Any) -> dict[int, str]:
        asked.append([entry.number for entry in wanted])
        return answers.pop(0)

    reader = material.Reader(folder, diffs)
    first, second = reader.read(entries[:3]), reader.read(entries[:3])
    assert first.details[2].diff is None
    assert second.details[2].diff is not None
    assert asked == [[0, 1, 2], [2]]


def test_a_gpu_and_what_was_read_of_it_are_shown() -> None:
    gpu = {"name": "NVIDIA H100", "driver": "1", "power_w": 612.0, "temperature": float("nan")}
    entries = [replace(factories.entry(0, Status.KEEP, 2.0, None, 2.0), machine={"gpu": gpu})]
    assert facts.gpu(entries) == {"name": "NVIDIA H100", "peak_mb": None, "readings": {"power_w": 612}}
    assert facts.gpu([replace(entries[0], machine={"gpu": None})]) is None
    assert facts.gpu([replace(entries[0], machine={"gpu": "H200"})]) == {
        "name": "H200",
        "peak_mb": None,
        "readings": {},
    }


def test_a_run_of_any_length_has_a_page() -> None:
    for entries in (
        [],
        factories.run(1),
        [factories.entry(0, Status.CRASH, None, None, None)],
        factories.run(3),
    ):
        assert Scripts(html.document(data(entries))).found


def test_only_the_later_trials_are_given_to_a_page_that_has_the_others(run: RunFolder) -> None:
    pages, entries = Pages(run.path.parents[1], run), Ledger(run.ledger).entries
    whole, news = pages.data(entries), pages.data(entries, after=10)
    assert [t["n"] for t in news["trials"]] == [10, 11]
    assert news["trials"] == whole["trials"][10:]
    assert pages.data(entries, after=12)["trials"] == []


def test_many_diffs_at_once_are_those_of_one_by_one(run: RunFolder) -> None:
    repo, entries = LabRepo(run.path.parents[1]), Ledger(run.ledger).entries
    pairs = [(e.parent_commit, e.commit) for e in entries]
    each = {new: repo.diff(old, new) for old, new in pairs if old != new}
    assert len(each) == 11
    assert repo.diffs(pairs) == each


def test_a_trial_that_changes_nothing_has_an_empty_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    repo = LabRepo(recordlab.make_lab(tmp_path / "lab"))
    folder, ledger = recordlab.start(repo)
    for source in (recordlab.BASELINE, recordlab.BASELINE, b"LR = 1\n"):
        recordlab.one_trial(repo, folder, ledger, source, Status.DISCARD)
    pairs = [(e.parent_commit, e.commit) for e in ledger.entries]
    assert list(repo.diffs(pairs).values()) == [repo.diff(*pair) for pair in pairs if pair[0] != pair[1]]


def test_a_diff_that_imitates_git_is_one_trials_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    repo = LabRepo(recordlab.make_lab(tmp_path / "lab"))
    folder, ledger = recordlab.start(repo)
    forged = b"LR = 1\r" + b"a" * 40 + b"\n" + b"b" * 40 + b"\ndiff --git a/x b/x\n"
    for source in (recordlab.BASELINE, forged, b"LR = 2\n"):
        recordlab.one_trial(repo, folder, ledger, source, Status.DISCARD)
    pairs = [(e.parent_commit, e.commit) for e in ledger.entries]
    assert repo.diffs(pairs) == {new: repo.diff(old, new) for old, new in pairs if old != new}


def test_the_report_is_one_file_beside_the_record(run: RunFolder, runner: Any) -> None:
    done = runner(run.path.parents[1], "report")
    assert (done.returncode, done.stdout.strip()) == (0, str(run.report)), done.stderr
    made = json.loads(Scripts(run.report.read_bytes()).found[0][1])
    assert len(made["trials"]) == 12
    assert made["trials"][5]["diff"]
    assert made["samples"]
    other = runner(run.path.parents[1], "report", "nov23", "-o", "other.html", cwd=run.path)
    assert other.returncode == 0
    assert (run.path / "other.html").stat().st_size > 100_000


def test_a_run_that_is_not_there_is_named(run: RunFolder, runner: Any) -> None:
    done = runner(run.path.parents[1], "report", "dec24")
    assert done.returncode == 2
    assert "no run dec24" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_git_the_page_lacks_the_diffs_and_says_so(run: RunFolder) -> None:
    lab = run.path.parents[1]
    (lab / ".git").rename(lab / "moved")
    found = json.loads(Scripts(write(Pages(lab, run)).read_bytes()).found[0][1])
    assert found["trials"][5]["no_diff"]
    assert "diff" not in found["trials"][5]
    assert "Without the changes" in found["run"]["note"]


def test_a_page_that_cannot_be_written_is_told_and_the_run_goes_on(run: RunFolder) -> None:
    told: list[str] = []
    run.report.mkdir()
    refresh(Pages(run.path.parents[1], run), told.append)
    assert len(told) == 1
    assert "report.html" in told[0]
