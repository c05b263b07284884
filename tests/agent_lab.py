"""What tests of the agent's box share: a small API that counts what reaches it, and a box of the bare agent image."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from runner.sandbox import volumes
from runner.sandbox.gateway import GatewayPlan
from runner.sandbox.task import AgentLimits, Task, Visit
from runner.sandbox.traffic import Spending
from runner.sandbox.visit import AgentBox

ATTACKS = Path(__file__).parent / "attacks" / "agent"
KEY = "sk-the-users-own-key-93ac1f"
SMALL = AgentLimits(memory_mb=512, pids=64, tmp_mb=16, home_mb=16, work_mb=8, files=500, output_bytes=4 << 20)
USAGE = {"input_tokens": 100, "cache_read_input_tokens": 7, "output_tokens": 23}


@dataclass
class Api:
    """What a real server on the loopback saw. url: its origin."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    usage: dict[str, int] | None = field(default_factory=lambda: dict(USAGE))
    chunk: int = 0  # bytes sent at a time; 0: all at once
    pause: float = 0.0  # seconds between them
    before: float = 0.0  # seconds before the first byte
    padding: int = 0  # bytes of text in an answer
    answer: int = 200  # its status

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]


def tool_results(body: Any) -> str:
    """What the agent's tools gave, as far as a request of OpenAI's responses dialect tells of it; one a line."""
    items = body.get("input") if isinstance(body, dict) else None
    told = [str(item["output"]) for item in items if "output" in item] if isinstance(items, list) else []
    return "\n".join(told).replace("\\n", "\n")


@contextmanager
def small_api() -> Iterator[Api]:
    """Answers everything with a usage object, /v1/redirect with a redirect, /v1/status/N with that status."""
    api, closing = Api(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            status = 302 if "redirect" in self.path else api.answer
            status = int(self.path.rsplit("/", 1)[1]) if "/status/" in self.path else status
            body = json.dumps(
                {
                    **({"usage": api.usage} if api.usage else {}),
                    "text": '{\\"output_tokens\\": 999999}' + "x" * api.padding,
                }
            ).encode()
            closing.wait(api.before)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://other.example/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            step = api.chunk or len(body)
            with contextlib.suppress(OSError):  # whoever asked may have hung up
                for start in range(0, len(body), step):
                    self.wfile.write(body[start : start + step])
                    self.wfile.flush()
                    time.sleep(api.pause)

        do_GET = do_DELETE = do_PUT = do_CONNECT = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


def visit(
    box: AgentBox,
    tag: str,
    api: Api,
    attack: str,
    *arguments: str,
    seconds: float = 10.0,
    quiet: float = 10.0,
    spending: Spending | None = None,
    lab: dict[str, bytes] | None = None,
) -> Visit:
    """The script `attack` of tests/attacks/agent as the agent's program."""
    script = (ATTACKS / f"{attack}.py").read_bytes()
    files = {"program.md": b"# Research\n", "prepare/__init__.py": b"", "attack.py": script, **(lab or {})}
    task = Task(
        command=("python3", "/lab/attack.py", *arguments),
        environment={"HOME": "/home/agent"},
        lab=volumes.archive(files),
        work={"train.py": b"LR = 1\n", "note.txt": b""},
        home={".settings/config.json": b"{}"},
        gateway=GatewayPlan(
            api.url, header="x-api-key", value=KEY, spending=spending or Spending(), idle_seconds=30
        ),
        seconds=seconds,
        quiet_seconds=quiet,
        wanted={"/task/train.py": 10_000, "/task/note.txt": 10_000},
    )
    return box.visit(tag, "0001", task)
