"""The trial image: base, wheels, build. Needs no network inside any container.

The base is pulled where a registry answers and made from Debian's packages where none does. Wheels are
resolved on the host by pip, which honours the user's own mirrors, proxies and certificates, and installed in
the image with `--no-index`. An image is named by the digest of everything it is made from, so it is built
once and found at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from runner.config import ImageSettings
from runner.errors import InfraError, MissingError, UsageError
from runner.sandbox import used
from runner.sandbox.base import python_base
from runner.sandbox.build import Progress, build, building, image_id, pull, tidy
from runner.sandbox.engine import Engine
from runner.sandbox.spec import LABEL

# pip compares tags to the letter (PEP 600): those of each glibc up to the base image's, what asks for least first.
GLIBC_OF_BOOKWORM = 36
PLATFORMS = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(5, GLIBC_OF_BOOKWORM + 1)), "linux")


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
            wheels = Path(folder)
            _download(lab / "images" / "trial.txt", wheels, settings, cuda=cuda, progress=progress)
            _build(engine, lab, wheels, base, name, progress)
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
    wheels = "PyTorch's for CUDA" if cuda else False
    inputs.update(json.dumps([settings.python, settings.base, wheels]).encode())
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


def wheels_of(settings: ImageSettings) -> list[str]:
    """The options that make pip choose wheels for the image, and not for the Python that it runs in."""
    options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", settings.python]
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    for family in PLATFORMS:
        options += ["--platform", f"{family}_{machine}"]
    return options


def _download(requirements: Path, to: Path, settings: ImageSettings, *, cuda: bool, progress: Progress) -> None:
    progress("resolving wheels", None)
    # -P: nothing of the folder that we happen to be in, which may be anyone's
    command = [sys.executable, "-P", "-m", "pip", "download", "--dest", str(to), "--progress-bar=off"]
    command += ["--disable-pip-version-check", *wheels_of(settings)]
    index = ["--extra-index-url", settings.index_url] if settings.index_url and not cuda else []
    command += [*index, "--requirement", str(requirements), "pip"]
    # pip has a copy of its own of each wheel, and by itself 15 seconds of patience with an index.
    environment = {"PIP_DEFAULT_TIMEOUT": "60", "PIP_RETRIES": "10", **os.environ, "TMPDIR": str(used.roomy())}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as pip:
        tail: list[str] = []
        for line in pip.stdout or ():
            words = line.split()
            tail = [*tail[-20:], line.rstrip()]
            if words[:1] in (["Collecting"], ["Saved"], ["Downloading"]) and len(words) > 1:
                progress(f"{words[0].lower()} {Path(words[1]).name}", None)
    if pip.returncode:
        errors = [line for line in tail if line.startswith("ERROR")] or tail[-3:]
        by_hand = [sys.executable, "-m", "pip", "download", "--dest", f"{used.roomy()}/wheels"]
        by_hand += ["--only-binary=:all:", "--python-version", settings.python, *index, "-r", str(requirements)]
        raise MissingError(
            f"pip could not resolve the wheels of {requirements}: {' '.join(errors)[:600]}",
            f"See whether pip has them here: {shlex.join(by_hand)}",
        )
    if cuda and (without := [wheel.name for wheel in to.glob("*+cpu*")]):
        raise MissingError(
            f"the GPU would be of no use: pip chose {', '.join(sorted(without))}, a build for the CPU",
            f"if {requirements} names no such build, pip is pointed at them: see PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL"
            f" and `pip config list`; without its files of settings: PIP_CONFIG_FILE={os.devnull} runner build",
        )


def _build(engine: Engine, lab: Path, wheels: Path, base: str, name: str, progress: Progress) -> None:
    context: dict[str, Path] = {"Dockerfile": lab / "Dockerfile", "trial.txt": lab / "images" / "trial.txt"}
    context |= {f"wheels/{wheel.name}": wheel for wheel in wheels.iterdir()}
    build(engine, name, context, {"BASE": base}, network="none", progress=progress)
    tidy(engine, f"{LABEL}=image", f"{LABEL}.stage=wheels")
