"""Tries to reach anything but the model's API: names, addresses, IPv6, metadata, the bridge, other ports, other hosts
through the gateway, a tunnel, a redirect."""

import http.client
import socket

PLACES = [
    *[("example.com", 80), ("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("172.17.0.1", 22)],
    *[("172.17.0.1", 2375), ("::1", 22), ("2606:4700:4700::1111", 443), ("127.0.0.1", 22), ("gateway", 80)],
]
for host, port in PLACES:
    try:
        socket.create_connection((host, port), timeout=3).close()
        print("GOT", host, port)
    except OSError as error:
        print("refused", host, port, error)
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    try:
        with socket.socket(socket.AF_INET, kind) as raw:
            raw.sendto(b"x", ("8.8.8.8", 53))
            print("GOT", kind)
    except OSError as error:
        print("refused", kind, error)

REQUESTS = [
    ("POST", "/v1/messages", {"Host": "other.example"}),
    ("POST", "http://other.example/v1/messages", {}),
    ("CONNECT", "other.example:443", {}),
    ("POST", "/admin", {}),
    ("POST", "/v1/../admin", {}),
    ("POST", "/v1/%2e%2e/admin", {}),
    ("POST", "/v1/..%2fadmin", {}),
    ("POST", "/v1beta/messages", {}),
    ("POST", "/files/..%2fv1/messages", {}),
    ("POST", "/v1/files", {}),
    ("POST", "/v1/messages/batches", {}),
    ("POST", "/v1/messages?key=another", {}),
    ("DELETE", "/v1/messages", {}),
    ("POST", "/v1/models/redirect", {}),
    ("POST", "/v1/messages", {"Transfer-Encoding": "chunked", "Content-Length": "5"}),
]
for method, path, headers in REQUESTS:
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers or path.startswith("http"))
        if path.startswith("http"):
            headers = {"Host": "other.example"}
        for name, value in {"Content-Length": "2", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(b"{}")
        answer = connection.getresponse()
        print("GOT" if answer.status < 300 else "refused", method, path, headers, answer.status)
    except (OSError, http.client.HTTPException) as error:
        print("refused", method, path, headers, repr(error))
    finally:
        connection.close()

with socket.create_connection(("127.0.0.1", 8080), timeout=5) as raw:  # bytes that are no text
    raw.sendall(b"POST /v1/\xed\xa0\x80?\xff HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 0\r\n\r\n")
    print("GOT" if b" 200 " in raw.recv(100) else "refused", "bytes")
