"""A night with real coding agents in their boxes, from `runner go` to a verdict; their models are scripted.

Needs their images, which take minutes to build from package registries: `pytest --slow`, or the names of agents in
AUTORESEARCH_AGENT_IMAGES (`all` for all). Each is run in any case where its image is there already.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from agent_lab import KEY
from conftest import ledger
from scripted_api.script import Step, proposal
from scripted_api.server import ScriptedApi, Trouble, status

from runner.agents.recipe import Recipe, find, names

pytestmark = pytest.mark.engine
WANTED = os.environ.get("AUTORESEARCH_AGENT_IMAGES", "").split()


@pytest.fixture(autouse=True)
def the_users_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)


def _twice(number: int) -> list[Step]:
    return proposal("/task", "LR = 0.03", "LR = 0.06", "LR twice as high")


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
