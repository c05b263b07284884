"""One HTML document of the data: everything inline, nothing fetched, nothing run but our own scripts.

The data stands in a script element of type `application/json`, escaped so that no text can end it. A Content
Security Policy names the digests of the two scripts and the styles, forbids every connection (but to its own server
where the page is served) and, in browsers that know Trusted Types, every write of markup from a string. Trusts the
files of this package; nothing in the data.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from runner.report.page import limits

HERE = Path(__file__).parent
SCRIPTS = ("base", "stairs", "chart", "curve", "head", "stories", "table", "trial", "live", "main")
_SLOT = re.compile(r"\{\{(\w+)\}\}")


@cache
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def vendored() -> str:
    """The charting library with its licence, which must travel with it."""
    return f"/*\n{_file('vendor/uPlot.LICENSE').strip()}\n*/\n{_file('vendor/uPlot.iife.min.js').strip()}\n"


@cache
def script() -> str:
    parts = "\n".join(_file(f"static/{name}.js").strip() for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


@cache
def style() -> str:
    return f"{_file('vendor/uPlot.min.css').strip()}\n{_file('static/page.css').strip()}\n"


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@cache
def policy(*, served: bool) -> str:
    """The Content Security Policy. served: the page may ask the server it came from for news, and no other."""
    connect = "'self'" if served else "'none'"
    return (
        f"default-src 'none'; script-src {_digest(vendored())} {_digest(script())}; style-src {_digest(style())}; "
        f"img-src data:; connect-src {connect}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def embed(data: Mapping[str, Any]) -> str:
    """`data` as JSON that may stand in a script element. Raises ValueError for a number that is not finite."""
    found = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return limits.escaped(found)


def document(data: Mapping[str, Any], *, served: bool = False) -> bytes:
    """The page as UTF-8."""
    slots = {
        "title": html.escape(f"{data['run']['tag']} · AutoResearch"),
        "policy": html.escape(policy(served=served)),
        "style": style(),
        "data": embed(data),
        "served": "yes" if served else "no",
        "vendored": vendored(),
        "script": script(),
    }
    # One pass: a slot's name in what is put in stays what it is.
    return _SLOT.sub(lambda found: slots[found[1]], _file("static/page.html")).encode("utf-8", "replace")
