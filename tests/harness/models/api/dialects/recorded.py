"""Responses in the shapes that providers document, each with the answer and the tokens that are in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ANSWER = '{"label": "billing"}'
Tokens = tuple[int | None, int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Recorded:
    """One response.

    Attributes:
        model: as litellm names one of its provider.
        tokens: uncached, cached, written, visible and reasoning ones.
        fault: the kind, and what to do about it; () for an answer.
    """

    model: str
    body: dict[str, Any]
    tokens: Tokens = (None, None, None, None, None)
    served_by: str = ""
    fault: tuple[str, str] | tuple[()] = ()
    status: int = 200


def chat(content: object = ANSWER, finish: str = "stop", **message: object) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "m-2026-10-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42},
    }


def responses(output: list[dict[str, Any]], **more: object) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1741476542,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-5-pro-2026-10-06",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 1100,
            "input_tokens_details": {"cached_tokens": 1024},
            "output_tokens": 87,
            "output_tokens_details": {"reasoning_tokens": 64},
            "total_tokens": 1187,
        },
        "user": None,
        "metadata": {},
        **more,
    }


def spoken(*content: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [*content],
    }


def claude(*content: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_013Zva2CMHLNnjNjJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [*content],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 21,
            "cache_creation_input_tokens": 188,
            "cache_read_input_tokens": 2048,
            "output_tokens": 39,
        },
    }


def gemini(*parts: dict[str, Any], finish: str = "STOP", **more: object) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [*parts]},
                "finishReason": finish,
                "index": 0,
                "avgLogprobs": -0.1,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 500,
            "cachedContentTokenCount": 400,
            "candidatesTokenCount": 12,
            "thoughtsTokenCount": 88,
            "totalTokenCount": 600,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r-1",
        **more,
    }


def converse(*content: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {
        "metrics": {"latencyMs": 1275},
        "output": {"message": {"role": "assistant", "content": [*content]}},
        "stopReason": stop,
        "usage": {
            "inputTokens": 30,
            "outputTokens": 8,
            "totalTokens": 113,
            "cacheReadInputTokens": 70,
            "cacheWriteInputTokens": 5,
        },
    }


def command(*content: dict[str, Any], finish: str = "COMPLETE", **message: object) -> dict[str, Any]:
    return {
        "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
        "finish_reason": finish,
        "message": {"role": "assistant", "content": [*content], **message},
        "usage": {
            "billed_units": {"input_tokens": 50, "output_tokens": 9},
            "tokens": {"input_tokens": 540, "output_tokens": 11},
            "cached_tokens": 16,
        },
    }


def _text(said: str = ANSWER) -> dict[str, Any]:
    return {"type": "text", "text": said}


_OUTPUT = {"type": "output_text", "text": ANSWER, "annotations": []}
_REASONED = {"type": "reasoning", "id": "rs_1", "summary": []}
_GPT, _CLAUDE, _GEMINI = (
    "openai/responses/gpt-5-pro",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-2.5-flash",
)
_MISTRAL, _NOVA, _COMMAND = "mistral/magistral-medium", "bedrock/nova", "cohere_chat/command-a-03-2025"
_IN_GPT: Tokens = (76, 1024, 0, 23, 64)
_IN_CLAUDE: Tokens = (21, 2048, 188, 39, 0)
_IN_GEMINI: Tokens = (100, 400, 0, 12, 88)
_IN_NOVA: Tokens = (30, 70, 5, 8, 0)
_IN_COMMAND: Tokens = (34, 16, 0, 9, 0)
_GPT_NAME, _CLAUDE_NAME = "gpt-5-pro-2026-10-06", "claude-sonnet-4-5-20250929"

RECORDED: dict[str, Recorded] = {
    "responses": Recorded(_GPT, responses([_REASONED, spoken(_OUTPUT)]), _IN_GPT, _GPT_NAME),
    "responses, a call": Recorded(
        _GPT,
        responses(
            [{"type": "function_call", "name": "answer", "arguments": ANSWER, "call_id": "c", "id": "f"}]
        ),
        _IN_GPT,
        _GPT_NAME,
    ),
    "responses, a refusal": Recorded(
        _GPT,
        responses([spoken({"type": "refusal", "refusal": "I can't help with that."})]),
        _IN_GPT,
        fault=("content-filter", ""),
    ),
    "responses, thinking cut off": Recorded(
        _GPT,
        responses([_REASONED], status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        _IN_GPT,
        fault=("bad-response", "more room"),
    ),
    "responses, filtered": Recorded(
        _GPT,
        responses([spoken(_OUTPUT)], status="incomplete", incomplete_details={"reason": "content_filter"}),
        _IN_GPT,
        fault=("content-filter", ""),
    ),
    "claude": Recorded(_CLAUDE, claude(_text()), _IN_CLAUDE, _CLAUDE_NAME),
    "claude, thinking": Recorded(
        _CLAUDE,
        claude({"type": "thinking", "thinking": "An invoice, no refund.", "signature": "x"}, _text()),
        _IN_CLAUDE,
        _CLAUDE_NAME,
    ),
    "claude, a call": Recorded(
        _CLAUDE,
        claude(
            _text("I will label it."),
            {"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"label": "billing"}},
            stop="tool_use",
        ),
        _IN_CLAUDE,
        _CLAUDE_NAME,
    ),
    "claude, refused": Recorded(_CLAUDE, claude(stop="refusal"), _IN_CLAUDE, fault=("content-filter", "")),
    "claude, cut off": Recorded(
        _CLAUDE,
        claude({"type": "thinking", "thinking": "An inv", "signature": "x"}, stop="max_tokens"),
        _IN_CLAUDE,
        fault=("bad-response", "more room"),
    ),
    "gemini": Recorded(_GEMINI, gemini({"text": ANSWER}), _IN_GEMINI, "gemini-2.5-flash"),
    "gemini, thinking": Recorded(
        _GEMINI,
        gemini({"text": "A refund?", "thought": True}, {"text": ANSWER}),
        _IN_GEMINI,
        "gemini-2.5-flash",
    ),
    "gemini, a call": Recorded(
        _GEMINI,
        gemini({"functionCall": {"name": "answer", "args": {"label": "billing"}}}),
        _IN_GEMINI,
        "gemini-2.5-flash",
    ),
    "gemini, unsafe": Recorded(_GEMINI, gemini(finish="SAFETY"), _IN_GEMINI, fault=("content-filter", "")),
    "gemini, cut off": Recorded(
        _GEMINI, gemini(finish="MAX_TOKENS"), _IN_GEMINI, fault=("bad-response", "more room")
    ),
    "gemini, blocked prompt": Recorded(
        _GEMINI,
        {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
            "modelVersion": "gemini-2.5-flash",
        },
        (9, 0, 0, 0, 0),
        fault=("content-filter", ""),
    ),
    "mistral": Recorded(
        _MISTRAL,
        chat([{"type": "thinking", "thinking": [_text("refund?")]}, _text()]),
        (30, 0, 0, 12, 0),
        "m-2026-10-01",
    ),
    "mistral, cut off": Recorded(
        _MISTRAL, chat("", "model_length"), (30, 0, 0, 12, 0), fault=("bad-response", "room")
    ),
    "bedrock": Recorded(
        _NOVA,
        converse({"reasoningContent": {"reasoningText": {"text": "A refund?"}}}, {"text": ANSWER}),
        _IN_NOVA,
    ),
    "bedrock, a call": Recorded(
        _NOVA,
        converse(
            {"toolUse": {"toolUseId": "t", "name": "answer", "input": {"label": "billing"}}}, stop="tool_use"
        ),
        _IN_NOVA,
    ),
    "bedrock, a guardrail": Recorded(
        _NOVA,
        converse({"text": "Sorry."}, stop="guardrail_intervened"),
        _IN_NOVA,
        fault=("content-filter", ""),
    ),
    "cohere": Recorded(_COMMAND, command({"type": "thinking", "thinking": "hm"}, _text()), _IN_COMMAND),
    "cohere, cut off": Recorded(
        _COMMAND, command(_text('{"lab'), finish="MAX_TOKENS"), _IN_COMMAND, fault=("bad-response", "")
    ),
    "cohere, broken off": Recorded(
        _COMMAND, command(_text(""), finish="ERROR"), _IN_COMMAND, fault=("bad-response", "")
    ),
}
