"""Fills every place that it may write, in bytes and in files."""

import os

for folder in ("/task", "/home/agent", "/tmp", "/dev/shm"):
    written = 0
    try:
        with open(f"{folder}/big", "wb") as file:
            while written < 4 << 30:
                written += file.write(b"\0" * (1 << 20))
        print("GOT", folder, written, flush=True)
    except OSError as error:
        print("bounded", folder, written >> 20, "MB", error.strerror, flush=True)
    try:
        os.unlink(f"{folder}/big")
        for number in range(300_000):
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
        print("GOT", folder, "files", flush=True)
    except OSError as error:
        print("bounded", folder, number, "files", error.strerror, flush=True)
