"""Fills /out, /tmp and /dev/shm, which together exceed the memory: files in memory do not go when their writer is
killed, so the kernel kills one process after the other and finds none that helps."""

import os

for folder in ("/tmp", "/dev/shm", "/out"):
    if os.fork() == 0:
        with open(f"{folder}/fill", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
while True:
    os.wait()
