"""The seven agents' real programs, on this machine, by their recipes, against the scripted API.

They run where `AUTORESEARCH_AGENTS` names a folder with them (see `agent_programs.py`); without it these
tests are skipped, as they are without `--slow`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agent_programs
import pytest
from agent_programs import KEY, TRAIN, run
from scripted_api import Read, ScriptedApi, Shell, Trouble, Write, proposal, status

from runner.agents import recipe
from runner.config import AgentSettings

pytestmark = pytest.mark.slow
NAMES = recipe.names()
WITH_LIMIT = ["claude-code", "vibe", "gemini", "qwen"]  # of turns, of their own
WITH_SHELL = [name for name in NAMES if name != "aider"]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of this test's own that another user may enter, as pytest's may not be."""
    folder = Path(tempfile.mkdtemp(prefix="agent-program-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["name"]
    if agent_programs.programs(name) is None:
        pytest.skip(
            f"{name} is not installed in AUTORESEARCH_AGENTS={os.environ.get('AUTORESEARCH_AGENTS', '')}"
        )


def scripted(tmp: Path, **options: Any) -> ScriptedApi:
    return ScriptedApi(
        lambda n: proposal(str(tmp / "task"), "LR = 1", "LR = 2", "LR twice as high"), key=KEY, **options
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_version_that_the_recipe_pins(name: str, tmp_path: Path) -> None:
    folder = agent_programs.programs(name)
    assert folder
    assert recipe.find(name).install.version in agent_programs.version(name, folder, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_it_changes_train_py_writes_a_note_and_reports_what_it_used(name: str, tmp_path: Path) -> None:
    with scripted(tmp_path) as api:
        ran = run(name, api, tmp_path)
        sent = api.sent()
    assert (ran.train, ran.note.strip()) == (TRAIN.replace("1", "2", 1), "LR twice as high"), ran.stderr
    assert (ran.report.tokens_in, ran.report.tokens_out) == (sent.tokens_in, sent.tokens_out)
    assert ran.report.tokens_cached in (sent.cached, None)
    assert (ran.report.done, ran.report.error) == (True, "")
    assert "LR twice as high" in ran.report.message


@pytest.mark.parametrize("name", NAMES)
def test_its_key_travels_in_the_header_that_the_recipe_names_and_in_no_other(name: str, tmp_path: Path) -> None:
    headers = {"x-api-key", "x-goog-api-key", "authorization"}
    with scripted(tmp_path) as api:
        run(name, api, tmp_path)
    key = recipe.find(name).api.keys[0]
    asked = [request.headers for request in api.requests if request.answer not in ("404", "models")]
    assert asked
    for seen in asked:
        assert seen[key.header] == key.value.replace("{key}", KEY)
        assert not (headers - {key.header}) & set(seen)


@pytest.mark.parametrize("name", NAMES)
def test_it_offers_its_model_no_search_of_the_web(name: str, tmp_path: Path) -> None:
    with scripted(tmp_path, keep_bodies=True) as api:
        run(name, api, tmp_path)
    offered = {tool.lower() for request in api.requests for tool in request.tools}
    kinds = {
        str(tool.get("type"))
        for r in api.requests
        if isinstance(r.body, dict)
        for tool in r.body.get("tools") or []
    }
    assert offered or name == "aider"  # which has its edits in its text, and no tools
    assert not [tool for tool in offered | kinds if "web" in tool or "google" in tool]


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_ends_it_soon_with_a_reason_and_no_change(name: str, tmp_path: Path) -> None:
    with scripted(tmp_path) as api:
        ran = run(name, api, tmp_path, token="wrong", timeout=60)
    assert ran.exit_code != -9, "it had to be killed"
    assert ran.train == TRAIN
    if name == "aider":  # it says so in its text alone
        assert not ran.report.done
        assert "wrong key" in ran.report.message
    else:
        assert ran.report.error


@pytest.mark.parametrize("name", NAMES)
def test_one_failure_of_the_server_is_got_over(name: str, tmp_path: Path) -> None:
    second = 0 if name == "aider" else 1  # it asks once only
    with scripted(tmp_path, faults=lambda number: status(500) if number == second else None) as api:
        ran = run(name, api, tmp_path)
    assert any(request.answer == "status" for request in api.requests)
    assert ran.train != TRAIN


@pytest.mark.parametrize("name", WITH_LIMIT)
def test_its_own_limit_of_turns_holds(name: str, tmp_path: Path) -> None:
    settings = AgentSettings(model="scripted-model", max_turns=3, timeout_seconds=600)
    with ScriptedApi(lambda n: [Shell("true")] * 100, key=KEY) as api:
        ran = run(name, api, tmp_path, settings=settings)
    assert 0 < api.asked <= 5
    assert ran.report.error or ran.exit_code


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_when_it_is_asked_to_or_is_known_not_to(name: str, tmp_path: Path) -> None:
    with scripted(tmp_path, faults=lambda number: Trouble("hang")) as api:
        ran = run(name, api, tmp_path, stop=True, timeout=60)
    assert api.asked
    stopped = ran.exit_code != -9
    assert stopped == bool(agent_programs.STOP_SECONDS.get(name, 2.0))


@pytest.mark.parametrize("name", WITH_SHELL)
def test_a_scripted_command_runs_in_its_shell(name: str, tmp_path: Path) -> None:
    """What tests of a box rely on: the model's commands reach the container."""
    note = str(tmp_path / "task" / "note.txt")
    script = [
        Read(str(tmp_path / "task" / "train.py")),
        Shell(f"id -u > {tmp_path}/task/who"),
        Write(note, "x\n"),
    ]
    with ScriptedApi(lambda n: script, key=KEY) as api:
        run(name, api, tmp_path)
    who = (tmp_path / "task" / "who").read_text().strip()
    assert who == str(agent_programs.USER if os.getuid() == 0 else os.getuid())


@pytest.mark.parametrize("name", ["claude-code"])
@pytest.mark.parametrize("at", range(3))
def test_every_way_to_pay_for_it_is_carried_as_said(name: str, at: int, tmp_path: Path) -> None:
    key = recipe.find(name).api.keys[at]
    with scripted(tmp_path) as api:
        ran = run(name, api, tmp_path, key=key)
    assert ran.train != TRAIN, ran.stdout
    assert api.requests[-1].headers[key.header] == key.value.replace("{key}", KEY)
