"""Which revisions a job compares: payloads as GitHub sends them, GitLab's variables, options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ci_lab
import pytest

from runner.ci import event, gate
from runner.errors import UsageError

BASE, HEAD = "a" * 40, "b" * 40


def pull_request(repository: str = "team/lab", title: str = "Wider", branch: str = "wider") -> dict[str, Any]:
    """The parts of a `pull_request` payload that there always are, in their places."""
    owner, name = repository.split("/")
    return {
        "action": "synchronize",
        "number": 12,
        "pull_request": {
            "number": 12,
            "state": "open",
            "title": title,
            "body": "Please merge.",
            "user": {"login": "someone", "id": 3, "type": "User"},
            "head": {
                "label": f"{owner}:{branch}",
                "ref": branch,
                "sha": HEAD,
                "repo": {
                    "name": name,
                    "full_name": repository,
                    "fork": repository != "team/lab",
                    "private": False,
                },
            },
            "base": {
                "label": "team:main",
                "ref": "main",
                "sha": BASE,
                "repo": {"name": "lab", "full_name": "team/lab", "fork": False, "private": False},
            },
        },
        "repository": {"full_name": "team/lab", "default_branch": "main"},
        "sender": {"login": "someone"},
    }


def written(tmp_path: Path, payload: Any) -> Path:
    path = tmp_path / "event.json"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
    return path


def test_a_pull_request_of_the_same_repository(tmp_path: Path) -> None:
    found = event.asked("", "", written(tmp_path, pull_request()), {})
    assert (list(found.base), list(found.head)) == ([BASE], [HEAD])
    assert found.request == event.Request("pull_request", 12, "Wider", "wider", "someone", fork=False)


def test_a_pull_request_of_a_fork_is_known_as_one(tmp_path: Path) -> None:
    found = event.asked("", "", written(tmp_path, pull_request("stranger/lab")), {})
    assert found.request
    assert found.request.fork


def test_a_pull_request_whose_repository_is_gone_counts_as_a_forks(tmp_path: Path) -> None:
    payload = pull_request()
    payload["pull_request"]["head"]["repo"] = None
    found = event.asked("", "", written(tmp_path, payload), {})
    assert found.request
    assert found.request.fork


def test_the_payload_is_found_where_github_puts_it(tmp_path: Path) -> None:
    path = written(tmp_path, pull_request())
    environment = {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "pull_request"}
    assert list(event.asked("", "", None, environment).head) == [HEAD]


def test_options_are_stronger_than_a_payload_which_still_says_who_asked(tmp_path: Path) -> None:
    found = event.asked("x", "y", written(tmp_path, pull_request()), {})
    assert (list(found.base), list(found.head)) == (["x"], ["y"])
    assert found.request
    assert found.request.number == 12


def test_an_option_names_the_branch_where_no_event_does() -> None:
    assert event.asked("x", "y", None, {}).request is None
    assert event.asked("x", "y", None, {}, "autoresearch/nov23").request == event.Request(
        "branch", branch="autoresearch/nov23"
    )


def test_an_option_that_names_a_branch_makes_no_fork_a_branch_of_ours(tmp_path: Path) -> None:
    payload = written(tmp_path, pull_request("stranger/lab", branch="x"))
    request = event.asked("", "", payload, {}, "autoresearch/nov23").request
    assert request is not None
    assert (request.branch, request.fork, gate.tag_of(request)) == ("autoresearch/nov23", True, "")


def test_a_merge_queues_group(tmp_path: Path) -> None:
    group = {
        "base_sha": BASE,
        "head_sha": HEAD,
        "head_ref": "refs/heads/gh-readonly-queue/main/pr-1",
        "base_ref": "x",
    }
    found = event.asked("", "", written(tmp_path, {"action": "checks_requested", "merge_group": group}), {})
    assert (list(found.base), list(found.head)) == ([BASE], [HEAD])


def test_a_push(tmp_path: Path) -> None:
    push = {"ref": "refs/heads/main", "before": BASE, "after": HEAD, "pusher": {"name": "x"}}
    found = event.asked("", "", written(tmp_path, push), {})
    assert (list(found.base), list(found.head)) == ([BASE], [HEAD])
    push["before"] = "0" * 40
    assert event.asked("", "", written(tmp_path, push), {}).base is event.BASES


@pytest.mark.parametrize("name", ["pull_request_target", "workflow_run", "issue_comment"])
def test_an_event_that_has_secrets_for_strangers_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        event.asked("", "", written(tmp_path, pull_request()), {"GITHUB_EVENT_NAME": name})


def test_an_event_without_revisions_leaves_the_usual_ones(tmp_path: Path) -> None:
    path = written(tmp_path, {"inputs": {}, "workflow": "x"})
    found = event.asked(
        "", "", None, {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "workflow_dispatch"}
    )
    assert found == event.Asked(event.BASES, ("HEAD",))


@pytest.mark.parametrize(
    "sha", ["main", "--upload-pack=x", BASE + "\n", BASE.upper(), "$(id)", None, 5, [BASE]]
)
def test_a_payload_names_commits_and_nothing_else(tmp_path: Path, sha: Any) -> None:
    payload = pull_request()
    payload["pull_request"]["head"]["sha"] = sha
    with pytest.raises(UsageError, match="names no commit"):
        event.asked("", "", written(tmp_path, payload), {})


@pytest.mark.parametrize("payload", ["", "[]", "{", "null", '{"a": 1}', "[" * 100_000])
def test_a_payload_that_is_none_is_wrong_usage(tmp_path: Path, payload: str) -> None:
    with pytest.raises(UsageError):
        event.asked("", "", written(tmp_path, payload), {})


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_hostile_titles_and_branches_are_carried_as_text(tmp_path: Path, said: str) -> None:
    found = event.asked("", "", written(tmp_path, pull_request(title=said, branch=said)), {})
    assert found.request
    assert said.startswith(found.request.title)
    assert gate.tag_of(found.request) == ""


GITLAB = {
    "GITLAB_CI": "true",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_TITLE": "Wider",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "wider",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "3",
    "CI_MERGE_REQUEST_PROJECT_ID": "3",
    "CI_COMMIT_SHA": HEAD,
    "GITLAB_USER_LOGIN": "someone",
}


def test_a_merge_request_of_gitlab() -> None:
    found = event.asked("", "", None, GITLAB)
    assert (list(found.base), list(found.head)) == (["refs/remotes/origin/main", BASE], [HEAD])
    assert found.request == event.Request("merge_request", 7, "Wider", "wider", "someone", fork=False)


def test_a_merge_request_of_a_fork_in_gitlab() -> None:
    found = event.asked("", "", None, {**GITLAB, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "9"})
    assert found.request
    assert found.request.fork


def test_in_a_pipeline_of_merged_results_the_head_is_the_source_branch() -> None:
    merged = {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "c" * 40, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "d" * 40}
    found = event.asked("", "", None, {**GITLAB, **merged})
    assert (found.base[0], list(found.head)) == ("d" * 40, ["c" * 40])


@pytest.mark.parametrize(
    ("branch", "fork", "tag"),
    [
        ("autoresearch/nov24", False, "nov24"),
        ("autoresearch/nov24", True, ""),
        ("autoresearch/../x", False, ""),
        ("autoresearch/$(id)", False, ""),
        ("autoresearch/", False, ""),
        ("main", False, ""),
    ],
)
def test_the_run_of_a_branch_is_known_by_its_name(branch: str, fork: bool, tag: str) -> None:
    assert gate.tag_of(event.Request("pull_request", branch=branch, fork=fork)) == tag


def test_in_gitlab_its_own_variables_come_before_a_payload_that_the_environment_names(tmp_path: Path) -> None:
    payload = pull_request()
    payload["pull_request"]["base"]["sha"] = payload["pull_request"]["head"]["sha"] = "e" * 40
    named = {"GITHUB_EVENT_PATH": str(written(tmp_path, payload)), "GITHUB_EVENT_NAME": "pull_request"}
    assert event.asked("", "", None, {**named, **GITLAB}) == event.asked("", "", None, GITLAB)


def test_in_gitlab_too_a_payload_that_an_option_names_comes_first(tmp_path: Path) -> None:
    assert list(event.asked("", "", written(tmp_path, pull_request()), GITLAB).base) == [BASE]
