"""What tests share: the repository as a lab, a real engine, the trial image, names that belong to this test run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes long: run with --slow"))


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """The engine of this machine. Without one the tests that need it are skipped; in CI that is a failure."""
    from runner.errors import MissingError
    from runner.sandbox.engine import Engine

    try:
        connected = Engine()
    except MissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have an engine: {error}")
        pytest.skip(f"no container engine: {error.what}")
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def image(engine: Any) -> str:
    """The id of the CPU trial image, built if it is not there."""
    from runner.config import ImageSettings
    from runner.sandbox.images import trial_image

    return trial_image(engine, ROOT, ImageSettings(), cuda=False, progress=lambda what, fraction: None)


@pytest.fixture
def tag() -> str:
    """A run's name that no other test process uses."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def leftovers(engine: Any, tag: str) -> Any:
    """Names of the containers and volumes that carry this test's label."""

    def names() -> list[str]:
        wanted = {"label": [f"autoresearch.run={tag}"]}
        found = [c["Names"][0] for c in engine.api.containers(all=True, filters=wanted)]
        return found + [v["Name"] for v in engine.api.volumes(filters=wanted).get("Volumes") or []]

    return names
