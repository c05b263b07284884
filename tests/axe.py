"""axe-core for the tests of the page: fetched once by npm into `.cache/`, never shipped. Skips without it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.14.1"
KEPT = Path(__file__).parents[1] / ".cache" / f"axe-core-{VERSION}.js"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def source(tmp: Path) -> str:
    """The script. Skips the test, with a reason, where there is no npm or no registry to get it from."""
    if not KEPT.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm to fetch axe-core with")
        done = subprocess.run(
            [npm, "pack", f"axe-core@{VERSION}"], cwd=tmp, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            pytest.skip(f"npm could not fetch axe-core {VERSION}")
        with tarfile.open(tmp / f"axe-core-{VERSION}.tgz") as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_bytes(member.read())
    return KEPT.read_text()


def findings(driver: Any, script: str) -> list[str]:
    """Serious and critical ones of the page as it stands: rule, impact, first element."""
    driver.execute_script(script)
    found = driver.execute_async_script(
        "const [tags, done] = arguments, only = {runOnly: tags, resultTypes: ['violations']};"
        "axe.run(document, only).then(r => done(r.violations), e => done(String(e)));",
        list(TAGS),
    )
    assert isinstance(found, list), found
    return [
        f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
