"""Runs a coding agent's real program on this machine for one proposal, by its recipe, against a scripted API.

`AUTORESEARCH_AGENTS` names a folder with the programs: `NAME/node_modules/.bin/` from `npm install --prefix`, or
`NAME/bin/` of a virtual environment. The program runs without a box, so only against a scripted API; as another
user where the tests run as root, since some agents refuse to be root.

    python tests/agent_programs.py [NAME …]           how long each takes to its first request and to its end
    python tests/agent_programs.py --faults [NAME …]  what each makes of an API that fails: the table of docs/agents.md
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripted_api import ScriptedApi, Trouble, proposal, status

from runner.agents import plan as plans
from runner.agents import prompt, recipe, usage
from runner.config import AgentSettings

USER = 10002
# Between SIGTERM and SIGKILL, where not 2: Gemini CLI ignores the first, Vibe writes its report then.
STOP_SECONDS = {"gemini": 0.0, "vibe": 5.0}
TRAIN = "LR = 1\nprint(LR)\n"
KEY = "the-key"
PATIENCE = 75.0  # seconds that a program has to give up, or to go on
Fault = Callable[[int], Trouble | None]
FAULTS: dict[str, Fault] = {
    "401": lambda number: None,  # by a wrong token
    "429": lambda number: status(429, retry_after="1"),
    "500 once": lambda number: status(500) if number == 1 else None,
    "500 always": lambda number: status(500),
    "no answer": lambda number: Trouble("hang"),
    "cut off in the stream": lambda number: Trouble("drop"),
}


@dataclass(frozen=True)
class Ran:
    """How one program ended. first: seconds from its start to its first request for a model, None without one."""

    exit_code: int
    seconds: float
    first: float | None
    stdout: bytes
    stderr: bytes
    train: str
    note: str
    report: usage.AgentReport


def programs(name: str) -> Path | None:
    """The folder with the programs of the agent `name`, None where they are not installed."""
    root = os.environ.get("AUTORESEARCH_AGENTS", "")
    if not root:
        return None
    found = [Path(root, name, "node_modules", ".bin"), Path(root, name, "bin")]
    program = recipe.find(name).install.check[0]
    return next((folder for folder in found if (folder / program).exists()), None)


def version(name: str, folder: Path, home: Path) -> str:
    """What the program says of its version."""
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(home)}
    check = recipe.find(name).install.check
    done = subprocess.run(check, env=env, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def run(
    name: str,
    api: ScriptedApi,
    tmp: Path,
    *,
    settings: AgentSettings | None = None,
    key: plans.Key | None = None,
    token: str = KEY,
    timeout: float = 90,
    stop: bool = False,
) -> Ran:
    """One proposal of the agent `name` in folders under `tmp`, stopped after `timeout` seconds.

    stop: whether it is sent SIGTERM a second after its first request for a model, and SIGKILL when the recipe's
    time has passed.
    """
    one, folder = recipe.find(name), programs(name)
    assert folder is not None
    places = plans.Places(*(str(tmp / part) for part in ("home", "task", "lab", "home/out")))
    planned = plans.plan(
        one,
        settings or AgentSettings(model="scripted-model", timeout_seconds=600),
        prompt=prompt.prompt(places),
        gateway=api.url,
        token=token,
        key=key or one.api.keys[0],
        places=places,
    )
    _fill(planned, tmp)
    env = {**planned.environment, "PATH": f"{folder}:{os.environ['PATH']}"}
    started = time.monotonic()
    with open(tmp / "stdout", "w+b") as out, open(tmp / "stderr", "w+b") as err:
        process = subprocess.Popen(
            planned.command, cwd=places.work, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True, user=USER if os.getuid() == 0 else None, umask=0o022,
        )  # fmt: skip
        _wait(process, timeout, api if stop else None, STOP_SECONDS.get(name, 2.0))
        seconds = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    file = Path(places.out, planned.reads)
    files = {planned.reads: file.read_bytes()} if planned.reads and file.is_file() else {}
    work, note = Path(places.work), Path(places.work, "note.txt")
    first = next((r.time - started for r in api.requests if r.tools or r.answer not in ("models", "404")), None)
    return Ran(
        process.returncode, seconds, first, stdout, stderr, (work / "train.py").read_text(),
        note.read_text() if note.is_file() else "", usage.read_result(one.report, stdout, files, stderr),
    )  # fmt: skip


def _fill(planned: plans.AgentPlan, tmp: Path) -> None:
    """The folders as a box would have them: home, task and out of the agent, lab of ours."""
    for part in ("home", "task", "lab", "home/out"):
        (tmp / part).mkdir(parents=True, exist_ok=True)
    (tmp / "task" / "train.py").write_text(TRAIN)
    (tmp / "task" / "note.txt").touch()
    (tmp / "lab" / "program.md").write_text("# Program\n\nMake it better.\n")
    (tmp / "lab" / "history.md").write_text("# History\n\nNothing yet.\n")
    for name, content in planned.files.items():
        path = tmp / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if os.getuid() == 0:
        for part in ("home", "task"):
            for path in [tmp / part, *(tmp / part).rglob("*")]:
                os.chown(path, USER, USER)


def _wait(process: subprocess.Popen[bytes], timeout: float, stop: ScriptedApi | None, patience: float) -> None:
    """Until it ends, or must be stopped: after `timeout`, or once `stop` was asked for a model."""
    deadline = time.monotonic() + timeout
    try:
        if stop:
            while not stop.asked and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)
            process.terminate()
            process.wait(max(patience, 0.1))
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _scripted(faults: Fault = lambda number: None) -> Iterator[tuple[ScriptedApi, Path]]:
    """An API that proposes twice the LR, and a folder that another user may enter."""
    with tempfile.TemporaryDirectory(prefix="agent-program-") as folder:
        tmp = Path(folder)
        tmp.chmod(0o755)
        steps = proposal(f"{tmp}/task", "LR = 1", "LR = 2", "twice")
        with ScriptedApi(lambda n: steps, key=KEY, faults=faults) as api:
            yield api, tmp


def cell(name: str, fault: str) -> str:
    """How the agent `name` ends where its API fails so: `> 75 s` if it had to be killed, `goes on` if it proposed."""
    ahead = 1 if name == "aider" else 0  # it asks once only: its first request must be the one that fails
    with _scripted(lambda number: FAULTS[fault](number + ahead)) as (api, tmp):
        ran = run(name, api, tmp, token="wrong" if fault == "401" else KEY, timeout=PATIENCE)
        asked = sum(request.answer == "401" for request in api.requests) if fault == "401" else api.asked
    if not asked:
        return "never asked"
    if ran.exit_code == -signal.SIGKILL:
        return f"> {PATIENCE:g} s"
    return "goes on" if ran.train != TRAIN else f"ends, {asked} request{'s' * (asked != 1)}"


def print_faults(names: list[str]) -> None:
    """A row an agent that is installed."""
    print(f"| name | {' | '.join(FAULTS)} |\n| {' | '.join('---' for _ in ('', *FAULTS))} |")
    for name in names:
        if programs(name) is not None:
            print(f"| `{name}` | {' | '.join(cell(name, fault) for fault in FAULTS)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", action="store_true", help="let the API fail in each of its ways")
    parser.add_argument("names", nargs="*", default=recipe.names())
    given = parser.parse_args()
    (print_faults if given.faults else print_times)(given.names)


def print_times(names: list[str]) -> None:
    """One proposal of each agent that is installed."""
    print(f"{'agent':12} {'version':10} {'first request':>14} {'end':>8}  seen")
    for name in names:
        if programs(name) is None:
            print(f"{name:12} not installed")
            continue
        with _scripted() as (api, tmp):
            ran = run(name, api, tmp)
        right = ran.train != TRAIN and ran.note == "twice\n" and ran.report.tokens_in == api.sent().tokens_in
        seen = "changed, note, tokens" if right else f"not as it should be: {ran.report.error}"
        first = "–" if ran.first is None else f"{ran.first:.1f} s"
        print(f"{name:12} {recipe.find(name).install.version:10} {first:>14} {ran.seconds:>6.1f} s  {seen}")


if __name__ == "__main__":
    main()
