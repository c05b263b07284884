"""Building an image in the engine from a context that is put together here. Knows nothing of what is in it."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker.errors

from runner.errors import InfraError, UsageError
from runner.sandbox import used
from runner.sandbox.engine import Engine, faults
from runner.sandbox.spec import LABEL
from runner.turn import turn

Progress = Callable[[str, float | None], None]


@contextmanager
def building(progress: Progress) -> Iterator[None]:
    """One build at a time on this machine: whoever waited looks again whether the image is there by then.

    Two that build the same image would each move its name; what the first was told would be nobody's, and go with the
    other's remains while it is in use. Raises InfraError.
    """
    with turn("image-build", "another build", lambda said: progress(said, None)):
        yield


def image_id(engine: Engine, name: str) -> str:
    """The id of the image `name`, empty where the engine has none. Raises InfraError."""
    with faults(f"looking for the image {name}"):
        try:
            return str(engine.api.inspect_image(name)["Id"])
        except docker.errors.ImageNotFound:
            return ""


def pull(engine: Engine, name: str, progress: Progress) -> str:
    """Has the engine hold the image `name`, pulled if need be; "" where it does, else why it cannot."""
    if image_id(engine, name):
        return ""
    progress(f"pulling {name}", None)
    try:
        # What goes wrong is an HTTP error with Docker, and the last line of an answer that began well with Podman.
        for line in engine.api.pull(name, stream=True, decode=True):
            if "error" in line:
                return str(line["error"])
    except docker.errors.APIError as error:
        return str(error.explanation)
    return ""


def build(
    engine: Engine,
    name: str,
    context: Mapping[str, Path | bytes],
    arguments: Mapping[str, str],
    *,
    network: str,
    progress: Progress,
) -> None:
    """Builds the image `name`. context: what the Dockerfile sees, its own text under `Dockerfile`.

    network: `none`, or `host` for an image that installs packages. Raises UsageError with the build's last
    lines where a step fails, InfraError where the engine does.
    """
    progress("sending the build context", None)
    with tempfile.TemporaryFile(dir=used.roomy()) as archive:
        with written(used.roomy()), tarfile.open(fileobj=archive, mode="w") as tar:
            for path, source in sorted(context.items()):
                if isinstance(source, bytes):
                    member = tarfile.TarInfo(path)
                    member.size = len(source)
                    tar.addfile(_plain(member), io.BytesIO(source))
                else:
                    tar.add(source, arcname=path, filter=_plain)
        archive.seek(0)
        with faults(f"building the image {name}"):
            lines = engine.api.build(
                fileobj=archive, custom_context=True, tag=name, buildargs=dict(arguments), rm=True, forcerm=True,
                labels={LABEL: "image"}, decode=True, timeout=3600, network_mode=network,
            )  # fmt: skip
            _follow(name, lines, progress)


def tidy(engine: Engine, *labels: str) -> None:
    """Removes what builds left of images with these labels. It is room only, and no reason to fail."""
    for label in labels:
        with contextlib.suppress(InfraError), faults("removing a build's intermediate image"):
            engine.api.prune_images(filters={"dangling": True, "label": [label]})


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """What cannot be written there becomes an InfraError that says so."""
    try:
        yield
    except OSError as error:
        raise InfraError(
            f"the files of an image cannot be gathered in {folder}: {os.strerror(error.errno or 0)}",
            "Make room there, or name another folder in TMPDIR",
        ) from error


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    member.mtime = 0
    return member


def _follow(name: str, lines: Any, progress: Progress) -> None:
    said: list[str] = []
    for line in lines:
        if "error" in line:
            raise UsageError(
                f"the image {name} does not build: {str(line['error']).strip()}",
                "".join(said[-8:]).strip() or "See its Dockerfile",
            )
        text = str(line.get("stream", ""))
        if text.startswith("Step ") and "/" in text.split()[1]:
            at, of = text.split()[1].split("/")
            progress(text.strip()[:70], int(at) / (int(of) + 1))
        elif text.strip():
            said.append(text)
