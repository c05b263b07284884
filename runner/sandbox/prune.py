"""Our images and data volumes as things that may go: their size, when they were used last, and how they are removed.

Never removed is what a container or a living process uses (`used.py`). What goes is made again when it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import docker.errors

from runner.errors import InfraError
from runner.keep import Item
from runner.sandbox import used
from runner.sandbox.engine import Engine, faults, gone
from runner.sandbox.spec import LABEL

IMAGES: Mapping[str, list[str]] = {"label": [f"{LABEL}=image"]}
VOLUMES: Mapping[str, list[str]] = {"label": [f"{LABEL}=data"]}


def images(engine: Engine, filters: Mapping[str, list[str]] = IMAGES) -> list[Item]:
    """The images that were built here. Each counts with all its layers, those that it shares with others too.

    A base image is not among them: it is the lowest layers of what is built on it, and there are two or three at most.
    """
    with faults("listing images"):
        found = engine.api.images(filters=dict(filters))
    items = []
    for image in found:
        identity = str(image["Id"])
        for name in [tag for tag in image.get("RepoTags") or [] if "<none>" not in tag] or [identity]:
            last = max(used.last_use(name), float(image.get("Created") or 0))
            remove = partial(_remove, name, engine.api.remove_image)
            items.append(Item("image", name, int(image.get("Size") or 0), last, remove))
    return items


def volumes(engine: Engine, filters: Mapping[str, list[str]] = VOLUMES) -> list[Item]:
    """The data volumes. Their size is what the engine's own account says, 0 where it gives none."""
    with faults("listing volumes"):
        found = engine.api.volumes(filters=dict(filters)).get("Volumes") or []
    sizes = _sizes(engine) if found else {}
    items = []
    for volume in found:
        name = str(volume["Name"])
        last = max(used.last_use(name), _time(str(volume.get("CreatedAt") or "")))
        remove = partial(_remove, name, engine.api.remove_volume)
        items.append(Item("data volume", name, sizes.get(name, 0), last, remove))
    return items


def _sizes(engine: Engine) -> dict[str, int]:
    try:
        with faults("asking what volumes take"):
            told = engine.api.df().get("Volumes") or []
    except InfraError:
        return {}
    return {str(v["Name"]): max(0, int((v.get("UsageData") or {}).get("Size") or 0)) for v in told}


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _remove(name: str, remove: Callable[[str], Any]) -> bool:
    with used.free(name) as unused:
        if not unused:
            return False
        with faults(f"removing {name}"):
            try:
                remove(name)
            except docker.errors.APIError as error:
                if not gone(error):
                    raise
                return False  # a container uses it, or another image is made from it
        used.unmark(name)
    return True
