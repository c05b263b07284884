"""A script of its own: does one Python source compile, and does it differ from another in more than comments?

Run as `python -I -S parses.py` in a process that may die: a hostile source can exhaust the parser's stack or
memory, and must not do so in the runner. Imports nothing of ours. Executes nothing of what it reads.

stdin: the length of the old source in decimal, a newline, the old source, the new source.
stdout: one JSON object, `{"error": null or a sentence, "same": whether the forms are equal, "form": of the new one}`.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import resource
import sys
import tokenize
import warnings

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 20


def form(source: bytes) -> str | None:
    """Digest of the syntax tree: what comments and layout do not alter. None where there is no tree."""
    try:
        return hashlib.sha256(ast.dump(ast.parse(source)).encode("utf-8", "surrogatepass")).hexdigest()
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def verdict(old: bytes, new: bytes) -> dict[str, object]:
    """What stdout says of `new`, given `old`. Raises nothing but what kills a process."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(new).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            return _wrong(f"it declares the encoding {encoding}; it must be UTF-8")
        compile(new, "train.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return _wrong(f"line {error.lineno}: {error.msg}" if error.lineno else str(error))
    except (ValueError, MemoryError, RecursionError) as error:
        return _wrong(f"{type(error).__name__}: {error}")
    found = form(new)
    return {"error": None, "same": found is not None and found == form(old), "form": found}


def _wrong(error: str) -> dict[str, object]:
    return {"error": error, "same": False, "form": None}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    length = int(sys.stdin.buffer.readline())
    old = sys.stdin.buffer.read(length)
    json.dump(verdict(old, sys.stdin.buffer.read()), sys.stdout)


if __name__ == "__main__":
    main()
