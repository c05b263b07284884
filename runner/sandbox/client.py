"""docker-py's client, told nothing by the files of a home folder nor by the environment's proxies.

As it comes, docker-py reads `~/.docker/config.json`: it would send the headers named there with every request,
put the proxies named there into builds, and start the credential helpers named there. A program that runs as
the user can write that file. Here none of it is used; nor are the docker command's contexts, `~/.netrc`, or a
proxy of the environment, which could stand between this program and an engine at a TCP address.

Nor does it speak the newest words of an engine, as docker-py does when it is told `auto`, but none newer than those
that this program was written for, like the docker command. Engines go on answering to older ones.
"""

from __future__ import annotations

from typing import Any

import docker
import docker.auth
import docker.utils
import docker.utils.proxy

NEWEST = "1.51"  # Docker 28.5's; later ones word `GET /system/df` anew


class _NoCredentials(docker.auth.AuthConfig):
    """Nobody's credentials. It says that it is not empty, for docker-py fills an empty one from the file."""

    is_empty = False


class Client(docker.APIClient):
    """A connection that is what its arguments say and nothing else."""

    def _retrieve_server_version(self) -> Any:
        # Called by the constructor after it has read the configuration file, before it has asked anything.
        self.trust_env = False
        self._general_configs: dict[str, Any] = {}
        self._proxy_configs = docker.utils.proxy.ProxyConfig()
        self._auth_configs = _NoCredentials({"auths": {}})
        offered = super()._retrieve_server_version()  # type: ignore[misc]  # its types leave it out
        return NEWEST if docker.utils.version_lt(NEWEST, offered) else offered
