"""`runner agents`: who can propose, and what each still needs on this machine. Starts nothing, changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from runner import lab as labs
from runner.agents import BUILT_IN, COMMAND, recipe
from runner.agents.plan import choose_key
from runner.agents.recipe import Recipe
from runner.config import AgentSettings, Settings
from runner.errors import MissingError, RunnerError, UsageError
from runner.jobs.proposers import image_name
from runner.report import consoles, text
from runner.sandbox.build import image_id
from runner.sandbox.engine import Engine


@dataclass(frozen=True)
class Listed:
    """One line of the list. keys: variables of which one must be set. image: whether it is built; None if unknown.

    missing: what keeps it from proposing now, each a sentence; an image that is not built yet is not among it.
    """

    name: str
    title: str
    version: str = ""
    model: str = ""
    api: str = ""
    dialect: str = ""
    keys: tuple[str, ...] = ()
    image: bool | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recipe: str = ""


def agents(start: Path, *, as_json: bool) -> None:
    """All of them, as text or as JSON. Outside a lab those that this program brings."""
    root, settings = _lab(start)
    found = everyone(root, settings, os.environ)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
        return
    console = consoles.results()
    console.print(_plain([one for one in found if not one.recipe]))
    console.print(_coding([one for one in found if one.recipe]))
    for one in found:
        for sentence in one.missing:
            click.echo(f"{one.name}: {sentence}")
    if any(one.image is False for one in found):
        click.echo("An image is built when its agent is first used, or before: runner build --agent NAME")


def everyone(root: Path | None, settings: Settings, environ: Mapping[str, str]) -> list[Listed]:
    """The built-in proposers, then every recipe. `root`: the lab, whose own recipes count too."""
    found = [Listed(name, title) for name, title in BUILT_IN.items()]
    found.append(Listed(f"{COMMAND}…", "a program of your own, on this machine; not in a box"))
    engine, fault = _engine(settings.engine.url)
    try:
        for name in recipe.names(root):
            try:
                one = recipe.find(name, root)
            except UsageError as error:
                found.append(Listed(name, "", recipe=name, missing=(error.what,)))
            else:
                own = settings.agent if settings.agent.name == name else AgentSettings()
                found.append(_listed(one, own, environ, engine, fault))
    finally:
        if engine:
            engine.close()
    return found


def _listed(
    one: Recipe, settings: AgentSettings, environ: Mapping[str, str], engine: Engine | None, fault: str
) -> Listed:
    missing = [fault] if fault else []
    try:
        choose_key(one, settings, environ)
    except MissingError as error:
        missing.append(error.what)
    keys = () if settings.api_url else tuple(key.variable for key in one.api.keys)
    return Listed(
        name=one.name,
        title=one.title,
        version=one.install.version,
        model=settings.model or one.api.model,
        api=settings.api_url or one.api.url,
        dialect=one.api.dialect,
        keys=(settings.key_env,) if settings.key_env else keys,
        image=_built(one, engine),
        missing=tuple(missing),
        notes=one.notes,
        recipe=str(one.where),
    )


def _built(one: Recipe, engine: Engine | None) -> bool | None:
    if engine is None:
        return None
    return bool(image_id(engine, image_name(one)))


def _engine(url: str) -> tuple[Engine | None, str]:
    """The engine, or why there is none."""
    try:
        return Engine(url), ""
    except RunnerError as error:
        return None, error.what


def _lab(start: Path) -> tuple[Path | None, Settings]:
    here = start.resolve()
    if any((folder / "runner.toml").is_file() for folder in (here, *here.parents)):
        lab = labs.open_lab(start)
        return lab.root, lab.settings
    return None, Settings()


def _plain(found: list[Listed]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in found:
        table.add_row(Text(one.name), Text(text.line(one.title)))
    return table


def _coding(found: list[Listed]) -> Table:
    """Coding agents, each in a container of its own."""
    table = Table(
        "agent", "version", "model", "API", "key", "now", box=None, pad_edge=False, header_style="bold"
    )
    for one in found:
        now = "not ready" if one.missing else "ready" if one.image else "image to be built"
        host = one.api.split("://")[-1].split("/")[0]
        cells = (
            one.name,
            one.version,
            one.model or "its own choice",
            host,
            one.keys[0] if one.keys else "none",
            now,
        )
        table.add_row(*(Text(text.line(cell)) for cell in cells))
    return table
