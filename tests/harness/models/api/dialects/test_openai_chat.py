"""Documented bodies, read from the wire and as litellm writes them: one answer, either way."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.records import Choices, FailureKind
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.faults import Fault
from harness.models.api.library import load_litellm

OPENAI = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": '{"label": "billing"}',
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 1117,
        "completion_tokens": 46,
        "total_tokens": 1163,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 40, "accepted_prediction_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
}
DEEPSEEK = {
    **OPENAI,
    "model": "deepseek-reasoner",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": '{"label": "billing"}',
                "reasoning_content": "An invoice, so billing.",
            },
            "finish_reason": "stop",
        }
    ],
}
MISTRAL_PARTS = {
    **OPENAI,
    "model": "magistral-medium-2509",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "refund?"}]},
                    {"type": "text", "text": '{"label": "billing"}'},
                ],
            },
            "finish_reason": "stop",
        }
    ],
}
TOOL_CALL = {
    **OPENAI,
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "json_tool_call", "arguments": '{"label": "billing"}'},
                    }
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
}


def through_litellm(body: dict[str, Any]) -> dict[str, Any]:
    load_litellm()
    from litellm import ModelResponse

    return dict(ModelResponse(**body).model_dump())


def read(body: dict[str, Any]) -> ReceivedAnswer | Fault:
    return read_answer(body, 80, Choices(answers=("billing", "refund")))


@pytest.mark.parametrize("body", [OPENAI, DEEPSEEK, TOOL_CALL], ids=["openai", "deepseek", "tool call"])
def test_both_paths_read_the_same_answer(body):
    direct, by_litellm = read(body), read(through_litellm(body))
    assert isinstance(direct, ReceivedAnswer) and isinstance(by_litellm, ReceivedAnswer)
    assert direct.text == by_litellm.text == '{"label": "billing"}'
    assert direct.usage == by_litellm.usage
    assert direct.served_by == by_litellm.served_by == f"{body['model']} fp_44709d6fcb"


def test_every_token_is_in_one_bucket():
    answer = read(OPENAI)
    assert isinstance(answer, ReceivedAnswer)
    usage = answer.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens) == (
        93, 1024, 6, 40,
    )  # fmt: skip


def test_of_an_answer_in_parts_the_thinking_is_left_out():
    answer = read(MISTRAL_PARTS)
    assert isinstance(answer, ReceivedAnswer) and answer.text == '{"label": "billing"}'


def ended(finish: str, **message: object) -> dict[str, Any]:
    first = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {**OPENAI, "choices": [first]}


@pytest.mark.parametrize(
    "body",
    [
        ended("content_filter", content=None),
        ended("stop", content=None, refusal="I can't help with that."),
        ended("SAFETY", content=""),
    ],
    ids=["azure", "openai refusal", "safety"],
)
def test_filters_and_refusals_are_one_kind(body):
    fault = read(body)
    assert isinstance(fault, Fault) and fault.kind is FailureKind.CONTENT_FILTER and not fault.passes


@pytest.mark.parametrize("finish", ["length", "model_length", "MAX_TOKENS"])
def test_thinking_that_used_up_the_limit_asks_for_room(finish):
    fault = read(ended(finish, content="", reasoning="Maybe"))
    assert isinstance(fault, Fault) and fault.refused == "more room"


@pytest.mark.parametrize("counts", [(1000.0, 10.0, 1010.0), ("1000", "10", "1010")], ids=["floats", "texts"])
def test_counts_are_read_as_they_are_written(counts):
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    answer = read({**OPENAI, "usage": dict(zip(names, counts, strict=True))})
    assert isinstance(answer, ReceivedAnswer)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1000, 10)


@pytest.mark.parametrize(
    "message",
    [
        {"content": {"label": "billing"}},
        {"content": ['{"label": ', '"billing"}']},
        {"content": None, "function_call": {"name": "answer", "arguments": '{"label": "billing"}'}},
        {"content": "", "tool_calls": [{"function": {"name": "answer", "arguments": {"label": "billing"}}}]},
    ],
    ids=["object", "list of texts", "older call", "call with an object"],
)
def test_an_answer_in_another_wrapping_is_read(message):
    answer = read(ended("stop", **message))
    assert isinstance(answer, ReceivedAnswer) and answer.text == '{"label": "billing"}'


def test_a_plain_completion_is_read():
    answer = read({"choices": [{"index": 0, "text": "billing", "finish_reason": "stop"}]})
    assert isinstance(answer, ReceivedAnswer) and answer.text == "billing"


@pytest.mark.parametrize(
    "body",
    [{"choices": {}}, {"choices": ["x"]}, {"choices": [{"message": "x"}]}, {"choices": [{}], "usage": 3}],
)
def test_no_shape_of_a_body_raises(body):
    fault = read(body)
    assert isinstance(fault, Fault) and fault.kind is FailureKind.BAD_RESPONSE
