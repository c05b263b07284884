"""Removes what a killed run left in the engine: containers first, then their volumes.

Only things with our label whose owner is dead (`owner.py`); two runs on one machine leave each other alone.
"""

from __future__ import annotations

from typing import Any

import docker.errors

from runner.sandbox import owner
from runner.sandbox.engine import Engine, faults, gone
from runner.sandbox.spec import LABEL
from runner.sandbox.volumes import remove_volume


def reap(engine: Engine, tag: str = "") -> list[str]:
    """Removes leftovers, of one run if `tag` is given; returns the names of what was removed."""
    wanted = f"{LABEL}.run={tag}" if tag else f"{LABEL}=trial"
    with faults("listing containers"):
        containers = engine.api.containers(all=True, filters={"label": [wanted]})
    removed = []
    for container in containers:
        dead = owner.leftover(container.get("Labels") or {}, engine_is_local=engine.local)
        if dead and remove_container(engine, container["Id"]):
            removed.append(str((container.get("Names") or [container["Id"]])[0]).lstrip("/"))
    with faults("listing volumes"):
        volumes: list[dict[str, Any]] = engine.api.volumes(filters={"label": [wanted]}).get("Volumes") or []
    for volume in volumes:
        if owner.leftover(volume.get("Labels") or {}, engine_is_local=engine.local):
            remove_volume(engine, volume["Name"])
            removed.append(str(volume["Name"]))
    return removed


def remove_container(engine: Engine, container_id: str) -> bool:
    """Ends and removes a container; False where it was gone already."""
    with faults("removing a leftover container"):
        try:
            engine.api.remove_container(container_id, force=True, v=True)
        except docker.errors.APIError as error:
            if not gone(error):
                raise
            return False  # Docker may list such a one as being removed until it is restarted
    return True


def forget(engine: Engine) -> list[str]:
    """Removes our images and data volumes, but for those in use; returns their names."""
    removed = []
    with faults("listing images and volumes"):
        images = engine.api.images(filters={"label": [f"{LABEL}=image"]})
        volumes = engine.api.volumes(filters={"label": [f"{LABEL}=data"]}).get("Volumes") or []
    for remove, names in (
        (engine.api.remove_image, [str((i.get("RepoTags") or [i["Id"]])[0]) for i in images]),
        (engine.api.remove_volume, [str(v["Name"]) for v in volumes]),
    ):
        for name in names:
            with faults(f"removing {name}"):
                try:
                    remove(name)
                except docker.errors.APIError as error:
                    if not gone(error):  # 409: another run uses it
                        raise
                    continue
            removed.append(name)
    return removed
