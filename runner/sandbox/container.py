"""One container from creation to verified removal, with a deadline kept by this process's monotonic clock.

Owns create, attach, start, wait, kill and remove, and the evidence they give. Does not know what runs inside
nor what its end means (`evidence.py`). Trusts the engine's state, never the container's output.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import docker.errors
import requests.exceptions

from runner.errors import InfraError, MissingError
from runner.interrupts import held_back
from runner.sandbox import scratch
from runner.sandbox import spec as specs
from runner.sandbox.engine import Engine, faults, gone, heed
from runner.sandbox.evidence import Ended, MemoryWatch
from runner.sandbox.gpu_words import FOR_NO_DRIVER, NO_DRIVER
from runner.sandbox.stream import Attached

TICK = 0.25  # seconds between looks at a container under way
WHOLE, LOOKS = b"\n.whole.", 10  # around the answer of a command in a keeper; how often it is asked for
GONE_WITHIN = 20.0  # seconds that a killed container may take to be gone before it is the engine's fault


class Container:
    """A context manager: created on entering, removed with its anonymous volumes on leaving, whatever happens.

    Raises InfraError where the engine fails, MissingError where it cannot give a GPU. Never raises for what the program
    inside does.
    """

    def __init__(self, engine: Engine, spec: specs.ContainerSpec) -> None:
        self._engine = engine
        self._api = engine.api
        self._watch: MemoryWatch | None = None
        self.spec = spec
        self.id = ""
        self.started = 0.0  # monotonic

    def __enter__(self) -> Container:
        heed(self._engine)
        with held_back():
            scratch.make(self._engine, self.spec)
            try:
                self.id = self._created()
            except BaseException:
                with contextlib.suppress(InfraError):
                    scratch.remove(self._engine, self.spec)
                raise
        return self

    def _created(self) -> str:
        spec = self.spec
        with faults(f"creating the container {spec.name}"):
            try:
                inherited = self._engine.image_variables(spec.image) if spec.payload else ()
                body = self._engine.shaped(specs.body(spec, inherited), spec.name)
                return str(self._api.create_container_from_config(body, spec.name)["Id"])
            except docker.errors.ImageNotFound:
                raise InfraError(
                    f"the image {spec.image[:19]} was removed from the engine while it was in use",
                    "Start again: it is made anew. A run that was begun with the old one is asked to begin anew too.",
                ) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            with held_back():
                self.remove()
        except InfraError:
            if error is None:
                raise  # else the first fault is the one to tell; the reaper removes the container

    def attach(self) -> Attached:
        """The container's output, and its input if the spec has one. Call before `start` to miss nothing."""
        params = {"stdout": 1, "stderr": 1, "stream": 1, "logs": 0, "stdin": int(self.spec.stdin)}
        with faults("attaching to the container"):
            return Attached(self._api.attach_socket(self.id, params=params))

    def start(self) -> None:
        with faults(f"starting the container {self.spec.name}"):
            try:
                self._api.start(self.id)
            except docker.errors.APIError as error:
                if NO_DRIVER in str(error.explanation):
                    raise MissingError(*FOR_NO_DRIVER) from None
                raise
        self.started = time.monotonic()
        self._watch = MemoryWatch(self._engine, self.id)

    def wait(
        self,
        deadline: float,
        on_tick: Callable[[MemoryWatch], None] | None = None,
        flooded: Callable[[], bool] | None = None,
    ) -> Ended:
        """Until the container ends, or kills it at `deadline` (monotonic seconds) and sees that it is gone.

        flooded: asked at every tick; once it says yes the container is killed at once.
        """
        ended = threading.Event()
        threading.Thread(target=self._wait_for_end, args=(ended,), daemon=True, name="waiter").start()
        watch = self._watch = self._watch or MemoryWatch(self._engine, self.id)
        killed = flood = False
        while not ended.is_set():
            left = deadline - time.monotonic()
            flood = flooded() if flooded else False
            killed = left <= 0 and not flood
            if killed or flood:
                self.kill()
                break
            if not ended.wait(min(TICK, left)):
                watch.sample()
                if on_tick:
                    on_tick(watch)
        now = time.monotonic()
        state = self.state()
        oom = self.died_of_memory(state)
        seconds, budget = now - self.started, deadline - self.started
        if not killed and not flood and seconds > budget and (ran := _ran(state)) is not None and ran > budget:
            # This process was stopped or starved at the deadline and beyond; PID 1 did what it should have done.
            killed, seconds = True, ran
        return Ended(
            exit_code=None if killed or flood else int(state.get("ExitCode", -1)),
            killed=killed,
            seconds=seconds,
            overrun_seconds=max(0.0, seconds - budget) if killed else 0.0,
            oom=oom,
            peak_memory_mb=watch.peak_mb,
            flooded=flood,
        )

    def _wait_for_end(self, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                self._api.wait(self.id, timeout=3600)
                ended.set()
            except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
                # The connection broke, or the container is gone. The state tells; if it cannot be had
                # either, the deadline ends the wait and `kill` reports the engine.
                with contextlib.suppress(InfraError):
                    if not self.state().get("Running"):
                        ended.set()
                time.sleep(TICK)

    def state(self) -> dict[str, Any]:
        """The engine's State object, in Docker's words."""
        with faults("looking at the container"):
            state: dict[str, Any] = self._api.inspect_container(self.id)["State"]
        return state

    def died_of_memory(self, state: dict[str, Any]) -> bool:
        """Whether the engine (`state`) or the kernel's counter, while it is still there, tells of a kill for memory."""
        if self._watch:
            self._watch.sample()
        return bool(state.get("OOMKilled")) or (self._watch is not None and self._watch.oom_kills > 0)

    def kill(self) -> None:
        """SIGKILL, then sees that the container runs no more. Raises InfraError if it still does."""
        end = time.monotonic() + GONE_WITHIN
        while True:
            with faults("killing the container"):
                try:
                    self._api.kill(self.id, "SIGKILL")
                except docker.errors.APIError as error:
                    # It ended by itself a moment ago: 409 from Docker, 500 from Podman. The state tells.
                    if not gone(error) and self.state().get("Running"):
                        raise
            if not self.state().get("Running"):
                return
            if time.monotonic() > end:
                raise InfraError(
                    f"the container {self.spec.name} still runs {GONE_WITHIN:.0f} s after its kill",
                    "Look at the engine's own log; restarting the engine ends the container.",
                )
            time.sleep(0.01)

    def put(self, path: str, archive: bytes | BinaryIO) -> None:
        """Unpacks a tar archive at `path`, which lies in a volume."""
        with faults("copying files into the container"):
            self._api.put_archive(self.id, path, archive)

    def exists(self, path: str) -> bool:
        """Whether `path` is there, in the engine's eyes."""
        with faults("looking for a file in the container"):
            try:
                chunks, _ = self._api.get_archive(self.id, path)
                chunks.close()
            except docker.errors.NotFound:
                return False
        return True

    def fetch(self, path: str, to: Path, limit: int) -> None:
        """The engine's tar archive of `path`, written to the file `to` unopened. Raises InfraError beyond `limit`."""
        written = 0
        partial = to.with_name(to.name + ".partial")
        with faults("copying files out of the container"):
            to.parent.mkdir(parents=True, exist_ok=True)
            chunks, _ = self._api.get_archive(self.id, path)
            with partial.open("wb") as file:
                for chunk in chunks:
                    written += file.write(chunk)
                    if written > limit:
                        raise InfraError(f"the archive of {path} is larger than {limit} bytes")
            partial.replace(to)

    def execute(self, command: list[str], limit: int) -> bytes:
        """Output of a short command of the image that changes nothing, run as the payload's user. Only for keepers.

        Engines may lose a part of the output, its beginning, its end or all of it: so it comes in one piece with its
        length before it, and is asked for again where it is not whole. Line ends at its end are not kept.
        """
        user = f"{specs.PAYLOAD_UID}:{specs.PAYLOAD_UID}"
        script = 'said=$("$@"); printf "%s%d:%s%s" "$0" "${#said}" "$said" "$0"'
        whole = ["sh", "-c", script, WHOLE.decode(), *command]
        for _ in range(LOOKS):
            with faults("looking into the container"):
                made = self._api.exec_create(self.id, whole, user=user, stderr=False)
                said = bytes(self._api.exec_start(made["Id"]))
            length, _, text = said.removeprefix(WHOLE).removesuffix(WHOLE).partition(b":")
            if said.startswith(WHOLE) and said.endswith(WHOLE) and length == b"%d" % len(text):
                return text[:limit]
        raise InfraError(f"the engine lost what a command in the container {self.spec.name} said")

    def remove(self) -> None:
        """Ends and removes the container; does nothing if it is gone."""
        if not self.id:
            return
        # Docker that is told to remove a container in the very moment of its end may list it for ever as
        # being removed: so first see it ended, then remove it.
        with contextlib.suppress(InfraError):
            if self.state().get("Running"):
                self.kill()
        with faults(f"removing the container {self.spec.name}"):
            for again in range(20, -1, -1):
                try:
                    self._api.remove_container(self.id, force=True, v=True)
                    break
                except docker.errors.APIError as error:
                    if gone(error):
                        break
                    # Podman kills what it removes, and fails (500) where that has ended in this very moment.
                    if not again or self._engine.info.name != "podman":
                        raise
                    time.sleep(0.1)
        scratch.remove(self._engine, self.spec)
        self.id = ""


def _ran(state: dict[str, Any]) -> float | None:
    """Seconds from start to end by the engine's clock, which may have been stepped: for want of a better one."""
    try:
        began, ended = (datetime.fromisoformat(state[key]) for key in ("StartedAt", "FinishedAt"))
    except (KeyError, TypeError, ValueError):
        return None
    return (ended - began).total_seconds()
