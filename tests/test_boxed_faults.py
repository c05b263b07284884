"""What a boxed agent's visit is named when it gave nothing to try: a row each, and what is tried all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from boxed_lab import BETTER, GOOD, HISTORY, KEY, SOURCE, boxed, left

from runner.agents.fault import AgentFault, Fault
from runner.sandbox.task import Visit
from runner.sandbox.traffic import Traffic


def _failing(*statuses: int, wait: float = 0.0) -> Traffic:
    return Traffic(requests=3, failed=3, statuses=statuses, retry_after=wait)


BARRED = Traffic(requests=9, answered=5, limited="the limit of 4 requests is reached", refused=4)
BANKRUPT = Traffic(requests=9, answered=9, limited="the limit of 0.5 USD is reached", tokens_in=90)
LOOKED = Traffic(requests=2, answered=1, failed=1, statuses=(500,), refused=1)

ROWS: dict[str, tuple[Visit, Fault, str]] = {
    "no change": (left(SOURCE), Fault.UNCHANGED, "Done."),
    "only a comment": (left(SOURCE + b"# bolder\n"), Fault.UNCHANGED, "comments"),
    "does not parse": (left(b"LR = (\n"), Fault.SYNTAX, "compile"),
    "no text": (left(b"LR = '\xff'\n"), Fault.ENCODING, "UTF-8"),
    "too large": (left("has 9000 bytes; 4,096 are allowed"), Fault.TOO_LARGE, "9000 bytes"),
    "a link": (left("is a symbolic link, not a regular file"), Fault.NOT_A_FILE, "symbolic link"),
    "gone": (left("is gone"), Fault.NOT_A_FILE, "is gone"),
    "edited what it may not": (left(SOURCE, said="/lab is read-only"), Fault.UNCHANGED, "read-only"),
    "an answer with the key": (left(BETTER, note=KEY.encode()), Fault.FORBIDDEN, "holds the API key"),
    "timeout": (left(SOURCE, stopped="timeout", exit_code=None), Fault.TIMEOUT, "1800 s"),
    "timeout with a good file": (left(BETTER, stopped="timeout"), Fault.TIMEOUT, "1800 s"),
    "quiet": (left(SOURCE, stopped="quiet", exit_code=None), Fault.SILENT, "300 s without output"),
    "output too long": (left(SOURCE, stopped="output", output_bytes=50_000_000), Fault.OUTPUT, "50,000,000"),
    "oom of the program": (left(BETTER, oom=True, exit_code=137), Fault.MEMORY, "memory"),
    "oom of a child": (left(SOURCE, oom=True), Fault.MEMORY, "memory"),
    "asked a question": (left(SOURCE, said="Shall I?"), Fault.ASKED, "Shall I?"),
    "limit reached": (left(SOURCE, traffic=BARRED), Fault.LIMIT, "4 requests"),
    "limit reached by asking in vain": (left(SOURCE, traffic=replace(_failing(500), limited="…")), Fault.SERVER, "500"),
    "budget exhausted": (left(SOURCE, traffic=BANKRUPT), Fault.LIMIT, "0.5 USD"),
    "account exhausted": (left(SOURCE, traffic=_failing(402)), Fault.CREDIT, "402"),
    "401": (left(SOURCE, traffic=_failing(401)), Fault.AUTH, "401"),
    "403": (left(SOURCE, traffic=_failing(403)), Fault.AUTH, "403"),
    "429": (left(SOURCE, traffic=_failing(429, wait=30)), Fault.RATE, "429"),
    "500": (left(SOURCE, traffic=_failing(500)), Fault.SERVER, "500"),
    "502 of the API's own": (left(SOURCE, traffic=_failing(502)), Fault.SERVER, "502"),
    "no answer": (left(SOURCE, traffic=Traffic(requests=3, failed=3, silent=3)), Fault.SILENT, "reached"),
    "asked nothing": (left(SOURCE, exit_code=2, traffic=Traffic()), Fault.EXIT, "asked its API nothing"),
    "an error of its own": (left(SOURCE, exit_code=1), Fault.EXIT, "exit code 1"),
    "a 500 that was overcome": (left(SOURCE, traffic=LOOKED), Fault.UNCHANGED, "not changed"),
    "told to end": (left(BETTER, stopped="cancelled"), Fault.DROPPED, "told to end"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_it_is_named_for_what_went_wrong(row: str) -> None:
    visit, kind, words = ROWS[row]
    agent, _ = boxed(visit)
    with pytest.raises(AgentFault) as caught:
        agent.propose(HISTORY)
    assert caught.value.kind is kind
    assert words in caught.value.detail
    assert KEY not in caught.value.detail


def test_every_fault_that_a_box_can_show_has_a_row() -> None:
    elsewhere = {Fault.REPEATED, Fault.MACHINE}  # below; and of the engine, in tests of asking
    assert {kind for _, kind, _ in ROWS.values()} == set(Fault) - elsewhere


def test_a_500_then_a_200_and_a_refused_look_up_are_not_blamed_on_the_server() -> None:
    """A refusal of the gateway's is no request: taken from their number it hid the answer that did come."""
    agent, _ = boxed(left(SOURCE, traffic=LOOKED, exit_code=1))
    with pytest.raises(AgentFault) as caught:
        agent.propose(HISTORY)
    assert caught.value.kind is Fault.EXIT


@pytest.mark.parametrize("more", [{"exit_code": 1}, {"oom": True}, {"traffic": _failing(500)}])
def test_a_good_answer_is_tried_whatever_else_went_wrong(more: dict[str, object]) -> None:
    proposal = boxed(left(BETTER, **more))[0].propose(HISTORY)
    assert (proposal.source, proposal.note) == (BETTER, "LR up")


def test_an_api_that_says_when_to_come_back_is_heeded() -> None:
    with pytest.raises(AgentFault) as caught:
        boxed(left(SOURCE, traffic=_failing(429, wait=30)))[0].propose(HISTORY)
    assert caught.value.retry_after == 30


def test_its_history_says_why_its_last_answer_was_refused_until_one_is_taken() -> None:
    agent, box = boxed(left(b"LR = (\n"), left(BETTER), left(SOURCE))
    for _ in range(3):
        try:
            agent.propose(HISTORY)
        except AgentFault:
            continue
    told = [b"does not compile" in task.lab for task in box.tasks]
    assert told == [False, True, False]


def test_its_folder_holds_the_incumbent_and_an_empty_note() -> None:
    agent, box = boxed(left())
    agent.propose(HISTORY)
    assert dict(box.tasks[0].work) == {"train.py": SOURCE, "note.txt": b""}


def test_a_key_that_the_api_echoes_is_taken_out_of_what_is_kept() -> None:
    agent, _ = boxed(left(SOURCE, said=f"your key {KEY} is good"), left(SOURCE, traffic=GOOD))
    with pytest.raises(AgentFault) as caught:
        agent.propose(HISTORY)
    assert KEY not in caught.value.detail + str(caught.value.meta)
