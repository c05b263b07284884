"""Asks its model's API and hangs up before the end of the answer, where the count of its tokens would stand."""

import http.client
import sys

patience, wanted = float(sys.argv[1]), int(sys.argv[2])  # seconds to wait for each part, bytes to read
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=patience)
read = 0
try:
    connection.request("POST", "/v1/messages", b'{"prompt": "%s"}' % (b"x" * 1000))
    answer = connection.getresponse()
    while read < wanted and (part := answer.read1(4096)):
        read += len(part)
except OSError as error:
    print("no answer:", error)
connection.close()
print("read", read)
