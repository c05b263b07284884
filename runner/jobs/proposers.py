"""The proposer of a run: one of ours, a command, or a coding agent with its images, its box and its key."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from runner import agents, data
from runner.agents.boxed import BoxedAgent
from runner.agents.on_host import OnHostAgent
from runner.agents.plan import Places, choose_key, host_prices, on_host_command, prices
from runner.agents.prompt import prompt
from runner.agents.recipe import Recipe, find
from runner.config import AgentSettings
from runner.errors import UsageError
from runner.lab import Lab
from runner.parts import Limits, Proposer
from runner.sandbox import agent_images
from runner.sandbox.build import Progress
from runner.sandbox.engine import Engine
from runner.sandbox.task import AgentLimits
from runner.sandbox.visit import AgentBox

Step = Callable[[str], AbstractContextManager[Progress]]


@contextmanager
def proposer(
    lab: Lab, step: Step, log_tail: Callable[[int], str], logs: Path | None, limits: Limits
) -> Iterator[Proposer]:
    """The proposer that the lab's settings name, ready to be asked.

    step: shows a long step of set-up. log_tail: the end of a trial's training log by its number. logs: a folder
    for what an outside program prints. limits: of the run; what is left of its money bounds each proposal of a coding
    agent. Raises UsageError for a name that is none and for a limit of money where no price is known, MissingError
    where something that the agent needs is not there, InfraError where the engine fails.
    """
    settings = lab.settings.agent
    if agents.is_built_in(settings.name):
        yield agents.make(lab, log_tail, logs)
        return
    recipe = find(settings.name, lab.root)
    if settings.on_host:
        _countable(
            recipe, settings, limits, told=bool(recipe.report.cost) or any(host_prices(recipe, settings))
        )
        yield _on_host(lab, recipe, log_tail, logs)
        return
    _countable(recipe, settings, limits, told=any(prices(recipe, settings)))
    key = choose_key(recipe, settings, os.environ)  # before anything is built
    # A connection of its own: it may be asked while a trial trains.
    with closing(Engine(lab.settings.engine.url)) as engine:
        gateway, image = images(engine, recipe, step)
        agent = BoxedAgent(
            recipe=recipe,
            settings=settings,
            box=AgentBox(engine, image, gateway, AgentLimits(memory_mb=settings.memory_mb)),
            key=key,
            secret=os.environ.get(key.variable, "").strip() if key.variable else "",
            prepare_files=lab.prepare_files(),
            sample=data.excerpt(lab.root),
            source_limit=lab.settings.trial.source_kb * 1024,
            log_tail=log_tail,
            logs=logs,
            cost_left=lambda: limits.cost_left,
        )
        agent.check()
        yield agent


def _countable(recipe: Recipe, settings: AgentSettings, limits: Limits, *, told: bool) -> None:
    """Raises UsageError where money is limited and nothing tells what a proposal costs."""
    asked = [
        *(["--max-cost is given"] if limits.cost is not None else []),
        *(["agent.max_proposal_cost is set"] if settings.max_proposal_cost else []),
    ]
    if asked and not told:
        raise UsageError(
            f"{' and '.join(asked)}, and the prices of {recipe.title}'s model are not known",
            "Set agent.price_in and agent.price_out in runner.toml, in dollars for a million tokens",
        )


def _on_host(lab: Lab, recipe: Recipe, log_tail: Callable[[int], str], logs: Path | None) -> Proposer:
    """The recipe's program as the user has it installed and signed in, with the user's rights and network."""
    settings, here = lab.settings.agent, Places(home=os.path.expanduser("~"), work=".", lab=".", out=".")
    argv = on_host_command(recipe, settings, prompt(here, boxed=False))
    names = [key.variable for key in recipe.api.keys] + settings.pass_env.replace(",", " ").split()
    return OnHostAgent(
        shlex.join(argv),
        report=recipe.report,
        prices=host_prices(recipe, settings),
        name=recipe.name,
        lab_root=lab.root,
        prepare_files=lab.prepare_files(),
        timeout=settings.timeout_seconds,
        source_limit=lab.settings.trial.source_kb * 1024,
        log_tail=log_tail,
        pass_env=names,
        logs=logs,
    )


def images(engine: Engine, recipe: Recipe, step: Step) -> tuple[str, str]:
    """The ids of the gateway's and the agent's image, built where they are missing."""
    with step("gateway image") as progress:
        gateway = agent_images.gateway_image(engine, progress)
    with step(f"image of {recipe.title}") as progress:
        install = recipe.install
        npm, python = install.npm_and_node, install.interpreter
        agent = agent_images.agent_image(
            engine, recipe.name, npm, install.pip, install.debian, python, progress
        )
    return gateway, agent


def image_name(recipe: Recipe) -> str:
    """The name that the agent's image has once it is built."""
    install = recipe.install
    npm, python = install.npm_and_node, install.interpreter
    return agent_images.agent_name(recipe.name, npm, install.pip, install.debian, python)
