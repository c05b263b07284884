"""How the trial image's wheels are had: by pip, for the image, and by nothing of the folder it is started in."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import ROOT

from runner.config import ImageSettings
from runner.sandbox.wheels import PIP, options

DOWNLOAD = (
    "import sys, pathlib\nfrom runner.config import ImageSettings\nfrom runner.sandbox import wheels\n"
    "here = pathlib.Path.cwd()\n"
    "settings, cuda = ImageSettings(python=sys.argv[1]), sys.argv[2:] == ['cuda']\n"
    "wheels.download(here / 'needs.txt', here / 'wheels', settings, cuda=cuda, progress=print)\n"
)


def download(
    folder: Path, needs: Iterable[str], python: str = "3.11", *given: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """What comes of asking for `needs`, by a pip that finds what lies in the folder `shop` only."""
    (folder / "wheels").mkdir()
    (folder / "needs.txt").write_text("".join(f"{name}\n" for name in needs))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "shop")}
    return subprocess.run(
        [sys.executable, "-c", DOWNLOAD, python, *given],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)} | settings,
        capture_output=True,
        text=True,
    )


def wheel(shop: Path, name: str, tag: str, version: str = "1", needs: Iterable[str] = ()) -> None:
    """A wheel of nothing, for machines of `tag`."""
    shop.mkdir(exist_ok=True)
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(shop / f"{name}-{version}-{tag}.whl", "w") as file:
        needed = "".join(f"Requires-Dist: {need}\n" for need in needs)
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        file.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        file.writestr(f"{about}/RECORD", "")


def test_pip_is_the_interpreters_own_whatever_lies_in_the_folder(tmp_path: Path) -> None:
    """A checkout of a head may hold a `pip.py`; `runner ci` may be started in it."""
    (tmp_path / "pip.py").write_text("open('ran', 'w').close()\n")
    done = download(tmp_path, ["no-such-package-anywhere"])
    assert "MissingError: pip could not resolve the wheels" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_pip_has_room_on_a_disk_and_patience(tmp_path: Path) -> None:
    """A pip of ours in its place says what it was given; what the user has set is left."""
    (tmp_path / "its" / "pip").mkdir(parents=True)
    (tmp_path / "its" / "pip" / "__init__.py").touch()
    told = "import os\nfor name in ('TMPDIR', 'PIP_DEFAULT_TIMEOUT', 'PIP_RETRIES'): print('Saved', os.environ[name])\n"
    (tmp_path / "its" / "pip" / "__main__.py").write_text(told)
    places = f"{tmp_path}/its{os.pathsep}{ROOT}"
    done = download(tmp_path, [], PYTHONPATH=places, TMPDIR=str(tmp_path), PIP_RETRIES="3")
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [tmp_path.name, "60", "3"], done.stderr


HERE = sys.version_info.minor


@pytest.mark.parametrize(
    ("minor", "wanted"),
    [(HERE - 1, {"old", "older"}), (HERE, {"new", "newer"}), (HERE + 1, {"new", "newer", "newest"})],
)
def test_what_is_needed_is_what_the_images_python_needs(tmp_path: Path, minor: int, wanted: set[str]) -> None:
    """PyTorch 2.13 needs `triton; python_version < "3.15"`: pip asks the Python that it runs in, which may be newer."""
    needs = [f'old; python_version < "3.{HERE}"', f'new; python_version >= "3.{HERE}"']
    needs += [f'newer; python_full_version >= "3.{HERE}.0"', f'newest; python_version >= "3.{HERE + 1}"']
    for name in ("old", "older", "new", "newer", "newest", "pip"):
        wheel(tmp_path / "shop", name, "py3-none-any")
    wheel(tmp_path / "shop", "thing", "py3-none-any", needs=needs)
    asked = ["thing", f'older; python_full_version < "3.{HERE}.0"']
    done = download(tmp_path, asked, f"3.{minor}")
    assert not done.returncode, done.stderr
    assert {path.name.split("-")[0] for path in (tmp_path / "wheels").iterdir()} == {*wanted, "thing", "pip"}


TAGS = (
    "manylinux1",
    "manylinux2010",
    "manylinux2014",
    *(f"manylinux_2_{n}" for n in (5, 12, 17, 18, 24, 34, 36)),
)


def test_a_wheel_for_any_glibc_up_to_the_images_is_taken(tmp_path: Path) -> None:
    """NVIDIA's are for 2.12, 2.17, 2.18 and 2.27, each as it was built; pip compares the tags to the letter."""
    machine = os.uname().machine
    if machine != "x86_64":
        pytest.skip("glibc before 2.17 knows no other processor")
    for tag in TAGS:
        wheel(tmp_path / "shop", f"of_{tag}", f"py3-none-{tag}_{machine}")
    wheel(tmp_path / "shop", "pip", "py3-none-any")
    done = download(tmp_path, [f"of_{tag}" for tag in TAGS])
    assert not done.returncode, done.stderr
    assert len(list((tmp_path / "wheels").iterdir())) == len(TAGS) + 1


@pytest.mark.parametrize("tag", ["manylinux_2_37_{}", "musllinux_1_2_{}", "manylinux_2_17_other", "win_amd64"])
def test_a_wheel_that_the_image_could_not_load_is_none(tmp_path: Path, tag: str) -> None:
    wheel(tmp_path / "shop", "pip", "py3-none-any")
    wheel(tmp_path / "shop", "thing", "py3-none-" + tag.format(os.uname().machine))
    assert "no matching distribution found for thing" in download(tmp_path, ["thing"]).stderr.lower()


def test_a_build_for_the_cpu_is_refused_where_there_is_a_gpu(tmp_path: Path) -> None:
    """pip prefers it, where a folder or an index that it is pointed at has one: `2+cpu` counts as newer than `2`."""
    wheel(tmp_path / "shop", "pip", "py3-none-any")
    wheel(tmp_path / "shop", "thing", "py3-none-any", "2")
    wheel(tmp_path / "shop", "thing", "py3-none-any", "2+cpu")
    said = download(tmp_path, ["thing==2"], "3.11", "cuda").stderr
    assert "MissingError: the GPU would be of no use: pip chose thing-2+cpu-py3-none-any.whl" in said
    assert "PIP_CONFIG_FILE=/dev/null runner build" in said


def test_the_advised_command_is_one_that_pip_takes(tmp_path: Path) -> None:
    wheel(tmp_path / "shop", "pip", "py3-none-any")
    said = download(tmp_path, ["thing"], TMPDIR=str(tmp_path)).stderr
    advice = next(line for line in said.splitlines() if "whether pip has them" in line)
    command = shlex.split(advice.split("here: ", 1)[1].rstrip("')\""))
    wheel(tmp_path / "shop", "thing", "py3-none-any")
    offers = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "shop")}
    subprocess.run(command, env=os.environ | offers, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["thing-1-py3-none-any.whl"]


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_pytorchs_cuda_build_and_all_that_it_needs_can_be_had(tmp_path: Path, python: str) -> None:
    """By what the index says of them; gigabytes are not fetched. A mirror's own builds for the CPU would hide it."""
    environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"}
    command = [sys.executable, "-P", "-c", PIP, python, "install", "--dry-run", "--quiet", "--ignore-installed"]
    command += ["--retries", "1", "--target", str(tmp_path / "none"), "--report", str(tmp_path / "report.json")]
    done = subprocess.run(
        [*command, *options(ImageSettings(python=python)), "-r", str(ROOT / "images" / "trial.txt"), "pip"],
        env=environment | {"PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if re.search(r"requirement (torch|pip)\S* \(from versions: none\)", done.stderr):
        pytest.skip("no package index answers here")
    assert not done.returncode, done.stderr
    report = (tmp_path / "report.json").read_text()
    assert "nvidia_cudnn" in report
    assert "triton" in report
