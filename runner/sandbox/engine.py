"""The connection to the engine: Docker, or Podman through its Docker-compatible API.

Finds the engine by the lab's settings, `DOCKER_HOST` or the usual sockets, never by a file in a home folder
(the docker command's contexts): such a file could be written by a program that runs as the user. Turns every
fault of the engine into InfraError. Knows nothing of trials.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.utils
import requests.exceptions

from runner.errors import InfraError, MissingError

API_TIMEOUT = 60  # seconds for one answer of the engine; waits for containers keep deadlines of their own


@dataclass(frozen=True)
class EngineInfo:
    """What the engine says of itself; recorded with every trial."""

    name: str  # "docker" or "podman"
    version: str
    kernel: str
    cgroup: str
    rootless: bool
    url: str


class Engine:
    """One connection. `api` is docker-py's low-level client; use it inside `faults(...)` only."""

    def __init__(self, url: str = "") -> None:
        self.url = url or os.environ.get("DOCKER_HOST", "") or _default_url()
        tls = docker.utils.kwargs_from_env().get("tls") if os.environ.get("DOCKER_HOST") and not url else None
        try:
            self.api: Any = docker.APIClient(
                base_url=self.url, tls=tls or False, timeout=API_TIMEOUT, version="auto"
            )
            raw = self.api.info()
            version = self.api.version()
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise MissingError(f"no container engine answers at {self.url}: {_short(error)}", START) from None
        names = " ".join(part.get("Name", "") for part in version.get("Components", []))
        self.info = EngineInfo(
            name="podman" if "podman" in names.lower() else "docker",
            version=str(version.get("Version", "")),
            kernel=str(raw.get("KernelVersion", "")),
            cgroup=f"v{raw.get('CgroupVersion', '1')}",
            rootless=any("rootless" in str(option) for option in raw.get("SecurityOptions") or []),
            url=self.url,
        )

    @property
    def local(self) -> bool:
        """Whether the engine's kernel is this machine's, so that its control groups can be read here."""
        return self.url.startswith("unix://")

    def close(self) -> None:
        self.api.close()


START = "Start it (sudo systemctl start docker, or sudo dockerd &), or let ./bootstrap install one."


def _default_url() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    sockets = ["/var/run/docker.sock", f"{runtime}/docker.sock"]
    sockets += ["/run/podman/podman.sock", f"{runtime}/podman/podman.sock"]
    return "unix://" + next((s for s in sockets if Path(s).is_socket()), sockets[0])


def _short(error: BaseException) -> str:
    """The last and most telling part of a nested error of requests or docker-py, in one line."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return " ".join(str(error.explanation).split())[:500]
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split())[:500]


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Faults of the engine inside the block become InfraError that says what was being done."""
    try:
        yield
    except docker.errors.APIError as error:
        raise InfraError(f"the container engine failed {doing}: {_short(error)}") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise InfraError(
            f"the container engine stopped answering {doing}: {_short(error)}",
            "See that it runs (docker info), then start again: the run resumes where it was.",
        ) from error


def gone(error: docker.errors.APIError) -> bool:
    """Whether an error only says that the thing is not there, or is being removed or stopped already."""
    return error.response is not None and error.response.status_code in (404, 409, 304)


def main() -> None:
    """`python -m runner.sandbox.engine`: prints the engine that answers, or exits with 3."""
    try:
        print(Engine().info)
    except MissingError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
