"""`prove.py` on a GPU machine that reaches no network and has no engine, only Python with PyTorch for its GPU.

    python tests/gpu/offline.py pack FILE [--text FOLDER]     after `./bootstrap setup dev`, elsewhere: about 45 MB
    python3 tests/gpu/offline.py prove FILE [OPTIONS]         there, as root; OPTIONS are those of prove.py

Packed are Docker's programs with the libraries that they are linked with, what the host-side program needs of pure
Python, and text. There the engine is started in a folder of its own, and the trial image is made of that machine's own
system and its PyTorch: not the image that a user's lab builds, and the table says so. What stays there is compiled
Python beside that machine's own packages, and empty marks in /var/tmp. Both processors must be of one kind.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.metadata import Distribution, distribution, version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENGINE = ("dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-init")
LIBC = re.compile(r"(ld-linux|libc|libm|libdl|libpthread|librt)[-.]")  # there they are the machine's own
SYSTEM = [
    "bin",
    "sbin",
    "lib",
    "lib64",
    "usr",
    "etc/alternatives",
    "etc/group",
    "etc/ld.so.cache",
    "etc/passwd",
]
# Of /usr what no trial needs, and NVIDIA's: what a container sees of the driver is for the product to bring.
WITHOUT = ["local/cuda*", "local/nvidia", "src", "share/doc", "share/locale", "share/man"]
STARTS_SECONDS = 60.0


def needed(names: Iterable[str]) -> list[Distribution]:
    """The installed distributions `names` (with extras in brackets) and what they require here, one after the other.

    Raises PackageNotFoundError for what is not installed.
    """
    from packaging.requirements import Requirement

    found: dict[str, Distribution] = {}
    asked: set[tuple[str, str]] = set()
    waiting = [(one, extra) for name in names for one in [Requirement(name)] for extra in ("", *one.extras)]
    while waiting:
        one, extra = waiting.pop()
        if (one.name.lower(), extra) in asked:
            continue
        asked.add((one.name.lower(), extra))
        made = distribution(one.name)
        found.setdefault(made.metadata["Name"], made)
        for line in made.requires or ():
            more = Requirement(line)
            if not more.marker or more.marker.evaluate({"extra": extra}):
                waiting += [(more, each) for each in ("", *more.extras)]
    return list(found.values())


def tops(distributions: Iterable[Distribution]) -> list[Path]:
    """What of the folder that they are installed in is theirs: packages, modules, metadata."""
    theirs = set()
    for one in distributions:
        home = Path(str(one.locate_file("")))
        parts = {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}
        theirs |= {home / part for part in parts}
    return sorted(path for path in theirs if path.exists())


def gather(folder: Path, text: Path) -> None:
    """Fills `folder` with engine/, site/ and text/ (nothing where there is none)."""
    linked = folder / "engine" / "lib"
    linked.mkdir(parents=True)
    (folder / "site").mkdir()
    for program in ENGINE:
        where = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if not where:
            sys.exit(f"{program} is not installed here: ./bootstrap setup dev")
        shutil.copy(where, folder / "engine" / program)
        said = subprocess.run(["ldd", where], capture_output=True, text=True).stdout  # says no to a static one
        for library in re.findall(r"=> (/\S+)", said):
            if not LIBC.match(Path(library).name):
                shutil.copy(library, linked)
    own = [one for one in needed(["autoresearch-runner", "pytest"]) if one.name != "autoresearch-runner"]
    pure = [one for one in own if "Root-Is-Purelib: true" in (one.read_text("WHEEL") or "")]
    for path in tops(pure):
        copied, without = folder / "site" / path.name, shutil.ignore_patterns("__pycache__")
        if path.is_dir():
            shutil.copytree(path, copied, ignore=without, dirs_exist_ok=True)
        else:
            shutil.copy(path, copied)
    if text.is_dir():
        shutil.copytree(text, folder / "text" / text.name)


def pack(to: Path, text: Path) -> None:
    """Gathers everything in one archive."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-offline-") as name:
        gather(Path(name), text)
        subprocess.run(["tar", "-C", name, "-I", "xz -T0", "-cf", str(to), "."], check=True)
    print(f"{to}: {to.stat().st_size / 1e6:.0f} MB", file=sys.stderr)


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """Docker out of `folder`/engine, ended at the end; its URL."""
    own = folder / "engine"
    url, log = f"unix://{folder}/docker.sock", folder / "dockerd.log"
    if not os.path.ismount("/sys/fs/cgroup"):
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)
    environment = {**os.environ, "PATH": f"{own}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(own / "lib")}
    command = [str(own / "dockerd"), "--bridge=none", "--iptables=false", "--host", url]
    command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    with log.open("wb") as said:
        daemon = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
    try:
        deadline = time.monotonic() + STARTS_SECONDS
        while not (folder / "docker.sock").exists():
            if daemon.poll() is not None or time.monotonic() > deadline:
                sys.exit("the engine does not start; the end of what it says:\n" + log.read_text()[-3000:])
            time.sleep(0.2)
        yield url
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
        # Docker makes it a mount of its own.
        subprocess.run(["umount", "--recursive", "--quiet", f"{folder}/data"])


def image(url: str, folder: Path, *, cuda: bool) -> None:
    """Has the engine hold an image of this machine's own system, under the name that this lab's would have."""
    from runner.config import ImageSettings
    from runner.sandbox.images import image_name

    places = folder / "places"
    for name in ("lab", "out", "compile", "tmp", "proc", "sys", "dev"):
        (places / name).mkdir(parents=True)
    for name in ("compile", "tmp"):  # what is mounted there gets their rights
        (places / name).chmod(0o1777)
    packages = tops(needed(["torch", "numpy", "tokenizers"]))
    for path in packages:  # as in the image that is built: a container could not keep what it compiles
        compileall.compile_dir(path, quiet=2, workers=0)
    prefix = Path(sys.prefix)
    scripts = prefix / "bin"
    if not (scripts / "python").exists():
        sys.exit(f"{scripts} has no `python`, by which trainings are started")
    base = Path(os.path.realpath(sys.executable)).parents[1]
    parts = [Path("/", one) for one in SYSTEM] + packages + [scripts, prefix / "pyvenv.cfg"]
    parts += [] if base == Path("/usr") else [base]
    members = [str(one.relative_to("/")) for one in parts if os.path.lexists(one)]
    tar = ["tar", "-c", "--mode=a+rX,ug-s", "--ignore-failed-read", "--warning=no-file-changed"]
    tar += [f"--exclude=usr/{one}" for one in WITHOUT] + ["-C", "/", *members, "-C", str(places)]
    tar += sorted(one.name for one in places.iterdir())
    path = ":".join(dict.fromkeys([str(scripts), "/usr/local/bin", "/usr/bin", "/bin"]))
    changes = [f"ENV PATH={path}", f"LABEL autoresearch.own={version('torch')}"]
    imported(url, tar, image_name(ROOT, ImageSettings(), cuda=cuda), changes)


def imported(url: str, tar: list[str], name: str, changes: list[str]) -> None:
    """Has the engine hold as image `name`, with the Dockerfile's lines `changes`, what the command `tar` prints."""
    from runner.sandbox.engine import Engine

    with closing(Engine(url)) as engine, subprocess.Popen(tar, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        stream = iter(partial(process.stdout.read, 1 << 20), b"")
        engine.api.import_image_from_stream(stream, *name.split(":"), changes=changes)


def prove(archive: Path, device: str, options: list[str]) -> int:
    """The exit status of prove.py with these `options`."""
    if os.geteuid():
        sys.exit("an engine needs root")
    where = os.environ.get("TMPDIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="autoresearch-offline-", dir=where) as name:
        folder, began = Path(name), time.monotonic()
        subprocess.run(["tar", "-C", name, "-xf", str(archive)], check=True)
        # Last what was carried: what the machine has itself goes into the image.
        sys.path = [str(ROOT), *sys.path, str(folder / "site")]
        with engine(folder) as url:
            _told(began, "the engine answers")
            image(url, folder, cuda=device == "cuda")
            _told(began, "an image of this machine's own system is there")
            more = [f"--source=text:{text}" for text in (folder / "text").glob("*")]
            environment = {**os.environ, "DOCKER_HOST": url, "PYTHONPATH": f"{ROOT}:{folder / 'site'}"}
            command = [sys.executable, str(HERE / "prove.py"), "--device", device, *more, *options]
            return subprocess.run(command, env=environment).returncode


def _told(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pack", "prove"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--text", type=Path, default=ROOT.parent / "shared" / "data" / "folklore")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    given, options = parser.parse_known_args()
    if given.what == "prove":
        return prove(given.file, given.device, options)
    if options:
        parser.error(f"nothing is known of {' '.join(options)}")
    pack(given.file, given.text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
