"""`runner ci`: is the head's train.py really better than the base's? A verdict in files, outputs and an exit code.

Puts together `runner/ci/`: the gate, the base's lab, the judging; then says what was found in every form that a CI
service reads. However a job ends, its files say so, and none looks like a verdict that was not given.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console

from runner import interrupts
from runner.ci import baselab, change, event, gate, judging, outfolder, workflow
from runner.ci import result as results
from runner.ci.gate import Gate
from runner.ci.judging import BaseFailed, Drifted, Judgement, Places, Restarted
from runner.ci.result import Result
from runner.ci.summary import summary
from runner.errors import InfraError, MissingError, RunnerError, UsageError
from runner.report import consoles, text
from runner.report.screen import Screen

CANCELLED = 130
UNFINISHED = Result(results.ERROR, "unfinished", "The job did not come to its end.", InfraError.exit_code)
_CAUSES = (
    (BaseFailed, "base-failed"),
    (Drifted, "drift"),
    (Restarted, "restarted"),
    (UsageError, "usage"),
    (MissingError, "missing"),
)
_ACCEPT = "runner go --accept"  # a hint of the loop that is of no use here


class Lines(Screen):
    """A Screen of plain lines that no CI service takes for commands; without the hints that are for `runner go`."""

    def __init__(self) -> None:
        stream = cast("Any", workflow.Guarded(sys.stderr))
        super().__init__(Console(file=stream, no_color=True, markup=False, highlight=False), live=False)

    def message(self, text_: str) -> None:
        if _ACCEPT not in text_:
            super().message(text_)


class Job:
    """One job. It knows what was found so far, for the case that it goes no further."""

    def __init__(self, lab: Path, out: Path, state: Path | None, environment: Mapping[str, str]) -> None:
        self._lab, self._environment = lab, environment
        self._began = time.monotonic()
        self._messages: list[str] = []
        self._screen: Screen | None = None
        self._state = state or default_state(environment)
        self.result = UNFINISHED
        self.published = False
        self.out = outfolder.prepare(out, UNFINISHED)
        self._entries: Judgement | None = None
        self._gate: Gate | None = None

    def say(self, message: str) -> None:
        self._messages.append(text.line(message, 500))
        if self._screen is not None:
            self._screen.message(message)

    def judge(self, asked: event.Asked, changes: Mapping[str, Any], *, fresh: bool) -> None:
        """Until there is a verdict in `result`. Raises RunnerError, KeyboardInterrupt."""
        self._gate, to_train = gate.look(self._lab, asked, changes, self._environment)
        self.result = self._gate.result
        self._refuse_places(self._gate)
        if not to_train:
            return
        with Lines() as self._screen, tempfile.TemporaryDirectory(prefix="runner-ci-") as work:
            asked_for = self._gate.repo, self.result.base.sha, self._gate.prefix, self._gate.settings
            lab = baselab.materialise(*asked_for, self._state, self.say)
            places = Places(self.out, self._state, Path(work))
            found = judging.judge(self._gate, lab, places, self._screen, self.say, fresh=fresh)
            self._entries = found if found.entries else None
            self.result = outfolder.with_log(self.out, found.result)

    def _refuse_places(self, found: Gate) -> None:
        root = found.repo.root.resolve()
        if self._state.resolve().is_relative_to(root):
            raise UsageError(f"the state {self._state} lies in the checkout, where a head could put it",
                             "Name a folder that outlives the job: --state DIR")  # fmt: skip
        if self.out.resolve().is_relative_to(root):
            path = self.out.resolve().relative_to(root).as_posix()
            inside = change.belongs(
                path, found.prefix, change.source_in_repository(found.settings, found.prefix)
            )
            if path == "." or inside or found.repo.files(self.result.base.sha, path):
                raise UsageError(f"--out {self.out} is part of the lab", "Name another folder: --out DIR")

    def failed(self, error: BaseException) -> Result:
        """What is said of a job that raised `error`, whatever it had found before."""
        code, cause = InfraError.exit_code, "machine"
        reason = f"A fault of this program: {type(error).__name__}"
        if isinstance(error, KeyboardInterrupt):
            code, cause, reason = CANCELLED, "cancelled", "The job was cancelled."
        elif isinstance(error, RunnerError):
            cause = next((name for kind, name in _CAUSES if isinstance(error, kind)), "machine")
            code, reason = error.exit_code, f"{error.what}. {error.advice}".strip()
        known = self.result
        facts: dict[str, Any] = {
            "base": known.base, "head": known.head, "merge_base": known.merge_base, "request": known.request,
            "outside": known.outside, "rule": known.rule, "budget_seconds": known.budget_seconds,
            "train_path": known.train_path,
        }  # fmt: skip
        return Result(results.ERROR, cause, reason, code, **facts)

    def publish(self, result: Result) -> None:
        """Write the files, set the outputs, print the summary."""
        told = replace(result, messages=tuple(self._messages), seconds=round(time.monotonic() - self._began, 3))
        with interrupts.held_back():
            report = self.out / outfolder.SUMMARY
            if self._entries is not None and self._gate is not None and told.verdict != results.ERROR:
                wrong = outfolder.pictures(self.out, self._entries.entries, told, asdict(self._gate.settings))
                told = replace(told, messages=(*told.messages, *wrong))
                report = self.out / outfolder.PAGE if (self.out / outfolder.PAGE).exists() else report
            outfolder.write(self.out, told)
            shown = summary(told)
            workflow.append(self._environment, "GITHUB_STEP_SUMMARY", shown)
            workflow.append(
                self._environment, "GITHUB_OUTPUT", workflow.outputs(_outputs(told, report, self.out))
            )
            self.published = True
            if workflow.is_github(self._environment):
                shown = f"{workflow.stopped(shown)}\n{_annotation(told)}\n"
            click.echo(shown, nl=False)


def _outputs(result: Result, report: Path, out: Path) -> dict[str, str]:
    score = "" if result.val_bpb is None else f"{result.val_bpb:.6f}"
    delta = "" if result.delta is None else f"{result.delta:+.6f}"
    return {"verdict": result.verdict, "val_bpb": score, "delta": delta, "report": str(report), "out": str(out)}


def _annotation(result: Result) -> str:
    title = f"runner ci: {result.verdict}"
    if result.verdict == results.ERROR:
        return workflow.annotation("error", result.reason, title=title)
    level = "notice" if result.verdict == results.BETTER else "error"
    return workflow.annotation(
        level, result.reason, result.train_path, change.first_changed_line(result.diff), title
    )


def default_state(environment: Mapping[str, str]) -> Path:
    """Where base scores and labs are kept: in the user's cache, by the XDG base directory specification."""
    named = environment.get("XDG_CACHE_HOME", "")
    home = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return home / "autoresearch-ci"


def run(
    lab: Path,
    base: str,
    head: str,
    payload: Path | None,
    out: Path,
    state: Path | None,
    changes: Mapping[str, Any],
    *,
    fresh: bool,
    branch: str = "",
) -> int:
    """One judgement; the exit code. Raises RunnerError and KeyboardInterrupt once the files say what happened."""
    consoles.make(sys.stdout)  # signs that the encoding lacks are written otherwise
    environment = dict(os.environ)
    try:
        job = Job(lab, out, state, environment)
    except RunnerError as error:
        # There is no folder for files; what a head's checkout has there is none of ours.
        workflow.append(environment, "GITHUB_OUTPUT", workflow.outputs(_outputs(UNFINISHED, Path(), Path())))
        raise _harmless(error) from error
    try:
        asked = event.asked(base, head, payload, environment, branch)
        job.judge(asked, {key: value for key, value in changes.items() if value is not None}, fresh=fresh)
        job.publish(job.result)
    except BaseException as error:
        if job.published:  # a signal that came too late: files and exit code say the same
            return job.result.exit_code
        with contextlib.suppress(RunnerError, OSError):
            job.publish(job.failed(error))
        if isinstance(error, Exception):
            raise _harmless(error) from error
        raise
    return job.result.exit_code


def _harmless(error: Exception) -> Exception:
    """`error` with words that can be printed in a CI job's log."""
    if isinstance(error, RunnerError):
        kind = next((one for one in (UsageError, MissingError) if isinstance(error, one)), InfraError)
        return kind(workflow.neutral(text.line(error.what)), workflow.neutral(text.line(error.advice)))
    return RuntimeError(workflow.neutral(text.line(f"{type(error).__name__}: {error}")))
