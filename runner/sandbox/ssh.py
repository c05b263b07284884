"""A remote engine's socket as a local one, through the `ssh` program: for engine URLs that begin with ssh://.

`ssh -L` carries a socket in a private folder to the engine's socket on the other machine, so everything above
speaks to a Unix socket as ever, with its deadlines and half-closed streams. docker-py's own ssh transport has
neither. What ssh does on the way (keys, host names, known hosts) is told by its own configuration, as always.
The tunnel ends with this process, however that ends: what ssh runs over there reads from a pipe of ours.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from runner.errors import MissingError, UsageError

REMOTE_SOCKET = "/var/run/docker.sock"
CONNECT_SECONDS = 30
OPTIONS = ("BatchMode=yes", "ExitOnForwardFailure=yes", "ServerAliveInterval=15", "ServerAliveCountMax=4",
           f"ConnectTimeout={CONNECT_SECONDS - 5}", "StreamLocalBindMask=0177", "ControlMaster=no", "ControlPath=none",
           "ForwardAgent=no", "ForwardX11=no", "RequestTTY=no")  # fmt: skip
READY = b"ready\n"


def command(url: str, local: Path) -> list[str]:
    """The ssh command that carries the socket `local` to the engine at `url`: ssh://[USER@]HOST[:PORT][/SOCKET].

    Raises UsageError where the URL is no such thing.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(f"{url} is no address of an engine: {error}") from None
    words = (host, parts.username or "")
    if not host or parts.password or any(word.startswith("-") or not word.isprintable() for word in words):
        raise UsageError(
            f"{url} is no address of an engine", "Write ssh://[USER@]HOST[:PORT][/PATH/OF/ITS.sock]"
        )
    options = [word for option in OPTIONS for word in ("-o", option)]
    options += ["-L", f"{local}:{parts.path.rstrip('/') or REMOTE_SOCKET}"]
    options += ["-l", parts.username] if parts.username else []
    options += ["-p", str(port)] if port else []
    return ["ssh", *options, "--", host, f"printf {READY.decode().strip()}'\\n'; exec cat"]


class Tunnel:
    """An ssh process and the socket that it listens at, `url`. Raises UsageError, MissingError."""

    def __init__(self, url: str) -> None:
        if not shutil.which("ssh"):
            raise MissingError(
                f"the engine is at {url}, and there is no ssh program", "sudo apt-get install openssh-client"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="autoresearch-ssh-")  # mode 0700
        local = Path(self._folder.name) / "engine.sock"
        self.url = f"unix://{local}"
        try:
            words = command(url, local)
            with (Path(self._folder.name) / "said").open("w+b") as said:
                self._ssh = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
                )
                if not self._ready(time.monotonic() + CONNECT_SECONDS):
                    self._end()
                    said.seek(0)
                    why = " ".join(said.read(4000).decode(errors="replace").split())[-300:]
                    raise MissingError(
                        f"ssh gives no way to the engine at {url}: {why or 'it did not answer in time'}",
                        "It asks no questions here, so this must work without one: ssh "
                        + " ".join(words[-2:-1])
                        + " true",
                    )
        except BaseException:
            self._folder.cleanup()
            raise

    def _ready(self, deadline: float) -> bool:
        """Whether the command over there has begun: then the way is open, for ssh makes the forwarding first."""
        pipe = self._ssh.stdout
        assert pipe is not None
        said = b""
        while READY not in said and (left := deadline - time.monotonic()) > 0:
            if select.select([pipe], [], [], left)[0]:
                more = pipe.read1(100)  # type: ignore[attr-defined]  # a pipe is buffered
                if not more:
                    return False
                said = (said + more)[-1000:]
        return READY in said

    def _end(self) -> None:
        for pipe in (self._ssh.stdin, self._ssh.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self._ssh.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._ssh.wait(5)
        if self._ssh.poll() is None:
            self._ssh.kill()
            self._ssh.wait()

    def close(self) -> None:
        self._end()
        self._folder.cleanup()
