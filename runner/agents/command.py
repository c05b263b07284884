"""`command:PROGRAM ARGUMENTS`: any program of the user's own proposes, on the host, in a folder made for it.

The folder is new each time and is the program's working directory:

    program.md    the instructions        history.md, history.json    the trials so far
    lab/prepare/  what train.py imports   train.py, note.txt          what it may write

Afterwards the bytes of train.py and the first line of note.txt are taken back (`takeback.py`), with a few numbers of
usage.json if it left one (what it took of its model, or which fault it met), and the folder is removed. The program is
trusted like anything that the user starts: it runs with the user's rights, sees the user's files and network, and is
not in a box. What is promised is that nothing else of what it writes in the folder is used, and that it ends at its
time limit (`process.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.agents import history as told
from runner.agents import process, takeback
from runner.agents.fault import AgentFault, Fault
from runner.errors import UsageError
from runner.report import text
from runner.trial import History, Proposal, digest
from runner.usage import usage_of

PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
USAGE_BYTES = 4096
_OWN = ("program.md", "history.md", "history.json", "train.py", "note.txt", "lab")


class CommandProposer:
    """Runs one program for each proposal."""

    def __init__(
        self,
        command: str,
        *,
        lab_root: Path,
        prepare_files: Mapping[str, bytes],
        timeout: float,
        source_limit: int,
        log_tail: told.LogTail,
        pass_env: Sequence[str] = (),
        logs: Path | None = None,
        name: str = "command",
    ) -> None:
        """`command`: split as a shell would, run without one; files of the lab may be named relative to it.

        prepare_files: what goes under lab/, by relative path. timeout: seconds. source_limit: bytes of train.py.
        pass_env: names of environment variables that it gets besides `PASSED_ON`. logs: a folder for its output.
        name: who it is in the record. Raises UsageError for a command that cannot be started.
        """
        self.name = name
        self._argv = split(command, lab_root)
        self._files = dict(prepare_files)
        self._timeout = timeout
        self._source_limit = source_limit
        self._log_tail = log_tail
        self._names = (*PASSED_ON, *pass_env)
        self._logs = logs
        self._refused = ""
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Ends the program that runs for a `propose` in another thread, and refuses all later ones."""
        self._cancelled.set()

    def propose(self, history: History) -> Proposal:
        """What the program makes of the incumbent. Raises AgentFault where that cannot be tried."""
        log = self._logs / f"proposal-{history.number:04d}.log" if self._logs else None
        try:
            with _folder() as folder:
                self._fill(folder, history)
                proposal = self._ask(folder, history, log)
        except AgentFault as fault:
            self._refused = fault.detail
            fault.advice = fault.advice or (f"Its output: {log}" if log else "")
            raise
        self._refused = ""
        return proposal

    def _fill(self, folder: Path, history: History) -> None:
        """What the program finds. Read-only files are so for its guidance: it owns them."""
        read_only = {
            "program.md": history.program.encode(),
            "history.md": told.markdown(history, self._log_tail, self._refused).encode(),
            "history.json": told.as_json(history).encode(),
            **{f"lab/{name}": content for name, content in self._files.items()},
        }
        for name, content in read_only.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o444)
        (folder / "train.py").write_bytes(history.incumbent)
        (folder / "note.txt").write_bytes(b"")

    def _ask(self, folder: Path, history: History, log: Path | None) -> Proposal:
        env = {name: os.environ[name] for name in self._names if name in os.environ}
        env.update(PWD=str(folder), TERM="dumb", NO_COLOR="1")
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            ran = self._run(folder, env)
            if log:
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_bytes(ran.output)
            return self._taken(handle, ran, history)
        finally:
            os.close(handle)

    def _taken(self, folder: int, ran: process.Ran, history: History) -> Proposal:
        """What the program left in the open folder. A fault carries what it cost, too."""
        said = _said(folder)
        usage = self._usage(folder, ran, said)
        try:
            self._ended(ran)
            source = takeback.read(folder, "train.py", self._source_limit)
            self._unchanged(source, ran, said, history)
            for name, given in self._files.items():
                _untouched(folder, f"lab/{name}", given)
            takeback.check(source, history.incumbent, takeback.tried(history))
        except AgentFault as fault:
            fault.meta = usage
            raise
        parent = digest(history.incumbent)
        meta = {
            "parent": parent,
            "exit_code": ran.exit_code,
            "seconds": round(ran.seconds, 3),
            "output_bytes": ran.output_bytes,
            **usage,
        }
        return Proposal(source, takeback.note(folder), self.name, parent, meta)

    def _usage(self, folder: int, ran: process.Ran, said: Mapping[str, Any]) -> dict[str, Any]:
        """Tokens and money, for the record."""
        return usage_of(said).plain()

    def _unchanged(self, source: bytes, ran: process.Ran, said: Mapping[str, Any], history: History) -> None:
        """Where train.py is as it was, the most telling name for it."""
        if source != history.incumbent:
            return
        last = _last_line(ran)
        if isinstance(kind := said.get("fault"), str) and kind in _SAYABLE:
            wait = said.get("retry_after")
            seconds = float(wait) if isinstance(wait, int | float) and 0 < wait < 1e6 else 0.0
            raise AgentFault(Fault(kind), f"so it says{last}", retry_after=seconds)
        if ran.exit_code:
            raise AgentFault(Fault.EXIT, f"exit code {ran.exit_code}, train.py unchanged{last}")
        if last.endswith("?"):
            raise AgentFault(Fault.ASKED, f"train.py unchanged, and nobody is there to answer{last}")

    def _run(self, folder: Path, env: Mapping[str, str]) -> process.Ran:
        try:
            return process.run(self._argv, folder, env, self._timeout, self._cancelled)
        except OSError as error:
            raise UsageError(f"{self._argv[0]} cannot be run: {error}", "Check [agent] name") from None

    def _ended(self, ran: process.Ran) -> None:
        if ran.stopped == "timeout":
            raise AgentFault(
                Fault.TIMEOUT, f"killed after {self._timeout:g} s{_last_line(ran)}", "See agent.timeout_seconds"
            )
        if ran.stopped == "cancelled":
            raise AgentFault(Fault.DROPPED, "told to end")
        if ran.stopped:
            raise AgentFault(Fault.OUTPUT, f"killed after {ran.output_bytes:,} bytes of output")


def split(command: str, lab_root: Path) -> list[str]:
    """The arguments of `command`; those that name a file of the lab become absolute.

    A name that the working folder has too (train.py, program.md …) means the one there. Raises UsageError if it
    is empty, ends within quotes, or its program is not found.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"command:{command} cannot be split: {error}", "Check its quotes") from None
    if not words:
        raise UsageError("command: names no program", 'For instance: name = "command:python3 my_agent.py"')
    argv = [
        word if word in _OWN or not os.path.isfile(lab_root / word) else str(lab_root / word) for word in words
    ]
    if shutil.which(argv[0]) is None:
        raise UsageError(
            f"command: no program {argv[0]} on PATH or in {lab_root}", "Is it installed, and executable?"
        )
    return argv


_SAYABLE = {Fault.RATE, Fault.SERVER, Fault.SILENT, Fault.AUTH, Fault.CREDIT, Fault.LIMIT}


def _said(folder: int) -> Mapping[str, Any]:
    """The object in usage.json; empty where there is none, or it is nothing of the kind."""
    try:
        raw = json.loads(takeback.read(folder, "usage.json", USAGE_BYTES))
    except (AgentFault, ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _untouched(folder: int, name: str, given: bytes) -> None:
    """Raises AgentFault where a file that it may only read is another now: its train.py may rest on the change."""
    try:
        same = takeback.read(folder, name, len(given)) == given
    except AgentFault:
        same = False
    if not same:
        raise AgentFault(Fault.FORBIDDEN, f"it changed {name}, which no trial takes from it")


def _last_line(ran: process.Ran) -> str:
    """What the program said last, which often is why it failed."""
    lines = [line for raw in ran.output[-4096:].splitlines() if (line := text.line(raw, 160))]
    return f"; it said last: {lines[-1]}" if lines else ""


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="proposal-")).resolve()
    try:
        yield folder
    finally:
        _open_up(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _open_up(folder: Path) -> None:
    """Make every folder in `folder` writable: one without that permission could not be emptied."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                _open_up(Path(entry.path))
