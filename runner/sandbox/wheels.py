"""The wheels of the trial image: chosen and fetched on the host by pip, for the image's Python and not its own.

pip honours the user's mirrors, proxies and certificates, so no container needs a network.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from runner.config import ImageSettings
from runner.errors import MissingError
from runner.sandbox import used
from runner.sandbox.build import Progress

# pip compares tags to the letter (PEP 600): those of each glibc up to the base image's, what asks for least first.
GLIBC_OF_BOOKWORM = 36
PLATFORMS = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(5, GLIBC_OF_BOOKWORM + 1)), "linux")

# `--python-version` does not reach requirements like `triton; python_version < "3.15"`: pip asks the Python that it
# runs in, by the two functions that the specification of dependency specifiers names. So these answer for the image.
PIP = """
import platform, runpy, sys
version = (*sys.argv.pop(1).split("."), "0")[:3]
platform.python_version = lambda: ".".join(version)
platform.python_version_tuple = lambda: version
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def options(settings: ImageSettings) -> list[str]:
    """The options that make pip choose wheels for the image, and not for the Python that it runs in."""
    chosen = ["--only-binary=:all:", "--implementation", "cp", "--python-version", settings.python]
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    for family in PLATFORMS:
        chosen += ["--platform", f"{family}_{machine}"]
    return chosen


def download(requirements: Path, to: Path, settings: ImageSettings, *, cuda: bool, progress: Progress) -> None:
    """Fetches to the folder `to` the wheels of a requirements file, with all that they need, and pip's own.

    cuda: for PyTorch's CUDA build; others are refused then. Raises MissingError where pip has them not.
    """
    progress("resolving wheels", None)
    # -P: nothing of the folder that we happen to be in, which may be anyone's
    command = [sys.executable, "-P", "-c", PIP, settings.python, "download", "--dest", str(to)]
    command += ["--progress-bar=off", "--disable-pip-version-check", *options(settings)]
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
