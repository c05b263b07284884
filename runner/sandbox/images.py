"""The trial image: base, wheels, build. Needs no network inside any container.

The base is pulled where a registry answers and made from Debian's packages where none does. Wheels are had on the
host (`wheels.py`) and installed in the image with `--no-index`. An image is named by the digest of everything it is
made from, so it is built once and found at once.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from runner.config import ImageSettings
from runner.errors import InfraError, MissingError, UsageError
from runner.sandbox import used, wheels
from runner.sandbox.base import python_base
from runner.sandbox.build import Progress, build, building, image_id, pull, tidy
from runner.sandbox.engine import Engine
from runner.sandbox.spec import LABEL


def trial_image(engine: Engine, lab: Path, settings: ImageSettings, *, cuda: bool, progress: Progress) -> str:
    """The id of the trial image, built first if it is not there.

    Raises UsageError for a broken Dockerfile or requirements, MissingError and InfraError for the machine.
    """
    name = used.hold(image_name(lab, settings, cuda=cuda))
    if found := image_id(engine, name):
        return found
    with building(progress):
        if found := image_id(engine, name):
            return found
        base = _base(engine, settings, cuda=cuda, progress=progress)
        with tempfile.TemporaryDirectory(prefix="autoresearch-wheels-", dir=used.roomy()) as folder:
            wheels.download(lab / "images" / "trial.txt", Path(folder), settings, cuda=cuda, progress=progress)
            _build(engine, lab, Path(folder), base, name, progress)
        made = image_id(engine, name)
    if not made:
        raise InfraError(f"the engine built the image {name} and does not have it")
    return made


def image_name(lab: Path, settings: ImageSettings, *, cuda: bool) -> str:
    """The image's name, whose tag is a digest of all that it is made from."""
    inputs = hashlib.sha256()
    for path in (lab / "Dockerfile", lab / "images" / "trial.txt"):
        try:
            inputs.update(path.read_bytes() + b"\0")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}", "A lab needs it: see runner new"
            ) from None
    kind = "PyTorch's for CUDA" if cuda else False
    inputs.update(json.dumps([settings.python, settings.base, kind]).encode())
    return f"autoresearch/trial:{inputs.hexdigest()[:12]}"


def _base(engine: Engine, settings: ImageSettings, *, cuda: bool, progress: Progress) -> str:
    """The name of the base image: the pulled one, or the one made here from Debian's packages."""
    wanted = settings.base or f"python:{settings.python}-{'bookworm' if cuda else 'slim-bookworm'}"
    why = pull(engine, wanted, progress)
    if not why:
        return wanted
    if settings.base:
        raise MissingError(
            f"the base image {wanted} cannot be pulled: {why}",
            "Load it into the engine, or remove image.base from runner.toml",
        )
    return python_base(engine, settings.python, cuda=cuda, progress=progress)


def _build(engine: Engine, lab: Path, there: Path, base: str, name: str, progress: Progress) -> None:
    context: dict[str, Path] = {"Dockerfile": lab / "Dockerfile", "trial.txt": lab / "images" / "trial.txt"}
    context |= {f"wheels/{wheel.name}": wheel for wheel in there.iterdir()}
    build(engine, name, context, {"BASE": base}, network="none", progress=progress)
    tidy(engine, f"{LABEL}=image", f"{LABEL}.stage=wheels")
