"""Is a run's record whole? Everything it says of itself against everything else: chain, git, rule, files.

Reads only. All findings are given, not the first. What it proves is that the record agrees with itself: the chain is
no signature, and who makes ledger, commits, refs and files anew, in one consistent forgery of scores, is not caught by
looking. `runner replay` is what asks the scores themselves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace

from runner.errors import UsageError
from runner.record import objects, verify_chain, verify_files, verify_git, verify_rule, verify_seal
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.record.tags import check_tag
from runner.record.verify_chain import Chain
from runner.record.verify_report import KINDS, Finder, Finding, Report
from runner.trial import Entry

MENDED = frozenset({"ledger-torn", "branch-lacks", "branch-missing", "results-differ"})  # by `reconcile`
STEP = 0.5  # seconds from a line in the ledger to all that follows from it, a few times over
__all__ = ["KINDS", "Finding", "Report", "seal", "verify_run", "verify_sealed"]


def verify_run(repo: LabRepo, folder: RunFolder) -> Report:
    """The record in `runs/<tag>/`. Raises InfraError where git or the disk fails; never for what a record holds.

    A run under way may be between its ledger and its branch: where something differs it is looked at again.
    """
    report = _of_folder(repo, folder)
    for _ in range(2):
        if report.holds or not _lives(folder):
            break
        time.sleep(STEP)
        report = _of_folder(repo, folder)
    if _lives(folder):
        report = replace(report, notes=(*report.notes, "the run is under way: what it does now is not in this"))
    return report


def _lives(folder: RunFolder) -> bool:
    """Whether another process is at work in the run."""
    holder = folder.holder()
    return holder is not None and holder.get("pid") != os.getpid()


def _of_folder(repo: LabRepo, folder: RunFolder) -> Report:
    found = Finder()
    files = verify_seal.of_folder(folder)
    if "ledger.jsonl" not in files and repo.trials(folder.tag):
        found.add("ledger-missing", "ledger.jsonl", "it is missing, and the repository has trials of the run")
    chain = _check(repo, folder.tag, files, found, None)
    verify_files.trial_files(folder, chain.entries, found)
    verify_seal.earlier(repo, folder.tag, files, found, newest=True)
    if found.findings and {finding.kind for finding in found.findings} <= MENDED:
        mend = f"runner go --tag {folder.tag} --max-trials 0"
        found.note(f"a crash, too, can leave what was found; the next start mends that and says so: {mend}")
    return _report(folder.tag, chain, found)


def verify_sealed(repo: LabRepo, tag: str, head: str | None = None) -> Report:
    """The record that was sealed, in any clone that fetched `refs/trials/<tag>/*` and the branch.

    head: a commit that stands for the branch, such as a pull request's; None: `autoresearch/<tag>` of this clone.
    Raises UsageError where there is no seal or `tag` is none, InfraError where git fails.
    """
    found = Finder()
    sha = verify_seal.require(repo, check_tag(tag))
    files = verify_seal.of_commit(repo, sha, found)
    if "ledger.jsonl" not in files and repo.trials(tag):
        found.add("ledger-missing", "seal", "it holds no ledger, and the repository has trials of the run")
    chain = _check(repo, tag, files, found, head)
    verify_seal.earlier(repo, tag, files, found, newest=False)
    return _report(tag, chain, found)


def seal(repo: LabRepo, folder: RunFolder) -> tuple[Report, str]:
    """Verify, and seal what was verified; the report and the seal's commit, "" where it does not verify."""
    report = verify_run(repo, folder)
    if not report.holds:
        return report, ""
    files = verify_seal.of_folder(folder)
    trials = len(report.entries)
    what = f"Record of run {folder.tag}: {trials} trial{'s' * (trials != 1)}"
    told = f"{what}\n\nledger's last hash {report.head or 'none'}\n"
    sha = verify_seal.write(repo, folder.tag, files, told)
    again = verify_sealed(repo, folder.tag)  # what was sealed is what holds, whoever wrote meanwhile
    return again, sha if again.holds else ""


def _check(repo: LabRepo, tag: str, files: Mapping[str, bytes], found: Finder, head: str | None) -> Chain:
    chain = verify_chain.read(files.get("ledger.jsonl", b""), found)
    header = verify_files.header(files.get("run.json"), tag, found)
    entries = chain.entries
    verify_files.covered(files.get("run.json"), entries, found)
    verify_files.timings(entries, found)
    verify_files.scored_text(entries, found)
    first = entries[0].pins if entries else None
    pinned = header.pins if header else first
    if pinned is not None:
        verify_files.pins(entries, pinned, found)
    verify_files.times(entries, header.created if header else None, found)
    base = header.base if header else (entries[0].parent_commit if entries else "")
    verify_git.check(repo, tag, base, chain, found, head)
    if header is not None:
        verify_rule.seeds(entries, header.seed, found)
        _rule(repo, header.settings, files, chain, found)
    if chain.lost:
        found.note("results.tsv and holdout.json are not compared: the ledger has lines that cannot be read")
    else:
        verify_files.table(files.get("results.tsv"), entries, found)
        verify_files.holdout(files.get("holdout.json"), entries, found)
    verify_files.faults(files.get("faults.jsonl"), found)
    return chain


def _rule(
    repo: LabRepo, settings: Mapping[str, object], files: Mapping[str, bytes], chain: Chain, found: Finder
) -> None:
    """The verdicts, as far as the trials go without a gap."""
    whole: list[Entry] = []
    for number, entry in enumerate(chain.entries):
        if entry.number != number:
            found.note(f"verdicts from trial {number} on are not made again: it is not there")
            break
        whole.append(entry)
    try:
        rule = verify_rule.settings_of(settings)
    except (UsageError, AttributeError) as error:
        found.add("settings-unreadable", "run.json", f"its settings of the rule: {error}")
        return
    floor = verify_files.floor(files.get("floor.json"), found)

    def source(commit: str) -> bytes:
        if not objects.is_sha(commit):
            raise UsageError(f"{commit!r} is no commit")
        return repo.source(commit)

    verify_rule.check(whole, verify_rule.Rule(rule, floor, source), found)


def _report(tag: str, chain: Chain, found: Finder) -> Report:
    counts = {"trials": len(chain.entries), **found.counts}
    return Report(tag, tuple(found.findings), tuple(found.notes), counts, chain.entries, chain.head)
