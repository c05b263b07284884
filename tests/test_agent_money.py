"""What a coding agent's proposals cost: counted at known prices, never less than it says, held by the run's limit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from boxed_lab import HISTORY, boxed, left
from conftest import make_lab

from runner.agents import plan as plans
from runner.agents import recipe
from runner.agents.fault import AgentFault, Fault
from runner.agents.on_host import OnHostAgent
from runner.config import AgentSettings, load
from runner.errors import MissingError, UsageError
from runner.jobs import proposers
from runner.lab import Lab, open_lab
from runner.parts import Limits
from runner.sandbox.gateway import GatewayPlan, _limits
from runner.sandbox.traffic import Spending, Traffic

NAMES = recipe.names()
USED = Traffic(requests=2, answered=2, tokens_in=1_000_000, tokens_out=100_000, tokens_cached=500_000)
COST = 0.5 * 4.0 + 0.5 * 0.2 + 0.1 * 20.0  # at the prices of Claude Code's recipe


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_names_a_model_and_has_its_prices_and_says_where_they_are_from(name: str) -> None:
    one = recipe.find(name)
    read, written, cached = plans.prices(one, AgentSettings())
    assert one.api.model
    assert 0 < cached <= read < written
    assert "price" in "".join(line for line in one.where.read_text().splitlines() if "#" in line)


def test_cached_tokens_cost_what_others_do_where_nobody_says_less() -> None:
    codex = recipe.find("codex")
    settings = AgentSettings(model="other", price_in=2.0, price_out=8.0)
    assert plans.prices(codex, settings) == (2.0, 8.0, 2.0)


def test_a_proposal_costs_what_the_gateway_counted() -> None:
    assert boxed(left(traffic=USED))[0].propose(HISTORY).meta["cost_usd"] == pytest.approx(COST)


@pytest.mark.parametrize("stopped", ["timeout", "quiet", "output", "cancelled"])
def test_a_visit_that_is_killed_costs_what_the_gateway_counted(stopped: str) -> None:
    agent, _ = boxed(left(stopped=stopped, stdout=b"", traffic=USED))
    with pytest.raises(AgentFault) as caught:
        agent.propose(HISTORY)
    assert caught.value.meta["cost_usd"] == pytest.approx(COST)


def test_an_agent_can_say_more_than_was_counted_and_never_less() -> None:
    said = b'{"type": "result", "session_id": "s", "total_cost_usd": %s}'
    more, less = (left(stdout=said % cost, traffic=USED) for cost in (b"7.5", b"0.01"))
    agent, _ = boxed(more, less)
    assert agent.propose(HISTORY).meta["cost_usd"] == 7.5
    assert agent.propose(HISTORY).meta["cost_usd"] == pytest.approx(COST)


@pytest.mark.parametrize(
    ("own", "left_of_run", "least"),
    [(0.0, 3.0, 3.0), (1.0, 3.0, 1.0), (5.0, 3.0, 3.0), (5.0, None, 5.0), (0.0, None, 0.0)],
)
def test_the_gateway_is_given_the_smaller_of_a_proposals_limit_and_the_runs_rest(
    own: float, left_of_run: float | None, least: float
) -> None:
    agent, box = boxed(left(), settings=AgentSettings(max_proposal_cost=own), cost_left=lambda: left_of_run)
    agent.propose(HISTORY)
    (task,) = box.tasks
    assert task.gateway.spending.cost == least
    assert ("--max-budget-usd" in task.command) == bool(least)


def test_the_rest_shrinks_by_what_was_spent_and_never_turns_into_no_limit() -> None:
    limits = Limits(cost=10.0)
    agent, box = boxed(left(), left(), left(), cost_left=lambda: limits.cost_left)
    for spent in (0.0, 9.75, 5.0):
        limits.spend({"cost_usd": spent})
        agent.propose(HISTORY)
    given = [task.gateway.spending.cost for task in box.tasks]
    assert given[:2] == [10.0, 0.25]
    assert 0 < given[2] < 1e-6


def test_a_small_rest_reaches_the_gateway_as_it_is() -> None:
    plan = GatewayPlan(
        "https://api.example.com", spending=Spending(cost=1e-9, price_in=0.05, price_cached=0.0000125)
    )
    assert "cost = 1e-09," in _limits(plan)
    assert "price_cached = 1.25e-05 " in _limits(plan)


@contextmanager
def _step(what: str) -> Iterator[Any]:
    yield lambda detail, fraction=None: None


@pytest.fixture(scope="module")
def lab_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("lab") / "lab", size=20_000)


@pytest.fixture
def lab(lab_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lab_root, tmp_path / "lab"))


def _opened(lab: Path, agent: str) -> Lab:
    with (lab / "runner.toml").open("a") as settings:
        settings.write(f"\n[agent]\n{agent}")
    assert load(lab / "runner.toml")
    return open_lab(lab)


def _asked(lab: Lab, cost: float | None) -> None:
    with proposers.proposer(lab, _step, lambda number: "", None, Limits(cost=cost)):
        pass


@pytest.mark.parametrize(
    "agent",
    ['name = "codex"\napi_url = "http://localhost:1/v1"\n', 'name = "codex"\nmodel = "another"\n',
     'name = "codex"\non_host = true\nmodel = "another"\n'],
)  # fmt: skip
def test_a_limit_of_money_without_a_price_is_refused_and_says_what_to_set(lab: Path, agent: str) -> None:
    with pytest.raises(UsageError, match="--max-cost is given, and the prices") as caught:
        _asked(_opened(lab, agent), 10.0)
    assert "price_in" in caught.value.advice
    assert "price_out" in caught.value.advice


def test_so_is_a_limit_of_one_proposal(lab: Path) -> None:
    with pytest.raises(UsageError, match=r"agent.max_proposal_cost is set, and the prices"):
        _asked(_opened(lab, 'name = "codex"\nmodel = "another"\nmax_proposal_cost = 1.0\n'), None)


@pytest.mark.parametrize("name", ["codex", "claude-code", "aider"])
def test_a_limit_of_money_with_a_known_price_is_taken(
    lab: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the key that is missing then, which is looked for next."""
    for key in recipe.find(name).api.keys:
        monkeypatch.delenv(key.variable, raising=False)
    with pytest.raises(MissingError, match="needs a key"):
        _asked(_opened(lab, f'name = "{name}"\n'), 10.0)


CLAUDE = '{"type": "result", "session_id": "s", "total_cost_usd": %s, "modelUsage": {"big": {"inputTokens": 900000, "cacheReadInputTokens": 100000, "outputTokens": 1000}}}'  # noqa: E501


def _on_host(tmp_path: Path, script: str, name: str, prices: plans.Prices) -> OnHostAgent:
    return OnHostAgent(
        f"sh -c '{script}'", report=recipe.find(name).report, prices=prices, lab_root=tmp_path, prepare_files={},
        timeout=20, source_limit=4096, log_tail=lambda number: "",
    )  # fmt: skip


@pytest.mark.parametrize(("said", "cost"), [("0.01", 1.0), ("3.5", 3.5)])
def test_on_the_host_its_own_report_is_read_and_its_tokens_are_priced(
    tmp_path: Path, said: str, cost: float
) -> None:
    (tmp_path / "said").write_text(CLAUDE % said)
    script = f"cat {tmp_path}/said; echo note > note.txt; sed -i s/04/05/ train.py"
    meta = _on_host(tmp_path, script, "claude-code", (1.0, 90.0, 0.1)).propose(HISTORY).meta
    assert (meta["tokens_in"], meta["tokens_out"], meta["model"]) == (1_000_000, 1000, "big")
    assert meta["cost_usd"] == pytest.approx(cost)


def test_on_the_host_a_report_in_a_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "said").write_text('{"usage": {"input_tokens": 50, "output_tokens": 5}, "cost_usd": 0.25}')
    script = f"cp {tmp_path}/said export.json; sed -i s/04/05/ train.py"
    meta = _on_host(tmp_path, script, "vibe", (0.0, 0.0, 0.0)).propose(HISTORY).meta
    assert (meta["tokens_in"], meta["tokens_out"], meta["cost_usd"]) == (50, 5, 0.25)


def test_on_the_host_a_fault_carries_what_it_cost(tmp_path: Path) -> None:
    (tmp_path / "said").write_text(CLAUDE % "2.0")
    with pytest.raises(AgentFault) as caught:
        _on_host(tmp_path, f"cat {tmp_path}/said", "claude-code", (0.0, 0.0, 0.0)).propose(HISTORY)
    assert (caught.value.kind, caught.value.meta["cost_usd"]) == (Fault.UNCHANGED, 2.0)


def test_on_the_host_the_recipes_price_is_of_a_model_that_its_command_names() -> None:
    settings = AgentSettings()
    assert any(plans.host_prices(recipe.find("claude-code"), settings))
    assert not any(
        plans.host_prices(recipe.find("codex"), settings)
    )  # the user's own configuration names one there
    assert any(plans.host_prices(recipe.find("codex"), AgentSettings(price_in=1.0)))
