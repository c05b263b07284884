"""Writes, renames and links wherever it may not, and leaves a link and a folder where its files are wanted."""

import contextlib
import os

PLACES = [
    "/lab/program.md",
    "/lab/prepare/__init__.py",
    "/lab/new",
    "/etc/passwd",
    "/usr/bin/new",
    "/opt/agent/new",
]
PLACES += ["/gateway/new", "/new", "/proc/sys/kernel/hostname", "/sys/fs/cgroup/new"]
for place in PLACES:
    try:
        with open(place, "a") as file:
            file.write("x")
        print("GOT", place)
    except OSError as error:
        print("refused", place, error.strerror)
for place in ("/lab/program.md", "/gateway/api.sock"):
    for change in (
        os.unlink,
        lambda p: os.rename(p, p + "2"),
        lambda p: os.chmod(p, 0o777),
        lambda p: os.utime(p),
    ):
        try:
            change(place)
            print("GOT", place)
        except OSError as error:
            print("refused", place, error.strerror)
os.unlink("train.py")
os.symlink("/etc/passwd", "train.py")
os.unlink("note.txt")
os.mkdir("note.txt")
with contextlib.suppress(OSError):
    os.link("/lab/program.md", "hard")
print("tried")
