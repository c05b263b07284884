"""What a program of the user's own can say of its costs and faults, and how it is ended from another thread."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from test_agents_command import CHANGE, HISTORY, fault, long, proposer, scratch, sleeping

from runner.agents.fault import AgentFault, Fault, Remedy
from runner.agents.process import TERM_SECONDS
from runner.trial import Proposal

__all__ = ["long", "scratch"]  # fixtures

USAGE = "open('usage.json', 'w').write({!r})\n"


def test_what_a_program_says_of_its_costs_comes_with_its_proposal(tmp_path: Path) -> None:
    said = '{"tokens_in": 1200, "tokens_out": 30, "cost_usd": 0.02, "model": "small", "other": 1}'
    meta = proposer(tmp_path, CHANGE + USAGE.format(said)).propose(HISTORY).meta
    assert {key: meta[key] for key in ("tokens_in", "tokens_out", "cost_usd", "model")} == {
        "tokens_in": 1200, "tokens_out": 30, "cost_usd": 0.02, "model": "small",
    }  # fmt: skip
    assert "other" not in meta


def test_a_fault_carries_its_costs(tmp_path: Path) -> None:
    assert fault(tmp_path, USAGE.format('{"cost_usd": 0.5}') + "sys.exit(1)").meta == {"cost_usd": 0.5}
    hung = USAGE.format('{"cost_usd": 0.5}') + "time.sleep(60)"
    assert fault(tmp_path, hung, timeout=1).meta == {"cost_usd": 0.5}


@pytest.mark.parametrize(
    "left",
    [
        USAGE.format("{"), USAGE.format("[1]"), USAGE.format("7"), USAGE.format('{"cost_usd": NaN}'),
        USAGE.format('{"cost_usd": -1e9}'), USAGE.format('{"cost_usd": 1' + "0" * 400 + "}"), USAGE.format("[" * 4000),
        "os.mkfifo('usage.json')\n", "os.symlink('/etc/passwd', 'usage.json')\n",
        "os.truncate(os.open('usage.json', os.O_CREAT | os.O_RDWR), 10**12)\n",
        "open('usage.json', 'wb').write(b'\\xff')\n",
    ],
)  # fmt: skip
def test_anything_else_left_in_its_place_is_no_usage(tmp_path: Path, left: str) -> None:
    assert "cost_usd" not in proposer(tmp_path, left + CHANGE).propose(HISTORY).meta


@pytest.mark.parametrize("kind", ["rate-limit", "server-error", "no-answer", "auth", "credit", "limit"])
def test_a_program_may_name_the_fault_that_it_met(tmp_path: Path, kind: str) -> None:
    found = fault(tmp_path, USAGE.format(f'{{"fault": "{kind}", "retry_after": 30}}') + "sys.exit(1)")
    assert (found.kind, found.retry_after) == (Fault(kind), 30.0)


@pytest.mark.parametrize("said", ['{"fault": "machine"}', '{"fault": ["auth"]}', '{"fault": "dropped"}'])
def test_it_may_not_name_what_is_not_its_own(tmp_path: Path, said: str) -> None:
    assert fault(tmp_path, USAGE.format(said) + "sys.exit(1)").kind is Fault.EXIT


def test_a_good_answer_is_tried_whatever_fault_it_names(tmp_path: Path) -> None:
    assert proposer(tmp_path, CHANGE + USAGE.format('{"fault": "auth"}')).propose(HISTORY).source


def test_a_question_is_named_as_one(tmp_path: Path) -> None:
    assert fault(tmp_path, "print('Shall I raise the rate?')").kind is Fault.ASKED
    assert fault(tmp_path, "print('I raised nothing.')").kind is Fault.UNCHANGED


@pytest.mark.parametrize(
    "edit",
    [
        "os.chmod(p, 0o600); open(p, 'w').write('X = 2\\n')",
        "os.chmod(p, 0o600); open(p, 'a').write('Y = 2\\n')",
        "os.remove(p)",
        "os.remove(p); os.mkfifo(p)",
    ],
)
def test_an_answer_that_rests_on_changed_files_of_the_lab_is_not_tried(tmp_path: Path, edit: str) -> None:
    found = fault(tmp_path, f"p = 'lab/prepare/__init__.py'\n{edit}\n" + CHANGE)
    assert found.kind is Fault.FORBIDDEN
    assert "lab/prepare/__init__.py" in found.detail


def test_files_of_its_own_beside_them_do_no_harm(tmp_path: Path) -> None:
    assert proposer(tmp_path, "os.mkdir('lab/prepare/__pycache__'); open('x', 'w')\n" + CHANGE).propose(HISTORY)


def test_a_version_that_is_being_tried_counts_as_tried(tmp_path: Path) -> None:
    under_way = replace(HISTORY, under_way=(Proposal(b"LR = 0.05\nprint(LR)\n", "", "command"),))
    with pytest.raises(AgentFault, match="trial 1") as caught:
        proposer(tmp_path, CHANGE).propose(under_way)
    assert caught.value.kind is Fault.REPEATED


def test_the_history_tells_what_is_being_tried(tmp_path: Path) -> None:
    under_way = replace(HISTORY, under_way=(Proposal(b"", "a wider | net", "command"),))
    script = "print(open('history.md').read())\n" + CHANGE
    proposer(tmp_path, script).propose(under_way)
    assert "trial 1: a wider \\| net" in (tmp_path / "logs" / "proposal-0002.log").read_text()


def test_a_program_told_to_end_leaves_no_process_and_no_folder(
    tmp_path: Path, scratch: Path, long: str
) -> None:
    script = (
        f"import subprocess; subprocess.Popen(['sleep', {long!r}], start_new_session=True)\ntime.sleep(600)"
    )
    one, caught = proposer(tmp_path, script, timeout=600), []

    def ask() -> None:
        try:
            one.propose(HISTORY)
        except AgentFault as error:
            caught.append(error.kind)

    thread = threading.Thread(target=ask)
    thread.start()
    end = time.monotonic() + 20
    while not sleeping(long) and time.monotonic() < end:
        time.sleep(0.05)
    assert sleeping(long)
    one.cancel()
    thread.join(TERM_SECONDS + 5)
    assert caught == [Fault.DROPPED]
    assert sleeping(long) == []
    assert list(scratch.iterdir()) == []


def test_every_kind_of_fault_has_a_remedy_and_the_docs_name_it() -> None:
    page = (Path(__file__).parents[1] / "docs" / "agents.md").read_text()
    for kind in Fault:
        assert isinstance(kind.remedy, Remedy)
        assert f"| `{kind.value}` |" in page, kind
