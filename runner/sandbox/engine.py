"""The connection to the engine: Docker, or Podman through its Docker-compatible API.

Finds the engine by the lab's settings, `DOCKER_HOST` or the usual sockets, never by a file in a home folder
(the docker command's contexts and configuration): such a file could be written by a program that runs as the
user. Turns every fault of the engine into InfraError. Knows nothing of trials.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
import docker.utils
import requests.exceptions

from runner.errors import InfraError, MissingError, UsageError
from runner.sandbox import dialect, spec, ssh
from runner.sandbox.client import Client

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
    """One connection. `api` is docker-py's low-level client; use it inside `faults(...)` only.

    url: `unix://`, `tcp://` or `ssh://`; empty for DOCKER_HOST, else the usual sockets. seccomp: only for a
    Podman on another machine, the path there of a copy of images/seccomp.json. Raises MissingError where no
    engine answers, UsageError for an address that is none.
    """

    def __init__(self, url: str = "", seccomp: str = "") -> None:
        self.url = url or os.environ.get("DOCKER_HOST", "") or _default_url()
        self._seccomp = seccomp
        self._variables: dict[str, tuple[str, ...]] = {}  # by image, whose id says all that is in it
        self.stopping = threading.Event()  # while it is set no container is made, see stop.py
        self.patience = 0.0  # seconds for which an engine that vanished is waited for; see patience.py
        self._tunnel = ssh.Tunnel(self.url) if self.url.startswith("ssh://") else None
        try:
            self.api: Any = Client(
                base_url=self._tunnel.url if self._tunnel else self.url,
                tls=_tls(self.url),
                timeout=API_TIMEOUT,
                version="auto",
            )
            self.raw: dict[str, Any] = self.api.info()
            version = self.api.version()
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            self._end_tunnel()
            raise MissingError(f"no container engine answers at {self.url}: {_short(error)}", START) from None
        names = " ".join(part.get("Name", "") for part in version.get("Components") or [])
        self.api_version = str(version.get("ApiVersion", ""))
        self.info = EngineInfo(
            name="podman" if "podman" in names.lower() else "docker",
            version=str(version.get("Version", "")),
            kernel=str(self.raw.get("KernelVersion", "")),
            cgroup=f"v{self.raw.get('CgroupVersion', '1')}",
            rootless=bool(self.raw.get("Rootless"))
            or any("rootless" in str(option) for option in self.raw.get("SecurityOptions") or []),
            url=self.url,
        )

    @property
    def local(self) -> bool:
        """Whether the engine's kernel is this machine's, so that its control groups can be read here."""
        return self.url.startswith("unix://")

    @property
    def needs_scratch(self) -> bool:
        """Whether `shaped` names volumes for /dev/shm and the like, which `scratch.py` makes."""
        return self.info.name == "podman"

    def image_variables(self, image: str) -> tuple[str, ...]:
        """Names of the variables that the image with this id sets. For use inside `faults`."""
        if image not in self._variables:
            config = self.api.inspect_image(image).get("Config") or {}
            self._variables[image] = tuple(word.split("=")[0] for word in config.get("Env") or [])
        return self._variables[image]

    def shaped(self, body: dict[str, Any], name: str) -> dict[str, Any]:
        """A create body of the container `name` in this engine's words. Raises MissingError where that needs a file.

        More processors than there are is no bound; Docker refuses to be asked for them.
        """
        if there := self.raw.get("NCPU"):
            host = body["HostConfig"]
            body = {**body, "HostConfig": {**host, "NanoCpus": min(host["NanoCpus"], there * 10**9)}}
        if self.info.name != "podman":
            return body
        if not (self.local or self._seccomp):
            raise MissingError(
                "Podman reads the seccomp profile from a file on its own machine, and this one is elsewhere",
                "Copy images/seccomp.json there and write its path there to runner.toml, [engine] seccomp",
            )
        return dialect.for_podman(body, self._seccomp or str(spec.SECCOMP), name)

    def _end_tunnel(self) -> None:
        if self._tunnel:
            self._tunnel.close()

    def close(self) -> None:
        if hasattr(self, "api"):
            self.api.close()
        self._end_tunnel()


def _tls(url: str) -> Any:
    """Certificates for a TCP address, as the environment names them: DOCKER_TLS_VERIFY, DOCKER_CERT_PATH."""
    if not url.startswith(("tcp://", "https://")):
        return False
    verify, folder = os.environ.get("DOCKER_TLS_VERIFY", ""), os.environ.get("DOCKER_CERT_PATH", "")
    if not (verify or folder):
        return False
    if not folder:
        raise UsageError(
            "DOCKER_TLS_VERIFY is set and DOCKER_CERT_PATH is not",
            "Name the folder of ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH; no folder is taken unasked",
        )
    return docker.utils.kwargs_from_env({"DOCKER_CERT_PATH": folder, "DOCKER_TLS_VERIFY": verify})["tls"]


START = "Start it (sudo systemctl start docker, or sudo dockerd &), or let ./bootstrap install one."


def _default_url() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    sockets = ["/var/run/docker.sock", f"{runtime}/docker.sock"]
    sockets += ["/run/podman/podman.sock", f"{runtime}/podman/podman.sock"]
    there = [path for path in sockets if _is_socket(path)]
    # One that this user may not open hides none that may be.
    return "unix://" + next((path for path in there if os.access(path, os.W_OK)), (there or sockets)[0])


def _is_socket(path: str) -> bool:
    """False too where a folder above it is closed to this user, as Podman's is."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


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


def heed(engine: Engine) -> None:
    """Raises InfraError where the work on this connection is to end."""
    if engine.stopping.is_set():
        raise InfraError("this training was told to end")


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
