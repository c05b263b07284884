"""A lab: the folder with runner.toml, program.md, prepare/ and train/train.py, and what pins its scores.

Reads files only. The code under `prepare/` is the human's and is trusted; `train/train.py` is read as bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import config
from runner.config import Settings
from runner.errors import UsageError

SCORING = Path(__file__).parent / "scoring"


@dataclass(frozen=True)
class Lab:
    """An opened lab. `root` is absolute."""

    root: Path
    settings: Settings

    @property
    def train_py(self) -> Path:
        return self.root / "train" / "train.py"

    def program(self) -> str:
        try:
            return (self.root / "program.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.root / 'program.md'} cannot be read: {error}") from None

    def prepare_files(self) -> dict[str, bytes]:
        """The Python files under prepare/ by their path in a container's /lab."""
        files = {}
        for path in sorted((self.root / "prepare").rglob("*.py")):
            files[str(path.relative_to(self.root))] = path.read_bytes()
        if "prepare/__init__.py" not in files:
            raise UsageError(f"{self.root / 'prepare'} holds no package", "A lab needs it: see runner new")
        return files

    def prepare_digest(self) -> str:
        whole = hashlib.sha256()
        for name, content in self.prepare_files().items():
            whole.update(f"{name}\0{len(content)}\0".encode() + content)
        return whole.hexdigest()

    def settings_digest(self) -> str:
        """Of the settings that change what a score means: budget, limits, device, scored tokens, audit."""
        return settings_digest(dataclasses.asdict(self.settings))


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Of settings as a table of tables: those that change what a score means. Raises KeyError or TypeError."""
    return hashlib.sha256(json.dumps(meaning(settings), sort_keys=True).encode()).hexdigest()


def meaning(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that change what a score means. Raises KeyError or TypeError."""
    told = {"trial": dict(settings["trial"]), "score": dict(settings["score"])}
    for cosmetic in ("log_kb", "source_kb", "alone", "distrust", "gpu_access"):
        told["trial"].pop(cosmetic, None)
    return told


def open_lab(start: Path, source: str = "") -> Lab:
    """The lab that holds `start`, which may be a folder below it. source: of data, for its own. Raises UsageError."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "runner.toml").is_file():
            return Lab(folder, config.load(folder / "runner.toml", source))
    raise UsageError(f"{start} is not in a lab: no runner.toml here or above", "Make one with: runner new DIR")


def scoring_digest() -> str:
    """Of the host's scoring code."""
    whole = hashlib.sha256()
    for path in sorted(SCORING.glob("*.py")):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def read_source(path: Path, limit_kb: int) -> bytes:
    """A train.py as it would be accepted from anyone: a regular UTF-8 file, bounded. Raises UsageError."""
    try:
        if not path.is_file():
            raise UsageError(f"{path} is not a file")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > limit_kb << 10:
        raise UsageError(f"{path} has {len(data)} bytes; trial.source_kb allows {limit_kb} KiB")
    try:
        compile(data.decode("utf-8"), str(path), "exec")
    except (UnicodeDecodeError, ValueError, SyntaxError) as error:
        raise UsageError(f"{path} is not Python: {error}") from None
    return data
