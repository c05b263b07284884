"""Attacks on the network: tests/attacks/network, each in a real box, with listeners of the host that hear nothing."""

from __future__ import annotations

import secrets
import select
import socket
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from attack_lab import ATTACKS, Arena, Want, contained

from runner.trial import Ending

pytestmark = pytest.mark.engine
# Attempts besides those on each address of the host, and how many are made on each of those.
ATTACKED = {
    "tcp": (3, 1),
    "udp": (3, 1),
    "dns": (7, 0),
    "ipv6": (7, 0),
    "metadata": (5, 0),
    "gateway": (25, 0),
    "abstract_sockets": (12, 0),
    "other_families": (47, 0),
}


class Host:
    """Listeners on every address of this machine, by TCP, UDP and unix sockets without a file."""

    def __init__(self) -> None:
        addresses = [a for found in psutil.net_if_addrs().values() for a in found if a.family == socket.AF_INET]
        self.hosts = sorted({a.address for a in addresses} - {"127.0.0.1"})
        self.name = f"autoresearch-{secrets.token_hex(4)}"
        stream = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        stream.bind(("::", 0))
        self.port = stream.getsockname()[1]
        datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        datagrams.bind(("::", self.port))
        abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        abstract.bind(f"\0{self.name}")
        self.sockets = [stream, datagrams, abstract]
        for listener in (stream, abstract):
            listener.listen()

    def heard(self) -> list[socket.socket]:
        return select.select(self.sockets, [], [], 0.1)[0]

    def close(self) -> None:
        for one in self.sockets:
            one.close()

    def told(self) -> dict[str, Any]:
        return {"HOSTS": self.hosts, "PORT": self.port, "ABSTRACT": self.name}


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


def test_every_attack_is_listed() -> None:
    assert {path.stem for path in (ATTACKS / "network").glob("*.py")} == set(ATTACKED)


@pytest.mark.parametrize("name", ATTACKED)
def test_contained(arena: Arena, host: Host, name: str) -> None:
    least, each = ATTACKED[name]
    want = Want(Ending.OK, least + each * len(host.hosts))
    arena.told = host.told()
    seen = arena.attack(f"network/{name}", want)
    contained(seen, want)
    assert host.heard() == []


def test_the_listeners_hear_who_does_reach_them(host: Host) -> None:
    """The control: from outside a box the same connections arrive."""
    socket.create_connection((host.hosts[0], host.port)).close()
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(f"\0{host.name}")
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"in", ("127.0.0.1", host.port))
    assert len(host.heard()) == 3
    caller.close()


def test_no_family_of_sockets_is_left_but_local_and_internet_ones(arena: Arena) -> None:
    seen = arena.attack("network/other_families", Want(Ending.OK))
    assert {line.rsplit(" ", 1)[1] for line in seen.lines("refused")} <= {
        "EPERM",
        "EAFNOSUPPORT",
        "ESOCKTNOSUPPORT",
    }
