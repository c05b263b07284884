"""Goes to the gateway of the engine's bridge, where the host and often the engine itself listen; and configures an
interface and a route to get there."""

import ctypes
import fcntl
import socket

import prepare
from prepare import attempt, leave_checkpoint

for gateway in ("172.17.0.1", "172.18.0.1", "10.88.0.1", "10.0.2.2", "192.168.65.2"):
    for port in (2375, 2376, 22, prepare.PORT):
        attempt(f"connect to {gateway}:{port}", lambda: socket.create_connection((gateway, port), timeout=1))
local = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name = b"lo".ljust(16, b"\0")
address = bytes([2, 0, 0, 0, 172, 17, 0, 9]).ljust(24, b"\0")
attempt("an address", lambda: fcntl.ioctl(local, 0x8916, name + address))
attempt("an interface down", lambda: fcntl.ioctl(local, 0x8914, name + bytes(24)))
attempt("a route", lambda: fcntl.ioctl(local, 0x890B, ctypes.create_string_buffer(120)))
attempt("a tunnel", lambda: open("/dev/net/tun", "r+b"))
attempt("bind to a device", lambda: local.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0"))
leave_checkpoint()
