"""A training whose GPU was shared or throttled is done again; one that failed for the GPU is nobody's fault but its."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import factories
import pytest
import walklab
from test_loop import Quiet

from runner import data, run
from runner.config import from_dict
from runner.errors import InfraError
from runner.evaluate import Evaluator, Job
from runner.lab import Lab, open_lab, settings_digest
from runner.loop import Loop
from runner.machine.telemetry import Told, Watch
from runner.parts import Limits
from runner.record import verify
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.report import detail, doubts, lines, status, tables
from runner.report.page import facts, trials
from runner.run import RunBench, open_run
from runner.sandbox.box import Sandbox
from runner.sandbox.training_data import data_volume
from runner.trial import Attempt, Ending, Outcome, Proposal, Status, entry_from_json, to_json
from runner.trust import RERUNS, Trust, again

MARKED = {"gpu": {"clocks": {"hardware thermal": 0.5}, "celsius": 93}}


class Marking:
    """`Watching` that gives trainings the marks of a script, and after its end none."""

    def __init__(self, script: Sequence[tuple[str, ...]], later: tuple[str, ...] = ()) -> None:
        self.script, self.later, self.folders = list(script), later, []  # type: ignore[var-annotated]
        self.ticks: list[tuple[str, float | None]] = []
        self.own: frozenset[int] = frozenset()

    def __call__(self, folder: Path) -> Marking:
        self.folders.append(folder)
        return self

    def __enter__(self) -> Marking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def tick(self, container: str, cpu_seconds: float | None) -> None:
        self.ticks.append((container, cpu_seconds))

    def told(self, *, failed: bool) -> Told:
        marks = self.script.pop(0) if self.script else ()
        return Told(MARKED if marks else {}, marks)

    def broken(self) -> tuple[str, ...]:
        return self.later


# -- what is believed


def outcome(*marks: str, ending: Ending = Ending.OK) -> Outcome:
    return Outcome(ending, "it said so", None, 3.0, marks=marks)


def test_a_clean_training_is_believed_and_nothing_is_said() -> None:
    said: list[str] = []
    assert Trust("rerun", said.append).believes(outcome(), 0)
    assert said == []


@pytest.mark.parametrize("mark", ["shared", "throttled", "xid", "ecc"])
def test_a_marked_one_is_thrown_away_twice_and_then_believed(mark: str) -> None:
    said: list[str] = []
    trust = Trust("rerun", said.append)
    assert [trust.believes(outcome(mark), thrown) for thrown in range(RERUNS + 1)] == [False, False, True]
    assert len(said) == 3
    assert f"believed with its mark ({mark})" in said[-1]


def test_what_a_machine_always_does_is_not_tried_thrice_for_every_trial() -> None:
    said: list[str] = []
    trust = Trust("rerun", said.append)
    for thrown in range(RERUNS + 1):
        trust.believes(outcome("throttled"), thrown)
    told = len(said)
    assert trust.believes(outcome("throttled"), 0)
    assert not trust.believes(outcome("throttled", "shared"), 0), "another mark is news"
    assert trust.believes(outcome("throttled"), 0)
    assert trust.believes(outcome(), 0)
    assert not trust.believes(outcome("throttled"), 0), "it had become cool"
    assert len(said) == told + 2


@pytest.mark.parametrize("mark", ["overloaded", "swapping"])
def test_a_busy_host_is_told_and_no_reason_to_train_again(mark: str) -> None:
    assert Trust("rerun", print).believes(outcome(mark), 0)


def test_whoever_wants_marks_only_gets_them() -> None:
    assert Trust("mark", print).believes(outcome("shared"), 0)


@pytest.mark.parametrize("how", ["rerun", "mark"])
@pytest.mark.parametrize("mark", ["xid", "ecc"])
def test_a_training_that_failed_on_a_broken_gpu_is_no_result(how: str, mark: str) -> None:
    with pytest.raises(InfraError, match="it ended with crash: it said so"):
        Trust(how, print).believes(outcome(mark, ending=Ending.CRASH), 0)


def test_one_that_failed_beside_another_process_is_tried_again_and_then_its_own() -> None:
    trust = Trust("rerun", lambda text: None)
    failed = outcome("shared", ending=Ending.CRASH)
    assert [trust.believes(failed, thrown) for thrown in range(3)] == [False, False, True]


def test_what_was_thrown_away_is_on_record_and_in_the_time() -> None:
    lost = replace(factories.attempt(None, 1), outcome=outcome("shared"), wall_seconds=4.0)
    made = again(factories.attempt(2.1), [lost, lost], 0.5)
    assert made.wall_seconds == pytest.approx(37.9 + 8.5)
    assert made.outcome.telemetry["again"] == [
        {"marks": ["shared"], "ending": "ok", "train_seconds": 3.0},
        {"marks": ["shared"], "ending": "ok", "train_seconds": 3.0},
    ]


# -- the record


def test_an_outcome_survives_the_record() -> None:
    marked = replace(factories.attempt(2.1), outcome=replace(outcome("shared", "xid"), telemetry=MARKED))
    entry = factories.entry(1, attempts=(marked,))
    assert entry_from_json(json.loads(json.dumps(to_json(entry)))) == entry


def test_a_record_from_before_is_read_as_without_marks(tmp_path: Path) -> None:
    raw = to_json(factories.entry(0, Status.KEEP, 2.2, None, 2.2))
    for attempt in raw["attempts"]:
        del attempt["outcome"]["telemetry"], attempt["outcome"]["marks"]
    read = entry_from_json(json.loads(json.dumps(raw)))
    assert (read.attempts[0].outcome.marks, read.attempts[0].outcome.telemetry) == ((), {})
    assert read == factories.entry(0, Status.KEEP, 2.2, None, 2.2)


def test_whether_marked_trainings_are_done_again_does_not_end_a_run() -> None:
    plain = {"trial": {"budget_seconds": 3.0}, "score": {}}
    assert settings_digest(plain) == settings_digest({**plain, "trial": {**plain["trial"], "distrust": "mark"}})


# -- shown


def marked_entry() -> Any:
    told = {
        **MARKED,
        "host": {"load": 2.14, "cpu_others": 0.4, "free_memory_mb": 3100},
        "again": [{"marks": ["throttled"], "ending": "ok", "train_seconds": 29.0}],
    }
    one = factories.attempt(2.1, 7)
    left = replace(one.outcome, telemetry=told, marks=("throttled", "overloaded", "\x1b[31mmade up"))
    return factories.entry(1, attempts=(replace(one, outcome=left), factories.attempt(2.2, 8)))


def shown(what: Any, width: int = 200) -> str:
    from rich.console import Console

    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(what)
    return console.export_text()


def test_a_mark_is_one_word_in_a_line_and_a_sentence_in_show() -> None:
    entry = marked_entry()
    for plain in (lines.verdict(entry, 100).plain, lines.plain_verdict(entry), shown(tables.Table([entry]))):
        assert f"[throttled] {entry.note}" in plain
    told = shown(detail.show(entry))
    assert "throttled: its GPU was slowed for heat or want of power; overloaded: other programs" in told
    assert "done again, 1 of it thrown away" in told
    assert "GPU 93 °C at most, hardware thermal 50 %; load 2.1" in told
    assert "40 % of the CPUs taken by others" in told
    assert "made up" not in told


def test_status_and_page_count_marked_trainings() -> None:
    entries = [factories.entry(0, Status.KEEP, 2.3, None, 2.3), marked_entry()]
    found = status.status("t", entries)
    assert found["marked"] == {"throttled": 1, "overloaded": 1}
    assert "1 throttled" in shown(status.View(found, entries))
    on_gpu = [replace(entry, machine={"gpu": {"name": "NVIDIA H100", "minor": 0}}) for entry in entries]
    assert facts.gpu(on_gpu)["readings"] == {"celsius": 93, "marked_trainings": 1}  # type: ignore[index]
    assert "throttled: its GPU" in trials.attempt(entries[1].attempts[0])["detail"]
    assert json.loads(tables.as_json(entries))[1]["marks"] == ["throttled", "overloaded"]


def test_a_run_without_marks_looks_as_ever() -> None:
    entry = factories.entry(1)
    assert doubts.noted(entry, "x") == "x"
    assert [doubts.sentence(a) + doubts.gpu(a) + doubts.host(a) for a in entry.attempts] == [""]
    assert "marked" not in shown(status.View(status.status("t", [entry]), [entry]))


@pytest.mark.parametrize(
    "odd", [{"gpu": 7}, {"gpu": {"clocks": 3, "others": [1], "xids": "x", "celsius": "hot"}}]
)
def test_a_strange_record_is_shown_all_the_same(odd: dict[str, Any]) -> None:
    one = factories.attempt(2.1)
    entry = factories.entry(1, attempts=(replace(one, outcome=replace(one.outcome, telemetry=odd)),))
    assert shown(detail.show(entry))
    assert doubts.totals([entry]) == {}


# -- with a real engine


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walklab.make(tmp_path_factory.mktemp("distrust") / "lab", lingers=False)


@pytest.fixture(scope="module")
def bench(engine: Any, image: str, quick: Path) -> Iterator[Any]:
    lab = open_lab(quick)
    manifest = data.load(quick)
    volume = data_volume(engine, image, manifest.digest, data.public_files(quick))

    def make(watching: Any, watcher: Quiet, distrust: str = "rerun") -> Evaluator:
        settings = replace(lab.settings, trial=replace(lab.settings.trial, distrust=distrust))
        return Evaluator(
            Lab(quick, settings), Sandbox(engine, image, settings.trial, volume), watcher, watching
        )

    yield make
    engine.api.remove_volume(volume, force=True)


def trained(evaluator: Evaluator, quick: Path, folder: Path, tag: str, source: bytes | None = None) -> Attempt:
    source = source or (quick / "train" / "train.py").read_bytes()
    return evaluator.attempt(Job(tag, 1, 0, source, 7, folder / "0001", folder / "checkpoint.tar"))


@pytest.mark.engine
def test_a_marked_training_is_done_again_and_its_score_is_the_last_ones(
    bench: Any, quick: Path, tmp_path: Path, tag: str, leftovers: Any
) -> None:
    marking, watcher = Marking([("shared",), ()]), Quiet()
    made = trained(bench(marking, watcher), quick, tmp_path, tag)
    assert made.ending is Ending.OK
    assert made.score is not None
    assert made.outcome.marks == ()
    [lost] = made.outcome.telemetry["again"]
    assert lost["marks"] == ["shared"]
    assert made.wall_seconds > lost["train_seconds"] + made.outcome.train_seconds + made.score.seconds
    assert len(marking.folders) == 2
    assert [text for text in watcher.messages if "done again, 1 of 2 times" in text]
    assert leftovers() == []


@pytest.mark.engine
def test_a_training_that_only_gets_a_mark_is_scored_at_once(
    bench: Any, quick: Path, tmp_path: Path, tag: str
) -> None:
    marking = Marking([("shared",)])
    made = trained(bench(marking, Quiet(), "mark"), quick, tmp_path, tag)
    assert (made.ending, made.outcome.marks, len(marking.folders)) == (Ending.OK, ("shared",), 1)


@pytest.mark.engine
def test_a_crash_on_a_broken_gpu_is_a_fault_of_the_machine(
    bench: Any, quick: Path, tmp_path: Path, tag: str, leftovers: Any
) -> None:
    with pytest.raises(InfraError, match="error of the GPU; it ended with crash"):
        trained(bench(Marking([("xid",)]), Quiet()), quick, tmp_path, tag, b"raise SystemExit(3)\n")
    assert leftovers() == []


@pytest.mark.engine
def test_so_is_a_model_that_fails_while_the_gpu_breaks(
    bench: Any, quick: Path, tmp_path: Path, tag: str
) -> None:
    source = (quick / "train" / "train.py").read_bytes().replace(b"return np.load", b"raise SystemExit(3) #")
    with pytest.raises(InfraError, match="could not correct; the model ended with invalid"):
        trained(bench(Marking([], later=("ecc",)), Quiet()), quick, tmp_path, tag, source)
    assert trained(bench(Marking([]), Quiet()), quick, tmp_path, tag, source).ending is Ending.INVALID


@pytest.mark.engine
def test_on_a_cpu_the_host_is_watched(bench: Any, quick: Path, tmp_path: Path, tag: str, engine: Any) -> None:
    if not engine.local:
        pytest.skip("the engine is on another machine")
    source = (
        (quick / "train" / "train.py").read_bytes().replace(b"counts = ", b"time.sleep(2)\n    counts = ", 1)
    )
    watcher = Quiet()
    made = trained(bench(None, watcher), quick, tmp_path, tag, source)
    host = made.outcome.telemetry["host"]
    assert {"load", "free_memory_mb", "free_disk_mb", "cpu_idle", "cpu_others"} <= set(host)
    assert set(made.outcome.telemetry) == {"host"}
    assert "again" not in made.outcome.telemetry
    assert made.outcome.marks in ((), ("overloaded",))  # by whatever else this machine does meanwhile


@pytest.mark.engine
def test_a_run_with_trainings_thrown_away_verifies(
    bench: Any, quick: Path, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop, the record and `runner verify` over a run whose baseline was shared once and whose trial is always."""
    for name, value in {"NAME": "A", "EMAIL": "a@localhost"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    lab, repo, folder = open_lab(quick), LabRepo(quick), RunFolder(quick, tag)
    watcher = Quiet()
    always = [("shared",)] * 8
    evaluator = bench(Marking([("throttled",), (), *always]), watcher)
    source = (quick / "train" / "train.py").read_bytes()
    pins = replace(factories.PINS, settings=lab.settings_digest())
    with folder.lock():
        opened = open_run(lab, repo, folder, pins, {}, watcher.message)
        proposer = _Once(Proposal(source.replace(b"K = 1", b"K = 3"), "K 3", "person"))
        bench_of_run = RunBench(opened, evaluator, watcher)
        loop = Loop(proposer, bench_of_run, opened, watcher, lab.settings.ratchet)
        loop.run(Proposal(source, "the lab's train.py", "baseline"), Limits(trials=1))
    try:
        report = verify.verify_run(repo, folder)
        assert report.holds, report.findings
        first, second = Ledger(folder.ledger).entries
        assert [len(a.outcome.telemetry["again"]) for a in first.attempts] == [1]
        assert len(second.attempts[0].outcome.telemetry["again"]) == 2
        assert {a.outcome.marks for a in second.attempts} == {("shared",)}
        assert not any("again" in a.outcome.telemetry for a in second.attempts[1:])
        assert first.timings["other"] > first.attempts[0].outcome.telemetry["again"][0]["train_seconds"]
    finally:
        run.remove_run(lab, repo, tag)


class _Once:
    name = "person"

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal

    def propose(self, history: Any) -> Proposal:
        return self.proposal


def test_settings_know_two_ways() -> None:
    assert from_dict({"trial": {"distrust": "mark"}}).trial.distrust == "mark"
    with pytest.raises(Exception, match="rerun, mark"):
        from_dict({"trial": {"distrust": "no"}})
    assert Watch(None, None).told(failed=False) == Told()
