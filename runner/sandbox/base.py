"""A base image made from Debian's packages by `mmdebstrap`, for machines that reach no image registry.

Runs on the host, as root or in a user namespace; nothing of a proposal exists at that time. Installs
mmdebstrap itself where root or password-less sudo allows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runner.errors import MissingError
from runner.sandbox import used
from runner.sandbox.build import Progress, image_id
from runner.sandbox.engine import Engine, faults

RELEASES = {"3.11": "bookworm", "3.13": "trixie"}  # Debian's releases by the Python that they carry


def python_base(engine: Engine, python: str, *, cuda: bool, progress: Progress) -> str:
    """The name of a base for trials, made here once. Raises MissingError with the command that mends it."""
    release = RELEASES.get(python)
    if not release:
        raise MissingError(
            f"no image registry answers, and no Debian release known here carries Python {python}",
            f"Set image.python in runner.toml to one of: {', '.join(RELEASES)}",
        )
    packages = ["python3", "python3-venv", "util-linux", "coreutils", "findutils"]
    # Triton builds in C, inductor what stays on the CPU in C++.
    packages += ["gcc", "g++", "libc6-dev", "python3-dev"] if cuda else []
    name = f"autoresearch/base:{release}{'-cuda' if cuda else ''}"
    return debian_base(engine, name, release, packages, progress)


def debian_base(
    engine: Engine,
    name: str,
    release: str,
    packages: Sequence[str],
    progress: Progress,
) -> str:
    """`name`, made once from the packages of a Debian release. Raises MissingError, InfraError."""
    if image_id(engine, name):
        return name
    _need_mmdebstrap(progress)
    progress(f"making a base image from Debian {release} packages", None)
    with tempfile.TemporaryDirectory(prefix="autoresearch-base-", dir=used.roomy()) as folder:
        archive = Path(folder) / "base.tar"
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", "--quiet"]
        command += [release, str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise MissingError(
                f"mmdebstrap could not make a base image: {_last_error(done.stderr)}",
                "See that Debian's packages can be had here, or load an image and name it in image.base:\n  "
                + " ".join(command),
            )
        progress("importing the base image", None)
        with faults("importing the base image"), archive.open("rb") as tar:
            chunks = iter(lambda: tar.read(1 << 20), b"")  # a file itself would be sent with two lengths
            said = engine.api.import_image_from_stream(chunks, *name.split(":"))
            if not image_id(engine, name):  # Podman gives it the tag `latest`, whatever it was told
                engine.api.tag(json.loads(said.splitlines()[-1])["status"], *name.split(":"))
    return name


def _need_mmdebstrap(progress: Progress) -> None:
    if shutil.which("mmdebstrap"):
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    advice = "No image registry answers here; with mmdebstrap a base image is made instead:\n  "
    advice += "sudo apt-get install -y mmdebstrap"
    if not shutil.which("apt-get"):
        raise MissingError("no image registry answers, and mmdebstrap is not installed", advice)
    progress("installing mmdebstrap", None)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "mmdebstrap"]):
        done = subprocess.run(
            [*root, *command], capture_output=True, text=True, errors="replace", env=environment
        )
    if done.returncode or not shutil.which("mmdebstrap"):
        raise MissingError(f"mmdebstrap could not be installed: {_last_error(done.stderr)}", advice)


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("E:")] or text.splitlines() or ["no message"]
    return lines[-1][:300]
