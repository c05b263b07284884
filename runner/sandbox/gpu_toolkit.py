"""Versions of the NVIDIA Container Toolkit, and those out of whose containers a way is known. Pure.

Its hooks run as root outside the container, on what is inside it: a hole in them is a hole in the box, whatever
else holds. The numbers are those of NVIDIA's advisories as the CVE records quote them (docs/gpu.md, Passing).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.errors import MissingError

_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)(?:[-~]?(rc)[.\d]*)?")


@dataclass(frozen=True)
class Flaw:
    """A way out of containers. fixed: the first version without it. cdi: whether CDI is open to it as well."""

    cve: str
    fixed: str
    cdi: bool


# CVE-2025-23266 is open with CDI up to 1.17.7, without it from 1.17.5 to 1.17.7. Device requests are counted as open
# to both: newer engines answer them by CDI. So one line holds for all modes.
FLAWS = (
    Flaw("CVE-2024-0132", "1.16.2", cdi=False),
    Flaw("CVE-2025-23359", "1.17.4", cdi=False),
    Flaw("CVE-2025-23266", "1.17.8", cdi=True),
)
# Told and not refused: a race of which the records name neither the modes nor a way out of a container.
NEWEST = Flaw("CVE-2026-24260", "1.19.1", cdi=True)


def version(text: str) -> tuple[int, ...]:
    """The first version in `text`, such as `nvidia-ctk --version` says; a candidate before its release. () if none."""
    found = _VERSION.search(text)
    if not found:
        return ()
    return (int(found[1]), int(found[2]), int(found[3]), -1 if found[4] else 0)


def flaws(installed: str, mode: str) -> list[Flaw]:
    """Those that version `installed` has with `mode`, `toolkit` or `cdi`; none where it is unknown."""
    number = version(installed)
    if not number:
        return []
    return [flaw for flaw in FLAWS if number < version(flaw.fixed) and (flaw.cdi or mode != "cdi")]


def refuse_flawed(installed: str, mode: str) -> None:
    """Raises MissingError, with the version to upgrade to, where a way out of its containers is known."""
    known = flaws(installed, mode)
    if known:
        fixed = max(known, key=lambda flaw: version(flaw.fixed)).fixed
        raise MissingError(
            f"NVIDIA Container Toolkit {installed} lets programs out of containers"
            f" ({', '.join(flaw.cve for flaw in known)})",
            f"Upgrade it to {fixed} or newer: sudo apt-get install --only-upgrade nvidia-container-toolkit"
            " nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1;\n"
            'or pass the GPU without it: trial.gpu_access = "nodes"',
        )


def remark(installed: str) -> str:
    """What is worth knowing of a version that is not refused; empty for nothing."""
    number = version(installed)
    if not number:
        cves = ", ".join(flaw.cve for flaw in FLAWS)
        return f"its version is not known; see that it is {FLAWS[-1].fixed} or newer ({cves})"
    if number < version(NEWEST.fixed):
        return f"{NEWEST.cve} is mended in {NEWEST.fixed}"
    return ""
