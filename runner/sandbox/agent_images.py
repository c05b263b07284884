"""The images of coding agents and of their gateway: Debian, and packages at pinned versions.

Unlike the trial image these are built with the network of the engine's machine, since they install from package
registries; no code of a proposal exists while they are built. Each is named by a digest of what it is made from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.errors import InfraError
from runner.sandbox import used
from runner.sandbox.base import debian_base
from runner.sandbox.build import Progress, build, building, image_id, pull, tidy
from runner.sandbox.engine import Engine
from runner.sandbox.gateway import IMAGES, host_certificates
from runner.sandbox.spec import LABEL

RELEASES = {"3.13": "trixie", "3.11": "bookworm"}  # Debian's releases by the Python that they carry
# Of the user's environment: where packages come from. Used in a stage of the build that is not part of the image.
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
PASSED = ("NPM_CONFIG_REGISTRY", "PIP_INDEX_URL", *PROXIES, *map(str.upper, PROXIES))


def gateway_name() -> str:
    """The gateway image's name, whose tag is a digest of its Dockerfile."""
    return f"autoresearch/gateway:{_digest(IMAGES / 'gateway.Dockerfile')}"


def gateway_image(engine: Engine, progress: Progress) -> str:
    """The id of the gateway's image, built first if it is not there. Raises UsageError, MissingError, InfraError."""
    return _built(engine, gateway_name(), IMAGES / "gateway.Dockerfile", {}, progress)


def agent_name(
    agent: str, npm: Mapping[str, str], pip: Mapping[str, str], debian: Sequence[str], python: str
) -> str:
    """The name of an agent's image. npm, pip: packages and their exact versions. debian: packages besides."""
    digest = _digest(IMAGES / "agent.Dockerfile", json.dumps([dict(npm), dict(pip), list(debian), python]))
    return f"autoresearch/agent-{agent}:{digest}"


def agent_image(
    engine: Engine,
    agent: str,
    npm: Mapping[str, str],
    pip: Mapping[str, str],
    debian: Sequence[str],
    python: str,
    progress: Progress,
) -> str:
    """The id of an agent's image, built first if it is not there. python: a key of `RELEASES`.

    Raises UsageError, MissingError, InfraError.
    """
    arguments = {
        "NPM": " ".join(f"{name}@{version}" for name, version in npm.items()),
        "PIP": " ".join(f"{name}=={version}" for name, version in pip.items()),
        "DEBIAN": " ".join(debian),
    }
    name = agent_name(agent, npm, pip, debian, python)
    return _built(engine, name, IMAGES / "agent.Dockerfile", arguments, progress, RELEASES[python])


def _digest(dockerfile: Path, *more: str) -> str:
    return hashlib.sha256(b"\0".join([dockerfile.read_bytes(), *(text.encode() for text in more)])).hexdigest()[
        :12
    ]


def _built(
    engine: Engine,
    name: str,
    dockerfile: Path,
    arguments: Mapping[str, str],
    progress: Progress,
    release: str = "trixie",
) -> str:
    if found := image_id(engine, used.hold(name)):
        return found
    with building(progress):
        if found := image_id(engine, name):
            return found
        context: dict[str, Path | bytes] = {"Dockerfile": dockerfile, "certificates.pem": host_certificates()}
        passed = {key: os.environ[key] for key in PASSED if key in os.environ}
        given = {"BASE": _base(engine, release, progress), **passed, **arguments}
        build(engine, name, context, given, network="host", progress=progress)
        tidy(engine, f"{LABEL}.stage=agent")
        made = image_id(engine, name)
    if not made:
        raise InfraError(f"the engine built the image {name} and does not have it")
    return made


def _base(engine: Engine, release: str, progress: Progress) -> str:
    wanted = f"debian:{release}-slim"
    if not pull(engine, wanted, progress):
        return wanted
    return debian_base(engine, f"autoresearch/base:{release}-agents", release, ["ca-certificates"], progress)
