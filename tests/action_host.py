"""A small host for a composite action: its steps in order, their scripts by their real shell, with the service's files.

Written after the documentation of the workflow syntax: `bash --noprofile --norc -e -o pipefail FILE`; outputs are read
from the file that GITHUB_OUTPUT names; after a failure only steps with always() go on. Steps that `use` another action
are not run: what they would have been given is kept. What a real service does besides is not here.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from action_expressions import evaluate, fill
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
SHELL = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


@dataclass
class Done:
    """What became of an action. steps: by id or name, the outcome. used: what other actions were given."""

    outputs: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    used: list[dict[str, Any]] = field(default_factory=list)
    summary: str = ""
    log: str = ""

    @property
    def ok(self) -> bool:
        return "failure" not in self.steps.values()


class Host:
    """A job's workspace and its files, under `place`."""

    def __init__(self, place: Path, event: Mapping[str, Any] | None = None, **environment: str) -> None:
        self.workspace = place / "workspace"
        self.temp = place / "runner-temp"
        for folder in (self.workspace, self.temp, place / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        self.files = {
            name: place / name.lower() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH")
        }
        for file in self.files.values():
            file.touch()
        (place / "event.json").write_text(json.dumps(event or {}))
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "DOCKER_HOST", "LANG")}
        self.environment = {
            **kept, "HOME": str(place / "home"), "CI": "true", "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_EVENT_PATH": str(place / "event.json"), "GITHUB_EVENT_NAME": "pull_request",
            "RUNNER_TEMP": str(self.temp), **{k: str(v) for k, v in self.files.items()}, **environment,
        }  # fmt: skip
        self.place = place

    def shell(self, script: str, environment: Mapping[str, str], **options: Any) -> subprocess.Popen[str]:
        """A step's script, started."""
        file = self.place / "step.sh"
        file.write_text(script)
        return subprocess.Popen(
            [*SHELL, str(file)], cwd=self.workspace, env={**self.environment, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options,
        )  # fmt: skip

    def run(self, timeout: float = 120, **given: str) -> Done:
        """The action of this repository with inputs `given` (a dash is written _)."""
        action = read(ROOT / "action.yml")
        names = {name.replace("-", "_"): name for name in action["inputs"]}
        inputs = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        github = {"head_ref": self.environment.get("GITHUB_HEAD_REF", ""), "token": "job-token"}
        context: dict[str, Any] = {"inputs": inputs, "steps": {}, "github": github}
        inputs.update({name: fill(value, context) for name, value in inputs.items()})
        inputs |= {names[name]: value for name, value in given.items()}
        done = Done()
        for step in action["runs"]["steps"]:
            self._step(step, context, done, timeout)
        done.outputs = {name: fill(one["value"], context) for name, one in action["outputs"].items()}
        done.summary = self.files["GITHUB_STEP_SUMMARY"].read_text()
        return done

    def _step(self, step: Mapping[str, Any], context: dict[str, Any], done: Done, timeout: float) -> None:
        name, condition = step.get("id", step["name"]), str(step.get("if", ""))
        wanted = evaluate(condition, context) if condition else True
        if not wanted or (not done.ok and "always()" not in condition):
            done.steps[name] = "skipped"
            return
        if "uses" in step:
            done.used.append({key: fill(value, context) for key, value in step["with"].items()})
            done.steps[name] = "success"
            return
        output = self.place / "output"
        output.write_text("")
        given = {key: fill(value, context) for key, value in step.get("env", {}).items()}
        process = self.shell(fill(step["run"], context), {**given, "GITHUB_OUTPUT": str(output)})
        done.log += process.communicate(timeout=timeout)[0]
        context["steps"][name] = {"outputs": outputs(output.read_text())}
        failed = process.returncode and not step.get("continue-on-error")
        done.steps[name] = "failure" if failed else "success"


def outputs(text: str) -> dict[str, str]:
    """What a step has written into the file of GITHUB_OUTPUT: `name=value`, or `name<<END`, lines, `END`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if "<<" in line and "=" not in line.split("<<")[0]:
            name, end = line.split("<<", 1)
            value = []
            for inner in lines:
                if inner == end:
                    break
                value.append(inner)
            found[name] = "\n".join(value)
        elif line:
            name, _, rest = line.partition("=")
            found[name] = rest
    return found
