"""Writes, renames, removes, links, re-dates and re-modes the lab, the training data and the root."""

import os

from prepare import attempt, leave_checkpoint, write

THINGS = ["/lab/train/train.py", "/lab/prepare/__init__.py", "/lab/prepare/model_host.py", "/etc/passwd",
          "/opt/lab/bin/python"]  # fmt: skip
for thing in THINGS:
    attempt(f"write {thing}", lambda: write(thing))
    attempt(f"append to {thing}", lambda: open(thing, "a"))
    attempt(f"remove {thing}", lambda: os.unlink(thing))
    attempt(f"rename {thing}", lambda: os.rename(thing, f"{thing}.old"))
    attempt(f"replace {thing}", lambda: os.rename("/tmp", thing))
    attempt(f"chmod {thing}", lambda: os.chmod(thing, 0o777, follow_symlinks=True))
    attempt(f"chown {thing}", lambda: os.chown(thing, os.getuid(), os.getgid()))
    attempt(f"date {thing}", lambda: os.utime(thing, (0, 0)))
    attempt(f"name {thing} twice", lambda: os.link(thing, "/out/twice"))
    attempt(f"attribute {thing}", lambda: os.setxattr(thing, "user.poison", b"x"))
for folder in ["/", "/lab", "/lab/data", "/lab/prepare", "/lab/train", "/etc", "/opt/lab", "/usr", "/var/tmp",
               "/run", "/dev", "/home", "/root", "/proc/self", "/sys/fs/cgroup"]:  # fmt: skip
    attempt(f"a file in {folder}", lambda: write(f"{folder}/poison"))
    attempt(f"a folder in {folder}", lambda: os.mkdir(f"{folder}/poison"))
    attempt(f"a link in {folder}", lambda: os.symlink("/out", f"{folder}/poison"))
leave_checkpoint()
