"""Goes out by IPv6: loopback, link-local, all nodes of the link, the internet."""

import socket

import prepare
from prepare import attempt, leave_checkpoint

for host in ("::1", "2606:4700:4700::1111", "fd00::1", "::ffff:127.0.0.1"):
    attempt(f"connect to {host}", lambda: socket.create_connection((host, prepare.PORT), timeout=1))
for host, scope in (("fe80::1", 1), ("ff02::1", 1), ("ff02::2", 2)):
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    attempt(f"send to {host}%{scope}", lambda: sender.sendto(b"out", (host, prepare.PORT, 0, scope)))
leave_checkpoint()
