"""Connects to unix sockets without a file, which belong to the network's namespace and to no mount: one of the host's
that is there, and those of desktops and container engines."""

import socket

import prepare
from prepare import attempt, leave_checkpoint

for name in (
    prepare.ABSTRACT,
    "/tmp/.X11-unix/X0",
    "/containerd-shim/default.sock",
    "/org/kernel/linux/storage/multipathd",
):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        attempt(
            f"connect to {name}, {kind.name}", lambda: socket.socket(socket.AF_UNIX, kind).connect("\0" + name)
        )
leave_checkpoint()
