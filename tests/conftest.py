"""What tests share: the repository as a lab, a real engine, the trial image, names that belong to this test run."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ROOT / "tests" / "labs" / "train.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take long")
    parser.addoption("--engine-url", help="run the tests on this engine: unix:///run/podman/podman.sock")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--engine-url"):  # as a user would say it, so that programs started by tests follow
        os.environ["DOCKER_HOST"] = config.getoption("--engine-url")


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


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, engine: Any, image: str, tag: str) -> Iterator[Any]:
    """A sandbox without data, with the limits that the test's own module calls SMALL."""
    from runner.sandbox.box import Sandbox

    name = f"autoresearch-{tag}-data"
    engine.api.create_volume(name, labels={"autoresearch.run": f"{tag}-data"})
    yield Sandbox(engine, image, request.module.SMALL, name)
    engine.api.remove_volume(name, force=True)


SETTINGS = """
[data]
source = "text:tales.txt"
vocab_size = 400
window = 64

[trial]
budget_seconds = 20
memory_mb = 1024
device = "cpu"

[score]
tokens = 8192
audit_positions = 32

[ratchet]
calibrate_trials = 2
"""


def make_lab(lab: Path, train: Path = TRAIN, settings: str = SETTINGS, size: int = 1_200_000) -> Path:
    """A small lab, outside git and without data: prepare/ and images/ of this repository, `size` bytes of tales."""
    sys.path.insert(0, str(ROOT))
    from prepare import tales

    shutil.copytree(ROOT / "prepare", lab / "prepare", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "images", lab / "images")
    for name in ("Dockerfile", "program.md"):
        shutil.copy(ROOT / name, lab / name)
    (lab / "train").mkdir()
    shutil.copy(train, lab / "train" / "train.py")
    (lab / "runner.toml").write_text(settings)
    (lab / "tales.txt").write_text("\n\n\n".join(tales.generate(5, size)))
    (lab / ".gitignore").write_text("/data/\n/runs/\n")
    return lab


def make_data(lab: Path) -> None:
    """The data that the lab's settings ask for."""
    from runner import data
    from runner.config import load

    data.prepare(lab, load(lab / "runner.toml").data, lambda what, fraction: None)


def commit(lab: Path) -> None:
    """The lab as the one commit of a git repository of its own."""
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "lab"]):
        subprocess.run(["git", *command], cwd=lab, check=True, env=environment(lab.parent))


@pytest.fixture(scope="session")
def lab_with_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small lab outside git with its data made: copy it, do not change it."""
    lab = make_lab(tmp_path_factory.mktemp("lab") / "lab")
    make_data(lab)
    return lab


@pytest.fixture
def lab(lab_with_data: Path, tmp_path: Path) -> Path:
    """A lab of this test's own, in git, with data."""
    copy = tmp_path / "lab"
    shutil.copytree(lab_with_data, copy)
    commit(copy)
    return copy


def ledger(lab: Path, tag: str) -> list[dict[str, Any]]:
    """The trials on record, as the ledger has them."""
    return [json.loads(line) for line in (lab / "runs" / tag / "ledger.jsonl").read_text().splitlines()]


def environment(home: Path) -> dict[str, str]:
    """Of a user with no git configuration of their own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") and k not in ("COLUMNS", "LINES")}
    names = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@localhost"}
    names |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@localhost"}
    return {**kept, **names, "HOME": str(home), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    """Runs the command line as a user would: `runner(lab, "go", …)` gives the finished process."""

    def run(
        lab: Path, *arguments: str, timeout: float = 300, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "runner", "--lab", str(lab), *arguments],
            capture_output=True, text=True, timeout=timeout, env=environment(tmp_path), **options,
        )  # fmt: skip

    return run


@pytest.fixture
def arena(engine: Any, image: str, tag: str, record_property: Any) -> Iterator[Any]:
    """Runs the attacks of tests/attacks on the box, and sees in the end that nothing of them is left."""
    from attack_lab import Arena

    data = f"autoresearch-data-{tag}"
    engine.api.create_volume(data, labels={"autoresearch.run": f"{tag}-data"})
    arena = Arena(engine, image, tag, data)
    with arena.watched():
        yield arena
    engine.api.remove_volume(data, force=True)
    left = arena.leftovers()
    record_property("leftovers", len(left))
    assert left == []


def with_subject(program: str | bytes, **beside: bytes) -> dict[str, bytes]:
    """A lab's code whose training is `program`, with the lab's train.py beside it as the module `subject`.

    beside: more files of train/, by their names.
    """
    told = program.encode() if isinstance(program, str) else program
    files = {"train/train.py": told, "train/subject.py": (ROOT / "train" / "train.py").read_bytes()}
    files |= {f"train/{name}": content for name, content in beside.items()}
    for path in (ROOT / "prepare" / "__init__.py", *sorted((ROOT / "prepare" / "startup").glob("*.py"))):
        files[str(path.relative_to(ROOT))] = path.read_bytes()
    return files


@contextmanager
def compilers(settings: Any) -> Iterator[tuple[Any, str]]:
    """A sandbox of the image that a GPU's trials have, with compilers and PyTorch's CUDA build; and a tag for it.

    settings: its limits. The image, some gigabytes, is built if it is not there.
    """
    from runner.config import ImageSettings
    from runner.sandbox.box import Sandbox
    from runner.sandbox.engine import Engine
    from runner.sandbox.images import trial_image

    tag = f"bench-{secrets.token_hex(4)}"
    with closing(Engine("")) as engine:
        image = trial_image(engine, ROOT, ImageSettings(), cuda=True, progress=lambda what, share: None)
        sandbox = Sandbox(engine, image, settings, f"autoresearch-{tag}-data")
        sandbox.compiles = True
        engine.api.create_volume(sandbox.data_volume, labels={"autoresearch.run": tag})
        try:
            yield sandbox, tag
        finally:
            for name in filter(None, (sandbox.compiled, sandbox.data_volume)):
                engine.api.remove_volume(name, force=True)
