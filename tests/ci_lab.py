"""A small repository with a lab for tests of `runner ci`, results as a job makes them, and hostile texts."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import conftest
import factories

from runner.ci import event, gate
from runner.ci.result import Result, Side, Training
from runner.evaluate import Job
from runner.relay import Silent
from runner.trial import Attempt, Ending, Pins, digest

BASE = "import math\n\nWIDTH = 16\nLR = 0.03\n"
BETTER, WORSE, CRASHES = (
    "import math\n\nLR = 0.03\n",
    f"{BASE}DEPTH = 2  # more\nMORE = 1\n",
    f"{BASE}crash = True\n",
)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</details></summary><h1>merged</h1>",
    "![x](https://evil.example/x.png)",
    "[click](https://evil.example) <https://evil.example>",
    "https://evil.example/?q=1 www.evil.example a@evil.example",
    "@maintainers please merge, fixes #1, owner/repo#2, deadbeefdeadbeef",
    "`a` ``b`` ```c``` ````d````",
    "```\n</details>\n# Better\n```",
    "~~~\n# Better\n~~~",
    "a | b | c\n| --- | --- |\n| x | y |",
    "\\`<b>\\`",
    "$(touch /tmp/x) `id` ; rm -rf ~ && ${{ secrets.TOKEN }}",
    "::error file=a,line=1::gone\n::set-output name=verdict::better\n  ::add-mask::e\n##[error]x\n##[group]y",
    "x\nverdict<<EOF\nbetter\nEOF\nverdict=better",
    "\x1b[2J\x1b]0;title\x07 \u202egnp.exe \u2066x\u2069 \u200b\x00\x08",
    "[ref]: https://evil.example\n\n[ref]\n\n[^1]: note\n\n- [x] done\n\n# Title\n===\n",
    "&lt;b&gt; &amp; &#60;i&#62; <!-- --> <?php ?> <![CDATA[x]]>",
    "$`x`$ $$x$$ :tada: ==x== <details open>",
    "`",
    "",
    "A" * 5000,
    "\r\n" * 50 + "end",
)


class Repository:
    """A git repository with a lab in `prefix`; `main` holds the base."""

    def __init__(self, top: Path, prefix: str = "") -> None:
        self.top, self.prefix = top, prefix
        self.lab = top / prefix
        self._environment = conftest.environment(top.parent)
        self.lab.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        for name, content in {
            "runner.toml": '[data]\nsource = "text:texts"\n',
            "program.md": "Be brief.\n",
            "Dockerfile": "FROM scratch\n",
            "prepare/__init__.py": "",
            "images/trial.txt": "numpy\n",
            "texts/a.txt": "Once upon a time.\n",
            "train/train.py": BASE,
        }.items():
            self.write(prefix + name, content)
        self.write("README.md", "A lab.\n")
        self.base = self.commit("the lab")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.top, check=True, env=self._environment, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, path: str, content: str | bytes) -> None:
        target = self.top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str) -> str:
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def head(self, train: str | None = BETTER, since: str = "main") -> str:
        """A commit on a branch of its own that changes train.py, checked out."""
        self.git("switch", "-q", "--detach", since)
        if train is not None:
            self.write(self.prefix + "train/train.py", train)
        return self.commit("a change")

    def look(self, head: str, **environment: str) -> tuple[gate.Gate, bool]:
        return gate.look(self.lab, event.Asked(["main"], [head]), {}, environment)


class Quiet(Silent):
    """A Watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


class Lengths:
    """A Trainer without an engine: the score follows from a source's length, with noise.

    shift: added to every score, as a machine that has become slower does. stop: raised before the training of this
    number, counted from 0. trained: what was trained, in order.
    """

    def __init__(
        self, shift: float = 0.0, stop: tuple[int, BaseException] | None = None, seed: int = 1
    ) -> None:
        self.trained: list[bytes] = []
        self._rng, self._shift, self._stop = random.Random(seed), shift, stop

    def attempt(self, job: Job) -> Attempt:
        if self._stop and len(self.trained) == self._stop[0]:
            raise self._stop[1]
        self.trained.append(job.source)
        if b"crash" in job.source:
            return factories.attempt(None, job.seed, Ending.CRASH, "train.py ended with exit code 3")
        if job.checkpoint:
            job.checkpoint.write_bytes(b"a checkpoint")
        return factories.attempt(2 + self._shift + len(job.source) / 100 + self._rng.gauss(0, 0.001), job.seed)

    def floor(self) -> float:
        return 0.5

    def sample(
        self, tag: str, source: bytes, checkpoint: Path, prompts: Any, count: int, temperature: float, seed: int
    ) -> list[str]:
        return [f"{prompt} {digest(source)[:8]}" for prompt in prompts]


PINS = Pins(prepare="a" * 64, data="b" * 64, image="sha256:" + "c" * 64, scoring="d" * 64, settings="e" * 64)
MACHINE = {
    "engine": {"name": "docker", "version": "20.10"},
    "gpu": {"uuid": "GPU-1", "name": "NVIDIA H200", "memory_mb": 143771, "driver": "550.54"},
    "cpu": "Some CPU",
    "cores": 16,
    "python": "3.11",
}


def hostile(said: str) -> Result:
    """A refusal in which every text of others is `said`."""
    attempt = factories.attempt(None, 7, Ending.CRASH, said)
    scored = factories.attempt(2.5, 8)
    return Result(
        "refused", "failed", said, 1,
        base=Side(said, "a" * 40, "b" * 64),
        head=Side(said, "c" * 40, "d" * 64),
        request=event.Request("pull_request", 7, said, said, said, fork=True),
        refused=((said, said),), outside=((said, "added"),), gate=((said, "changed"),), record=(said, said),
        trainings=(Training("head", attempt, False, False), Training("base", scored, True, True)),
        val_bpb=2.5, base_bpb=2.6, interval=(-0.2, 0.1), numbers={"sigma": 0.01, "df": 4.0}, rule=said,
        budget_seconds=300, pins=PINS, machine={"cpu": said, "gpu": {"name": said, "driver": said}},
        samples=({"prompt": said, "base": said, "head": said},), remembered=said, messages=(said,), diff=said,
        log=said.encode("utf-8", "replace"), train_path=said or "train/train.py",
    )  # fmt: skip
