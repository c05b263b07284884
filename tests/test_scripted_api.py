"""The scripted API speaks each dialect as clients expect it, counts what it sends, and fails as it is told to."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from scripted_api import Edit, Read, Say, ScriptedApi, Shell, Trouble, misbehave, proposal, status
from scripted_api.dialects import DIALECTS, Usage
from scripted_api.script import Tool, Use, call

PATHS = {
    "anthropic": "/v1/messages?beta=true",
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/m:generateContent",
}
SCHEMA = {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]}
TOOLS = {
    "anthropic": [{"name": "Read", "input_schema": SCHEMA}],
    "responses": [{"type": "function", "name": "read_file", "parameters": SCHEMA}],
    "chat": [{"type": "function", "function": {"name": "read_file", "parameters": SCHEMA}}],
    "gemini": [{"functionDeclarations": [{"name": "read_file", "parametersJsonSchema": SCHEMA}]}],
}
SEEN = {  # a conversation in which one tool has answered
    "anthropic": {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
    "responses": {"input": [{"type": "function_call_output", "call_id": "c", "output": ""}]},
    "chat": {"messages": [{"role": "tool", "content": ""}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "read_file"}}]}]},
}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi(lambda number: [Read("/task/train.py"), Say(f"Done {number}.")], key="right") as running:
        yield running


def ask(
    api: ScriptedApi, path: str, body: Any, key: str = "right", timeout: float = 10
) -> tuple[int, bytes, Any]:
    host, port = api.http.server_address[:2]
    connection = http.client.HTTPConnection(str(host), port, timeout=timeout)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, raw, {"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    try:
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


@pytest.mark.parametrize("dialect", PATHS)
def test_a_step_is_a_call_of_the_tool_that_is_offered_and_then_the_script_ends(
    api: ScriptedApi, dialect: str
) -> None:
    _, first, _ = ask(api, PATHS[dialect], {"tools": TOOLS[dialect]})
    assert b"/task/train.py" in first
    _, second, _ = ask(api, PATHS[dialect], {"tools": TOOLS[dialect], **SEEN[dialect]})
    assert b"Done 0." in second
    assert [request.answer for request in api.requests] == [TOOL_NAMES[dialect], "say"]
    assert api.proposals == 1


TOOL_NAMES = {"anthropic": "Read", "responses": "read_file", "chat": "read_file", "gemini": "read_file"}


@pytest.mark.parametrize("dialect", PATHS)
def test_what_was_sent_is_the_sum_of_what_the_answers_state(api: ScriptedApi, dialect: str) -> None:
    ask(api, PATHS[dialect], {"tools": TOOLS[dialect]})
    ask(api, PATHS[dialect], {"tools": TOOLS[dialect], **SEEN[dialect]})
    assert api.sent() == Usage(2100, 400, 21)


def stream_of(api: ScriptedApi, dialect: str) -> list[tuple[str, str]]:
    path = PATHS[dialect].replace(":generateContent", ":streamGenerateContent?alt=sse")
    _, raw, headers = ask(api, path, {"tools": TOOLS[dialect], "stream": True})
    assert headers["content-type"] == "text/event-stream"
    events = []
    for block in raw.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields.get("event", ""), fields["data"]))
    return events


def test_a_stream_of_messages_builds_the_calls_input_piece_by_piece(api: ScriptedApi) -> None:
    events = stream_of(api, "anthropic")
    names = [name for name, _ in events]
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    delta = next(json.loads(data) for name, data in events if name == "content_block_delta")
    assert json.loads(delta["delta"]["partial_json"]) == {"file_path": "/task/train.py"}
    assert json.loads(events[-2][1])["usage"]["output_tokens"] == 10


def test_a_stream_of_responses_ends_with_the_usage(api: ScriptedApi) -> None:
    names = [name for name, _ in stream_of(api, "responses")]
    assert names == ["response.created", "response.output_item.done", "response.completed"]
    usage = json.loads(stream_of(api, "responses")[-1][1])["response"]["usage"]
    assert (usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"]) == (1000, 200)


def test_a_stream_of_completions_ends_with_usage_and_done(api: ScriptedApi) -> None:
    events = stream_of(api, "chat")
    assert events[-1] == ("", "[DONE]")
    assert json.loads(events[-2][1])["usage"]["prompt_tokens"] == 1000
    assert json.loads(events[-2][1])["choices"][0]["finish_reason"] == "tool_calls"


def test_a_stream_of_gemini_is_one_event_with_call_and_usage(api: ScriptedApi) -> None:
    (event,) = stream_of(api, "gemini")
    read = json.loads(event[1])
    assert read["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {
        "file_path": "/task/train.py"
    }
    assert read["usageMetadata"]["cachedContentTokenCount"] == 200


def test_without_the_key_nothing_is_answered_or_played(api: ScriptedApi) -> None:
    code, _, _ = ask(api, PATHS["chat"], {"tools": TOOLS["chat"]}, key="wrong")
    assert code == 401
    assert api.sent() == Usage(0, 0, 0)
    assert api.requests[0].answer == "401"


def test_a_request_without_tools_is_a_title_and_ends_no_proposal(api: ScriptedApi) -> None:
    _, raw, _ = ask(api, PATHS["chat"], {"messages": [{"role": "user", "content": "A title?"}]})
    assert b"A proposal" in raw
    assert api.proposals == 0


def test_an_agent_that_edits_by_text_gets_blocks() -> None:
    with ScriptedApi(lambda number: proposal("/task", "a", "b", "why")) as api:
        asked = {"messages": [{"role": "system", "content": "Answer with *SEARCH/REPLACE* blocks."}]}
        _, raw, _ = ask(api, PATHS["chat"], asked)
        said = json.loads(raw)["choices"][0]["message"]["content"]
        assert "train.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n" in said
        assert "note.txt\n<<<<<<< SEARCH\n=======\nwhy\n>>>>>>> REPLACE\n" in said
        assert api.proposals == 1


@pytest.mark.parametrize("dialect", [dialect.name for dialect in DIALECTS])
def test_an_error_on_demand_has_its_status_and_headers(dialect: str) -> None:
    with ScriptedApi(
        lambda n: [Say("x")], faults=lambda n: status(429, retry_after="7") if n == 1 else None
    ) as api:
        codes = [ask(api, PATHS[dialect], {"tools": TOOLS[dialect]}) for _ in range(3)]
        assert [code for code, _, _ in codes] == [200, 429, 200]
        assert codes[1][2]["retry-after"] == "7"


def test_a_hang_sends_nothing() -> None:
    with (
        ScriptedApi(lambda n: [Say("x")], faults=lambda n: Trouble("hang")) as api,
        pytest.raises(TimeoutError),
    ):
        ask(api, PATHS["chat"], {"tools": TOOLS["chat"]}, timeout=0.3)


def test_the_server_ends_at_once_though_a_client_hangs() -> None:
    started = time.monotonic()
    test_a_hang_sends_nothing()
    assert time.monotonic() - started < 5


def test_a_drop_ends_in_the_middle_of_an_event() -> None:
    with ScriptedApi(lambda n: [Say("x")], faults=lambda n: Trouble("drop")) as api:
        code, raw, _ = ask(api, PATHS["anthropic"], {"tools": TOOLS["anthropic"], "stream": True})
        assert code == 200
        assert not raw.endswith(b"\n")
        assert api.sent() == Usage(0, 0, 0)


def test_garbage_is_no_json_though_the_status_is_200() -> None:
    with ScriptedApi(lambda n: [Say("x")], faults=lambda n: Trouble("garbage")) as api:
        code, raw, _ = ask(api, PATHS["chat"], {"tools": TOOLS["chat"]})
        assert code == 200
        with pytest.raises(ValueError, match=r"."):
            json.loads(raw)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"3"])
def test_a_request_that_is_no_object_is_refused(api: ScriptedApi, body: bytes) -> None:
    assert ask(api, PATHS["responses"], body)[0] == 400


def test_a_path_that_it_does_not_know_is_not_there_and_is_noted(api: ScriptedApi) -> None:
    assert ask(api, "/v1/telemetry", {})[0] == 404
    assert api.requests[0].path == "/v1/telemetry"


def test_an_edit_without_an_edit_tool_goes_through_the_shell() -> None:
    shell = [Tool("exec_command", {"cmd": {"type": "string"}}, ("cmd",))]
    used = call(Edit("/task/train.py", "LR = 1", "LR = 1/2"), shell)
    assert used == Use("exec_command", {"cmd": "sed -i 's/LR = 1/LR = 1\\/2/' /task/train.py"})


def test_what_else_a_tool_requires_is_filled_in() -> None:
    schema = {"command": {"type": "string"}, "description": {"type": "string"}, "kind": {"enum": ["a", "b"]}}
    used = call(Shell("id"), [Tool("Bash", schema, ("command", "description", "kind"))])
    assert used == Use("Bash", {"command": "id", "description": "as asked", "kind": "a"})


def test_misbehaviour_is_one_command_after_another_and_changes_nothing() -> None:
    steps = misbehave(["env", "id"], "/task")
    assert [step for step in steps if isinstance(step, Shell)] == [Shell("env"), Shell("id")]
    assert not [step for step in steps if isinstance(step, Edit)]
