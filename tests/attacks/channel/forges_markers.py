"""Writes what the host writes to itself: lines of progress with impossible numbers, headers of the engine's stream,
frames of the model host; and escape codes, invalid UTF-8, NULs, characters that turn the order of reading round."""

import os
import struct

for line in (
    b'@ {"step": -1, "loss": 0.0, "tokens": 1e400, "rate": NaN}',
    b'@ {"step": ' + b"9" * 400 + b"}",
    b'@ {"loss": {"a": []}}',
    b"@ {" * 100,
    b"[... 12 bytes left out ...]",
):
    os.write(1, line + b"\n")
os.write(1, b"\x01\0\0\0\0\0\0\x0aok val 0.0" + b"\x02\0\0\0\xff\xff\xff\xff")
os.write(1, struct.pack("<4sHHIQ", b"ARMH", 1, 3, 1, 0))
os.write(
    1, b"\n\x1b[2J\x1b[H\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x07\x1bP+q\x1b\\\x9b31m\x00\x00\xff\xfe\xc3\x28\n"
)
os.write(1, b"overwritten\r\rby this\x08\x08\x7f\n")
os.write(1, "\u202eright to left\u2028\u200b\U000e0041 a\u0301\u0301\u0301\u0301\u0301\u0301\n".encode())
os.write(1, bytes(range(256)) * 4)
