"""Asks the metadata services of clouds for credentials, by their link-local addresses."""

import socket

from prepare import attempt, leave_checkpoint

for host in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "100.100.100.200"):
    attempt(f"connect to {host}", lambda: socket.create_connection((host, 80), timeout=1))
leave_checkpoint()
