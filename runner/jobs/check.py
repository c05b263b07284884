"""`runner check`: what a person reads before the first night. The machine, what holds trials, and the data.

Looks and changes nothing but the engine's data volume, which it fills as `runner go` would. The containers that it
looks into are made from the specs of trials; see `sandbox/inside.py`.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace

import click

from runner import assemble, data
from runner.errors import InfraError, MissingError, RunnerError
from runner.jobs import check_data, check_machine
from runner.lab import Lab
from runner.report.text import clean
from runner.sandbox import gpu_facts, inside, owner, torch_on_gpu, volumes
from runner.sandbox.box import Sandbox
from runner.sandbox.build import image_id
from runner.sandbox.engine import Engine
from runner.sandbox.finding import DIFFERS, MISSING, NOTE, OK, Finding, finding
from runner.sandbox.images import image_name
from runner.sandbox.reaper import swept
from runner.sandbox.training_data import data_volume
from runner.turn import turn

COLOURS = {OK: "green", NOTE: "yellow", DIFFERS: "red", MISSING: "red"}


@dataclass
class Page:
    """The findings by section, in the order in which they are shown."""

    machine: list[Finding] = field(default_factory=list)
    train: list[Finding] = field(default_factory=list)
    model: list[Finding] = field(default_factory=list)
    data: list[Finding] = field(default_factory=list)

    @property
    def all(self) -> list[Finding]:
        return [*self.machine, *self.train, *self.model, *self.data]

    @property
    def good(self) -> bool:
        return not any(found.state in (DIFFERS, MISSING) for found in self.all)


def check(lab: Lab, *, as_json: bool) -> bool:
    """Looks, prints a page or one JSON object; whether nothing is missing and no wall differs."""
    page = look(lab)
    if as_json:
        click.echo(json.dumps({"ok": page.good, **asdict(page)}))
    else:
        for line in lines(page, shutil.get_terminal_size((110, 50)).columns):
            click.echo(line)
    return page.good


def look(lab: Lab) -> Page:
    """Everything that can be found out; an engine that is not there, or fails, is a finding too."""
    page = Page(machine=list(check_machine.tools(lab)))
    try:
        with swept(Engine(lab.settings.engine.url, lab.settings.engine.seccomp)) as engine:
            page.machine += check_machine.engine(engine, lab.settings.trial)
            _trials(lab, engine, page)
    except RunnerError as error:
        page.machine.append(finding("engine", MISSING, "one that works", error.what, error.advice))
    return page


def _trials(lab: Lab, engine: Engine, page: Page) -> None:
    try:
        gpu = assemble.choose_gpu(lab.settings.trial.device)
    except MissingError:
        gpu = None  # said above
    name = image_name(lab.root, lab.settings.image, cuda=gpu is not None)
    image = image_id(engine, name)
    built = f"built, {name}" if image else "not built"
    advice = "runner go builds it; to see more here, first: runner build"
    page.machine.append(finding("image", OK if image else NOTE, "built", built, advice))
    try:
        manifest = data.load(lab.root)
        made = f"made, {manifest.source}, {manifest.tokens['train']:,} tokens to train on"
        page.machine.append(finding("data", OK, "made", made))
    except MissingError as error:
        manifest = None
        page.machine.append(
            finding("data", NOTE, "made", error.what, "runner go makes them, or: runner prepare")
        )
    if not image:
        page.train.append(
            finding("isolation", NOTE, "seen", "not looked at: there is no image", "runner build")
        )
        return
    try:
        access = gpu_facts.access(engine, gpu, lab.settings.trial.gpu_access)
    except MissingError:
        page.train.append(
            finding("isolation", NOTE, "seen", "not looked at: the GPU cannot be passed, see above")
        )
        return
    sandbox = Sandbox(engine, image, lab.settings.trial, "", access)
    with _volume(lab, sandbox, manifest) as volume:
        sandbox.data_volume = volume
        size = sum(path.stat().st_size for path in data.public_files(lab.root)) if manifest else 0
        seen = inside.stages(sandbox, lab.prepare_files(), whole=True, data_bytes=size)
        page.train, page.model = (list(one.findings) for one in seen)
        if gpu:
            page.train.append(_torch(lab, sandbox, gpu.driver))
        if manifest:
            page.data += check_data.visible(lab, seen[0].view, inside.program(whole=True))
            page.data.append(check_data.model_sees_none(seen[1].view))
            page.data.append(check_data.runs(lab, sandbox))


def _torch(lab: Lab, sandbox: Sandbox, driver: str) -> Finding:
    """Whether PyTorch computes on the GPU; not asked while somebody trains there, whose training it would disturb."""
    with ExitStack() as stack:
        if lab.settings.trial.takes_turns(gpu=True):
            said: list[str] = []
            try:
                stack.enter_context(turn(sandbox.turns, "runner check", said.append, stopped=lambda: True))
            except InfraError:
                if not said:  # no turn can be had at all
                    raise
                why = f"not looked at: {', '.join(said)}"
                return finding(
                    torch_on_gpu.NAME, NOTE, torch_on_gpu.WANTED, why, "runner check, when it is free"
                )
        return torch_on_gpu.look(sandbox, driver)


@contextmanager
def _volume(lab: Lab, sandbox: Sandbox, manifest: data.Manifest | None) -> Iterator[str]:
    """The lab's data volume, filled; an empty one for this look where there are no data."""
    if manifest:
        yield data_volume(sandbox.engine, sandbox.image, manifest.digest, data.public_files(lab.root))
        return
    labels = owner.labels("check", "data", 600)
    with ExitStack() as stack:
        name = f"autoresearch-check-{labels['autoresearch.deadline']}-{id(sandbox):x}"
        yield stack.enter_context(
            volumes.memory_volume(sandbox.engine, name, 1, 16, labels, payload_owns=False)
        )


def lines(page: Page, width: int) -> Iterator[str]:
    """The page as lines of text: one a finding, more where something is to be done."""
    for title, found in (
        ("Machine", page.machine),
        ("A trial's containers, seen from within", merged(page.train, page.model)),
        ("Data", page.data),
    ):
        if found:
            yield click.style(title, bold=True)
            for one in found:
                yield from _line(one, width)
    bad = [one for one in page.all if one.state in (DIFFERS, MISSING)]
    if bad:
        yield click.style(f"Not ready: {', '.join(dict.fromkeys(one.name for one in bad))}", fg="red")
    elif not page.model:
        yield "Nothing is wrong so far; what holds trials was not looked at."
    else:
        yield click.style("Ready.", fg="green")


def merged(train: list[Finding], model: list[Finding]) -> list[Finding]:
    """Findings of both containers: one line where they say the same, else one each, named."""
    others = {found.name: found for found in model}
    result = []
    for one in train:
        other = others.pop(one.name, None)
        if other is None or (other.state, other.found) == (one.state, one.found):
            result.append(one)
        else:
            result += [replace(one, name=f"{one.name}, train"), replace(other, name=f"{other.name}, model")]
    return result + list(others.values())


def _line(one: Finding, width: int) -> Iterator[str]:
    found, room = clean(one.found).replace("\n", " "), max(width - 33, 40)
    if one.state == OK:
        shown = found if len(found) <= room else f"{found[: room - 1]}…"
        yield f"{click.style(f'{one.state:8}', fg=COLOURS[OK])}{one.name:24} {shown}"
        return
    first, *rest = textwrap.wrap(found, room) or [""]
    yield f"{click.style(f'{one.state:8}', fg=COLOURS[one.state])}{one.name:24} {first}"
    if one.state != NOTE and one.expected:
        rest += textwrap.wrap(f"expected: {clean(one.expected)}", room)
    for line in [*rest, *(part for said in one.advice.splitlines() for part in textwrap.wrap(said, room))]:
        yield f"{'':32} {line}".rstrip()
