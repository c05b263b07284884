"""What can be said of a head before anything is trained: its revisions, what it changes, whether it may be judged.

Reads git objects only. A refusal is a verdict about the head and a Result; what is wrong with the clone, the
settings or the base is raised.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runner
from runner import config
from runner.agents import takeback
from runner.agents.fault import AgentFault, Fault
from runner.ci import change, event
from runner.ci import result as results
from runner.ci.baselab import prefix_of, settings_of
from runner.ci.event import Asked, Request
from runner.ci.result import Result, Side
from runner.config import Settings
from runner.errors import UsageError
from runner.record.change import Change, Revisions, printable
from runner.trial import digest

BRANCH = "autoresearch/"
UNSEALED = (
    "The branch has the name of a run's, and no sealed record of that run came with it: nothing says that its commits "
    "are what the run kept. Seal the record and push it with the trials (runner verify TAG --seal, then git push "
    "origin 'refs/trials/TAG/*'), or push the commits to a branch of another name."
)


@dataclass(frozen=True)
class Gate:
    """What was found. base_source, head_source: None where the head is not to be trained. result: what is known."""

    repo: Revisions
    prefix: str
    settings: Settings
    result: Result
    base_source: bytes = b""
    head_source: bytes = b""


def look(
    lab: Path, asked: Asked, changes: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Gate, bool]:
    """The gate, and whether the head is to be trained; if not, the result holds the verdict.

    changes: settings of the command line, by dotted keys. Raises UsageError, MissingError, InfraError.
    """
    repo = Revisions(lab)
    base, head = _first(repo, asked.base, "base"), _first(repo, asked.head, "head")
    fork, *others = repo.merge_bases(base.sha, head.sha)
    prefix = prefix_of(repo, base.sha)
    settings = config.override(settings_of(repo, base.sha, prefix), dict(changes))
    own_judge(repo, base.sha, environment)
    train = prefix + change.TRAIN
    base_blob, head_blob, old_blob = (repo.tree(sha, train) for sha in (base.sha, head.sha, fork))
    if base_blob is None:
        raise UsageError(f"the base {base.sha[:12]} has no {train}", "Commit one there first")
    source = repo.blob(base_blob)
    found = change.sort(repo.changes(fork, head.sha), prefix, change.source_in_repository(settings, prefix))
    known = Result(
        results.ERROR, "unfinished", "The job did not come to its end.", 4,
        base=dataclasses.replace(base, train=digest(source)), head=head, merge_base=fork, request=asked.request,
        outside=told(found.outside), gate=told(found.gate), rule=settings.ratchet.rule,
        budget_seconds=settings.trial.budget_seconds, train_path=printable(train),
    )  # fmt: skip
    gate = Gate(repo, prefix, settings, known, source)
    if others:
        reason = (
            "Base and head have more than one merge base, and so nothing says what the head itself changes. "
            "Bring the branch up to date with its base."
        )
        return _ended(gate, results.REFUSED, "stale", reason), False
    if found.lab:
        files = "1 file" if len(found.lab) == 1 else f"{len(found.lab)} files"
        reason = f"The head changes {files} of the lab besides train.py."
        return _ended(gate, results.REFUSED, "lab-changed", reason, refused=told(found.lab)), False
    if wrong := change.trainable(found.train):
        return _ended(gate, results.REFUSED, "no-train-py", f"Not to be trained: {wrong}."), False
    gate, verified = _record(gate, head.sha)
    if gate.result.record == "absent":
        return _ended(gate, results.REFUSED, "record-absent", UNSEALED), False
    if not verified:
        reason = f"The record of the run does not verify: {len(gate.result.record)} findings."
        return _ended(gate, results.REFUSED, "record", reason), False
    if found.train is None or head_blob in (None, base_blob):
        return _ended(gate, results.NOT_BETTER, "same", f"No change to {train}."), False
    assert head_blob is not None
    limit = settings.trial.source_kb << 10
    if (size := repo.size(head_blob)) > limit:  # before the diff, which may be as large
        reason = f"The head's train.py has {size} bytes; trial.source_kb allows {limit >> 10} KiB."
        return _ended(gate, results.REFUSED, "not-python", reason), False
    gate = _with(gate, diff=repo.diff(base.sha, head.sha, train))
    if old_blob != base_blob:
        reason = (
            f"The base has changed {train} since this branch left it: what a merge would make of the two is a file "
            "that nobody has trained. Bring the branch up to date with its base."
        )
        return _ended(gate, results.REFUSED, "stale", reason), False
    return _source(gate, head_blob, source)


def _source(gate: Gate, blob: str, base: bytes) -> tuple[Gate, bool]:
    source = gate.repo.blob(blob)
    gate = dataclasses.replace(gate, head_source=source)
    gate = _with(gate, head=dataclasses.replace(gate.result.head, train=digest(source)))
    try:
        takeback.check(source, base, {})
    except AgentFault as fault:
        if fault.kind is Fault.UNCHANGED:
            return _ended(
                gate, results.NOT_BETTER, "same", "Only comments or layout of train.py are changed."
            ), False
        return _ended(gate, results.REFUSED, "not-python", f"Not to be trained: {fault.detail}."), False
    return gate, True


def _first(repo: Revisions, names: Sequence[str], what: str) -> Side:
    for name in names:
        if sha := repo.find(name):
            return Side(name, sha)
    if names is event.BASES:
        raise UsageError(
            "there is no branch origin/HEAD, main or master to compare with", "Name it: --base REV"
        )
    return Side(names[0], repo.commit(names[0], what))


def told(changes: Sequence[Change]) -> tuple[tuple[str, str], ...]:
    """Paths and what happened to them, as text."""
    return tuple((printable(one.path), one.what) for one in changes)


def _with(gate: Gate, **fields: Any) -> Gate:
    return dataclasses.replace(gate, result=dataclasses.replace(gate.result, **fields))


def _ended(gate: Gate, verdict: str, cause: str, reason: str, **fields: Any) -> Gate:
    return _with(gate, verdict=verdict, cause=cause, reason=reason, exit_code=results.EXIT[verdict], **fields)


def _record(gate: Gate, head: str) -> tuple[Gate, bool]:
    """Whether the record of the run whose branch this is verifies, where it is a run's by its name."""
    if not of_a_run(gate.result.request):
        return gate, True
    tag = tag_of(gate.result.request)
    if not tag or gate.repo.find(f"refs/trials/{tag}/record") is None:
        return _with(gate, record="absent"), False
    from runner.record.repo import LabRepo
    from runner.record.verify import verify_sealed

    report = verify_sealed(LabRepo(gate.repo.root / gate.prefix), tag, head)
    findings = tuple(str(finding) for finding in report.findings)
    return _with(gate, record=findings or "verified"), report.holds


def of_a_run(request: Request | None) -> bool:
    """Whether a request comes from a branch of this repository that is named as a run's."""
    return request is not None and not request.fork and request.branch.startswith(BRANCH)


def tag_of(request: Request | None) -> str:
    """The run whose branch a request comes from; "" for another branch, or one of somebody else's repository."""
    from runner.record.tags import check_tag

    if request is None or not of_a_run(request):
        return ""
    try:
        return check_tag(request.branch.removeprefix(BRANCH))
    except UsageError:
        return ""


def own_judge(repo: Revisions, base: str, environment: Mapping[str, str]) -> None:
    """Raises UsageError where a CI job runs this very program from a checkout that differs from the base.

    Who checks out a head and starts the runner in it lets the head judge itself. This sees the honest mistake only: a
    head that means it leaves the check out.
    """
    package = Path(runner.__file__).resolve().parent
    root = repo.root.resolve()
    if environment.get("CI", "").lower() in ("", "0", "false") or not package.is_relative_to(root):
        return
    below = package.relative_to(root).as_posix()
    items = {item.path: item.sha for item in repo.files(base, below) if item.path.endswith(".py")}
    content = repo.blobs(list(items.values()))
    wanted = {path: content[sha] for path, sha in items.items()}
    there = {path.relative_to(root).as_posix() for path in package.rglob("*.py")}
    if there != set(wanted) or any((root / path).read_bytes() != data for path, data in wanted.items()):
        raise UsageError(
            f"the runner itself lies in the checkout, at {package}, and is not the base's",
            "Check out the base, not the head: the head's commit only needs to be fetched",
        )
