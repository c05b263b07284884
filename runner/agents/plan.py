"""What is to be run for one proposal of a coding agent: a pure function of its recipe, the settings and the places.

No file is written, nothing is started, no key is read: an `AgentPlan` names the variable that holds the key and the
header that must carry it, and whoever talks to the API puts the one into the other. The program gets a token instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from runner.agents.recipe import Key, Recipe, url_parts
from runner.agents.template import Values, fill, fill_command, fill_environment, write
from runner.config import AgentSettings
from runner.errors import MissingError

NO_KEY = Key("", "", "{key}")  # for a local model server that asks for none


@dataclass(frozen=True)
class Places:
    """Folders as the agent's program sees them."""

    home: str = "/home/agent"
    work: str = "/task"
    lab: str = "/lab"
    out: str = "/home/agent/out"


@dataclass(frozen=True)
class AgentPlan:
    """One run of an agent's program.

    command, environment: as they are passed on; the environment is whole but for PATH, which the image sets.
    files: content by path under `places.home`. reads: the file under `places.out` that holds its report, "" if its
    output does. upstream: origin of the API (`https://api.example.com`), the only one that its requests may reach,
    as they come: the gateway keeps their path. prefix: what every path must start with. key: which variable of the
    user's goes into which header; `key.variable` is "" where none is sent: then no header of the agent's may pass.
    """

    agent: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, bytes]
    places: Places
    reads: str
    upstream: str
    prefix: str
    dialect: str
    model: str
    key: Key
    git: bool


def plan(
    recipe: Recipe,
    settings: AgentSettings,
    *,
    prompt: str,
    gateway: str,
    token: str,
    key: Key,
    places: Places | None = None,
) -> AgentPlan:
    """How the agent of `recipe` is run for one proposal.

    gateway: the URL of the only neighbour, a path allowed at its end. token: what the program is given as its key;
    whatever the gateway takes as a sign that a request is this agent's. key: from `choose_key`.
    Raises UsageError for an `api_url` in `settings` that is none.
    """
    places = places or Places()
    upstream, path = url_parts("[agent]", "api_url", settings.api_url or recipe.api.url)
    gateway = gateway.rstrip("/")
    model = settings.model or recipe.api.model
    price_in, price_out, price_cached = prices(recipe, settings)
    values: Values = {
        "prompt": prompt, "model": model, "gateway": gateway, "base": gateway + path, "token": token,
        "home": places.home, "work": places.work, "lab": places.lab, "out": places.out,
        "turns": settings.max_turns or "", "dollars": settings.max_proposal_cost or "",
        "seconds": int(settings.timeout_seconds),
        "price_in": price_in, "price_out": price_out, "price_cached": price_cached,
    }  # fmt: skip
    stand_in = key.environment or recipe.api.keys[0].environment
    environment = {"HOME": places.home, "PWD": places.work, "TERM": "dumb", "NO_COLOR": "1", "LANG": "C.UTF-8"}
    environment |= fill_environment({**recipe.environment, **stand_in}, values)
    return AgentPlan(
        agent=recipe.name,
        command=fill_command(recipe.command, values),
        environment=environment,
        files={name: write(name, fill(tree, values)) for name, tree in recipe.files.items()},
        places=places,
        reads="" if recipe.report.source == "stdout" else recipe.report.source,
        upstream=upstream,
        prefix=path,
        dialect=recipe.api.dialect,
        model=model,
        key=key,
        git=recipe.git,
    )


Prices: TypeAlias = tuple[float, float, float]


def prices(recipe: Recipe, settings: AgentSettings) -> Prices:
    """Dollars for a million tokens sent, received, and sent again from the API's cache; 0: unknown.

    The settings', else the recipe's for its model. Without a price of their own cached ones cost what others do.
    """
    if settings.price_in or settings.price_out:
        return settings.price_in, settings.price_out, settings.price_cached or settings.price_in
    if settings.api_url or settings.model not in ("", recipe.api.model):
        return 0.0, 0.0, 0.0
    return recipe.api.price_in, recipe.api.price_out, recipe.api.price_cached or recipe.api.price_in


def host_prices(recipe: Recipe, settings: AgentSettings) -> Prices:
    """As `prices`, for the program on the host: there a model that its command does not name is the user's choice."""
    names_it = any(
        "{model}" in part for group in recipe.command for part in ([group] if isinstance(group, str) else group)
    )
    if settings.price_in or settings.price_out or (names_it and recipe.api.model):
        return prices(recipe, settings)
    return 0.0, 0.0, 0.0


def choose_key(recipe: Recipe, settings: AgentSettings, environ: Mapping[str, str]) -> Key:
    """Which of the user's variables pays. `environ`: the host's environment; no value of it is kept.

    The first of the recipe's whose variable is set. With `agent.api_url` only `agent.key_env` counts, and no key is
    sent where it is empty: the key of one company must not go to the server of another. Raises MissingError where
    it is not set.
    """
    first = recipe.api.keys[0]
    if settings.key_env:
        wanted = [Key(settings.key_env, first.header, first.value, first.environment)]
        wanted = [key for key in recipe.api.keys if key.variable == settings.key_env] or wanted
    elif settings.api_url:
        return NO_KEY
    else:
        wanted = list(recipe.api.keys)
    for key in wanted:
        if environ.get(key.variable, "").strip():
            return key
    listed = " or ".join(key.variable for key in wanted)
    raise MissingError(
        f"{recipe.title} needs a key for {recipe.api.host}, and {listed} is not set",
        f"export {wanted[0].variable}=…; it stays on this machine, out of the agent's reach",
    )


def on_host_command(recipe: Recipe, settings: AgentSettings, prompt: str) -> list[str]:
    """The recipe's command for the program as a user has it on the host, with the user's own configuration."""
    values: Values = {
        "prompt": prompt, "model": settings.model or recipe.api.model, "out": ".", "home": ".", "work": ".", "lab": ".",
        "turns": settings.max_turns or "", "dollars": settings.max_proposal_cost or "",
        "seconds": int(settings.timeout_seconds),
    }  # fmt: skip
    start = ["sh", "-c", 'git init -q . && exec "$@"', "git"] if recipe.git else []
    return [*start, *fill_command(recipe.command, values)]
