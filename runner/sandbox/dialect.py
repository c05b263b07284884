"""Where engines that speak Docker's API differ in words. Pure; what they differ in deeds `runner check` finds.

Podman reads `seccomp=` as the path of a profile on its own machine, where Docker reads the profile itself. Its tmpfs
takes no bound on files (`nr_inodes`) in any words that it has; a volume in memory does, so that in its place there is
one of each container's own. A volume keeps `noexec` only where it is asked for in the words of `Binds`, whose sources
are volumes here too, and the libraries of a GPU's driver where those are mounted one by one.

Over a read-only root it lays writable folders of its own, unless something else is mounted there. At /tmp Podman 5 lays
one, without any bound, even where a volume is, above or below it as chance has it (seen of 5.4.2 and 5.8.6); a tmpfs
that is asked for it leaves alone. So /tmp is that, its files bounded by the container's memory, to which they count.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from runner.sandbox.spec import rights

OWN_FOLDERS = ("/run", "/var/tmp")
TMP = "/tmp"
FILES_BOUND = re.compile(r",nr_inodes=\d+")


def for_podman(body: dict[str, Any], seccomp_path: str, name: str) -> dict[str, Any]:
    """A container's create body as Podman takes it; seccomp_path: of the profile, on the engine's machine."""
    changed = copy.deepcopy(body)
    host = changed["HostConfig"]
    host["SecurityOpt"] = [
        f"seccomp={seccomp_path}" if option.startswith("seccomp={") else option
        for option in host["SecurityOpt"]
    ]
    own = [
        {"Type": "volume", "Source": scratch_name(name, target), "Target": target, "ReadOnly": False}
        for target in in_volumes(host["Tmpfs"])
    ]
    covered = dict.fromkeys(OWN_FOLDERS, "ro,noexec,nosuid,nodev,size=64k,mode=0755")
    host["Tmpfs"] = {TMP: FILES_BOUND.sub("", host["Tmpfs"][TMP]), **covered}
    host["Binds"] = [
        f"{m['Source']}:{m['Target']}:{'ro,nosuid,nodev' if m['ReadOnly'] else rights(m['Target'])}"
        + (",nocopy" if m["Type"] == "volume" else "")
        for m in host.pop("Mounts") + own
    ]
    return changed


def in_volumes(targets: Iterable[str]) -> list[str]:
    """Those of a container's own folders that are volumes on Podman."""
    return [target for target in targets if target != TMP]


def scratch_name(container: str, target: str) -> str:
    """Of the volume that stands for the tmpfs at `target` of a container."""
    return f"{container}{target.replace('/', '-')}"
