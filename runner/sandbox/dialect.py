"""Where engines that speak Docker's API differ in words. Pure; what they differ in deeds `runner check` finds.

Podman reads `seccomp=` as the path of a profile on its own machine, where Docker reads the profile itself; and it
refuses an option of tmpfs that it does not know, `nr_inodes`. The files of /tmp are then bounded by memory alone.
A volume keeps `noexec` only where it is asked for in the words of `Binds`, whose sources are volumes here too.
Over a read-only root it lays writable folders of its own unless something else is mounted there.
"""

from __future__ import annotations

import copy
from typing import Any

OWN_FOLDERS = ("/run", "/var/tmp")


def for_podman(body: dict[str, Any], seccomp_path: str) -> dict[str, Any]:
    """A container's create body as Podman takes it; seccomp_path: of the profile, on the engine's machine."""
    changed = copy.deepcopy(body)
    host = changed["HostConfig"]
    host["SecurityOpt"] = [
        f"seccomp={seccomp_path}" if option.startswith("seccomp={") else option
        for option in host["SecurityOpt"]
    ]
    host["Tmpfs"] = {
        target: ",".join(word for word in options.split(",") if not word.startswith("nr_inodes="))
        for target, options in host["Tmpfs"].items()
    }
    host["Binds"] = [
        f"{m['Source']}:{m['Target']}:{'ro' if m['ReadOnly'] else 'rw,noexec'},nosuid,nodev,nocopy"
        for m in host.pop("Mounts")
    ]
    for target in OWN_FOLDERS:
        host["Tmpfs"].setdefault(target, "ro,noexec,nosuid,nodev,size=64k,mode=0755")
    return changed
