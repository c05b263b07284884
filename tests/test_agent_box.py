"""Attacks on the agent's box, each a program of its own under tests/attacks/agent, in real containers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_lab import KEY, SMALL, Api, small_api, visit

from runner.errors import UsageError
from runner.sandbox.gateway import Gateway, GatewayPlan, configuration
from runner.sandbox.traffic import Spending, Traffic, add
from runner.sandbox.visit import AgentBox

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def box(engine: Any) -> AgentBox:
    from runner.sandbox import agent_images

    def quiet(what: str, fraction: float | None) -> None:
        pass

    image = agent_images.agent_image(engine, "none", {}, {}, (), "3.13", quiet)
    return AgentBox(engine, image, agent_images.gateway_image(engine, quiet), SMALL)


@pytest.fixture
def api() -> Iterator[Api]:
    with small_api() as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_left(leftovers: Any, record_property: Any) -> Iterator[None]:
    yield
    record_property("leftovers", len(leftovers()))
    assert leftovers() == []


def test_the_key_and_the_hidden_text_are_nowhere_in_the_box(
    box: AgentBox, tag: str, api: Api, tmp_path: Path
) -> None:
    hidden = f"validation-{secrets.token_hex(8)}"
    (tmp_path / "validation.txt").write_text(hidden)  # of the host, where it must stay
    planted = f"planted-{secrets.token_hex(8)}"
    left = visit(
        box, tag, api, "reads_secrets", *(word[::-1] for word in (KEY, hidden, planted)),
        lab={"sample.txt": planted.encode()},
    )  # fmt: skip
    said = left.stdout.decode()
    assert "looked" in said
    got = [line for line in said.splitlines() if line.startswith("GOT")]
    assert got == ["GOT /lab/sample.txt"]  # so the search does find what is there


def test_nothing_but_the_api_is_reached(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "reaches_out", seconds=60)
    said = left.stdout.decode()
    assert "GOT" not in said
    refused = [line for line in said.splitlines() if line.startswith("refused")]
    assert len(refused) == 10 + 2 + 15 + 1  # places, kinds of sockets, requests, bytes that are no text
    assert set(api.paths()) <= {"/v1/models/redirect", "/v1/messages"}
    assert left.traffic.refused >= 14
    assert any("other.example" in line for line in left.traffic.refusals)
    assert any("redirect" in line for line in left.traffic.refusals)


def test_it_writes_nowhere_but_in_its_folders(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "writes_outside")
    assert "GOT" not in left.stdout.decode()
    assert "tried" in left.stdout.decode()


def test_a_link_or_a_folder_in_place_of_its_files_is_not_followed(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "writes_outside")
    assert left.files["/task/train.py"] == "is a symbolic link, not a regular file"
    assert left.files["/task/note.txt"] == "is a directory, not a regular file"


def test_forks_are_bounded_and_end_at_its_time(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "forks", seconds=2)
    assert left.stopped == "timeout"
    assert int(left.stdout.split(b"stopped after ")[1].split()[0]) < SMALL.pids
    assert left.seconds < 10


def test_its_disk_is_bounded_in_bytes_and_files(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "fills_disk", seconds=60)
    said = left.stdout.decode()
    assert not left.oom
    assert "GOT" not in said
    assert sum(line.startswith("bounded ") for line in said.splitlines()) == 8, said


def test_one_that_never_ends_is_killed_at_its_time(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "runs_for_ever", seconds=2)
    assert left.stopped == "timeout"
    assert left.seconds < 4


def test_one_that_prints_without_end_is_stopped_and_its_output_bounded(
    box: AgentBox, tag: str, api: Api
) -> None:
    left = visit(box, tag, api, "prints_much", seconds=30)
    assert left.stopped == "output"
    assert len(left.stdout) < SMALL.output_bytes + 1000


def test_one_that_hangs_without_a_word_is_stopped(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "says_nothing", seconds=30, quiet=1.5)
    assert left.stopped == "quiet"
    assert left.seconds < 10


def test_requests_are_limited_in_the_gateway(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "spends", spending=Spending(requests=5))
    assert len(api.requests) == 5
    assert left.stdout.count(b"refused") == 35
    assert b"the limit of 5 requests is reached" in left.stdout


def test_tokens_are_counted_and_limited_in_the_gateway(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "spends", spending=Spending(tokens=390))
    assert len(api.requests) == 3  # 130 tokens each, seen after each answer
    assert (left.traffic.tokens_in, left.traffic.tokens_out) == (3 * 107, 3 * 23)


def test_money_is_limited_in_the_gateway(box: AgentBox, tag: str, api: Api) -> None:
    spending = Spending(cost=0.001, price_in=1.0, price_out=10.0, price_cached=1.0)  # 0.000337 USD a request
    left = visit(box, tag, api, "spends", spending=spending)
    assert len(api.requests) == 3
    assert left.traffic.cost(spending) == pytest.approx(3 * (107 + 230) / 1e6)


def test_the_gateway_puts_the_key_into_requests_and_nothing_of_the_agents(
    box: AgentBox, tag: str, api: Api
) -> None:
    visit(box, tag, api, "spends", spending=Spending(requests=1))
    headers = api.requests[0][2]
    assert headers["x-api-key"] == KEY
    assert not {"authorization", "x-goog-api-key", "cookie", "proxy-authorization"} & set(headers)


def test_killing_all_that_it_sees_harms_nobody_else(box: AgentBox, tag: str, api: Api) -> None:
    left = visit(box, tag, api, "kills_its_keepers")
    assert "GOT" not in left.stdout.decode()
    assert "refused 1 Operation not permitted" in left.stdout.decode()
    assert left.files["/task/train.py"] == b"LR = 1\n# still here\n"


def test_an_api_that_does_not_answer_is_told_as_such(box: AgentBox, tag: str) -> None:
    with small_api() as api:
        pass  # its port is closed again
    left = visit(box, tag, Api(api.url), "spends", spending=Spending(requests=3))
    assert (left.traffic.failed, left.traffic.silent, left.traffic.refused) == (3, 3, 37)
    assert left.traffic.statuses == ()  # the 502 is the gateway's own
    assert left.stdout.count(b" 502 ") == 3


def test_a_502_of_the_api_itself_is_told_from_the_gateways_own(box: AgentBox, tag: str, api: Api) -> None:
    api.answer = 502
    left = visit(box, tag, api, "spends", spending=Spending(requests=3))
    assert (left.traffic.failed, left.traffic.silent, left.traffic.statuses) == (3, 0, (502,))


def test_an_api_that_says_nothing_is_told_as_such_also_where_nobody_waits_for_it(
    box: AgentBox, tag: str, api: Api
) -> None:
    api.before = 60
    left = visit(box, tag, api, "hangs_up", "0.5", "0")
    assert (left.traffic.requests, left.traffic.silent, left.traffic.refused) == (1, 1, 0)
    assert left.traffic.tokens_in > 0  # the API has read it, and may bill it


def test_what_is_read_of_an_answer_before_hanging_up_is_counted(box: AgentBox, tag: str, api: Api) -> None:
    """Its last count, which says what it took, was never seen: its length stands in for it."""
    api.usage, api.padding, api.chunk, api.pause = {"output_tokens": 1}, 400_000, 1 << 16, 0.2
    left = visit(box, tag, api, "hangs_up", "10", "200000")
    assert 200_000 / 4 <= left.traffic.tokens_out < 400_000 / 4
    api.chunk = 0
    whole = visit(box, tag, api, "hangs_up", "10", "500000")
    assert whole.traffic.tokens_out == 1  # as the API says


def test_tokens_from_the_apis_cache_are_counted_apart_and_cost_less(box: AgentBox, tag: str, api: Api) -> None:
    spending = Spending(requests=1, price_in=2.0, price_out=10.0, price_cached=0.5)
    left = visit(box, tag, api, "spends", spending=spending)
    assert (left.traffic.tokens_in, left.traffic.tokens_cached) == (107, 7)
    assert left.traffic.cost(spending) == pytest.approx((100 * 2.0 + 7 * 0.5 + 23 * 10.0) / 1e6)


@pytest.mark.parametrize("key", ['a"; return 200', "a\nb", "", "$host", "back\\slash", "naïve"])
def test_a_key_that_could_change_the_configuration_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="API key"):
        configuration(GatewayPlan("https://api.example.com", header="x-api-key", value=key))


@pytest.mark.parametrize(
    "origin", ["ftp://a.example", "https://a.example/path", "https://", "https://a;b", "file:///x"]
)
def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="origin"):
        configuration(GatewayPlan(origin))


def test_answers_without_a_count_are_estimated_and_limited(box: AgentBox, tag: str, api: Api) -> None:
    api.usage = None
    left = visit(box, tag, api, "spends", spending=Spending(tokens=200))
    assert 1 <= len(api.requests) < 10
    assert left.traffic.tokens_out > 0
    assert left.traffic.limited == "the limit of 200 tokens is reached"


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_count_that_is_cut_in_a_stream_is_read_whole(box: AgentBox, tag: str, api: Api, cut: int) -> None:
    api.chunk = cut
    left = visit(box, tag, api, "spends", spending=Spending(requests=1))
    assert (left.traffic.tokens_in, left.traffic.tokens_out) == (107, 23)


def test_a_program_whose_answer_still_comes_is_not_silent(box: AgentBox, tag: str, api: Api) -> None:
    api.chunk, api.pause = 10, 0.8
    left = visit(box, tag, api, "spends", spending=Spending(requests=1), quiet=6.5, seconds=40)
    assert left.stopped == ""
    assert left.seconds > 7


TOLD = {
    "method": "POST", "status": "200", "refused": "", "upstream": "10.0.0.1:443", "heard": "0.1", "requests": "1",
    "tokens_in": "5", "tokens_out": "6", "tokens_cached": "0", "request": "POST /", "host": "h", "retry_after": "",
}  # fmt: skip


def test_totals_survive_lines_that_were_lost() -> None:
    first = add(Traffic(), TOLD)
    later = add(first, {**TOLD, "requests": "9", "tokens_in": "50", "tokens_out": "60"})
    assert (later.requests, later.tokens_in, later.tokens_out) == (9, 50, 60)


def test_a_refused_look_up_takes_nothing_from_what_was_answered() -> None:
    """It is no request: taken from their number it hid that the API had answered."""
    told = [{**TOLD, "status": "500"}, {**TOLD, "requests": "2"}]
    told.append(
        {**TOLD, "status": "404", "refused": "only paths …", "upstream": "", "heard": "", "requests": "2"}
    )
    traffic = Traffic()
    for one in told:
        traffic = add(traffic, one)
    assert (traffic.requests, traffic.answered, traffic.failed, traffic.refused) == (2, 1, 1, 1)


@pytest.mark.parametrize("status", ["502", "504", "499"])
def test_an_answer_without_the_apis_header_is_the_gateways_own(status: str) -> None:
    silent = add(Traffic(), {**TOLD, "status": status, "heard": "-"})
    assert (silent.failed, silent.silent, silent.statuses, silent.refused) == (1, 1, (), 0)
    later = add(silent, {**TOLD, "status": status, "upstream": "a, b", "heard": "-, 0.2"})
    assert (later.silent, later.statuses) == (1, (int(status),))


@pytest.mark.parametrize("strange", ["²", "1e17", "-1", "9" * 40, ""])
def test_what_is_no_count_adds_nothing(strange: str) -> None:
    told = {**TOLD, "status": "429", "upstream": "429", "tokens_in": strange, "retry_after": strange}
    assert add(Traffic(), told).tokens_in == 0
    assert add(Traffic(), told).retry_after == 0


def test_a_request_in_bytes_that_are_no_text_is_counted_like_any_other() -> None:
    gateway = Gateway(container=None, archive=b"")  # type: ignore[arg-type]  # nothing of it is used here
    line = json.dumps({**TOLD, "refused": "no"}).encode()
    gateway._line(line.replace(b"POST /", b"POST /\xed\xa0\x80\xff"))
    assert gateway.traffic().requests == 1
    assert gateway.traffic().refusals[0].encode()


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(GatewayPlan("https://api.example.com", header="x-api-key", value=KEY))
