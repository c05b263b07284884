"""`runner serve`: read-only, for those who may, cheap for many, and news without a reload."""

from __future__ import annotations

import http.client
import json
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import browser
import factories
import pagelab
import pytest
import recordlab
from conftest import environment

from runner.jobs.serve import Live
from runner.record.ledger import Ledger
from runner.record.repo import LabRepo
from runner.record.run import RunFolder
from runner.report.page.app import Rules
from runner.trial import Status

TOKEN = "correct-horse-battery"


class Served:
    """A server in a process of its own, as a person starts it."""

    def __init__(self, lab: Path, home: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "runner", "--lab", str(lab), "serve", "--port", "0", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment(home))
        assert self.process.stdout
        self.link = self.process.stdout.readline().strip()
        found = re.search(r":(\d+)/", self.link)
        assert found, self.process.communicate()
        self.port = int(found[1])
        self.base = f"http://127.0.0.1:{self.port}/"
        for _ in range(100):  # it listens already; the first answer comes when its libraries are loaded
            try:
                self.ask("/")
                return
            except OSError:
                time.sleep(0.1)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                method, path, headers={key.replace("_", "-"): value for key, value in headers.items()}
            )
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def stop(self) -> tuple[int, str]:
        """As by Ctrl-C: the exit code and what it said on stderr."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    place = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        recordlab.isolate(place / "home", patch)
        yield pagelab.make(place / "lab", 6)


@pytest.fixture(scope="module")
def open_(run: RunFolder) -> Iterator[Served]:
    served = Served(run.path.parents[1], run.path.parents[2])
    yield served
    served.stop()


@pytest.fixture(scope="module")
def guarded(run: RunFolder) -> Iterator[Served]:
    served = Served(run.path.parents[1], run.path.parents[2], "--token", TOKEN)
    yield served
    served.stop()


def test_the_page_and_its_data_are_served(open_: Served) -> None:
    status, headers, page = open_.ask("/")
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert b'data-served="yes"' in page
    status, _, data = open_.ask("/data.json?after=4")
    assert [trial["n"] for trial in json.loads(data)["trials"]] == [4, 5]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_nothing_but_reading_is_answered(open_: Served, method: str) -> None:
    assert open_.ask("/", method)[0] in (400, 405)


def test_a_head_has_no_body(open_: Served) -> None:
    status, headers, body = open_.ask("/", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 100_000


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/ledger.jsonl", "/runs/nov23/ledger.jsonl",
        "//etc/passwd", "/static/base.js", "/data.json/..", "/login/../data",
    ],
)  # fmt: skip
def test_there_are_no_files_to_ask_for(open_: Served, path: str) -> None:
    assert open_.ask(path)[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1].evil"]
)
def test_a_name_that_is_not_ours_is_refused(open_: Served, host: str) -> None:
    assert open_.ask("/data.json", Host=host)[0] in (400, 421)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1", "127.0.0.1:8765", "[::1]:8765", "127.1.2.3"]
)
def test_the_names_of_this_machine_are_served(open_: Served, host: str) -> None:
    assert open_.ask("/data.json?after=6", Host=host)[0] == 200


def test_two_hosts_are_none(open_: Served) -> None:
    with socket.create_connection(("127.0.0.1", open_.port), timeout=20) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert line.recv(100).split()[1] in (b"400", b"421")


def test_no_other_site_may_read_an_answer(open_: Served) -> None:
    _, headers, _ = open_.ask("/", Origin="http://evil.example")
    assert not [name for name in headers if name.startswith("access-control")]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "connect-src 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("after", ["-1", "1e3", "x", "99999999999", "%00", "٣"])
def test_a_number_that_is_none_is_refused(open_: Served, after: str) -> None:
    from urllib.parse import quote

    assert open_.ask(f"/data.json?after={quote(after, safe='%')}")[0] == 400


def test_a_request_without_end_is_cut_off(open_: Served) -> None:
    with socket.create_connection(("127.0.0.1", open_.port), timeout=20) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000)
        assert line.recv(100).split()[1] == b"400"


def test_what_has_not_changed_is_not_sent_again(open_: Served) -> None:
    _, headers, _ = open_.ask("/data.json?after=6")
    status, _, body = open_.ask("/data.json?after=6", If_None_Match=headers["etag"])
    assert (status, body) == (304, b"")


def test_without_the_token_nothing_is_told(guarded: Served) -> None:
    for path in ("/", "/data.json", "/other", "/login", "/login?token=wrong", f"/login?token={TOKEN[:-1]}"):
        status, headers, body = guarded.ask(path)
        assert status in (401, 403)
        assert b"nov23" not in body
        assert "set-cookie" not in headers


def test_the_token_opens_by_header(guarded: Served) -> None:
    assert guarded.ask("/data.json", Authorization=f"Bearer {TOKEN}")[0] == 200
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "Bearer é"):
        assert guarded.ask("/data.json", Authorization=wrong)[0] == 401


def test_the_login_link_gives_a_cookie_that_opens_and_does_not_tell_the_token(guarded: Served) -> None:
    status, headers, body = guarded.ask(f"/login?token={TOKEN}")
    cookie = headers["set-cookie"]
    assert status == 200
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie + body.decode()
    assert guarded.ask("/data.json", Cookie=cookie.split(";")[0])[0] == 200
    assert guarded.ask("/data.json", Cookie=f"runner-{guarded.port}=" + "0" * 64)[0] == 401


def test_beyond_this_machine_a_token_is_made_and_asked_for(run: RunFolder) -> None:
    served = Served(run.path.parents[1], run.path.parents[2], "--host", "0.0.0.0")
    try:
        token = served.link.partition("token=")[2]
        assert len(token) >= 32
        assert served.ask("/data.json")[0] == 401
        assert served.ask("/data.json", Authorization=f"Bearer {token}")[0] == 200
        assert served.ask("/data.json", Host="evil.example", Authorization=f"Bearer {token}")[0] == 421
    finally:
        code, said = served.stop()
    assert code == 130
    assert "Traceback" not in said
    assert token not in said


def test_ctrl_c_ends_it_at_once_and_quietly(run: RunFolder) -> None:
    served = Served(run.path.parents[1], run.path.parents[2])
    with socket.create_connection(("127.0.0.1", served.port), timeout=20):  # a client that says nothing
        began = time.monotonic()
        code, said = served.stop()
    assert code == 130
    assert "Traceback" not in said
    assert time.monotonic() - began < 10


def test_a_port_in_use_is_said(run: RunFolder, runner: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = runner(run.path.parents[1], "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "is in use" in done.stderr
    assert "--port 0" in done.stderr


def test_a_token_that_could_be_guessed_is_refused(run: RunFolder, runner: Any) -> None:
    done = runner(run.path.parents[1], "serve", "--port", "0", "--token", "1234")
    assert done.returncode == 2
    assert "16 characters" in done.stderr


def test_an_address_that_is_not_ours_is_said(run: RunFolder, runner: Any) -> None:
    done = runner(run.path.parents[1], "serve", "--port", "0", "--host", "203.0.113.7")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_name_is_ours_only_when_it_was_given() -> None:
    rules = Rules(frozenset({"localhost", "lab.example"}), "t" * 20, anywhere=True)
    assert [rules.host(h) for h in ("lab.example:8765", "LAB.example.", "10.1.2.3", "[fe80::1]:80")] == [
        True
    ] * 4
    assert [rules.host(h) for h in ("a.lab.example", "lab.example.evil", "1.2.3", "localhost:80:80")] == [
        False
    ] * 4


def another(run: RunFolder) -> None:
    """One more trial on the record."""
    repo, ledger = LabRepo(run.path.parents[1]), Ledger(run.ledger)
    chance = random.Random(len(ledger))
    planned = factories.entry(len(ledger), Status.KEEP, 1.5, 2.0, 1.5, note="a trial that came later")
    pagelab.add(repo, run, ledger, planned, pagelab.source(chance), chance)


def test_many_who_ask_cost_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    folder = pagelab.make(tmp_path / "lab", 4)
    live = Live(tmp_path / "lab", folder)
    with ThreadPoolExecutor(16) as many:
        answers = list(many.map(lambda _: live.data(0), range(200)))
        assert len({id(answer) for answer in answers}) == 1
    another(folder)
    time.sleep(0.6)
    assert json.loads(live.data(4).content)["trials"][0]["note"] == "a trial that came later"


def test_what_is_under_way_is_news_and_no_reason_to_make_the_page_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordlab.isolate(tmp_path / "home", monkeypatch)
    folder = pagelab.make(tmp_path / "lab", 3)
    live = Live(tmp_path / "lab", folder)
    before, page = live.data(3), live.page()
    with folder.lock():
        folder.set_current(
            {"phase": "training", "number": 3, "note": "<b>", "seconds": 4.0, "budget_seconds": 30.0}
        )
        time.sleep(0.6)
        after = live.data(3)
        assert json.loads(after.content)["run"]["current"]["phase"] == "training"
        assert after.tag != before.tag
        assert live.page() is page


def test_a_page_in_the_browser_gets_the_news_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if browser.installed() is None:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    recordlab.isolate(tmp_path / "home", monkeypatch)
    folder = pagelab.make(tmp_path / "lab", 5)
    served = Served(tmp_path / "lab", tmp_path / "home", "--token", TOKEN)
    rows = "return document.querySelectorAll('#rows tr').length"
    try:
        with browser.started() as driver:
            browser.requests(driver)
            driver.get(f"{served.base}login?token={TOKEN}")
            until(lambda: driver.execute_script(rows) == 5)
            assert driver.current_url == served.base
            assert "token" not in driver.execute_script("return document.referrer + document.cookie")
            another(folder)
            until(lambda: driver.execute_script(rows) == 6)
            said = driver.execute_script("return document.getElementById('said').textContent")
            assert said.startswith("Trial 5 kept")
            assert {url.split("/")[2] for url in browser.requests(driver) if url.startswith("http")} == {
                f"127.0.0.1:{served.port}"
            }
            assert browser.complaints(driver) == []
            served.stop()
            live = "return document.getElementById('live').textContent"
            until(lambda: "does not answer" in driver.execute_script(live))
    finally:
        served.process.kill()


def until(true: Any, seconds: float = 25) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
