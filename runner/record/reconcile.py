"""One record of a trial in three places, and what to do when a crash left them at odds.

The ledger is the truth: a trial is in it or never was. Everything else follows from it: the branch is its last kept
commit, the refs are its trials, the worktree is the branch, results.tsv is its rendering. `record` writes in that
order and `reconcile` brings up what a crash left behind; it starts a new run by the same rule, the ledger being
empty. What no crash of ours can have done (a branch moved elsewhere, trials that the ledger lost) is a person's
doing, said and left alone. Both are for the holder of the run's lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from runner.errors import UsageError
from runner.record import results
from runner.record.files import explained
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo, branch
from runner.record.run import RunFolder
from runner.trial import Entry, Status, digest


def _nothing(step: str) -> None:
    """The hook of those who do not walk the steps."""


def record(
    repo: LabRepo, folder: RunFolder, ledger: Ledger, entry: Entry, hook: Callable[[str], None] = _nothing
) -> list[str]:
    """Record a decided trial: the ledger, then the branch and its worktree where it is kept, then results.tsv.

    The trial's commit and ref exist already (`LabRepo.commit_trial`). `hook` is called with the name of each step
    before it: `ledger`, `branch`, `worktree`, `results`, `done`. Messages. Raises as its parts do; whatever was
    not reached is made up for by `reconcile`.
    """
    messages: list[str] = []
    before = kept(ledger, folder)[-1]
    hook("ledger")
    ledger.append(entry)
    if entry.status is Status.KEEP:
        hook("branch")
        messages = repo.advance(folder.tag, entry.commit, before, hook)
    hook("results")
    results.write(folder.results, ledger.entries)
    hook("done")
    return messages


def kept(ledger: Ledger, folder: RunFolder) -> list[str]:
    """The commits that the branch stood at so far, oldest first: the base, then each kept trial's."""
    moves = [folder.header().base, *(e.commit for e in ledger.entries if e.status is Status.KEEP)]
    return list(dict.fromkeys(moves))  # a baseline that is the base itself is one commit


def reconcile(repo: LabRepo, folder: RunFolder, ledger: Ledger) -> list[str]:
    """Bring branch, refs, worktree and files into agreement with the ledger; a message for each thing done.

    Everything is checked before anything but a half-written line is changed. Raises UsageError that says what was
    found where a person moved the branch, or the ledger lacks trials that the repository has.
    """
    messages = ledger.mend()
    chain = kept(ledger, folder)
    _check_trials(repo, folder, ledger)
    _check_commit(repo, chain[-1])
    _check_branch(repo, folder.tag, chain)
    _check_source(repo, ledger)
    messages += _mend_trials(repo, folder.tag, ledger)
    messages += _mend_branch(repo, folder.tag, chain, bool(ledger.entries))
    messages += repo.ensure_worktree(folder.tag)
    messages += _mend_files(folder, ledger)
    return messages


def _check_trials(repo: LabRepo, folder: RunFolder, ledger: Ledger) -> None:
    """At most one trial, the one under way, may have a ref and no line."""
    beyond = [number for number in repo.trials(folder.tag) if number > len(ledger)]
    if beyond:
        raise UsageError(
            f"the repository has trials up to {max(beyond)} of {folder.tag}, and {folder.ledger} ends before "
            f"trial {len(ledger)}: lines of it were lost",
            f"Put the ledger back from a backup. To give up that run: runner clean {folder.tag}",
        )


def _check_commit(repo: LabRepo, sha: str) -> None:
    if not repo.has_commit(sha):
        raise UsageError(
            f"the repository has no commit {sha[:12]}, which is the last that the run kept",
            "Fetch it from where the run was made, or start a new run: runner go --tag ANOTHER",
        )


def _check_branch(repo: LabRepo, tag: str, chain: list[str]) -> None:
    """The branch may lag behind the ledger, which is written first, or be missing; else a person moved it."""
    found = repo.tip(tag)
    if found is None or found in chain:
        return
    ahead, behind = len(repo.chain(found, chain[-1])), len(repo.chain(chain[-1], found))
    where = " and ".join([f"{ahead} commit(s) ahead"] * (ahead > 0) + [f"{behind} behind"] * (behind > 0))
    raise UsageError(
        f"the branch autoresearch/{tag} is at {found[:12]}, {where} of the last kept commit {chain[-1][:12]}, "
        "and not by this program",
        f"Keep it under another name and put the branch back: git branch my-{tag} {found[:12]} && "
        f"git update-ref {branch(tag)} {chain[-1]}",
    )


def _check_source(repo: LabRepo, ledger: Ledger) -> None:
    last = next((entry for entry in reversed(ledger.entries) if entry.status is Status.KEEP), None)
    if last and digest(repo.source(last.commit)) != last.proposal:
        raise UsageError(
            f"commit {last.commit[:12]} of trial {last.number} does not hold the train.py that the ledger recorded",
            "The record cannot be continued from it; start a new run: runner go --tag ANOTHER",
        )


def _mend_trials(repo: LabRepo, tag: str, ledger: Ledger) -> list[str]:
    messages = []
    found = repo.trials(tag)
    for number in [number for number in found if number >= len(ledger)]:
        repo.drop_trial(tag, number)
        messages.append(f"trial {number} was under way and is not recorded: its commit was let go")
    for entry in ledger.entries:
        at = found.get(entry.number)
        if at == entry.commit:
            continue
        was = f"was at {at[:12]}" if at else "was missing"
        if repo.has_commit(entry.commit):
            repo.set_trial(tag, entry.number, entry.commit)
            messages.append(f"the ref of trial {entry.number} {was}: put back to {entry.commit[:12]}")
        else:
            messages.append(
                f"the commit {entry.commit[:12]} of trial {entry.number} is gone from the repository"
            )
    return messages


def _mend_branch(repo: LabRepo, tag: str, chain: list[str], started: bool) -> list[str]:
    goal, found = chain[-1], repo.tip(tag)
    if found == goal:
        return []
    if found is None:
        repo.create_branch(tag, goal)
        return [f"the branch autoresearch/{tag} was missing: made again at {goal[:12]}"] if started else []
    behind = len(chain) - 1 - chain.index(found)
    messages = repo.advance(tag, goal, found)
    return [f"the branch autoresearch/{tag} was {behind} kept trial(s) behind the ledger: moved up", *messages]


def _mend_files(folder: RunFolder, ledger: Ledger) -> list[str]:
    messages: list[str] = []
    with explained(folder.path):
        for name in (".*.tmp", "trials/*/.*.tmp", "trials/*/*.partial"):  # of a write that a crash cut short
            for path in folder.path.glob(name):
                path.unlink()
        folder.trials.mkdir(parents=True, exist_ok=True)
        names = sorted(path.name for path in folder.trials.iterdir() if path.name.isdecimal())
        messages.extend(_abandon(folder, name) for name in names if int(name) >= len(ledger))
        for entry in ledger.entries:  # a kept version is sampled from; any other's is only large
            if entry.status is not Status.KEEP:
                (folder.trial(entry.number) / "checkpoint.tar").unlink(missing_ok=True)
        folder.set_current(None)
    had = folder.results.is_file()
    if results.write(folder.results, ledger.entries) and had:
        messages.append(f"{folder.results} was not what the ledger says: written again")
    return messages


def _abandon(folder: RunFolder, name: str) -> str:
    """Keep what the last unrecorded trial left, and only that, for whoever wants to know why it ended."""
    goal = folder.path / "abandoned" / name
    shutil.rmtree(goal.parent, ignore_errors=True)
    goal.parent.mkdir(exist_ok=True)
    os.replace(folder.trials / name, goal)
    return f"what trial {int(name)} had left when it was interrupted is in {goal}"
