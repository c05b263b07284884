"""A run's commits, refs and branch against its ledger. Reads git, changes nothing.

What the chain of hashes cannot tell, because someone made it anew, git tells as far as he left git alone: which bytes
each trial had, on what it stood, in what order the kept ones follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from runner.record import objects
from runner.record.message import commit_message
from runner.record.objects import Commit
from runner.record.repo import TRIALS, LabRepo, branch
from runner.record.verify_chain import Chain
from runner.record.verify_report import Finder
from runner.trial import Entry, Status

SEAL = "record"  # the last part of the seal's ref, beside the trials'
SHOWN = 5  # commits of a branch that are named
SLOW = 900  # seconds between deciding and committing that a machine under load may need


def check(repo: LabRepo, tag: str, base: str, chain: Chain, found: Finder, head: str | None = None) -> None:
    """base: the header's. head: the commit that stands for the branch, None for the branch itself."""
    at = objects.refs(repo, f"{TRIALS}{tag}/")
    there = repo.trials(tag)
    _refs(tag, at, there, chain, found)
    shas = [base, *(entry.commit for entry in chain.entries), *there.values()]
    known = objects.commits(repo, shas)
    if base not in known:
        found.add(
            "base-missing", "run.json", f"the repository has no commit {base[:12]}, which the run started from"
        )
    _trials(repo, tag, base, chain, known, found)
    lost = [there[number] for number in sorted(chain.lost) if number in there]
    _branch(repo, tag, base, chain, lost, found, head)


def _refs(tag: str, at: dict[str, str], there: dict[int, str], chain: Chain, found: Finder) -> None:
    numbers = {entry.number for entry in chain.entries} | chain.lost
    for entry in chain.entries:
        sha = there.get(entry.number)
        if sha is None:
            found.add("ref-missing", f"trial {entry.number}", f"there is no {TRIALS}{tag}/{entry.number:04d}")
        elif sha != entry.commit:
            said = f"its ref is at {sha[:12]}, and the ledger says {entry.commit[:12]}"
            found.add("ref-moved", f"trial {entry.number}", said)
    following = max(numbers, default=-1) + 1
    for number in sorted(set(there) - numbers):
        if number == following and number == len(numbers):
            found.note(f"trial {number} has a commit and no line: it is under way, or was interrupted")
            continue
        found.add("trial-unrecorded", f"trial {number}", f"it has the commit {there[number][:12]}, and no line")
    for name in sorted(
        set(at) - {f"{TRIALS}{tag}/{number:04d}" for number in there} - {f"{TRIALS}{tag}/{SEAL}"}
    ):
        found.add("ref-unknown", name, "this program makes no such ref")
    found.counts["refs"] = len(there)


def _trials(repo: LabRepo, tag: str, base: str, chain: Chain, known: dict[str, Commit], found: Finder) -> None:
    here = [entry for entry in chain.entries if entry.commit in known]
    digests = objects.sources(repo, (entry.commit for entry in here))
    pairs = [(parents[0], e.commit) for e in here if (parents := known[e.commit].parents)]
    have = objects.commits(repo, (parent for parent, _ in pairs))
    changed = objects.changes(repo, dict.fromkeys(pair for pair in pairs if pair[0] in have))
    incumbent: str | None = base
    first: dict[str, int] = {}
    for entry in chain.entries:
        where = f"trial {entry.number}"
        before = min((n for n in chain.lost if n < entry.number), default=None)
        if incumbent is not None and entry.parent_commit != incumbent and before is None:
            stands = f"the ledger says that it stands on {entry.parent_commit[:12]}"
            found.add("parent-differs", where, f"{stands}, and {incumbent[:12]} was the incumbent")
        if entry.status is Status.KEEP:
            incumbent = entry.commit
        if first.setdefault(entry.commit, entry.number) != entry.number:
            found.add(
                "commit-shared", where, f"its commit {entry.commit[:12]} is that of trial {first[entry.commit]}"
            )
        if entry.commit not in known:
            found.add("commit-missing", where, f"the repository has no commit {entry.commit[:12]}")
            continue
        if digests.get(entry.commit) != entry.proposal:
            held = digests.get(entry.commit, "none")[:12]
            said = f"train.py of commit {entry.commit[:12]} has the digest {held}"
            found.add("source-differs", where, f"{said}, and the ledger says {entry.proposal[:12]}")
        if entry.number == 0 and entry.commit == base:
            continue  # the baseline that the base itself holds
        _commit(tag, entry, known[entry.commit], found)
        strange = [
            c.path for c in changed.get(entry.commit, []) if (c.path, c.new_mode) != (repo.train, "100644")
        ]
        if strange:
            said = f"commit {entry.commit[:12]} changes {', '.join(strange[:SHOWN])}"
            found.add("other-files-changed", where, said)
    found.counts["commits"] = len(here)


def _commit(tag: str, entry: Entry, commit: Commit, found: Finder) -> None:
    where = f"trial {entry.number}"
    if commit.parents != (entry.parent_commit,):
        stands = " and ".join(parent[:12] for parent in commit.parents) or "nothing"
        said = f"its commit stands on {stands}, and the ledger says {entry.parent_commit[:12]}"
        found.add("parent-differs", where, said)
    wanted = commit_message(tag, entry.number, entry.note, entry.agent, entry.val_bpb)
    if commit.message.split() != wanted.encode("utf-8", "replace").decode().replace("\0", "").split():
        said = f"its commit says {commit.message!r}, and by the ledger it is {wanted!r}"
        found.add("message-differs", where, said)
    try:
        decided = datetime.fromisoformat(entry.time).timestamp()
    except (ValueError, OverflowError):
        return  # named elsewhere
    if abs(late := commit.seconds - decided) > SLOW:
        said = f"its commit was made {abs(late):.0f} s {'after' if late > 0 else 'before'} it was decided"
        found.add("commit-time-differs", where, said)


def _branch(
    repo: LabRepo, tag: str, base: str, chain: Chain, lost: Sequence[str], found: Finder, head: str | None
) -> None:
    """Exactly the kept commits, in order, from the base. lost: commits of trials whose lines could not be read."""
    tip = repo.tip(tag) if head is None else head
    kept = [base, *(entry.commit for entry in chain.entries if entry.status is Status.KEEP)]
    kept = list(dict.fromkeys(kept))
    if tip is None:
        if chain.entries:
            found.add("branch-missing", "branch", f"there is no {branch(tag)}")
        return
    if not objects.is_sha(tip) or not repo.has_commit(tip):
        found.add("branch-missing", "branch", f"the repository has no commit {tip[:12]}")
        return
    if not (objects.is_sha(base) and repo.has_commit(base)):
        return  # named already
    if not objects.descends(repo, tip, base):
        found.add(
            "branch-base", "branch", f"{tip[:12]} does not come from {base[:12]}, which the run started from"
        )
    walked = objects.walk(repo, tip, base, len(kept) + len(lost) + 100)
    _compare(walked, kept[1:], lost, found)
    made = objects.commits(repo, walked)
    for sha in [sha for sha in walked if len(made[sha].parents) > 1][:SHOWN]:
        found.add("branch-merge", "branch", f"{sha[:12]} has {len(made[sha].parents)} parents")
    found.counts["kept"] = len(kept) - 1


def _compare(walked: Sequence[str], kept: Sequence[str], lost: Sequence[str], found: Finder) -> None:
    extra = [sha for sha in walked if sha not in {*kept, *lost}]
    lacks = [sha for sha in kept if sha not in set(walked)]
    for sha in extra[:SHOWN]:
        found.add("branch-extra", "branch", f"it has the commit {sha[:12]}, which no trial kept")
    if len(extra) > SHOWN:
        found.add("branch-extra", "branch", f"and {len(extra) - SHOWN} more such commits")
    for sha in lacks[:SHOWN]:
        found.add("branch-lacks", "branch", f"it lacks the commit {sha[:12]}, which was kept")
    both = [sha for sha in walked if sha in set(kept)]
    if both != [sha for sha in kept if sha in set(both)]:
        order = ", ".join(sha[:12] for sha in both[:SHOWN])
        found.add("branch-order", "branch", f"it has {order}, and they were kept in another order")
