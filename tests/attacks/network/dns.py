"""Asks for names, which is a way to send what they hold: by the system's resolver, and by the resolvers that hosts and
engines have."""

import socket

from prepare import attempt, leave_checkpoint

attempt("getaddrinfo", lambda: socket.getaddrinfo("weights.example.com", 443))
attempt("gethostbyname", lambda: socket.gethostbyname("weights.example.com"))
query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01"
for server in ("1.1.1.1", "172.17.0.1", "10.0.0.2"):
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    attempt(f"ask {server}", lambda: asker.sendto(query, (server, 53)))
for server in (
    "127.0.0.53",
    "127.0.0.11",
):  # a datagram to one's own loopback is sent; an answer is what counts
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.settimeout(0.3)
    asker.connect((server, 53))
    attempt(f"an answer of {server}", lambda: (asker.send(query), asker.recv(512)))
leave_checkpoint()
