"""What a scripted model does in a conversation, in words that fit every agent's tools.

A script is a list of steps: `Read`, `Edit`, `Write`, `Shell`, and at the end `Say`. The number of tool results in a
request tells which step is next, so the server keeps no conversation. A step becomes a call of whichever tool the
agent offers for it: the tool's name is one of those known here, its arguments are named as its schema names them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Read:
    path: str


@dataclass(frozen=True)
class Edit:
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Write:
    path: str
    text: str


@dataclass(frozen=True)
class Shell:
    command: str


@dataclass(frozen=True)
class Say:
    text: str


Step = Read | Edit | Write | Shell | Say


@dataclass(frozen=True)
class Tool:
    """A tool that the agent offers. `arguments`: JSON schema of each; None for a tool that takes plain text."""

    name: str
    arguments: Mapping[str, Any] | None
    required: Sequence[str] = ()
    namespace: str = ""


@dataclass(frozen=True)
class Use:
    """A call of one tool; `text` in place of `arguments` for one that takes plain text."""

    name: str
    arguments: Mapping[str, Any]
    text: str = ""
    namespace: str = ""


NAMES: dict[type, tuple[str, ...]] = {
    Read: ("Read", "read_file", "read"),
    Edit: ("Edit", "edit", "edit_file", "replace", "search_replace"),
    Write: ("Write", "write_file", "write"),
    Shell: ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell"),
}
ROLES: dict[str, tuple[str, ...]] = {
    "path": ("file_path", "filePath", "path", "absolute_path"),
    "old": ("old_string", "oldString", "old_str"),
    "new": ("new_string", "newString", "new_str"),
    "text": ("content",),
    "command": ("command", "cmd"),
}

PATIENT = {"yield_time_ms": 30_000}  # how long a shell is waited for before it is left to run


def proposal(work: str, old: str, new: str, note: str) -> list[Step]:
    """One whole proposal in the folder `work`: look, change, look at the empty note and write it, stop.

    Some agents write no file that they have not read.
    """
    train, line = f"{work}/train.py", f"{work}/note.txt"
    return [Read(train), Edit(train, old, new), Read(line), Write(line, note + "\n"), Say(f"Done: {note}")]


def misbehave(commands: Sequence[str], work: str) -> list[Step]:
    """Shell commands one after another, then an honest end without a change."""
    return [*(Shell(command) for command in commands), Write(f"{work}/note.txt", "tried\n"), Say("Done.")]


def call(step: Step, tools: Sequence[Tool]) -> Use | Say:
    """`step` as a call of one of `tools`; text where there is none for it."""
    if isinstance(step, Say):
        return step
    tool = next((t for name in NAMES[type(step)] for t in tools if t.name == name), None)
    if tool is None or tool.arguments is None or not _fits(step, tool):
        patch = next((t for t in tools if t.name == "apply_patch" and t.arguments is None), None)
        if isinstance(step, Edit) and patch:
            return Use("apply_patch", {}, _patch(step))
        code = next((t for t in tools if t.name == "exec" and t.arguments is None), None)
        if isinstance(step, Shell) and code:  # a tool that takes JavaScript, from which others are called
            script = f"text(await tools.exec_command({json.dumps({'cmd': step.command})}))"
            return Use("exec", {}, script, code.namespace)
        if isinstance(step, Shell):
            return Say(f"There is no shell: {step.command}")
        return call(Shell(_in_shell(step)), tools)
    return Use(tool.name, _arguments(step, tool))


def _fits(step: Step, tool: Tool) -> bool:
    arguments = tool.arguments or {}
    return all(any(name in arguments for name in ROLES[role]) for role in vars(step))


def _arguments(step: Step, tool: Tool) -> dict[str, Any]:
    """The step's values under the schema's names, and something harmless for what else is required."""
    schema = tool.arguments or {}
    found: dict[str, Any] = {}
    for role, value in vars(step).items():
        name = next(name for name in ROLES[role] if name in schema)
        kind = schema[name].get("type")
        found[name] = ["bash", "-lc", value] if kind == "array" else value
    for name in PATIENT.keys() & schema.keys():
        found[name] = PATIENT[name]
    for name in tool.required:
        kind = schema.get(name, {}).get("type")
        if name not in found:
            found[name] = schema[name].get("enum", [None])[0] or {
                "boolean": False,
                "integer": 1,
                "number": 1,
            }.get(kind, "as asked")
    return found


def _patch(step: Edit) -> str:
    minus = "".join(f"-{line}\n" for line in step.old.splitlines())
    plus = "".join(f"+{line}\n" for line in step.new.splitlines())
    return f"*** Begin Patch\n*** Update File: {step.path}\n@@\n{minus}{plus}*** End Patch\n"


def _in_shell(step: Read | Edit | Write) -> str:
    """The same by a shell command, for agents that have no tool for it."""
    path = shlex.quote(step.path)
    if isinstance(step, Read):
        return f"cat {path}"
    if isinstance(step, Write):
        return f"printf %s {shlex.quote(step.text)} > {path}"
    old, new = (text.replace("/", "\\/") for text in (step.old, step.new))
    return f"sed -i {shlex.quote(f's/{old}/{new}/')} {path}"


def blocks(steps: Sequence[Step]) -> str:
    """The edits and writes of a script as SEARCH/REPLACE blocks, for agents that edit by text."""
    parts = []
    for step in steps:
        name = step.path.rsplit("/", 1)[-1] if isinstance(step, Edit | Write) else ""
        if isinstance(step, Edit):
            parts.append(f"{name}\n<<<<<<< SEARCH\n{step.old}\n=======\n{step.new}\n>>>>>>> REPLACE\n")
        elif isinstance(step, Write):
            parts.append(f"{name}\n<<<<<<< SEARCH\n=======\n{step.text}>>>>>>> REPLACE\n")
        elif isinstance(step, Say):
            parts.append(step.text)
    return "\n".join(parts)
