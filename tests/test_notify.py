"""Notifications: what is told, to a real server and to real programs, and that a run never waits for one."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import factories
import pytest

from runner import config
from runner.errors import InfraError, UsageError
from runner.notify import payload
from runner.notify.notifier import WAITING, Notifier, Post
from runner.notify.senders import Command, Undelivered, Webhook, senders
from runner.parts import Reading
from runner.trial import Attempt, Entry, Status

KEPT = factories.entry(3, Status.KEEP, 2.1, 2.2294, 2.1, note="DEPTH 4 → 5")
SUSPICIOUS = factories.entry(4, Status.DISCARD, 0.1, suspicious="it gains 95 %")


class Server:
    """A web server on loopback that notes what it is sent. answer: its status; silent: it says nothing at all."""

    def __init__(self, answer: int = 200, silent: bool = False) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.leave = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                if silent:
                    outer.leave.wait(30)
                self.send_response(answer)
                if 300 <= answer < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/secret-topic"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.leave.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*arguments: Any, **options: Any) -> Server:
        made.append(Server(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Watching:
    """A Watcher that notes messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.decisions: list[Entry] = []

    def step(self, what: str) -> Any:
        return nullcontext(lambda detail, fraction: None)

    def proposing(self, number: int, agent: str) -> None: ...
    def training(self, number: int, note: str, attempt: int, seed: int, budget_seconds: float) -> None: ...
    def reading(self, reading: Reading) -> None: ...
    def scoring(self, phase: str, done: int, total: int) -> None: ...
    def scored(self, number: int, attempt: Attempt) -> None: ...

    def decided(self, entry: Entry) -> None:
        self.decisions.append(entry)

    def message(self, text: str) -> None:
        self.messages.append(text)


class Collecting:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def send(self, found: dict[str, Any]) -> None:
        self.found.append(found)

    def cancel(self) -> None: ...


def told(
    run: Callable[[Notifier], None], events: tuple[str, ...] = ("improvement", "trouble", "end")
) -> list[str]:
    """The events and outcomes that a run of these decisions has told."""
    collecting, watching = Collecting(), Watching()
    entries = factories.run(3)
    try:
        with Notifier(
            watching, Post([collecting], watching.message), "night", events, lambda: entries
        ) as notifier:
            run(notifier)
    except (InfraError, KeyboardInterrupt):
        pass
    return [f"{one['event']} {one.get('outcome', '')}".strip() for one in collecting.found]


def write_program(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(0o755)
    return str(path)


def test_a_kept_version_is_an_improvement_and_others_are_not() -> None:
    def night(notifier: Notifier) -> None:
        for entry in (
            factories.entry(0, Status.KEEP),
            factories.entry(1),
            factories.entry(2, Status.CRASH),
            KEPT,
        ):
            notifier.decided(entry)

    assert told(night) == ["improvement", "end done"]


def test_what_a_person_should_look_at_is_trouble() -> None:
    assert told(lambda notifier: notifier.decided(SUSPICIOUS)) == ["trouble", "end done"]


def test_a_run_that_fails_tells_so_once() -> None:
    def fails(_: Notifier) -> None:
        raise InfraError("the engine is gone", "start it")

    assert told(fails) == ["trouble failed"]
    assert told(fails, ("end",)) == ["end failed"]
    assert told(fails, ("improvement",)) == []


def test_an_interrupt_is_no_trouble() -> None:
    def stops(_: Notifier) -> None:
        raise KeyboardInterrupt

    assert told(stops) == ["end interrupted"]


def test_a_webhook_gets_the_documented_payload(server: Callable[..., Server]) -> None:
    web = server()
    Webhook(web.url, "json").send(payload.of_trial("improvement", "night", KEPT, factories.run(4)))
    path, headers, body = web.got[0]
    found = json.loads(body)
    assert path == "/secret-topic"
    assert headers["Content-Type"] == "application/json"
    assert found["version"] == 1
    assert found["title"] == "night: val_bpb 2.2294 → 2.1000"
    assert found["trial"]["number"] == 3
    assert found["run"]["baseline_bpb"] == 2.2294


def test_ntfy_gets_text_and_a_priority(server: Callable[..., Server]) -> None:
    web = server()
    Webhook(web.url, "ntfy").send(payload.of_trial("trouble", "night", SUSPICIOUS, []))
    _, headers, body = web.got[0]
    assert headers["Priority"] == "high"
    assert body.decode().splitlines()[0] == "night: trial 4 is suspicious"
    assert "runner diff 4 night" in body.decode()


def test_a_note_cannot_call_a_slack_channel() -> None:
    loud = factories.entry(3, Status.KEEP, 2.1, note="<!channel> & <https://evil.example|look>\x1b[2J")
    found = json.loads(payload.body(payload.of_trial("improvement", "night", loud, [loud]), "slack"))
    assert set(found) == {"text"}
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|look&gt;" in found["text"]
    assert "<" not in found["text"]
    assert "\x1b" not in found["text"]


@pytest.mark.parametrize("answer", [301, 307, 404, 500])
def test_a_refusal_and_a_redirect_are_faults_that_name_no_secret(
    answer: int, server: Callable[..., Server]
) -> None:
    web = server(answer)
    with pytest.raises(Undelivered) as caught:
        Webhook(web.url, "json").send(payload.of_end("end", "night", "done", "", []))
    assert str(caught.value) == f"127.0.0.1 answered {answer}"
    assert len(web.got) == 1


def test_a_server_that_is_not_there_is_a_fault_that_names_no_secret(server: Callable[..., Server]) -> None:
    web = server()
    web.close()
    with pytest.raises(Undelivered) as caught:
        Webhook(web.url, "json").send(payload.of_end("end", "night", "done", "", []))
    assert "secret" not in str(caught.value)
    web.close = lambda: None  # type: ignore[method-assign]


def test_neither_a_decision_nor_the_end_waits_for_a_server_that_hangs(server: Callable[..., Server]) -> None:
    web, watching = server(silent=True), Watching()
    post = Post([Webhook(web.url, "json")], watching.message)
    began = time.monotonic()
    with Notifier(watching, post, "night", ("improvement", "end"), lambda: [KEPT]) as notifier:
        for _ in range(3 * WAITING):
            notifier.decided(KEPT)
        decided = time.monotonic() - began
    assert decided < 1
    assert time.monotonic() - began < decided + 4
    assert watching.messages == ["the last notification was not delivered within 2 s"]
    assert len(watching.decisions) == 3 * WAITING


def test_a_command_reads_the_payload_and_few_variables(tmp_path: Path) -> None:
    program = write_program(
        tmp_path / "tell",
        "import os, sys, json\n"
        "json.dump([sys.argv[1:], sys.stdin.read(), sorted(os.environ), os.getcwd()], open('got.json', 'w'))\n",
    )
    environment = {"PATH": os.environ["PATH"], "HOME": "/", "API_KEY": "secret", "TOPIC": "x"}
    settings = config.from_dict({"notify": {"command": f"{program} 'a b' $HOME;c", "pass_env": "TOPIC"}}).notify
    [sender] = senders(settings, tmp_path, environment)
    sender.send(payload.of_trial("improvement", "night", KEPT, [KEPT]))
    words, given, names, place = json.loads((tmp_path / "got.json").read_text())
    assert words == ["a b", "$HOME;c"]
    assert json.loads(given)["event"] == "improvement"
    assert {"PATH", "HOME", "TOPIC"} <= set(names)
    assert "API_KEY" not in names
    assert place == str(tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import sys; sys.exit(7)", "ended with 7"),
        ("import os; os.close(0)", None),
        ("import time; time.sleep(60)", "took more than 1 s and was ended"),
        ("import os, time\nif os.fork(): os._exit(3)\ntime.sleep(60)", "ended with 3"),
    ],
)
def test_a_command_that_fails_or_hangs_is_a_fault(body: str, said: str | None, tmp_path: Path) -> None:
    command = Command([write_program(tmp_path / "tell", body)], "json", tmp_path, seconds=1)
    big = payload.of_end("end", "night", "failed", "x" * 300, [])
    if said is None:
        command.send(big)
        return
    with pytest.raises(Undelivered, match=said):
        command.send(big)


def test_a_command_that_does_not_exist_is_said_once_and_the_run_goes_on(tmp_path: Path) -> None:
    watching = Watching()
    post = Post([Command([str(tmp_path / "none")], "json", tmp_path)], watching.message)
    with Notifier(watching, post, "night", ("improvement", "end"), lambda: [KEPT]) as notifier:
        notifier.decided(KEPT)
        notifier.decided(KEPT)
    assert len(watching.decisions) == 2
    [said] = watching.messages
    assert "could not be started: No such file" in said


def test_the_end_leaves_no_command_running(tmp_path: Path) -> None:
    body = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)"
    watching = Watching()
    post = Post([Command([write_program(tmp_path / "tell", body)], "json", tmp_path)], watching.message)
    post.put(payload.of_end("end", "night", "done", "", []))
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    post.close(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook": "ftp://example.org/x"},
        {"webhook": "https://"},
        {"webhook": "https://example.org/a b"},
        {"webhook": "http://example.org:x/"},
        {"webhook_env": "NOT_SET"},
        {"command": "tell 'me"},
    ],
)
def test_settings_that_can_mean_nothing_are_refused_before_a_run(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        senders(config.from_dict({"notify": wrong}).notify, tmp_path, {})


@pytest.mark.parametrize("wrong", [{"events": ["start"]}, {"format": "xml"}, {"command": [1]}, {"events": 3}])
def test_settings_of_a_wrong_kind_are_refused_where_they_are_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="notify"):
        config.from_dict({"notify": wrong})


def test_the_address_may_stay_out_of_the_lab(tmp_path: Path, server: Callable[..., Server]) -> None:
    web = server()
    settings = config.from_dict({"notify": {"webhook_env": "HOOK"}}).notify
    [sender] = senders(settings, tmp_path, {"HOOK": web.url})
    sender.send(payload.of_end("end", "night", "done", "", []))
    assert len(web.got) == 1
