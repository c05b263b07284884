"""Which two revisions to compare, and what asked for it: options, an event's payload, the variables of a CI job.

Understands GitHub's `pull_request`, `merge_group` and `push` payloads and GitLab's merge request variables. Titles,
names and branches in them were written by whoever opened the request: data, never a command and never a revision
that is resolved by name. Commits are taken only where they look like commits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.record.objects import is_sha

BYTES = 32 << 20  # of a payload; GitHub's largest are under 25 MB
BASES = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main",
         "refs/remotes/origin/master", "refs/heads/master")  # fmt: skip
_FORBIDDEN = ("pull_request_target", "workflow_run", "issue_comment")


@dataclass(frozen=True)
class Request:
    """What asked for the judgement, for people to read. fork: its head is in another repository. All untrusted."""

    kind: str  # pull_request, merge_group, push, merge_request, branch
    number: int | None = None
    title: str = ""
    branch: str = ""
    author: str = ""
    fork: bool = False


@dataclass(frozen=True)
class Asked:
    """base, head: names of revisions, the first that exists of each counts. request: None without an event."""

    base: Sequence[str]
    head: Sequence[str]
    request: Request | None = None


def asked(
    base: str, head: str, payload: Path | None, environment: Mapping[str, str], branch: str = ""
) -> Asked:
    """What is to be compared. Raises UsageError for an event that must not run a stranger's code, or is no event.

    A payload that is named comes first; GitLab's variables before one that the environment alone names. branch: the
    head's, where no event names it; whether it is a fork's only an event can tell.
    """
    found = _of_event(payload, environment) or _of_gitlab(environment) or Asked(BASES, ("HEAD",))
    request = found.request
    if branch:
        request = replace(request, branch=branch[:1000]) if request else Request("branch", branch=branch[:1000])
    return Asked([base] if base else found.base, [head] if head else found.head, request)


def _of_event(payload: Path | None, environment: Mapping[str, str]) -> Asked | None:
    name = environment.get("GITHUB_EVENT_NAME", "")
    if name in _FORBIDDEN:
        raise UsageError(
            f"the event {name} runs with the base's secrets for everyone who opens a pull request",
            "Use: on: pull_request, with approval for forks; see docs/ci.md",
        )
    if payload is None and _is_gitlab(environment):
        return None
    path = payload or (Path(named) if (named := environment.get("GITHUB_EVENT_PATH", "")) else None)
    if path is None or (payload is None and not path.is_file()):
        return None
    raw = _read(path)
    found = _pull_request(raw) or _merge_group(raw) or _push(raw)
    if found is None and payload is not None:
        raise UsageError(f"{path} is the payload of no event that compares two revisions",
                         "It knows pull_request, merge_group and push; or give --base and --head")  # fmt: skip
    return found


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(BYTES + 1)
        raw = json.loads(content) if len(content) <= BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as an event's payload: {error}") from None
    if not isinstance(raw, dict):
        raise UsageError(f"{path} is no event's payload")
    return raw


def _pull_request(raw: Mapping[str, Any]) -> Asked | None:
    if not isinstance(pull := raw.get("pull_request"), dict):
        return None
    base, head = _map(pull, "base"), _map(pull, "head")
    # A head whose repository was deleted meanwhile has none: as far away as a fork's.
    ours, theirs = _text(_map(base, "repo"), "full_name"), _text(_map(head, "repo"), "full_name")
    number = pull.get("number")
    request = Request(
        "pull_request",
        number if type(number) is int else None,
        _text(pull, "title"),
        _text(head, "ref"),
        _text(_map(pull, "user"), "login"),
        fork=not ours or ours.casefold() != theirs.casefold(),
    )
    return Asked([_sha(base, "sha", "pull_request.base")], [_sha(head, "sha", "pull_request.head")], request)


def _merge_group(raw: Mapping[str, Any]) -> Asked | None:
    if not isinstance(group := raw.get("merge_group"), dict):
        return None
    request = Request("merge_group", branch=_text(group, "head_ref").removeprefix("refs/heads/"))
    return Asked([_sha(group, "base_sha", "merge_group")], [_sha(group, "head_sha", "merge_group")], request)


def _push(raw: Mapping[str, Any]) -> Asked | None:
    if not ({"before", "after", "ref"} <= raw.keys()) or "pusher" not in raw:
        return None
    request = Request("push", branch=_text(raw, "ref").removeprefix("refs/heads/"),
                      author=_text(_map(raw, "sender"), "login"))  # fmt: skip
    before = _sha(raw, "before", "push")
    return Asked(BASES if set(before) == {"0"} else [before], [_sha(raw, "after", "push")], request)


def _is_gitlab(environment: Mapping[str, str]) -> bool:
    return environment.get("GITLAB_CI") == "true"


def _of_gitlab(environment: Mapping[str, str]) -> Asked | None:
    if not _is_gitlab(environment):
        return None
    name = environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
    tips = [environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "")]
    tips += [f"refs/remotes/origin/{name}"] if name else []
    tips += [environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")]
    heads = [environment.get(key, "") for key in ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "CI_COMMIT_SHA")]
    number = environment.get("CI_MERGE_REQUEST_IID", "")
    request = None
    if number:
        own = environment.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "")
        other = environment.get("CI_MERGE_REQUEST_PROJECT_ID", "")
        request = Request(
            "merge_request",
            int(number) if number.isdecimal() and len(number) < 10 else None,
            environment.get("CI_MERGE_REQUEST_TITLE", ""),
            environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", ""),
            environment.get("GITLAB_USER_LOGIN", ""),
            fork=own != other,
        )
    return Asked(
        [tip for tip in tips if tip] or BASES, [head for head in heads if head][:1] or ("HEAD",), request
    )


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _text(raw: Mapping[str, Any], key: str) -> str:
    found = raw.get(key)
    return found[:1000] if isinstance(found, str) else ""


def _sha(raw: Mapping[str, Any], key: str, where: str) -> str:
    found = _text(raw, key)
    if not is_sha(found):
        raise UsageError(f"the event's payload names no commit in {where}.{key}")
    return found
