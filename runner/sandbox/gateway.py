"""The gateway: the one neighbour of an agent's container, and the one place where the API key is.

An agent's container has no network at all. What it reaches is a socket in a volume, behind which nginx (from
Debian's packages, `images/gateway.*`) passes requests to one origin, puts the key into them, counts requests, tokens
and money as the API's own answers tell them, and refuses everything else. The key travels through the gateway's
standard input into a file in its memory: it is in no environment, image or volume, and no inspection of a container.
`configuration` is pure; `Gateway` runs it.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from runner.errors import InfraError, UsageError
from runner.sandbox import volumes
from runner.sandbox.container import Container
from runner.sandbox.stream import Attached, LogReader
from runner.sandbox.traffic import Spending, Traffic, add
from runner.scoring.protocol import ChannelClosed, ChannelTimeout

IMAGES = Path(__file__).parents[2] / "images"
PORT = 8080  # of the relay within the agent's container
URL = f"http://127.0.0.1:{PORT}"
KEY_HEADERS = ("x-api-key", "Authorization", "x-goog-api-key", "api-key", "Proxy-Authorization")
STILL, SETTLES = 0.15, 2.0  # seconds without another line that end the count, and how long that is waited for
_SAFE_KEY = re.compile(r"[\x21\x23\x25-\x5b\x5d-\x7e ]{1,2048}")  # printable; no quote, dollar, backslash
_SAFE_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
_SAFE_PREFIX = re.compile(r"(/[A-Za-z0-9._~:-]+)*/?")
# What each dialect asks of its API, as Lua patterns of the path after the prefix. Files, batches and the like are not.
PATHS = {
    "anthropic": ("^/v1/messages$", "^/v1/messages/count_tokens$", "^/v1/models"),
    "responses": ("^/responses$", "^/models"),
    "chat": ("^/chat/completions$", "^/models"),
    "gemini": (
        "/models/[^/]+:generateContent$",
        "/models/[^/]+:streamGenerateContent$",
        "/models/[^/]+:countTokens$",
    ),
}


@dataclass(frozen=True)
class GatewayPlan:
    """Where requests go, and what they carry.

    origin: `https://api.example.com`, or a local model server's. prefix: what paths must start with. header, value:
    the key as it is sent, "" for none. idle_seconds: without a byte from the API. certificates: PEM, whom to trust.
    """

    origin: str
    prefix: str = "/"
    dialect: str = "anthropic"  # a key of PATHS
    header: str = ""
    value: str = field(default="", repr=False)
    spending: Spending = field(default_factory=Spending)
    idle_seconds: int = 300
    certificates: bytes = field(default=b"", repr=False)

    @property
    def on_this_machine(self) -> bool:
        """Whether the origin is a server on the engine's machine, which only its own network reaches."""
        return urlsplit(self.origin).hostname in ("localhost", "127.0.0.1")


def configuration(plan: GatewayPlan) -> bytes:
    """The tar archive that a gateway is started with. Raises UsageError for a URL or key that nginx cannot carry."""
    parts = urlsplit(plan.origin)
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not _SAFE_NAME.fullmatch(name) or parts.path not in ("", "/"):
        raise UsageError(
            f"{plan.origin} is not the origin of an API", "Give it as https://host or https://host:port"
        )
    if plan.header and (
        not _SAFE_KEY.fullmatch(plan.value) or plan.header.lower() not in map(str.lower, KEY_HEADERS)
    ):
        raise UsageError(
            f"the API key holds characters that no key has, or its header {plan.header!r} is unknown",
            "Set the variable again, without quotes and line ends",
        )
    port = f":{parts.port}" if parts.port else ""
    keys = "".join(
        f'      proxy_set_header {header} "{plan.value if header.lower() == plan.header.lower() else ""}";\n'
        for header in KEY_HEADERS
    )
    filled = {
        "ORIGIN": f"{parts.scheme}://{name}{port}",
        "HOST": f"{name}{port}",
        "NAME": name,
        "IDLE": str(plan.idle_seconds),
        "KEYS": keys.rstrip("\n"),
    }
    conf = (IMAGES / "gateway.conf").read_text(encoding="utf-8")
    for word, text in filled.items():
        conf = conf.replace(f"@{word}@", text)
    return volumes.archive(
        {
            "nginx.conf": conf.encode(),
            "gateway.lua": (IMAGES / "gateway.lua").read_bytes(),
            "limits.lua": _limits(plan).encode(),
            "certificates.pem": plan.certificates or host_certificates(),
        }
    )


def command(archive: bytes) -> tuple[str, ...]:
    """What a gateway's container runs: it reads its configuration, then serves and tells of each request on stdout."""
    take = f"mkdir /tmp/gateway && head -c {len(archive)} | tar -x -f - -C /tmp/gateway"
    return ("sh", "-c", f"{take} && nginx -c /tmp/gateway/nginx.conf | cat")


def _limits(plan: GatewayPlan) -> str:
    spending = plan.spending
    if not _SAFE_PREFIX.fullmatch(plan.prefix):
        raise UsageError(f"{plan.prefix} is no path of an API", "See [agent] api_url")
    paths = ", ".join(f'"{path}"' for path in PATHS[plan.dialect])
    return (
        f'return {{ host = "127.0.0.1:{PORT}", alias = "localhost:{PORT}", prefix = "{plan.prefix}",\n'
        f"  paths = {{ {paths} }},\n"
        f"  requests = {spending.requests:d}, tokens = {spending.tokens:d}, cost = {spending.cost:.12g},\n"
        f"  price_in = {spending.price_in:.12g}, price_out = {spending.price_out:.12g},\n"
        f"  price_cached = {spending.price_cached:.12g} }}\n"
    )


def host_certificates() -> bytes:
    """The certificates that this machine trusts, so that a network which re-signs works as it does for the user."""
    named = os.environ.get("SSL_CERT_FILE", "")
    for path in (
        named,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ):
        if path and Path(path).is_file():
            return Path(path).read_bytes()
    return b""


class Gateway:
    """One gateway in a container made by the caller, and its count."""

    def __init__(self, container: Container, archive: bytes) -> None:
        self._container = container
        self._archive = archive
        self._lock = threading.Lock()
        self._traffic = Traffic()
        self._attached: Attached | None = None
        self._reader: LogReader | None = None
        self.on_request: Callable[[], None] | None = (
            None  # told of each answered request, and while answers come
        )

    def start(self, deadline: float) -> None:
        """Starts nginx with its configuration, by `deadline` (monotonic seconds). Raises InfraError."""
        self._attached = self._container.attach()
        self._reader = LogReader(self._attached, 256 << 10, self._line, lines_of=1)
        self._container.start()
        self._reader.start()
        try:
            self._attached.send(self._archive, deadline)
        except (ChannelClosed, ChannelTimeout) as error:
            raise InfraError(f"the agent's gateway took no configuration: {error}") from None

    def close(self) -> None:
        if self._attached:
            self._attached.close()

    @property
    def log(self) -> bytes:
        """What nginx said, bounded; its own complaints among the requests."""
        return self._reader.log.value() if self._reader else b""

    def traffic(self) -> Traffic:
        """What went through, once nobody asks any more: lines that are on their way are waited for, a moment."""
        end = time.monotonic() + SETTLES
        seen = None
        while time.monotonic() < end:
            with self._lock:
                now = self._traffic
            if now == seen:
                break
            seen = now
            time.sleep(STILL)
        with self._lock:
            return self._traffic

    def _line(self, line: bytes) -> None:
        """One request, as nginx tells it. Paths and hosts in it are the agent's own words, in whatever bytes."""
        if line != b"alive":
            try:
                told = json.loads(line.decode("utf-8", "replace"))
                with self._lock:
                    self._traffic = add(self._traffic, told)
            except (ValueError, KeyError, TypeError, AttributeError):
                return
        if self.on_request:
            self.on_request()
