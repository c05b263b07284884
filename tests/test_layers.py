"""The house keeps its walls: pure modules stay pure, and each library of the world has one owner."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[1] / "runner"
OWNERS = {"docker": {"sandbox"}, "requests": {"fetch", "sandbox"}, "urllib3": {"fetch"}, "git": {"record"},
          "pynvml": {"machine"}, "optuna": {"agents"}, "matplotlib": {"report"}, "mlflow": {"track"},
          "wandb": {"track"}, "tensorboard": {"track"}, "pyarrow": set()}  # fmt: skip
NOUNS = {"runner.trial", "runner.errors", "runner.config"}
PURE = {"ratchet": "runner.ratchet", "scoring": "runner.scoring"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    found = sorted(RUNNER.rglob("*.py"))
    assert len(found) > 30
    return found


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_each_library_of_the_world_has_one_owner(library: str) -> None:
    users = {
        path.relative_to(RUNNER).parts[0]
        for path in modules()
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert users == OWNERS[library]


def test_parquet_is_read_by_one_module_that_no_container_imports() -> None:
    prepare = RUNNER.parent / "prepare"
    users = {
        path.name for path in prepare.rglob("*.py") if "pyarrow" in {n.split(".")[0] for n in imports(path)}
    }
    assert users == {"parquet.py"}
    for entry in ("__init__.py", "model_host.py"):
        assert not {name for name in imports(prepare / entry) if "parquet" in name or "build" in name}


def test_only_the_making_of_data_downloads() -> None:
    users = {
        str(path.relative_to(RUNNER))
        for path in modules()
        if any(name.startswith("runner.fetch") for name in imports(path)) and path.parent.name != "fetch"
    }
    assert users == {"data.py"}


def test_click_is_where_commands_are_and_nowhere_else() -> None:
    users = {
        path.relative_to(RUNNER).parts[0]
        for path in modules()
        if "click" in {name.split(".")[0] for name in imports(path)}
    }
    assert users == {"cli", "jobs"}


@pytest.mark.parametrize("package", sorted(PURE))
def test_pure_packages_import_nouns_and_themselves_only(package: str) -> None:
    paths = sorted((RUNNER / package).rglob("*.py"))
    assert paths
    for path in paths:
        ours = {name for name in imports(path) if name.split(".")[0] == "runner" and name != "runner"}
        strange = {
            n for n in ours if not n.startswith(PURE[package]) and ".".join(n.split(".")[:2]) not in NOUNS
        }
        assert not strange, f"{path.name} imports {strange}"


@pytest.mark.parametrize("module", ["spec", "gpu_words", "payloads"])
def test_the_spec_is_pure(module: str) -> None:
    pure = ("runner.config", "runner.sandbox.spec", "runner.sandbox.gpu_words")
    world = {
        name for name in imports(RUNNER / "sandbox" / f"{module}.py")
        if name.startswith(("runner.", "docker", "requests"))
        and name != "runner.sandbox" and not name.startswith(pure)
    }  # fmt: skip
    assert not world


@pytest.mark.parametrize("noun", ["trial.py", "usage.py", "errors.py", "config/*.py"])
def test_nouns_import_nothing_of_ours_but_errors(noun: str) -> None:
    paths = list(RUNNER.glob(noun))
    assert paths
    ours = {name for path in paths for name in imports(path) if name.startswith("runner")}
    own = f"runner.{noun.split('/')[0]}."
    assert {name for name in ours if not name.startswith(own)} <= {"runner.errors", "runner.errors.UsageError"}


@pytest.mark.parametrize("module", ["loop", "asking", "parts"])
def test_the_loop_knows_no_world(module: str) -> None:
    ours = {name for name in imports(RUNNER / f"{module}.py") if name.startswith("runner.")}
    assert not {
        n for n in ours if n.split(".")[1] in ("sandbox", "record", "report", "machine", "scoring", "evaluate")
    }


def test_nothing_that_decides_or_proposes_knows_of_the_holdout() -> None:
    deciding = [RUNNER / "loop.py", RUNNER / "asking.py", RUNNER / "run.py"]
    for path in (*deciding, *(RUNNER / "ratchet").rglob("*.py"), *(RUNNER / "agents").rglob("*.py")):
        assert "holdout" not in path.read_text(), path.name
