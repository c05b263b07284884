"""Prints docs/commands.md: the help of every command. `python docs/commands.py > docs/commands.md`."""

import click

from runner.cli import cli

WIDTH = 96


def page() -> str:
    parts = ["# Commands\n", "Made from `--help` by `docs/commands.py`; a test sees that it is current.\n"]
    for name, command in [("", cli), *sorted(cli.commands.items())]:
        title = f"runner {name}".strip()
        context = click.Context(command, info_name=title, max_content_width=WIDTH, terminal_width=WIDTH)
        parts.append(f"## {context.info_name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
