"""What a recipe of a coding agent consists of. Read and checked by `recipe.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from runner.agents.template import Command, Tree

BOUND = re.compile(r"(>=|<)([0-9]+)\.([0-9]+)")


@dataclass(frozen=True)
class Install:
    """What is installed in the agent's image. One of `npm` and `pip` is empty: packages and their exact versions.

    node: version of npm's own package `node`, which is installed with it; "" where the program brings all it needs.
    python: the versions that pip packages take, `>=3.12` or `>=3.10,<3.13`. debian: packages that it needs besides.
    check: a command that prints the program's version, which must be the first package's: npm and pip fall back to
    older versions where the newest does not fit.
    """

    check: tuple[str, ...]
    npm: Mapping[str, str] = field(default_factory=dict)
    pip: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    python: str = ""
    debian: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version of the program itself: of the first package."""
        return next(iter((self.npm or self.pip).values()))

    def takes(self, python: tuple[int, int]) -> bool:
        """Whether its pip packages install on that Python: on one too new, pip looks for an old version instead."""
        bounds = [(sign, (int(major), int(minor))) for sign, major, minor in BOUND.findall(self.python)]
        return all(python >= bound if sign == ">=" else python < bound for sign, bound in bounds)

    @property
    def interpreter(self) -> str:
        """The Python of the image, `3.13` where its packages take that."""
        return "3.13" if self.takes((3, 13)) else "3.11"

    @property
    def npm_and_node(self) -> dict[str, str]:
        """What npm installs, Node.js included where the program needs one newer than the distribution's."""
        return {**self.npm, **({"node": self.node} if self.node else {})}


@dataclass(frozen=True)
class Key:
    """One way to say who pays. `variable`: the user's environment variable with the real key, read on the host only.

    header: which request header carries it; value: the header's text around `{key}`. environment: what the agent's
    program is given in its place, with the worthless `{token}` where the key would stand.
    """

    variable: str
    header: str
    value: str = "{key}"
    environment: Mapping[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True)
class Api:
    """The one API that the program may reach. `url`: its base as the program itself is configured with it.

    dialect: what it speaks: `anthropic` messages, OpenAI `responses` or `chat` completions, `gemini`.
    model: the default; "" leaves it to the program. keys: in order of preference. price_in, price_out,
    price_cached: of the default model, in dollars for a million tokens sent, received, and sent again from the API's
    cache; 0: unknown. They are public list prices, with their source and its date beside them in the recipe.
    """

    url: str
    dialect: str
    keys: tuple[Key, ...]
    model: str = ""
    price_in: float = 0.0
    price_out: float = 0.0
    price_cached: float = 0.0

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True)
class Report:
    """Where the program says what it used. `source`: "stdout", or a file under `{out}`. See `usage.py`.

    Each of the others is a list of selectors: numbers found are summed, the last text found counts. done: something
    must be found there, or the program did not come to its end. failed: whatever is found there, and is neither
    empty, false nor 0, is an error.
    """

    format: str
    source: str = "stdout"
    tokens_in: tuple[str, ...] = ()
    tokens_cached: tuple[str, ...] = ()  # of tokens_in, those read from a cache: they cost less
    tokens_out: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """One agent. `command`, `environment` and `files` hold placeholders; see `template.py`.

    files: configuration by path under the program's home, as tables, written as JSON or TOML by the path's ending.
    git: whether the working folder must be a git repository. notes: what a person should know, one sentence each.
    where: the file it was read from.
    """

    name: str
    title: str
    command: Command
    install: Install
    api: Api
    report: Report
    environment: Mapping[str, Tree] = field(default_factory=dict)
    files: Mapping[str, Tree] = field(default_factory=dict)
    git: bool = False
    notes: tuple[str, ...] = ()
    where: Path = Path()
