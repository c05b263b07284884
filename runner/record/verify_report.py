"""What a verification found: findings with fixed names, notes, counts. Pure.

A record is untrusted text here: whatever is said of it is one clean line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.report.text import line
from runner.trial import Entry

WIDTH = 300  # columns of a sentence; a note of a proposer's can be long
MOST = 200  # findings that are kept; a record with more is no record
KINDS: Mapping[str, str] = {
    # the chain
    "ledger-missing": "there are trials, and no ledger",
    "ledger-torn": "its last line is half-written",
    "line-unreadable": "a line is no trial",
    "line-edited": "a line's hash is not that of its content",
    "line-rewritten": "a line was edited and given a fitting hash, which the next line does not follow",
    "line-removed": "a line follows one that is not there",
    "line-inserted": "a line that the next one does not follow stands between two that belong together",
    "line-moved": "a line follows another than the one before it",
    "line-duplicated": "a line stands there twice",
    "number-out-of-turn": "trials are not numbered one after the other",
    # the header
    "header-unreadable": "run.json is missing or no header of this run",
    "header-differs": "run.json is not the one that the baseline was recorded under",
    "settings-unreadable": "the settings in run.json are none",
    "settings-differ": "the settings in run.json are not those that its pins are of",
    "pins-differ": "a trial was recorded under other pins than the run's",
    "base-missing": "the commit that the run started from is not in the repository",
    # the trials' commits
    "ref-missing": "a trial has no ref",
    "ref-moved": "a trial's ref is at another commit than the ledger says",
    "trial-unrecorded": "a ref of a trial that the ledger does not have",
    "ref-unknown": "a ref beside the trials that this program does not make",
    "commit-missing": "a trial's commit is not in the repository",
    "commit-shared": "two trials have one commit",
    "source-differs": "a commit holds another train.py than the ledger says",
    "parent-differs": "a trial's commit does not stand on the incumbent of its time",
    "other-files-changed": "a trial's commit changes more than train.py",
    "message-differs": "a commit's message says another note, score or proposer than the ledger",
    "commit-time-differs": "a commit was made at another time than its trial was decided",
    # the branch
    "branch-missing": "the run's branch is not there",
    "branch-base": "the branch does not come from the run's base",
    "branch-extra": "the branch has a commit that was not kept",
    "branch-lacks": "the branch lacks a commit that was kept",
    "branch-order": "the branch has the kept commits in another order",
    "branch-merge": "the branch holds a merge",
    # the rule
    "trainings-differ": "the trainings on record are not those that the rule asks for",
    "suspicion-differs": "a score is set aside as suspicious that is not, or the reverse",
    "verdict-differs": "the rule decides otherwise on these scores",
    "value-differs": "what the trial counts as does not follow from its scores",
    "numbers-differ": "what the verdict rests on does not follow from the scores",
    "ending-differs": "how the trial ended is not how its trainings ended",
    "basis-unreadable": "what the verdict rested on beside the scores is not readable",
    "basis-missing": "what the verdict rested on beside the scores is missing, and other trials have it",
    "floor-differs": "another floor for scores than floor.json has",
    "text-differs": "a score is of another amount of text than the run's first",
    "timings-differ": "a trial's seconds are not the sum of its trainings'",
    "seed-foreign": "a training was not under the seed that the runner drew",
    # time and files
    "time-unreadable": "a time is none",
    "time-backwards": "a trial was decided before the one before it, or before the run began",
    "time-ahead": "a trial was decided in the future",
    "results-differ": "results.tsv is not what the ledger says",
    "holdout-differs": "holdout.json is not readable, or contradicts the ledger",
    "faults-unreadable": "faults.jsonl has a line that this program does not write",
    "trial-file-differs": "a file under trials/ is not what the ledger says",
    # the seal
    "seal-unreadable": "the seal holds what no seal holds",
    "seal-disagrees": "ledger or header do not go on from what was sealed",
}


@dataclass(frozen=True)
class Finding:
    """kind: one of KINDS. where: `trial 7`, `ledger line 8`, `branch`, `run.json` … what: one clean sentence."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} · {self.where}: {self.what}"


@dataclass(frozen=True)
class Report:
    """findings: what differs, in the order of the record. notes: what cannot be checked, or what a person should know.

    counts: what was checked. entries: the trials that could be read. head: the last line's hash, "" without lines.
    """

    tag: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    entries: tuple[Entry, ...] = ()
    head: str = ""

    @property
    def holds(self) -> bool:
        return not self.findings


@dataclass
class Finder:
    """Collects findings and notes while a record is read."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, where: str, what: str) -> None:
        if kind not in KINDS:
            raise KeyError(kind)
        if len(self.findings) < MOST:
            self.findings.append(Finding(kind, line(where, 80), line(what, WIDTH)))
        elif len(self.findings) == MOST:
            self.findings.append(Finding(kind, line(where, 80), f"{MOST} findings: no more are told"))

    def note(self, what: str) -> None:
        said = line(what, WIDTH)
        if said not in self.notes and len(self.notes) < MOST:
            self.notes.append(said)
