"""How the trial image's wheels are had: by pip, and by nothing of the folder that the program is started in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def test_pip_is_the_interpreters_own_whatever_lies_in_the_folder(tmp_path: Path) -> None:
    """A checkout of a head may hold a `pip.py`; `runner ci` may be started in it."""
    (tmp_path / "pip.py").write_text("open('ran', 'w').close()\n")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "needs.txt").write_text("no-such-package-anywhere\n")
    code = (
        "import sys, pathlib\nfrom runner.config import ImageSettings\nfrom runner.sandbox import images\n"
        "here = pathlib.Path.cwd()\n"
        "images._download(here / 'needs.txt', here / 'wheels', ImageSettings(), cuda=False, progress=print)\n"
    )
    environment = os.environ | {"PIP_NO_INDEX": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "MissingError: pip could not resolve the wheels" in done.stderr
    assert not (tmp_path / "ran").exists()
