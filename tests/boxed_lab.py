"""What tests of boxed agents share: visits that never took place, and a box that hands them out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

from runner.agents.boxed import BoxedAgent
from runner.agents.recipe import find
from runner.config import AgentSettings
from runner.sandbox.task import Task, Visit
from runner.sandbox.traffic import Traffic
from runner.trial import History

SOURCE = b"LR = 0.04\nprint(LR)\n"
BETTER = b"LR = 0.05\nprint(LR)\n"
HISTORY = History("demo", (), SOURCE, "Be bold.", 1)
KEY = "sk-the-users-own"
GOOD = Traffic(requests=3, answered=3, tokens_in=3000, tokens_out=200)


def left(
    train: bytes | str = BETTER,
    note: bytes | str = b"LR up\n",
    traffic: Traffic = GOOD,
    said: str = "Done.",
    **more: Any,
) -> Visit:
    """A visit of Claude Code that went well, but for what is given."""
    report = f'{{"type": "result", "session_id": "s", "result": "{said}", "total_cost_usd": 0.01}}'
    visit = Visit(
        exit_code=0, stopped="", oom=False, seconds=2.0, setup_seconds=0.4, stdout=report.encode(), stderr=b"",
        output_bytes=len(report), files={"/task/train.py": train, "/task/note.txt": note}, traffic=traffic,
    )  # fmt: skip
    return replace(visit, **more)


@dataclass
class FakeBox:
    """A `Box` in which nothing runs. tasks: what it was asked to do."""

    visits: list[Visit]
    tasks: list[Task] = field(default_factory=list)

    def visit(self, tag: str, proposal: str, task: Task, cancelled: threading.Event | None = None) -> Visit:
        self.tasks.append(task)
        return self.visits.pop(0)


def boxed(*visits: Visit, settings: AgentSettings | None = None, **more: Any) -> tuple[BoxedAgent, FakeBox]:
    """Claude Code in a box that has `visits` to give, one a proposal."""
    recipe, box = find("claude-code"), FakeBox(list(visits))
    agent = BoxedAgent(
        recipe=recipe, settings=settings or AgentSettings(name="claude-code"), box=box, key=recipe.api.keys[0],
        secret=KEY, prepare_files={"prepare/__init__.py": b""}, sample=b"Once", source_limit=4096,
        log_tail=lambda number: "", **more,
    )  # fmt: skip
    return agent, box
