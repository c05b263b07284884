"""Opens sockets of every other family, and raw ones: packet, netlink, vsock, Bluetooth, CAN, kernel crypto."""

import socket

from prepare import attempt, leave_checkpoint

SOCK_PACKET = 10
ALLOWED = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
for family in [f for f in range(46) if f not in ALLOWED]:
    attempt(f"family {family}", lambda: socket.socket(family, socket.SOCK_DGRAM))
for family in (socket.AF_INET, socket.AF_INET6):
    attempt(f"raw, family {family}", lambda: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    attempt(f"packets, family {family}", lambda: socket.socket(family, SOCK_PACKET))
leave_checkpoint()
