"""The steps by which `prove.py` proves a machine with a GPU, each told by rows of its table.

Everything is done by the product's own parts. What would speak of a GPU says where none was looked at, and seconds are
judged only where there is one.
"""

from __future__ import annotations

import platform
import re
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner import assemble
from runner.evaluate import Evaluator, Job
from runner.jobs import check
from runner.machine.gpu import ask, memory
from runner.relay import Silent
from runner.sandbox import volumes
from runner.sandbox.box import Trained
from runner.sandbox.engine import Engine
from runner.sandbox.finding import OK
from runner.trial import Attempt, Ending

HERE = Path(__file__).parent
MEMORY_BACK_MB = 64  # a GPU whose use is within this of what it was before has its memory back
BACK_SECONDS = 30.0
SPEED_SECONDS = 120.0  # at the most, of a training that reads without an end, for its speed
OUTSIDE_SHARE = 0.03  # of 360 s: a trial outside its budget, scoring included
NONE = "not looked at: a rehearsal on the CPU"


@dataclass(frozen=True)
class Row:
    """One line of the table. good: None where there is nothing to reach."""

    what: str
    found: str
    aim: str = ""
    good: bool | None = None


class Memory:
    """Memory in use on the assigned GPU, in MiB, and who uses it; by NVML, from outside. uuid empty: no GPU."""

    def __init__(self, uuid: str) -> None:
        self._nvml = self._handle = None
        if uuid:
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)

    def used_mb(self) -> float | None:
        """None where it is not told, as of a GPU that shares the machine's memory."""
        told = memory(self._nvml, self._handle) if self._handle else None
        return None if told is None else told.used / (1 << 20)

    def processes(self) -> frozenset[int]:
        listed = ask(self._nvml, "nvmlDeviceGetComputeRunningProcesses", self._handle) if self._handle else ()
        return frozenset(int(one.pid) for one in listed or ())


class Proof:
    """The steps, in the order of the table."""

    def __init__(self, shop: assemble.Workshop, budget: float, honest: int) -> None:
        self.shop, self.budget, self.honest = shop, budget, honest
        self.gpu = shop.gpu
        self.tag = f"gpu-{secrets.token_hex(4)}"
        self.folder = shop.lab.root / "proof"
        self.memory = Memory(shop.gpu.uuid if shop.gpu else "")
        self.evaluator = Evaluator(shop.lab, shop.sandbox, Silent())

    def rows(self) -> Iterator[Row]:
        yield from self.machine()
        yield from self.inside()
        yield from self.kill()
        yield from self.subject()
        yield self.honest_models()
        yield self.left()

    def machine(self) -> Iterator[Row]:
        info = self.shop.engine.info
        yield Row("date", datetime.now(UTC).strftime("%Y-%m-%d"))
        yield Row(
            "GPU",
            f"{self.gpu.name}, {self.gpu.memory_mb:,} MiB, driver {self.gpu.driver}" if self.gpu else NONE,
        )
        yield Row(
            "engine", f"{info.name} {info.version}, kernel {info.kernel}, Python {platform.python_version()}"
        )
        labels = self.shop.engine.api.inspect_image(self.shop.sandbox.image)["Config"]["Labels"] or {}
        own = labels.get("autoresearch.own")  # the version of PyTorch, as `offline.py` found it there
        named = (self.shop.lab.root / "images" / "trial.txt").read_text().split()[0]
        yield Row(
            "image", f"not built: this machine's own system with PyTorch {own}" if own else f"built, {named}"
        )

    def inside(self) -> Iterator[Row]:
        """What `runner check` sees: the walls, and which GPUs are there within."""
        page = check.look(self.shop.lab)
        seen = [*page.train, *page.model]
        wrong = [
            found for found in page.all if found.state == "differs" or (found in seen and found.state != OK)
        ]
        told = f"{sum(f.state == OK for f in seen)} of {len(seen)} as asked" + "".join(
            f"; {f.name}: {f.found}" for f in wrong
        )
        yield Row("walls of the containers, from within", told, "none differs", not wrong)
        gpus = [f for f in seen if "gpu" in f.name.lower()]
        found = "; ".join(sorted({f.found for f in gpus})) or "nothing was said of it"
        good = bool(gpus) and all(f.state == OK for f in gpus)
        yield Row("GPUs seen from within", found, "the assigned one" if self.gpu else "none", good)

    def kill(self) -> Iterator[Row]:
        """A program that fills the GPU and does not end, killed at its deadline."""
        others, before, peak = self.memory.processes(), self.memory.used_mb(), [0.0]
        code = volumes.archive({"train/train.py": (HERE / "hold.py").read_bytes()}, ("data",))

        def tick(seconds: float, watch: Any) -> None:
            peak[0] = max(peak[0], self.memory.used_mb() or 0.0)

        with self.shop.sandbox.box(self.tag, "kill", code, 120) as box:
            trained = box.train(min(12.0, self.budget), 1, on_tick=tick)
            gone = time.monotonic()
            while (self.memory.used_mb() or 0.0) > (before or 0.0) + MEMORY_BACK_MB:
                if time.monotonic() - gone >= BACK_SECONDS:
                    break
                time.sleep(0.02)
            back = time.monotonic() - gone
        late = trained.outcome.overrun_seconds
        held = trained.outcome.ending is not Ending.CRASH and b"holding" in trained.log
        yield Row("a busy training ends by its kill", str(trained.outcome.ending), "not by itself", held)
        yield self._seconds("kill, after its deadline", f"{late:.2f} s", "0.5 s", late < 0.5)
        if not self.gpu:
            yield Row("GPU memory back", NONE)
            return
        if before is None:
            yield Row("GPU memory back", "the device does not tell")
        else:
            held_mb = peak[0] - before
            told = f"{back:.2f} s after the container was gone; it held {held_mb:,.0f} MiB"
            filled = held_mb > 0.5 * (self.gpu.memory_mb - before)
            yield Row("GPU memory back", told, f"{BACK_SECONDS:g} s", back < BACK_SECONDS and filled)
        left = self.memory.processes() - others
        yield Row("processes on the GPU then that were not there before", str(len(left)), "0", not left)

    def subject(self) -> Iterator[Row]:
        """The lab's train.py, one whole trial; and again as on text without an end, for its speed."""
        source = (self.shop.lab.root / "train" / "train.py").read_bytes()
        attempt = self._attempt(1, source)
        outcome, score = attempt.outcome, attempt.score
        if score is None:
            yield Row("train.py", self._how(1, attempt), "ok", False)
            return
        found = f"{score.val_bpb:.4f} on {self._source()}, after {outcome.train_seconds:.0f} s"
        if outcome.marks:
            found += f"; marked: {', '.join(outcome.marks)}"
        yield Row(f"val_bpb of train.py in {self.budget:g} s", found)
        yield from self._speed(source, attempt)
        outside = attempt.wall_seconds - outcome.train_seconds
        told = f"{outside:.1f} s, of them {score.seconds:.1f} s scoring {score.tokens:,} tokens twice"
        part = outside / 360
        yield self._seconds(
            "a trial outside its budget",
            f"{told}; {part:.1%} of 360 s",
            f"{OUTSIDE_SHARE:.0%}",
            part < OUTSIDE_SHARE,
        )

    def _speed(self, source: bytes, attempt: Attempt) -> Iterator[Row]:
        """Of short text a training makes small batches, and ends early; then one more reads it without an end."""
        number, log, changed = 1, self._log(1), 1
        if "the text was read" in log:
            endless, changed = re.subn(rb"(?m)^EPOCHS = \d+", b"EPOCHS = 1000", source)
            number, attempt = 2, self._attempt(2, endless, self._for_speed())
            log = self._log(number)
        speed, share = re.search(r"(\d+) tokens/s", log), re.search(r"utilisation: (.*)", log)
        good = bool(changed and speed and attempt.outcome.ending is Ending.OK)
        told = f"{int(speed[1]):,} tokens/s" if speed else self._how(number, attempt)
        whole = re.search(r"first step after .*, compiled", log) is not None
        budget = attempt.outcome.train_seconds
        yield Row(f"its speed through a whole budget, {budget:.0f} s, by its own words", told, "said", good)
        if self.gpu:
            yield Row("compiled, by its own words", "yes" if whole else "no", "yes", whole)
        yield Row("its model FLOP utilisation there, by its own words", share[1] if share else "not said")
        peak = attempt.outcome.peak_vram_mb
        yield Row("its peak GPU memory there, by NVML", f"{peak:,.0f} MiB" if peak else NONE)

    def _for_speed(self) -> Evaluator:
        """With a budget of its own, that the whole may end in time; the row says which."""
        lab = self.shop.lab
        trial = replace(lab.settings.trial, budget_seconds=min(self.budget, SPEED_SECONDS))
        return Evaluator(replace(lab, settings=replace(lab.settings, trial=trial)), self.shop.sandbox, Silent())

    def honest_models(self) -> Row:
        """Honest models of many shapes and number formats, trained for a moment and scored."""
        source = (HERE.parent / "scoring_honest.py").read_bytes()
        attempts = [self._attempt(3 + number, source) for number in range(self.honest)]
        refused = [f"seed {a.seed}: {self._how(a.seed, a)}" for a in attempts if a.ending is not Ending.OK]
        seconds = [a.score.seconds for a in attempts if a.score]
        told = f"{len(refused)} of {len(attempts)}" + "".join(f"; {one}" for one in refused)
        if seconds:
            apart = max(a.score.max_difference_nats for a in attempts if a.score)
            told += f"; a scoring took {statistics.median(seconds):.1f} s, claims and audit were {apart:.2g} nats apart"
        return Row("honest models refused (bfloat16, float32, autocast)", told, "0", not refused)

    def left(self) -> Row:
        with closing(Engine(self.shop.engine.url)) as engine:
            wanted = {"label": [f"autoresearch.run={self.tag}"]}
            left = len(engine.api.containers(all=True, filters=wanted))
            left += len(engine.api.volumes(filters=wanted).get("Volumes") or [])
        return Row("containers and volumes left", str(left), "0", left == 0)

    def _seconds(self, what: str, found: str, aim: str, good: bool) -> Row:
        """A row of times, judged where there is a GPU."""
        return Row(what, found, aim, good if self.gpu else None)

    def _attempt(self, number: int, source: bytes, by: Evaluator | None = None) -> Attempt:
        job = Job(self.tag, number, 0, source, number, self.folder / str(number))
        return (by or self.evaluator).attempt(job)

    def _how(self, number: int, attempt: Attempt) -> str:
        """How it ended, with the last line of what it said."""
        ended = replace(attempt.outcome, ending=attempt.ending, detail=attempt.detail)
        return Trained(ended, self._log(number).encode()).how()

    def _log(self, number: int) -> str:
        return (self.folder / str(number) / "attempt-0.log").read_text(errors="replace")

    def _source(self) -> str:
        return Path(self.shop.lab.settings.data.source.removeprefix("text:")).name
