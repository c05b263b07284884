"""Running git, through GitPython: always one named repository, always the same answers, nobody's hooks.

Every command names its git directory and its work tree, so that a folder that vanished or lost its `.git` file
can never turn a command against the repository around it. The user's configuration is honoured where it says who
he is, and overruled where it would run a program (hooks, monitors) or write more than was asked for. This module
knows nothing of labs and trials. It trusts the git executable and the user's configuration.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, cast

# GitPython looks for the executable when it is imported; where there is none, that is our MissingError to raise.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import git

from runner.errors import InfraError, MissingError

_KEPT = (  # what of the environment says how git works here, not which repository it works on
    "GIT_PYTHON_",
    "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_SSH",
    "GIT_SSL_",
    "GIT_ASKPASS",
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",  # reading the user's status must not write his index
    "GIT_LITERAL_PATHSPECS": "1",  # a lab may be called `[a]*`
    "GIT_NO_REPLACE_OBJECTS": "1",  # the record is of what was committed
    "GIT_TERMINAL_PROMPT": "0",
}
_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fsync=objects,reference",  # the ledger is on the disk before the branch moves: so must the commit be
    "core.filesRefLockTimeout=5000",  # milliseconds; another git may be packing references
    "core.packedRefsTimeout=5000",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "worktree.useRelativePaths=false",  # would set an extension in the user's configuration
    "i18n.commitEncoding=UTF-8",
)


def scrub_environment() -> None:
    """Remove from this process what an outer git (a hook, an alias, `rebase --exec`) or a shell set to redirect git.

    For the whole process, because GitPython hands its own environment to every command. Idempotent.
    """
    for name in [name for name in os.environ if name.startswith("GIT_") and not name.startswith(_KEPT)]:
        del os.environ[name]


class Git:
    """git with fixed options. `run` gives (status, stdout, stderr); the others raise where git fails.

    Raises MissingError where there is no git; InfraError, with git's own last words, where a command fails.
    """

    def __init__(self, options: Sequence[str], config: Iterable[str] = ()) -> None:
        self._options = list(options)
        self._config = list(config)
        self._git = git.Git()
        self._environment = dict(_ENVIRONMENT)

    @classmethod
    def at(cls, git_dir: Path, work_tree: Path, config: Iterable[str] = ()) -> Git:
        """git on exactly this repository and this work tree, with no search for either."""
        return cls(["-C", str(work_tree), f"--git-dir={git_dir}", f"--work-tree={work_tree}"], config)

    def identify(self, name: str, email: str) -> None:
        """Author and committer of what this object commits."""
        for role in ("AUTHOR", "COMMITTER"):
            self._environment[f"GIT_{role}_NAME"] = name
            self._environment[f"GIT_{role}_EMAIL"] = email

    def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        settings = [part for line in (*_CONFIG, *self._config) for part in ("-c", line)]
        command = [str(git.Git.GIT_PYTHON_GIT_EXECUTABLE or "git"), *self._options, *settings, *arguments]
        try:
            if not stdin:
                return self._execute(command, None)
            with tempfile.TemporaryFile() as given:
                given.write(stdin)
                given.seek(0)
                return self._execute(command, given)
        except git.GitCommandNotFound:
            raise MissingError("git is not installed", "apt-get install git") from None

    def _execute(self, command: list[str], given: IO[bytes] | None) -> tuple[int, bytes, str]:
        answer = self._git.execute(
            command,
            istream=given,  # type: ignore[arg-type]
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
            env=self._environment,
        )
        return cast("tuple[int, bytes, str]", answer)

    def data(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """The bytes that git printed."""
        status, out, err = self.run(*arguments, stdin=stdin)
        if status:
            raise failure(arguments, status, err)
        return out

    def objects(self, names: Sequence[str]) -> list[tuple[str, bytes] | None]:
        """Kind and content of each object so named, None where there is none; all held in memory together."""
        if not names:
            return []
        out = self.data("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode())
        found: list[tuple[str, bytes] | None] = []
        at = 0
        for _ in names:
            end = out.index(b"\n", at)
            head = out[at:end].split(b" ")
            if head[-1] in (b"missing", b"ambiguous") or len(head) < 3:
                found.append(None)
                at = end + 1
                continue
            size = int(head[-1])
            found.append((head[-2].decode(), out[end + 1 : end + 1 + size]))
            at = end + size + 2
        return found

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """What git printed without its last newline; bytes that are no UTF-8 survive as in a path's `str`."""
        return os.fsdecode(self.data(*arguments, stdin=stdin).removesuffix(b"\n"))

    def maybe(self, *arguments: str) -> str | None:
        """As `text`, but None where git says no by its status 1 or 128 and nothing else depends on why."""
        status, out, _ = self.run(*arguments)
        return None if status else os.fsdecode(out.removesuffix(b"\n"))

    def fields(self, *arguments: str) -> list[str]:
        """The NUL-terminated fields that git printed (`-z`)."""
        return [os.fsdecode(part) for part in self.data(*arguments).split(b"\0") if part]


def failure(arguments: Sequence[str], status: int, err: str) -> InfraError:
    """What git said on stderr, in one line, as the error to raise, with advice where there is some."""
    said = [line for line in err.splitlines() if line and not line.startswith("hint:")]
    what = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
    advice = ""
    if ".lock'" in err and "File exists" in err:
        advice = "Another git may be at work there. If none is, delete that lock file and start again."
    elif "No space left" in err or "Disk quota" in err:
        advice = "Make room on the disk and start again: nothing is lost."
    return InfraError(f"git {arguments[0]} failed (status {status}): {what}", advice)
