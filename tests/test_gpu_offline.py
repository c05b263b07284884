"""What is packed for a GPU machine without network and engine: whole as to libraries, and an engine that runs alone."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import docker
import pytest
from conftest import ROOT

spec = importlib.util.spec_from_file_location("offline", ROOT / "tests" / "gpu" / "offline.py")
assert spec
assert spec.loader
offline: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline)


PATHS = {"PATH": os.environ["PATH"]}


def names(asked: list[str]) -> set[str]:
    return {one.metadata["Name"].lower() for one in offline.needed(asked)}


def test_what_is_needed_is_all_that_is_required_in_turn_and_of_extras_those_asked_for() -> None:
    assert {"docker", "requests", "urllib3", "certifi"} <= names(["docker"])
    assert "pyarrow" not in names(["autoresearch-runner"])
    assert "pyarrow" in names(["autoresearch-runner[parquet]"])
    with pytest.raises(PackageNotFoundError):
        names(["no-such-distribution"])


@pytest.mark.engine
def test_the_packed_engine_runs_by_itself_the_packed_libraries_speak_to_it_and_nothing_stays(
    engine: Any,
) -> None:
    if os.geteuid():
        pytest.skip("an engine needs root")
    if engine.info.name != "docker" or not engine.local:
        pytest.skip("Docker's programs are not known to be here")
    with tempfile.TemporaryDirectory(prefix="autoresearch-test-", dir="/var/tmp") as name:
        folder = Path(name)
        offline.gather(folder, Path("no text"))
        own = folder / "engine" / "lib"
        for program in offline.ENGINE:
            told = subprocess.run(["ldd", folder / "engine" / program], env={"LD_LIBRARY_PATH": str(own), **PATHS},
                                  capture_output=True, text=True).stdout  # fmt: skip
            linked = [Path(line.split("=> ")[1].split()[0]) for line in told.splitlines() if "=> /" in line]
            assert [one for one in linked if one.parent != own and not offline.LIBC.match(one.name)] == []
        script = "import sys; sys.path.insert(0, sys.argv[1]); import docker, click, git, rich, pytest;"
        script += "print(*(one.__file__ for one in (docker, click, git, rich, pytest)), sep='\\n');"
        script += "print(docker.APIClient(base_url=sys.argv[2], version='auto').info()['DockerRootDir'])"
        with offline.engine(folder) as url:
            # Of what is not pure Python the machine has its own: here the one of the tests.
            said = subprocess.check_output([sys.executable, "-c", script, str(folder / "site"), url], text=True)
            *modules, home = said.splitlines()
            assert [one for one in modules if not one.startswith(f"{folder}/site/")] == []
            assert home == f"{folder}/data"
            client = docker.APIClient(base_url=url, version="auto")
            assert client.images() == [], "it is not the engine of this machine"
            tar = ["tar", "-c", "-C", str(folder / "site"), "docker"]
            offline.imported(url, tar, "offline/own:1", ["ENV PATH=/docker", "LABEL autoresearch.own=2.11.0"])
            config = client.inspect_image("offline/own:1")["Config"]
            assert config["Env"] == ["PATH=/docker"]
            assert config["Labels"] == {"autoresearch.own": "2.11.0"}
            client.close()
        assert str(folder) not in Path("/proc/self/mounts").read_text()
