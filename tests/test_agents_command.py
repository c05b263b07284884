"""Outside programs as proposers: what they are given, what is taken back, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import sys
import time
from pathlib import Path

import psutil
import pytest
from factories import entry

from runner import agents, config
from runner.agents import command as commands
from runner.agents import process, takeback
from runner.agents.command import CommandProposer
from runner.agents.fault import AgentFault, Fault
from runner.errors import UsageError
from runner.lab import Lab
from runner.trial import History, Status, digest

SOURCE = b"LR = 0.04\nprint(LR)\n"
HISTORY = History(
    "demo", (entry(0, Status.KEEP, 2.2, None, 2.2, proposal=digest(SOURCE)),), SOURCE, "Be bold.", 1
)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, so that a test can see what is left there."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def proposer(
    tmp_path: Path, script: str, timeout: float = 20, limit: int = 4096, **more: object
) -> CommandProposer:
    """A proposer that runs `script` with this Python."""
    path = tmp_path / "agent.py"
    path.write_text("import os, sys, time, pathlib\n" + script)
    return CommandProposer(
        f"{sys.executable} {path}", lab_root=tmp_path, prepare_files={"prepare/__init__.py": b"X = 1\n"},
        timeout=timeout, source_limit=limit, log_tail=lambda number: "", logs=tmp_path / "logs", **more,
    )  # fmt: skip


def fault(tmp_path: Path, script: str, **more: object) -> AgentFault:
    with pytest.raises(AgentFault) as caught:
        proposer(tmp_path, script, **more).propose(HISTORY)  # type: ignore[arg-type]
    return caught.value


def sleeping(seconds: str) -> list[int]:
    """The processes that sleep for just `seconds`."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.cmdline() == ["sleep", seconds]:
                found.append(one.pid)
    return found


@pytest.fixture
def long() -> str:
    """Seconds for `sleep` that no other process on this machine has chosen."""
    return f"{random.uniform(900, 1000):.9f}"


CHANGE = "pathlib.Path('train.py').write_text('LR = 0.05\\nprint(LR)\\n')\n"


def test_the_changed_train_py_and_the_first_line_of_the_note_are_taken_back(
    tmp_path: Path, scratch: Path
) -> None:
    proposal = proposer(tmp_path, CHANGE + "open('note.txt', 'w').write('\\nLR up\\nmore\\n')").propose(HISTORY)
    assert proposal.source == b"LR = 0.05\nprint(LR)\n"
    assert (proposal.note, proposal.agent, proposal.parent) == ("LR up", "command", digest(SOURCE))
    assert list(scratch.iterdir()) == []


def test_the_working_folder_holds_what_was_promised_and_no_more(tmp_path: Path) -> None:
    script = "print(sorted(str(p) for p in pathlib.Path('.').rglob('*')), open('program.md').read())\n" + CHANGE
    proposer(tmp_path, script).propose(HISTORY)
    (log,) = (tmp_path / "logs").iterdir()
    names = ["history.json", "history.md", "lab", "lab/prepare", "lab/prepare/__init__.py", "note.txt"]
    assert log.read_text() == f"{[*names, 'program.md', 'train.py']} Be bold.\n"


def test_only_named_environment_variables_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_KEY", "shown")
    monkeypatch.setenv("OTHER_KEY", "hidden")
    script = "open('note.txt', 'w').write(str({k: v for k, v in os.environ.items() if '_KEY' in k}))\n" + CHANGE
    assert proposer(tmp_path, script, pass_env=["MODEL_KEY"]).propose(HISTORY).note == "{'MODEL_KEY': 'shown'}"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("", Fault.UNCHANGED),
        ("sys.exit(3)", Fault.EXIT),
        ("open('train.py', 'a').write('# only a comment\\n')", Fault.UNCHANGED),
        ("open('train.py', 'w').write('LR = (')", Fault.SYNTAX),
        ("open('train.py', 'w').write('return 1')", Fault.SYNTAX),
        ("open('train.py', 'w').write('# coding: utf-7\\nLR = 2')", Fault.SYNTAX),
        ("open('train.py', 'w').write('-' * 3000 + '1')", None),
        ("open('train.py', 'wb').write(b'LR = \"\\xff\"')", Fault.ENCODING),
        ("open('train.py', 'wb').write(b'LR = 1\\0')", Fault.ENCODING),
        ("open('train.py', 'w').write('#' * 5000)", Fault.TOO_LARGE),
        ("os.truncate('train.py', 10**12)", Fault.TOO_LARGE),
        ("os.remove('train.py')", Fault.NOT_A_FILE),
        ("os.remove('train.py'); os.symlink('/etc/passwd', 'train.py')", Fault.NOT_A_FILE),
        ("os.remove('train.py'); os.symlink('lab/prepare/__init__.py', 'train.py')", Fault.NOT_A_FILE),
        ("os.remove('train.py'); os.mkfifo('train.py')", Fault.NOT_A_FILE),
        ("os.remove('train.py'); os.mkdir('train.py')", Fault.NOT_A_FILE),
        (
            "os.remove('train.py'); import socket; socket.socket(socket.AF_UNIX).bind('train.py')",
            Fault.NOT_A_FILE,
        ),
    ],
)
def test_each_answer_that_cannot_be_tried_has_its_name(
    tmp_path: Path, scratch: Path, script: str, kind: Fault | None
) -> None:
    if kind is None:  # whether it compiles depends on Python's version; that the runner lives does not
        with contextlib.suppress(AgentFault):
            proposer(tmp_path, script).propose(HISTORY)
    else:
        assert fault(tmp_path, script).kind is kind
    assert list(scratch.iterdir()) == []


def test_a_source_that_kills_the_parser_does_not_kill_the_runner() -> None:
    for hostile in (b"(" * 100_000, b"-" * 5_000_000 + b"1", b"a" + b".a" * 1_000_000):
        began = time.monotonic()
        with pytest.raises(AgentFault) as caught:
            takeback.check(hostile, SOURCE, {})
        assert caught.value.kind is Fault.SYNTAX
        assert time.monotonic() - began < 25


def test_a_version_that_was_tried_is_refused_with_its_number(tmp_path: Path) -> None:
    tried = entry(7, proposal=digest(b"LR = 0.05\nprint(LR)\n"))
    with pytest.raises(AgentFault, match="trial 7") as caught:
        proposer(tmp_path, CHANGE).propose(History("demo", (*HISTORY.entries, tried), SOURCE, "", 1))
    assert caught.value.kind is Fault.REPEATED


def test_an_exit_code_does_not_discard_a_good_answer(tmp_path: Path) -> None:
    assert proposer(tmp_path, CHANGE + "sys.exit(5)").propose(HISTORY).meta["exit_code"] == 5


def test_the_error_says_what_the_program_said_last(tmp_path: Path) -> None:
    found = fault(tmp_path, "print('401: \\x1b[31mno such key'); sys.exit(1)")
    assert "exit code 1" in found.detail
    assert found.detail.endswith("it said last: 401: no such key")
    assert "proposal-0001.log" in found.advice


def test_the_next_answer_is_told_why_the_last_was_refused(tmp_path: Path) -> None:
    script = "p = pathlib.Path('history.md').read_text()\nif 'was not tried' in p:\n    " + CHANGE
    one = proposer(tmp_path, script)
    with pytest.raises(AgentFault):
        one.propose(HISTORY)
    assert one.propose(HISTORY).source != SOURCE


@pytest.mark.parametrize(
    ("made", "note"),
    [
        ("open('note.txt', 'w').write('a\\x1b[2Jb\\tc\\u202ed\\x07')", "ab cd\ufffd"),
        ("open('note.txt', 'w').write('x' * 5000)", "x" * 199 + "…"),
        ("open('note.txt', 'wb').write(b'\\xff ok')", "\ufffd ok"),
        ("os.remove('note.txt'); os.mkfifo('note.txt')", takeback.NO_NOTE),
        ("os.remove('note.txt'); os.symlink('/etc/hostname', 'note.txt')", takeback.NO_NOTE),
        ("os.remove('note.txt')", takeback.NO_NOTE),
        ("os.truncate('note.txt', 10**12)", takeback.NO_NOTE),
    ],
)
def test_a_note_is_one_harmless_line_whatever_was_left(tmp_path: Path, made: str, note: str) -> None:
    assert proposer(tmp_path, CHANGE + made).propose(HISTORY).note == note


def test_a_hung_program_and_all_its_children_end_at_the_deadline(
    tmp_path: Path, scratch: Path, long: str
) -> None:
    script = f"""
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(['sleep', {long!r}])
subprocess.Popen(['sleep', {long!r}], start_new_session=True)
subprocess.Popen(['sh', '-c', 'setsid sleep {long} & exit'])
{CHANGE}
time.sleep(600)
"""
    began = time.monotonic()
    assert fault(tmp_path, script, timeout=1).kind is Fault.TIMEOUT
    assert time.monotonic() - began < 1 + process.TERM_SECONDS + 2
    assert sleeping(long) == []
    assert list(scratch.iterdir()) == []


def test_a_child_that_holds_the_output_open_does_not_hold_the_loop(tmp_path: Path, long: str) -> None:
    began = time.monotonic()
    script = f"import subprocess; subprocess.Popen(['sleep', {long!r}], start_new_session=True)"
    proposer(tmp_path, CHANGE + script).propose(HISTORY)
    assert time.monotonic() - began < 5
    assert sleeping(long) == []


def test_fifty_megabytes_of_output_cost_neither_memory_nor_disk(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    script = "print('first')\nfor _ in range(50): sys.stdout.write('x' * 1_000_000)\nprint('last')\n" + CHANGE
    proposal = proposer(tmp_path, script).propose(HISTORY)
    (log,) = (tmp_path / "logs").iterdir()
    content = log.read_bytes()
    assert proposal.meta["output_bytes"] == 50_000_011
    assert content.startswith(b"first\n")
    assert content.endswith(b"last\n")
    assert len(content) < 300_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_a_program_that_prints_for_ever_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 1 << 20)
    assert fault(tmp_path, "while True: print('x' * 1000)").kind is Fault.OUTPUT


def test_an_interrupt_leaves_no_process_and_no_folder(tmp_path: Path, scratch: Path, long: str) -> None:
    class Interrupts(CommandProposer):
        def _ended(self, ran: process.Ran) -> None:
            raise KeyboardInterrupt

    path = tmp_path / "agent.sh"
    path.write_text(f"setsid sleep {long} &\n")
    one = Interrupts(
        f"sh {path}", lab_root=tmp_path, prepare_files={}, timeout=9, source_limit=99, log_tail=str
    )
    with pytest.raises(KeyboardInterrupt):
        one.propose(HISTORY)
    assert list(scratch.iterdir()) == []
    assert sleeping(long) == []


def test_a_folder_made_unwritable_is_removed_all_the_same(tmp_path: Path, scratch: Path) -> None:
    script = CHANGE + "os.makedirs('a/b/c'); open('a/b/c/d', 'w'); os.chmod('a/b/c', 0); os.chmod('a/b', 0)"
    proposer(tmp_path, script).propose(HISTORY)
    assert list(scratch.iterdir()) == []


def test_a_link_to_a_folder_outside_is_not_followed_when_cleaning(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o750)
    (outside / "kept").touch()
    proposer(tmp_path, CHANGE + f"os.symlink({str(outside)!r}, 'link')").propose(HISTORY)
    assert (outside / "kept").exists()
    assert outside.stat().st_mode & 0o777 == 0o750


def test_a_file_of_the_lab_may_be_named_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "agent.py").touch()
    (tmp_path / "program.md").touch()
    found = commands.split("python3 tools/agent.py --flag program.md 'two words' " + "x" * 5000, tmp_path)
    assert found[1:5] == [str(tmp_path / "tools" / "agent.py"), "--flag", "program.md", "two words"]


@pytest.mark.parametrize("command", ["", "  ", "echo 'unclosed", "no-such-program-at-all --x"])
def test_a_command_that_cannot_start_is_a_usage_error(tmp_path: Path, command: str) -> None:
    with pytest.raises(UsageError, match="command:"):
        commands.split(command, tmp_path)


def test_the_factory_makes_each_agent_and_lists_them_for_a_wrong_name(tmp_path: Path) -> None:
    (tmp_path / "prepare").mkdir()
    (tmp_path / "prepare" / "__init__.py").touch()

    def make(name: str) -> str:
        lab = Lab(tmp_path, config.from_dict({"agent": {"name": name, "pass_env": "A, B"}}))
        return agents.make(lab, lambda number: "").name

    assert [make(name) for name in (*agents.BUILT_IN, "command:true")] == ["sweep", "random", "same", "command"]
    with pytest.raises(UsageError, match="There are: sweep, random, same, and command:"):
        make("sweeep")


def test_importing_the_factory_is_cheap() -> None:
    code = "import sys, runner.agents; print([m for m in ('optuna', 'psutil', 'rich') if m in sys.modules])"
    assert os.popen(f'{sys.executable} -c "{code}"').read() == "[]\n"
