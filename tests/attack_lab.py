"""What the tests of attacks share: an attack is run in its box, a container of the next stage tells what it finds, and
the host is searched for what was left.

What an attack managed it says itself (`attacks/prepare.py`); everything else is seen from outside: by the engine,
by `/proc` and `/sys` of the host, and by `attacks/inspector.py` in a fresh container.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config import TrialSettings
from runner.sandbox import volumes
from runner.sandbox.box import Box, Sandbox
from runner.sandbox.evidence import MemoryWatch
from runner.trial import Ending, Outcome

ATTACKS = Path(__file__).parent / "attacks"
SMALL = {"memory_mb": 256, "pids": 64, "out_mb": 8, "out_files": 64, "tmp_mb": 8, "shm_mb": 8, "log_kb": 64}
EMPTY = "train/train.py"


# How the control groups are called that hold a process of Podman's own and nothing else.
CONMONS = "libpod-conmon-"


@dataclass(frozen=True)
class Want:
    """How an attack must end. refused: how many of its attempts, all of them being refused; numbers: what it
    counted itself, from and to; settings: of its box, where the small ones do not fit."""

    ending: Ending
    refused: int = 0
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    budget: float = 20.0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What became of an attack. after: what the next stage found."""

    outcome: Outcome
    log: bytes
    after: dict[str, Any]
    sent: dict[str, str]  # path in /lab: digest of what was put there

    def lines(self, word: str) -> list[str]:
        return [
            x[len(word) + 1 :]
            for x in self.log.decode("utf-8", "replace").split("\n")
            if x.startswith(f"{word} ")
        ]

    @property
    def numbers(self) -> dict[str, float]:
        return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in self.lines("number"))}


class Arena:
    """Boxes of one test on one engine."""

    def __init__(self, engine: Any, image: str, tag: str, data: str) -> None:
        self.engine, self.image, self.tag, self.data = engine, image, tag, data
        self.ids: list[str] = []  # of every container that this test makes, by the engine's own record
        self.told: dict[str, Any] = {}  # HOSTS, PORT, ABSTRACT of attacks/prepare.py

    @contextmanager
    def box(self, train: bytes, **settings: Any) -> Iterator[Box]:
        sandbox = Sandbox(self.engine, self.image, TrialSettings(**{**SMALL, **settings}), self.data)
        with sandbox.box(self.tag, "0001", volumes.archive(self.files(train), ("data",)), 120) as box:
            yield box

    def files(self, train: bytes) -> dict[str, bytes]:
        prepare = (ATTACKS / "prepare.py").read_bytes()
        prepare += "".join(f"{name} = {value!r}\n" for name, value in self.told.items()).encode()
        inspector = (ATTACKS / "inspector.py").read_bytes()
        return {"prepare/__init__.py": prepare, "prepare/model_host.py": inspector, "train/train.py": train}

    def attack(
        self,
        name: str,
        want: Want,
        on_tick: Callable[[float, MemoryWatch], None] | None = None,
        then: Callable[[Box], None] | None = None,
    ) -> Seen:
        """Runs tests/attacks/`name`.py, then `then` while its box lives."""
        train = (ATTACKS / f"{name}.py").read_bytes()
        with self.box(train, **want.settings) as box:
            trained = box.train(want.budget, 42, on_tick=on_tick)
            after = look(box)
            if then:
                then(box)
        sent = {path: hashlib.sha256(content).hexdigest() for path, content in self.files(train).items()}
        return Seen(trained.outcome, trained.log, after, sent)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Has the engine tell of every container while it lasts; what it remembers afterwards is short."""
        wanted = {"type": ["container"], "event": ["create"], "label": [f"autoresearch.run={self.tag}"]}
        events = self.engine.api.events(filters=wanted, decode=True)

        def listen() -> None:
            with suppress(Exception):  # closing the stream ends it in one of several ways
                for event in events:
                    self.ids.append(event["Actor"]["ID"])

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield
        finally:
            events.close()
            listener.join(10)

    def leftovers(self) -> list[str]:
        """Containers, volumes, mounts, processes, control groups and files that are still there."""
        api, ids = self.engine.api, self.ids
        assert len(ids) > 1, "the engine tells of no containers: the search would find nothing"
        left = [c["Names"][0] for c in api.containers(all=True) if self.tag in c["Names"][0] or c["Id"] in ids]
        left += [v["Name"] for v in api.volumes().get("Volumes") or [] if self.tag in v["Name"]]
        left += marked(Path("/proc/self/mountinfo").read_text().splitlines(), [self.tag, *ids])
        # Of each look into a keeper Podman's own two stay for five minutes: docs/security.md, "What is not promised".
        theirs, folder = ("conmon", CONMONS) if self.engine.info.name == "podman" else ("", "")
        left += processes([self.tag, *ids], but=theirs)
        tops = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
        places = [
            top / name for top in tops for name in ("docker", "libpod_parent", "machine.slice", "system.slice")
        ]
        root = Path(api.info()["DockerRootDir"])
        places += [root / "containers", root / "overlay-containers", root / "volumes", Path("/tmp")]
        places += [Path("/run/docker/containerd/daemon"), Path("/run/containers/storage/overlay-containers")]
        for place in places:
            if os.access(place, os.R_OK) and place.is_dir():
                named = marked(os.listdir(place), [self.tag, *ids])
                left += [f"{place}/{name}" for name in named if not (folder and name.startswith(folder))]
        return left


def processes(marks: list[str], but: str = "") -> list[str]:
    """The processes of this machine that one of `marks` is in the control groups or the command line of.

    but: a program whose command line does not count, nor does the control group that systemd makes for it alone.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ")
            own = (process / "comm").read_text().strip()
            texts = [*(process / "cgroup").read_text().splitlines(), words]
            if own == but:
                texts = [text for text in texts[:-1] if f"/{CONMONS}" not in text]
        except OSError:
            continue  # it has ended meanwhile
        found += [f"process {process.name} {own}: {text}" for text in marked(texts, marks)]
    return found


def groups(container: str) -> list[Path]:
    """The folders of a living container's control groups, where this machine's engine has them in a usual place."""
    tops = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    found = [
        top / place
        for top in tops
        for place in (f"docker/{container}", f"system.slice/docker-{container}.scope",
                      f"libpod_parent/libpod-{container}", f"machine.slice/libpod-{container}.scope")
    ]  # fmt: skip
    return [folder for folder in found if (folder / "pids.current").exists()]


def marked(texts: list[str], marks: list[str]) -> list[str]:
    return [text for text in texts if any(mark in text for mark in marks)]


def look(box: Box) -> dict[str, Any]:
    """What a container of the next stage finds in `box`."""
    with box.channel("look", 20) as channel:
        deadline = time.monotonic() + 20
        size = int(channel.receive(8, deadline))
        seen: dict[str, Any] = json.loads(channel.receive(size, deadline))
        return seen


def contained(seen: Seen, want: Want) -> None:
    """It failed, it was classed right, and the next stage finds the lab as it was and nothing else."""
    assert seen.lines("GOT") == []
    assert len(seen.lines("refused")) == want.refused, seen.log.decode("utf-8", "replace")
    assert seen.outcome.ending is want.ending, (seen.outcome, seen.log[-2000:])
    for name, (least, most) in want.numbers.items():
        assert least <= seen.numbers[name] <= most, name
    clean_stage(seen.after, seen.sent)


def clean_stage(after: dict[str, Any], sent: Mapping[str, str]) -> None:
    files = {path: about for path, about in after["lab"].items() if about[0].startswith("-")}
    assert {path: about[4] for path, about in files.items()} == dict(sent)
    assert {tuple(about[:2]) for about in after["lab"].values()} <= {("drwxr-xr-x", 0), ("-rw-r--r--", 0)}
    assert set(after["lab"]) - set(files) == {"data", "prepare", "train"}
    assert after["elsewhere"] == []
    assert after["messages"] == []
    assert after["sockets"] == []
    assert after["processes"] == [1, after["me"]]
    assert [
        m
        for m in after["modules"]
        if not m.startswith(("/usr/lib/python", "/usr/local/lib/python", "/opt/lab/"))
    ] == ["/lab/prepare/model_host.py"]
