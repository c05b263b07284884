"""Text of others made safe for Markdown as GitHub and GitLab render it. Pure.

Nothing of a pull request is ever put among our own Markdown as it is: it stands in a code span (`code`), in a fenced
block (`fence`), or, if it is made of harmless characters only, as it is (`prose`). In code nothing is a tag, a link,
an image, an issue's number or a person's mention. Trusts no text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.report import text

CODE = 300  # characters of one code span
_RUNS = re.compile("`+")
# What no renderer reads as markup: no bracket, backtick, star, underscore, tilde, pipe, at, hash, ampersand or slash.
_HARMLESS = re.compile(r"[A-Za-z0-9 .,;:()%'\"=+−–—±×→σ²≥≤-]*")
_LINKED = re.compile(
    r"www\.|\b[0-9a-f]{7,}\b", re.IGNORECASE
)  # what becomes a link by itself: an address, a commit


def code(raw: str, limit: int = CODE) -> str:
    """`raw` as one line in a code span that no backtick of its own can end, fit for a table's cell, too.

    "`(nothing)`" where nothing is left of it. Leading and trailing spaces are dropped.
    """
    shown = text.line(raw[: 8 * limit], None)
    shown = shown if len(shown) <= limit else shown[: limit - 1] + "…"
    shown = shown or "(nothing)"
    # A table takes every | for the end of a cell, even in code, but for \|; outside of one the \ would be seen.
    shown = shown.replace("|", "¦")
    ticks = "`" * (1 + max((len(run) for run in _RUNS.findall(shown)), default=0))
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def prose(raw: str, limit: int = 2000) -> str:
    """`raw` as words among our own where it holds nothing but harmless characters; else as `code`.

    For sentences of ours that may hold a word of an untrusted program. Never at the beginning of a line.
    """
    shown = text.line(raw[: 2 * limit], None)
    harmless = _HARMLESS.fullmatch(shown) and not _LINKED.search(shown) and len(shown) <= limit
    return shown if harmless and shown else code(raw, limit)


def fence(raw: str, limit: int, language: str = "") -> str:
    """`raw` as a fenced block, longer than any run of backticks in it; cut at `limit` bytes, which is said.

    language: of ours, never of others: some names make a renderer draw (`mermaid`, `math`).
    """
    shown = text.clean(raw).rstrip("\n")
    data = shown.encode("utf-8", "replace")
    cut = ""
    if len(data) > limit:
        shown = data[:limit].decode("utf-8", "ignore").rsplit("\n", 1)[0]
        cut = f"\n… (cut: {limit:,} of {len(data):,} bytes are shown)"
    ticks = "`" * max(3, 1 + max((len(run) for run in _RUNS.findall(shown)), default=0))
    return f"{ticks}{language}\n{shown}{cut}\n{ticks}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of cells that are Markdown already. right: columns that are aligned there."""
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "|".join(" ---: " if at in right else " --- " for at in range(len(head))) + "|")
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def folded(title: str, body: str, *, opened: bool = False) -> str:
    """A part that a reader unfolds. title: ours, plain words."""
    return f"<details{' open' if opened else ''}><summary>{title}</summary>\n\n{body}\n\n</details>"
