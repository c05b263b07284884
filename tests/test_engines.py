"""Which engine is asked, and that nothing but settings and environment decides it; engines at TCP and ssh addresses."""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from conftest import ROOT
from ignoring import Relay

from runner.config import TrialSettings
from runner.errors import MissingError, UsageError
from runner.sandbox import dialect, inside, ssh
from runner.sandbox.box import Sandbox
from runner.sandbox.container import Container
from runner.sandbox.engine import Engine
from runner.sandbox.finding import DIFFERS
from runner.sandbox.spec import ContainerSpec, Limits, Mount, body

SPEC = ContainerSpec("n", "sha256:0", ("true",), (), Limits(64, 0, 16, 4, 4), 9, {})


# What is asked, in words


def test_podman_gets_the_profile_by_path() -> None:
    asked = dialect.for_podman(body(SPEC), "/images/seccomp.json", "n")["HostConfig"]
    assert asked["SecurityOpt"] == ["no-new-privileges", "seccomp=/images/seccomp.json"]
    assert asked["Memory"] == 64 << 20


def test_podman_gets_volumes_of_the_containers_own_where_its_tmpfs_takes_no_bound_on_files() -> None:
    asked = dialect.for_podman(body(SPEC), "/x", "n")["HostConfig"]
    assert asked["Binds"] == ["n-dev-shm:/dev/shm:rw,noexec,nosuid,nodev,nocopy"]


def test_podman_gets_tmp_as_a_tmpfs_that_it_lays_nothing_over() -> None:
    asked = dialect.for_podman(body(SPEC), "/x", "n")["HostConfig"]
    assert asked["Tmpfs"]["/tmp"] == "rw,noexec,nosuid,nodev,size=4m,mode=1777"


def test_podmans_own_writable_folders_are_covered() -> None:
    tmpfs = dialect.for_podman(body(SPEC), "/x", "n")["HostConfig"]["Tmpfs"]
    assert {path for path, options in tmpfs.items() if options.startswith("ro,")} == {"/run", "/var/tmp"}


def test_podman_gets_volumes_in_words_that_keep_noexec() -> None:
    mounts = (Mount("out", "/out", read_only=False), Mount("code", "/lab"))
    asked = dialect.for_podman(body(replace(SPEC, mounts=mounts)), "/x", "n")["HostConfig"]
    assert "Mounts" not in asked
    assert asked["Binds"][:2] == [
        "out:/out:rw,noexec,nosuid,nodev,nocopy",
        "code:/lab:ro,nosuid,nodev,nocopy",
    ]


def test_podmans_words_change_nothing_of_the_spec() -> None:
    before = body(SPEC)
    dialect.for_podman(before, "/x", "n")
    assert before == body(SPEC)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://gpu-box", ["gpu-box"]),
        ("ssh://me@gpu-box:2222", ["-l", "me", "-p", "2222", "gpu-box"]),
        ("ssh://me@gpu-box/run/podman/podman.sock", ["-l", "me", "gpu-box"]),
    ],
)
def test_the_ssh_command(url: str, words: list[str]) -> None:
    command = ssh.command(url, Path("/private/engine.sock"))
    there = "/run/podman/podman.sock" if "podman" in url else "/var/run/docker.sock"
    assert f"/private/engine.sock:{there}" in command
    assert [word for word in words if word not in command] == []
    assert command[command.index("--") + 1] == "gpu-box"
    assert "BatchMode=yes" in command


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://-oProxyCommand=x", "ssh://-l@host", "ssh://a:b@host", "ssh://h:x"]
)
def test_an_ssh_address_that_is_none_or_an_option_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        ssh.command(url, Path("/x"))


# Who decides


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A home whose docker configuration was written by someone else. Gives what that someone got to see or run."""
    trace, home = tmp_path / "trace", tmp_path / "home"
    config, programs = home / ".docker", tmp_path / "bin"
    context = config / "contexts" / "meta" / ("0" * 64)
    for folder in (context, programs):
        folder.mkdir(parents=True)
    helper = programs / "docker-credential-evil"
    helper.write_text(f"#!/bin/sh\necho ran >> {trace}\necho '{{}}'\n")
    helper.chmod(0o755)
    elsewhere = f"unix://{tmp_path / 'elsewhere.sock'}"
    (config / "config.json").write_text(
        json.dumps({
            "currentContext": "evil", "credsStore": "evil", "credHelpers": {"registry.invalid": "evil"},
            "HttpHeaders": {"X-Evil": "yes"}, "auths": {"registry.invalid": {"auth": "ZXZpbDpldmls"}},
            "proxies": {"default": {"httpProxy": "http://127.0.0.1:9", "httpsProxy": "http://127.0.0.1:9"}},
        })
    )  # fmt: skip
    (context / "meta.json").write_text(
        json.dumps({"Name": "evil", "Endpoints": {"docker": {"Host": elsewhere}}})
    )
    (home / ".netrc").write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("DOCKER_CONTEXT", "evil")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    def seen() -> list[str]:
        return trace.read_text().split() if trace.exists() else []

    return seen


def which(engine: Any) -> list[str]:
    """What tells an engine from another; the ID that Podman gives is another at every question."""
    own = [] if engine.info.name == "podman" else [engine.raw["ID"]]
    return [engine.raw["Name"], engine.raw["DockerRootDir"], *own]


@pytest.mark.engine
def test_a_written_docker_configuration_changes_nothing(engine: Any, hostile: Callable[[], list[str]]) -> None:
    fresh = Engine()
    assert fresh.url == engine.url
    assert which(fresh) == which(engine)
    fresh.close()


@pytest.mark.engine
def test_no_header_proxy_or_password_of_a_home_folder_is_sent(
    engine: Any, hostile: Callable[[], list[str]]
) -> None:
    """Through a real engine at a TCP address, for those are what proxies and passwords are for."""
    sent: list[bytes] = []

    class Listening(Relay):
        def _pass(self, source: socket.socket, to: socket.socket, asking: bool) -> None:
            if asking:
                sent.append(source.recv(1 << 16, socket.MSG_PEEK))
            super()._pass(source, to, asking)

    relay = Listening(engine.url)
    Engine(relay.url).close()
    relay.close()
    assert sent, "it was asked directly, not through the proxy"
    assert b"Evil" not in b"".join(sent)
    assert b"Authorization" not in b"".join(sent)


@pytest.mark.parametrize(
    ("offered", "spoken"), [("1.41", "1.41"), ("1.51", "1.51"), ("1.52", "1.51"), ("1.100", "1.51")]
)
def test_newer_words_than_this_program_knows_are_not_spoken(offered: str, spoken: str) -> None:
    """An engine answers everyone in the words that they ask in: those of 1.53 for what volumes take are others."""
    asked: list[str] = []

    class Engines(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = json.dumps({"ApiVersion": offered}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Engines) as server:
        threading.Thread(target=server.serve_forever).start()
        Engine(f"tcp://127.0.0.1:{server.server_port}").close()
        server.shutdown()
    assert asked == ["/version", f"/v{spoken}/info", f"/v{spoken}/version"]


@pytest.mark.engine
def test_no_credential_helper_is_run_and_no_proxy_enters_a_build(
    engine: Any, hostile: Callable[[], list[str]]
) -> None:
    fresh = Engine()
    with contextlib.suppress(docker.errors.APIError):  # Podman says in its answer that it failed
        fresh.api.pull("registry.invalid/none", tag="none")
    assert fresh.api._proxy_configs.get_environment() == {}
    context = b"FROM registry.invalid/none:none\n"
    list(fresh.api.build(fileobj=io.BytesIO(context), rm=True, network_mode="none", decode=True))
    fresh.close()
    assert hostile() == []


@pytest.mark.parametrize(("setting", "variable"), [(True, True), (True, False), (False, True)])
def test_settings_come_before_docker_host_and_both_before_the_default(
    setting: bool, variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/variable.sock" if variable else "")
    with pytest.raises(MissingError, match="setting" if setting else "variable"):
        Engine("unix:///nobody/setting.sock" if setting else "")


def test_certificates_are_taken_from_no_folder_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.delenv("DOCKER_CERT_PATH", raising=False)
    with pytest.raises(UsageError, match="DOCKER_CERT_PATH"):
        Engine("tcp://127.0.0.1:2376")


def test_an_engine_that_is_not_there_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(MissingError, match="no container engine answers at tcp://"):
        Engine(url)


# Engines elsewhere


@pytest.fixture
def remote(engine: Any) -> Iterator[str]:
    relay = Relay(engine.url)
    yield relay.url
    relay.close()


def trained(url: str, lab: Path, runner: Any) -> dict[str, Any]:
    text = (lab / "runner.toml").read_text()
    (lab / "runner.toml").write_text(
        f'{text}\n[engine]\nurl = "{url}"\nseccomp = "{ROOT}/images/seccomp.json"\n'
    )
    done = runner(lab, "trial", "--json", "--budget", "60")
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.engine
def test_a_whole_trial_on_an_engine_at_a_tcp_address(remote: str, lab: Path, runner: Any, image: str) -> None:
    found = trained(remote, lab, runner)
    assert found["ending"] == "ok"
    assert found["val_bpb"] > 0
    assert found["peak_memory_mb"] > 10, (
        "from the engine's statistics: control groups there cannot be read here"
    )


class Slow(Relay):
    """Answers no question for statistics before `seconds` have passed. asked: when each was asked, monotonic."""

    def __init__(self, engine_url: str, seconds: float) -> None:
        self.seconds, self.asked = seconds, list[float]()
        super().__init__(engine_url)

    def _pass(self, source: socket.socket, to: socket.socket, asking: bool) -> None:
        while asking and (head := source.recv(1 << 16, socket.MSG_PEEK)):
            if b"/stats?" in head.split(b"\r\n", 1)[0]:
                self.asked.append(time.monotonic())
                time.sleep(self.seconds)
            to.sendall(source.recv(len(head)))
        super()._pass(source, to, asking)


@pytest.mark.engine
def test_statistics_that_come_late_delay_no_kill(engine: Any, image: str, tag: str) -> None:
    relay = Slow(engine.url, 8.0)
    far = Engine(relay.url, str(ROOT / "images" / "seccomp.json"))
    budget = 3.0
    try:
        spec = ContainerSpec(
            f"autoresearch-{tag}-0001-0-slow-train", image, ("sleep", "60"), (), Limits(64, 0, 16, 4, 4), 60,
            {"autoresearch.run": tag}, payload=False,
        )  # fmt: skip
        with Container(far, spec) as container:
            container.start()
            ended = container.wait(container.started + budget)
            late = time.monotonic() - container.started - budget
    finally:
        far.close()
        relay.close()
    assert ended.killed
    assert ended.overrun_seconds < 2
    assert late < 4, "nor does what is asked after the kill wait for them"
    assert len(relay.asked) == 1, "no second question while the first waits"
    assert relay.asked[0] < container.started + budget


@pytest.mark.engine
def test_an_engine_elsewhere_is_compared_but_for_namespaces(
    remote: str, image: str, tag: str, engine: Any
) -> None:
    far = Engine(remote, str(ROOT / "images" / "seccomp.json"))
    assert not far.local
    name = f"autoresearch-{tag}-data"
    engine.api.create_volume(name)
    try:
        [seen] = inside.stages(Sandbox(far, image, TrialSettings(), name), {}, whole=False, names=("train",))
    finally:
        engine.api.remove_volume(name, force=True)
        far.close()
    assert [found for found in seen.findings if found.state == DIFFERS] == []
    told = next(found for found in seen.findings if found.name == "namespaces")
    assert "another machine" in told.found


@pytest.mark.engine
def test_podman_elsewhere_needs_the_profile_there(engine: Any) -> None:
    if engine.info.name != "podman":
        pytest.skip("this engine takes the profile itself: run with --engine-url of a Podman")
    far = Engine(Relay(engine.url).url)
    with pytest.raises(MissingError, match="seccomp"):
        far.shaped(body(SPEC), "n")


@pytest.fixture
def ssh_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """host:port of a real sshd on the loopback that takes a key of this test, which the ssh program here knows of."""
    daemon = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if not (daemon and shutil.which("ssh") and shutil.which("ssh-keygen")):
        pytest.skip("no ssh server here: apt-get install openssh-server")
    if os.geteuid():
        pytest.skip("an ssh server of one's own needs root here")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (keys / "authorized").write_text((keys / "user.pub").read_text())
    (keys / "known").write_text(f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    options = [f"HostKey={keys / 'host'}", f"AuthorizedKeysFile={keys / 'authorized'}", "StrictModes=no",
               "PasswordAuthentication=no", "UsePAM=no", f"PidFile={keys / 'pid'}", "PermitRootLogin=yes",
               "AllowStreamLocalForwarding=yes"]  # fmt: skip
    words = [daemon, "-D", "-e", "-f", "/dev/null", "-p", str(port), "-o", "ListenAddress=127.0.0.1"]
    server = subprocess.Popen([*words, *(w for o in options for w in ("-o", o))], stderr=subprocess.DEVNULL)
    config = keys / "config"
    config.write_text(
        f"Host *\n IdentityFile {keys / 'user'}\n IdentitiesOnly yes\n UserKnownHostsFile {keys / 'known'}\n"
    )
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n'
    )  # for a configuration of its own
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for _ in range(100):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"{getpass.getuser()}@127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.mark.engine
def test_a_whole_trial_on_an_engine_over_ssh(
    engine: Any, ssh_server: str, lab: Path, runner: Any, image: str
) -> None:
    found = trained(f"ssh://{ssh_server}{engine.url.removeprefix('unix://')}", lab, runner)
    assert found["ending"] == "ok"


def tunnels(port: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"ssh") and port.encode() in words:
            found.append(folder.name)
    return found


@pytest.mark.engine
def test_the_ssh_process_ends_with_the_connection_and_with_a_killed_program(
    engine: Any, ssh_server: str
) -> None:
    url, port = f"ssh://{ssh_server}{engine.url.removeprefix('unix://')}", ssh_server.split(":")[1]
    near = Engine(url)
    assert which(near) == which(engine)
    assert tunnels(port)
    near.close()
    assert tunnels(port) == []
    words = f"e = Engine({url!r}); print('on', flush=True); time.sleep(60)"
    program = f"from runner.sandbox.engine import Engine; import time; {words}"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    assert child.stdout.readline() == b"on\n"
    assert tunnels(port)
    child.kill()
    child.wait()
    end = time.monotonic() + 10
    while tunnels(port) and time.monotonic() < end:
        time.sleep(0.1)
    assert tunnels(port) == []


def test_an_ssh_server_that_knows_nobody_is_missing_with_what_ssh_said(ssh_server: str, tmp_path: Path) -> None:
    (tmp_path / "keys" / "authorized").write_text("")
    with pytest.raises(MissingError, match="Permission denied"):
        Engine(f"ssh://{ssh_server}")
