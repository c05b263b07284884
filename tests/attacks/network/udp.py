"""Sends datagrams to the host and to the internet, also by broadcast and multicast; loopback is its own."""

import socket

import prepare
from prepare import attempt, leave_checkpoint

for host in [*prepare.HOSTS, "255.255.255.255", "224.0.0.1", "8.8.8.8"]:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    attempt(f"send to {host}", lambda: sender.sendto(b"out", (host, prepare.PORT)))
leave_checkpoint()
