"""Runs where the model host would, in a container that the next stage gets, and tells what it finds there: as JSON on
stdout, after its length in eight digits. Knows nothing of attacks; shares no code with them."""

import hashlib
import json
import os
import stat
import sys


def tree(root):
    found = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = ""
            if stat.S_ISREG(status.st_mode) and status.st_size < 1 << 20:
                try:
                    content = hashlib.sha256(open(path, "rb").read()).hexdigest()
                except OSError:
                    content = "unreadable"
            about = [stat.filemode(status.st_mode), status.st_uid, status.st_size, status.st_nlink, content]
            found[os.path.relpath(path, root)] = about
    return found


def keys(table):
    return [line.split()[0] for line in open(f"/proc/sysvipc/{table}").read().splitlines()[1:]]


say = os.fdopen(os.dup(1), "wb")
seen = {
    "lab": tree("/lab"),
    "out": tree("/out"),
    "elsewhere": [
        f"{r}/{p}" for r in ("/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue", "/run/lock") for p in tree(r)
    ],
    "messages": keys("shm") + keys("sem") + keys("msg"),
    "sockets": open("/proc/net/unix").read().splitlines()[1:],
    "processes": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
    "modules": sorted({m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)}),
    "me": os.getpid(),
}
told = json.dumps(seen).encode()
say.write(b"%08d" % len(told) + told)
say.flush()
