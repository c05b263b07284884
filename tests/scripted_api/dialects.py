"""The four dialects that coding agents speak with a model's API: what a request offers, and answers to it.

Each class reads a request's JSON (`tools`, how many `results` of tools it holds) and writes the answer to one turn,
whole or as server-sent events, with the usage that it is told to state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .script import Say, Tool, Use

Json = dict[str, Any]
Event = tuple[str, Any]  # its name ("" for none) and its data; a text is sent as it is


@dataclass(frozen=True)
class Usage:
    """What one answer is said to have cost: tokens sent (cached ones included), cached, received."""

    tokens_in: int
    cached: int
    tokens_out: int


def _tool(raw: Mapping[str, Any], schema: str) -> Tool:
    shape = raw.get(schema) or raw.get("parametersJsonSchema") or {}
    return Tool(str(raw.get("name", "")), shape.get("properties") or {}, shape.get("required") or ())


class Anthropic:
    """`POST …/messages`."""

    name = "anthropic"

    def matches(self, path: str) -> bool:
        return path.endswith("/messages")

    def streams(self, path: str, body: Json) -> bool:
        return bool(body.get("stream"))

    def tools(self, body: Json) -> list[Tool]:
        return [_tool(tool, "input_schema") for tool in body.get("tools") or []]

    def results(self, body: Json) -> int:
        return sum(
            part.get("type") == "tool_result"
            for message in body.get("messages", [])
            if isinstance(message.get("content"), list)
            for part in message["content"]
        )

    def _blocks(self, turn: Use | Say, at: int) -> list[Json]:
        if isinstance(turn, Say):
            return [{"type": "text", "text": turn.text}]
        return [{"type": "tool_use", "id": f"toolu_{at:04d}", "name": turn.name, "input": dict(turn.arguments)}]

    def whole(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Json:
        return {
            "id": f"msg_{at:04d}", "type": "message", "role": "assistant", "model": body.get("model", "scripted"),
            "content": self._blocks(turn, at),
            "stop_reason": "end_turn" if isinstance(turn, Say) else "tool_use", "stop_sequence": None,
            "usage": {"input_tokens": usage.tokens_in - usage.cached, "cache_read_input_tokens": usage.cached,
                      "cache_creation_input_tokens": 0, "output_tokens": usage.tokens_out},
        }  # fmt: skip

    def events(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Iterator[Event]:
        message = self.whole(body, turn, at, usage)
        counted = message["usage"]
        start = {**message, "content": [], "stop_reason": None, "usage": {**counted, "output_tokens": 1}}
        yield "message_start", {"type": "message_start", "message": start}
        for index, block in enumerate(message["content"]):
            empty = {**block, **({"text": ""} if block["type"] == "text" else {"input": {}})}
            yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": empty}
            delta = (
                {"type": "text_delta", "text": block["text"]}
                if block["type"] == "text"
                else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            )
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
            yield "content_block_stop", {"type": "content_block_stop", "index": index}
        end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield "message_delta", {"type": "message_delta", "delta": end, "usage": counted}
        yield "message_stop", {"type": "message_stop"}


class Responses:
    """OpenAI's `POST …/responses`."""

    name = "responses"

    def matches(self, path: str) -> bool:
        return path.endswith("/responses")

    def streams(self, path: str, body: Json) -> bool:
        return bool(body.get("stream"))

    def tools(self, body: Json) -> list[Tool]:
        items = body.get("input")
        offered = list(body.get("tools") or [])
        for item in items if isinstance(items, list) else []:
            if item.get("type") == "additional_tools":
                offered += item["tools"]
        return [tool for one in offered for tool in self._offered(one)]

    def _offered(self, raw: Json, namespace: str = "") -> Iterator[Tool]:
        if raw.get("type") == "namespace":
            for inner in raw.get("tools") or []:
                yield from self._offered(inner, str(raw.get("name")))
        elif raw.get("type") == "custom":
            yield Tool(str(raw.get("name")), None, (), namespace)
        else:
            yield replace(_tool(raw, "parameters"), namespace=namespace)

    def results(self, body: Json) -> int:
        kinds = ("function_call_output", "custom_tool_call_output")
        items = body.get("input")
        return sum(item.get("type") in kinds for item in items) if isinstance(items, list) else 0

    def _item(self, turn: Use | Say, at: int) -> Json:
        if isinstance(turn, Say):
            content = [{"type": "output_text", "text": turn.text, "annotations": []}]
            return {
                "type": "message",
                "id": f"msg_{at:04d}",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        call = {"id": f"fc_{at:04d}", "call_id": f"call_{at:04d}", "name": turn.name, "status": "completed"}
        if turn.namespace:
            call["namespace"] = turn.namespace
        if turn.text:
            return {"type": "custom_tool_call", **call, "input": turn.text}
        return {"type": "function_call", **call, "arguments": json.dumps(turn.arguments)}

    def whole(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Json:
        return {
            "id": f"resp_{at:04d}", "object": "response", "status": "completed", "created_at": 0,
            "model": body.get("model", "scripted"), "output": [self._item(turn, at)],
            "usage": {"input_tokens": usage.tokens_in, "input_tokens_details": {"cached_tokens": usage.cached},
                      "output_tokens": usage.tokens_out, "output_tokens_details": {"reasoning_tokens": 0},
                      "total_tokens": usage.tokens_in + usage.tokens_out},
        }  # fmt: skip

    def events(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Iterator[Event]:
        whole = self.whole(body, turn, at, usage)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        yield "response.created", {"type": "response.created", "sequence_number": 0, "response": begun}
        done = {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0}
        yield "response.output_item.done", {**done, "item": whole["output"][0]}
        yield "response.completed", {"type": "response.completed", "sequence_number": 2, "response": whole}


class Chat:
    """`POST …/chat/completions`, as OpenAI, Mistral and most local servers have it."""

    name = "chat"

    def matches(self, path: str) -> bool:
        return path.endswith("/chat/completions")

    def streams(self, path: str, body: Json) -> bool:
        return bool(body.get("stream"))

    def tools(self, body: Json) -> list[Tool]:
        return [_tool(tool.get("function") or {}, "parameters") for tool in body.get("tools") or []]

    def results(self, body: Json) -> int:
        return sum(message.get("role") == "tool" for message in body.get("messages", []))

    def _message(self, turn: Use | Say, at: int) -> Json:
        if isinstance(turn, Say):
            return {"role": "assistant", "content": turn.text}
        function = {"name": turn.name, "arguments": json.dumps(turn.arguments)}
        call = {"index": 0, "id": f"call{at:05d}", "type": "function", "function": function}
        return {"role": "assistant", "content": "", "tool_calls": [call]}

    def _base(self, body: Json, at: int, kind: str) -> Json:
        return {"id": f"chat-{at:04d}", "object": kind, "created": 0, "model": body.get("model", "scripted")}

    def _usage(self, usage: Usage) -> Json:
        return {
            "prompt_tokens": usage.tokens_in, "completion_tokens": usage.tokens_out,
            "total_tokens": usage.tokens_in + usage.tokens_out,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
        }  # fmt: skip

    def _reason(self, turn: Use | Say) -> str:
        return "stop" if isinstance(turn, Say) else "tool_calls"

    def whole(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Json:
        choice = {"index": 0, "message": self._message(turn, at), "finish_reason": self._reason(turn)}
        return {**self._base(body, at, "chat.completion"), "choices": [choice], "usage": self._usage(usage)}

    def events(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Iterator[Event]:
        base = self._base(body, at, "chat.completion.chunk")
        for delta in ({"role": "assistant", "content": ""}, self._message(turn, at)):
            yield "", {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        last = [{"index": 0, "delta": {"content": ""}, "finish_reason": self._reason(turn)}]
        yield "", {**base, "choices": last, "usage": self._usage(usage)}
        yield "", "[DONE]"


class Gemini:
    """`POST …/models/NAME:generateContent` and `:streamGenerateContent`."""

    name = "gemini"

    def matches(self, path: str) -> bool:
        return path.endswith((":generateContent", ":streamGenerateContent"))

    def streams(self, path: str, body: Json) -> bool:
        return path.endswith(":streamGenerateContent")

    def tools(self, body: Json) -> list[Tool]:
        groups = body.get("tools") or []
        return [
            _tool(tool, "parameters") for group in groups for tool in group.get("functionDeclarations") or []
        ]

    def results(self, body: Json) -> int:
        return sum(
            "functionResponse" in part
            for content in body.get("contents", [])
            for part in content.get("parts") or []
        )

    def whole(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Json:
        part: Json = {"text": turn.text}
        if isinstance(turn, Use):
            part = {"functionCall": {"id": f"call_{at:04d}", "name": turn.name, "args": dict(turn.arguments)}}
        content = {"role": "model", "parts": [part]}
        return {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": usage.tokens_in, "cachedContentTokenCount": usage.cached,
                              "candidatesTokenCount": usage.tokens_out,
                              "totalTokenCount": usage.tokens_in + usage.tokens_out},
            "modelVersion": "scripted", "responseId": f"answer-{at:04d}",
        }  # fmt: skip

    def events(self, body: Json, turn: Use | Say, at: int, usage: Usage) -> Iterator[Event]:
        yield "", self.whole(body, turn, at, usage)


def wanted_json(body: Json) -> Json | None:
    """The schema that an answer must keep to, where the request has one, as Gemini's does."""
    asked = body.get("generationConfig") or {}
    if asked.get("responseMimeType") != "application/json":
        return None
    schema = asked.get("responseJsonSchema") or asked.get("responseSchema") or {}
    return schema if isinstance(schema, dict) else None


def sample(schema: Json) -> Any:
    """Some value that keeps to `schema`."""
    kind = str(schema.get("type", "object")).lower()
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "object":
        return {name: sample(inner) for name, inner in (schema.get("properties") or {}).items()}
    return {"array": [], "boolean": False, "integer": 1, "number": 1}.get(kind, "as asked")


DIALECTS = (Anthropic(), Responses(), Chat(), Gemini())
