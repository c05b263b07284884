"""What is written is true: every command is documented, and the README's commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from runner.cli import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
REFERENCE = ROOT / "docs" / "commands.md"


def test_every_command_is_in_the_readme() -> None:
    missing = [name for name in cli.commands if f"runner {name}" not in README]
    assert not missing


def test_the_command_reference_is_what_help_says() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "commands.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert REFERENCE.read_text() == done.stdout, "make it anew: python docs/commands.py > docs/commands.md"


def test_every_command_has_help_and_those_with_arguments_an_example() -> None:
    for name, command in cli.commands.items():
        assert command.help, name
        if any(isinstance(p, click.Argument) and p.required for p in command.params) and name not in (
            "show",
            "diff",
        ):
            assert f"runner {name}" in command.help, name


def shell_lines() -> list[str]:
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("runner ")]


@pytest.mark.parametrize("line", shell_lines())
def test_a_command_line_of_the_readme_is_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    name = words[0]
    assert name in cli.commands
    command = cli.commands[name]
    command.make_context(name, words[1:], resilient_parsing=False)


def test_the_links_of_readme_and_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tests_and_benchmarks_that_are_named_are_there() -> None:
    """A figure's command is worth what it can be repeated by."""
    text = README + "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
    named = {name.rstrip(".") for name in re.findall(r"\btests/[\w/*.-]+", text)}
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(ROOT.glob(name))] == []


def test_help_is_there_at_once_without_the_heavy_libraries() -> None:
    program = (
        "import sys; from runner.cli import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'docker', 'git', 'optuna', 'matplotlib', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
