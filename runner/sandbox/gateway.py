"""The gateway: the one neighbour of an agent's container, and the one place where the API key is.

An agent's container has no network at all. What it reaches is a socket in a volume, behind which nginx (from
Debian's packages, `images/gateway.*`) passes requests to one origin, puts the key into them, counts requests, tokens
and money as the API's own answers tell them, and refuses everything else. The key travels through the gateway's
standard input into its memory: it is in no environment, no file of an image or volume, and no inspection of a
container. `configuration` is pure; `Gateway` runs it.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from runner.errors import UsageError
from runner.sandbox import volumes
from runner.sandbox.container import Container
from runner.sandbox.stream import LogReader

IMAGES = Path(__file__).parents[2] / "images"
PORT = 8080  # of the relay within the agent's container
URL = f"http://127.0.0.1:{PORT}"
KEY_HEADERS = ("x-api-key", "Authorization", "x-goog-api-key", "api-key", "Proxy-Authorization")
KEPT_REFUSALS = 50
_SAFE_KEY = re.compile(
    r"[\x21\x23\x25-\x5b\x5d-\x7e ]{1,4096}"
)  # printable, without quote, dollar and backslash
_SAFE_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True)
class Spending:
    """What one proposal may use of the API; 0: no limit. Prices: USD for a million tokens, cached ones too."""

    requests: int = 0
    tokens: int = 0
    cost: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0


@dataclass(frozen=True)
class GatewayPlan:
    """Where requests go, and what they carry.

    origin: `https://api.example.com`, or a local model server's. prefix: what paths must start with. header, value:
    the key as it is sent, "" for none. idle_seconds: without a byte from the API. certificates: PEM, whom to trust.
    """

    origin: str
    prefix: str = "/"
    header: str = ""
    value: str = field(default="", repr=False)
    spending: Spending = field(default_factory=Spending)
    idle_seconds: int = 300
    certificates: bytes = field(default=b"", repr=False)

    @property
    def on_this_machine(self) -> bool:
        """Whether the origin is a server on the engine's machine, which only its own network reaches."""
        return urlsplit(self.origin).hostname in ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Traffic:
    """What went through one gateway, by its own count. refusals: lines for a person, the first few."""

    requests: int = 0
    failed: int = 0  # answered by the API with 400 or more, or not answered
    tokens_in: int = 0
    tokens_out: int = 0
    statuses: tuple[int, ...] = ()  # the API's different answers of 400 and more, in order of coming
    retry_after: float = 0.0  # seconds that the API asked for when it last refused
    refused: int = 0
    refusals: tuple[str, ...] = ()

    def cost(self, spending: Spending) -> float:
        """USD at the prices in `spending`."""
        return (self.tokens_in * spending.price_in + self.tokens_out * spending.price_out) / 1e6


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
    prefix = re.sub(r"[^A-Za-z0-9/._~:-]", "", plan.prefix) or "/"
    return (
        f'return {{ host = "127.0.0.1:{PORT}", alias = "localhost:{PORT}", prefix = "{prefix}",\n'
        f"  requests = {spending.requests:d}, tokens = {spending.tokens:d}, cost = {spending.cost:f},\n"
        f"  price_in = {spending.price_in:f}, price_out = {spending.price_out:f} }}\n"
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
    """One gateway in a container made and started by the caller, and its count. `ready` before the agent starts."""

    def __init__(self, container: Container, archive: bytes) -> None:
        self._container = container
        self._archive = archive
        self._lock = threading.Lock()
        self._traffic = Traffic()
        self.on_request: Callable[[], None] | None = None  # told of each request that has been answered

    def start(self) -> None:
        """Starts nginx with its configuration. Raises InfraError."""
        self._attached = self._container.attach()
        self._reader = LogReader(self._attached, 256 << 10, self._line)
        self._container.start()
        self._reader.start()
        self._attached.send(self._archive, None)

    def close(self) -> None:
        self._attached.close()

    @property
    def log(self) -> bytes:
        """What nginx said, bounded; its own complaints among the requests."""
        return self._reader.log.value()

    @property
    def traffic(self) -> Traffic:
        with self._lock:
            return self._traffic

    def _line(self, line: bytes) -> None:
        """One request, as nginx tells it. Paths and hosts in it are the agent's own words."""
        try:
            told = json.loads(line)
            status, refused = int(told["status"]), str(told["refused"])
            upstream = int(told["upstream"].split(",")[-1] or 0) if told["upstream"] else 0
            tokens = int(told["tokens_in"] or 0), int(told["tokens_out"] or 0)
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        with self._lock:
            self._traffic = self._add(self._traffic, told, status, upstream, tokens, refused)
        if self.on_request:
            self.on_request()

    def _add(
        self,
        so_far: Traffic,
        told: dict[str, str],
        status: int,
        upstream: int,
        tokens: tuple[int, int],
        refused: str,
    ) -> Traffic:
        new = replace(
            so_far,
            requests=so_far.requests + 1,
            tokens_in=so_far.tokens_in + tokens[0],
            tokens_out=so_far.tokens_out + tokens[1],
        )
        if not upstream or refused:
            why = refused or f"answered {status} without asking the API"
            line = f"{told.get('request', '')[:200]} ({told.get('host', '')[:100]}): {why}"
            kept = (*new.refusals, line) if len(new.refusals) < KEPT_REFUSALS else new.refusals
            return replace(new, refused=new.refused + 1, refusals=kept)
        if status >= 400:
            seen = new.statuses if status in new.statuses else (*new.statuses, status)[:20]
            wait = told.get("retry_after", "")
            after = float(wait) if wait.isdigit() and len(wait) < 7 else new.retry_after
            return replace(new, failed=new.failed + 1, statuses=seen, retry_after=after)
        return new
