"""A night with real coding agents in their boxes, from `runner go` to a verdict; their models are scripted.

Needs their images, which take minutes to build from package registries: `pytest --slow`, or the names of agents in
AUTORESEARCH_AGENT_IMAGES (`all` for all). Each is run in any case where its image is there already.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from agent_lab import KEY, tool_results
from conftest import TRAIN, ledger
from scripted_api.script import Step, misbehave, proposal
from scripted_api.server import ScriptedApi, Trouble, status

from runner.agents.recipe import Recipe, find, names

pytestmark = pytest.mark.engine
LINE = next(
    line for line in TRAIN.read_text().splitlines() if line.startswith("LR = ")
)  # whole: aider edits lines
WANTED = os.environ.get("AUTORESEARCH_AGENT_IMAGES", "").split()


@pytest.fixture(autouse=True)
def the_users_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)


def _twice(number: int) -> list[Step]:
    return proposal("/task", LINE, LINE.replace("0.03", "0.06", 1), "LR twice as high")


def _image(engine: Any, recipe: Recipe) -> str:
    from runner.jobs.proposers import image_name
    from runner.sandbox.build import image_id

    return image_id(engine, image_name(recipe))


def _needs(engine: Any, request: pytest.FixtureRequest, name: str) -> Recipe:
    recipe = find(name)
    asked = name in WANTED or "all" in WANTED or request.config.getoption("--slow")
    if not asked and not _image(engine, recipe):
        pytest.skip(f"the image of {recipe.title} is not built: runner build --agent {name}")
    return recipe


def _go(lab: Path, runner: Any, tag: str, recipe: Recipe, api: ScriptedApi, trials: int) -> Any:
    path = recipe.api.url.split("://", 1)[1].partition("/")[2]
    with (lab / "runner.toml").open("a") as settings:
        settings.write(
            f'\n[agent]\napi_url = "{api.url}/{path}"\nkey_env = "SCRIPTED_KEY"\nmodel = "scripted-model"\n'
        )
        settings.write("price_in = 1.0\nprice_out = 10.0\npatience_minutes = 0.05\ntimeout_seconds = 120\n")
    return runner(
        lab, "go", "--tag", tag, "--agent", recipe.name, "--max-trials", str(trials), "--budget", "10", "--no-holdout",
        timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_a_real_program_in_its_box_makes_a_trial(
    name: str, engine: Any, image: str, lab: Path, runner: Any, tag: str, leftovers: Any, request: Any
) -> None:
    recipe = _needs(engine, request, name)
    with ScriptedApi(_twice, key=KEY) as api:
        done = _go(lab, runner, tag, recipe, api, 1)
    assert done.returncode == 0, done.stderr[-3000:]
    entry = ledger(lab, tag)[1]
    print(f"\n| `{name}` | {entry['meta']['setup_seconds']:.2f} s | {entry['meta']['seconds']:.2f} s |")
    assert (entry["agent"], entry["note"]) == (name, "LR twice as high")
    assert entry["status"] in ("keep", "discard")
    assert entry["meta"]["tokens_in"] == api.sent().tokens_in
    assert entry["meta"]["tokens_out"] == api.sent().tokens_out
    assert entry["meta"]["refused"] <= 2  # a look for its own news, answered with 404
    assert KEY not in "".join(
        path.read_text(errors="replace") for path in (lab / "runs").rglob("*") if path.is_file()
    )
    assert leftovers() == []


def test_a_model_that_misleads_its_agent_costs_a_night_one_proposal(
    engine: Any, image: str, lab: Path, runner: Any, tag: str, leftovers: Any, request: Any
) -> None:
    """All of it is refused, named in the record with its cost, and asked again: `test_agent_misled.py` has the rest."""
    recipe = _needs(engine, request, "codex")
    commands = [
        "cat /run/docker.sock /lab/.git/config /lab/data/val.bin",
        "echo x >> /lab/program.md; echo x >> /lab/prepare/__init__.py",
        "python3 -c \"import socket; socket.create_connection(('1.1.1.1', 443), 3); print('GOT')\"",
        "head -c 50000000 /dev/zero | tr '\\\\0' x",
        "dd if=/dev/zero of=/task/big bs=1M count=4000",
    ]

    def script(number: int) -> list[Step]:
        return misbehave(commands, "/task") if number == 0 else _twice(number)

    with ScriptedApi(script, key=KEY, keep_bodies=True) as api:
        done = _go(lab, runner, tag, recipe, api, 1)
    assert done.returncode == 0, done.stderr[-3000:]
    told = "\n".join(tool_results(one.body) for one in api.requests)
    assert "GOT" not in told.replace("print('GOT')", "")
    assert told.count("Permission denied") + told.count("Read-only file system") >= 2
    assert "No space left on device" in told
    (fault,) = [json.loads(line) for line in (lab / "runs" / tag / "faults.jsonl").read_text().splitlines()]
    assert (fault["kind"], fault["trial"]) == ("unchanged", 1)
    assert fault["meta"]["cost_usd"] > 0
    assert [entry["number"] for entry in ledger(lab, tag)] == [0, 1]
    assert leftovers() == []


def test_a_wrong_key_ends_the_night_with_a_reason(
    engine: Any, image: str, lab: Path, runner: Any, tag: str, leftovers: Any, request: Any
) -> None:
    recipe = _needs(engine, request, "codex")
    with ScriptedApi(lambda _: [], key="another key") as api:
        done = _go(lab, runner, tag, recipe, api, 1)
    assert done.returncode != 0
    assert "401" in done.stderr
    assert len(ledger(lab, tag)) == 1  # the baseline; no trial was spent
    assert leftovers() == []


def test_errors_of_the_server_are_waited_out(
    engine: Any, image: str, lab: Path, runner: Any, tag: str, request: Any
) -> None:
    recipe = _needs(engine, request, "codex")

    def broken(number: int) -> Trouble | None:
        return status(500) if number < 8 else None

    with ScriptedApi(_twice, key=KEY, faults=broken) as api:
        done = _go(lab, runner, tag, recipe, api, 1)
    assert done.returncode == 0, done.stderr[-3000:]
    assert api.asked > 8
    assert len(ledger(lab, tag)) == 2
