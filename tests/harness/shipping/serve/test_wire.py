"""Requests as OpenAI's and vLLM's clients write them; responses as they read them."""

from __future__ import annotations

import json

import pytest

from advisor.money.usage import CountedBy, Usage
from harness.models.base import ChatReply
from harness.shipping.serve.wire import BadRequest, chunks, completion, error_body, read_request

TURNS = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def asked(**more):
    return read_request(json.dumps({"model": "m", "messages": TURNS, **more}).encode())


def schema(inner):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": inner}}


LABEL = {"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b"]}}}


@pytest.mark.parametrize(
    ("more", "choices", "wrapped_in"),
    [
        ({}, None, ""),
        ({"response_format": {"type": "text"}}, None, ""),
        ({"structured_outputs": {"choice": ["a", "b"]}}, ("a", "b"), ""),
        ({"guided_choice": ["a", "b"]}, ("a", "b"), ""),
        ({"response_format": schema(LABEL)}, ("a", "b"), "label"),
        ({"response_format": schema({"enum": ["a", "b"]})}, ("a", "b"), '"'),
        ({"response_format": {"type": "json_object"}}, None, "label"),
        ({"response_format": schema({"properties": {"queue": {"type": "string"}}})}, None, "queue"),
        ({"temperature": 0, "max_tokens": 9, "seed": 1, "user": "x", "n": 1, "tools": []}, None, ""),
    ],
)
def test_the_choices_a_request_names(more, choices, wrapped_in):
    found = asked(**more)
    assert (found.choices, found.wrapped_in) == (choices, wrapped_in)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"n": 2}, "'n' is not supported"),
        ({"tools": [{}]}, "'tools'"),
        ({"model": ""}, "'model'"),
        ({"messages": []}, "'messages'"),
        ({"messages": "hello"}, "'messages'"),
        ({"messages": [{"role": "user"}]}, "a turn needs"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "a turn needs"),
        ({"messages": [*TURNS, {"role": "assistant", "content": "x"}]}, "the user's"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text only"),
        ({"structured_outputs": {"choice": []}}, "at least 1"),
        ({"structured_outputs": {"choice": ["a", "a"]}}, "different"),
        ({"structured_outputs": {"choice": ["a", 1]}}, "list of texts"),
        ({"structured_outputs": {"regex": "x"}}, "'choice' only"),
        ({"response_format": {"type": "grammar"}}, "not supported"),
        ({"response_format": schema({"type": "object"})}, "properties, or an 'enum' of labels"),
        ({"response_format": {"type": "json_schema"}}, "properties, or an 'enum' of labels"),
        ({"structured_outputs": {"choice": [str(n) for n in range(257)]}}, "256 labels at most; .* 257"),
        ({"response_format": schema({"enum": [str(n) for n in range(257)]})}, "256 labels at most"),
        ({"messages": [{"role": "user", "content": "half \ud800"}]}, "surrogate"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": True}, "top_logprobs"),
    ],
)
def test_what_cannot_be_answered_is_said(more, words):
    with pytest.raises(BadRequest, match=words) as caught:
        asked(**more)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'"x"',
        b"[" * 100_000,
        b'{"model": 1, "model": 2}',
        b'{"n": NaN}',
        b'{"n": ' + b"9" * 5000 + b"}",
        b'{"tools": ' + b"[" * 80 + b"]" * 80 + b"}",
    ],
)
def test_bodies_that_are_no_request(body):
    with pytest.raises(BadRequest):
        read_request(body)


def test_parts_of_text_are_one_text_and_developer_is_system():
    turns = [
        {"role": "developer", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    found = asked(messages=turns)
    assert [(m.role, m.content) for m in found.messages] == [("system", "s"), ("user", "ab")]


def reply(logprobs=(-0.1, -2.4)):
    usage = Usage(input_tokens=30, cached_tokens=12, output_tokens=3, counted_by=CountedBy.TOKENIZER)
    return ChatReply(item_id="1", text="a", choice_logprobs=logprobs, usage=usage, queue_s=0.0, model_s=0.1)


def test_a_response_is_what_openais_client_reads():
    from openai.types.chat import ChatCompletion

    request = asked(response_format=schema(LABEL), logprobs=True, top_logprobs=2)
    raw = completion(request, reply(), ("a", "b"), number="7", now=1)
    read = ChatCompletion.model_validate(raw)
    assert json.loads(read.choices[0].message.content) == {"label": "a"}
    assert read.usage.prompt_tokens == 42 and read.usage.prompt_tokens_details.cached_tokens == 12
    (token,) = read.choices[0].logprobs.content
    assert (token.token, token.logprob) == ("a", -0.1)
    assert [(t.token, t.logprob) for t in token.top_logprobs] == [("a", -0.1), ("b", -2.4)]
    bare = completion(asked(), reply(), ("a", "b"), number="7", now=1)
    assert bare["choices"][0]["message"]["content"] == "a" and bare["choices"][0]["logprobs"] is None
    string = completion(
        asked(response_format=schema({"enum": ["a", "b"]})), reply(), ("a", "b"), number="7", now=1
    )
    assert json.loads(string["choices"][0]["message"]["content"]) == "a"


def test_what_an_engine_does_not_know_is_not_made_up():
    request = asked(logprobs=True, top_logprobs=5)
    only_own = completion(request, reply((-0.5, float("-inf"))), ("a", "b"), number="7", now=1)
    (token,) = only_own["choices"][0]["logprobs"]["content"]
    assert [entry["token"] for entry in token["top_logprobs"]] == ["a"]
    json.dumps(only_own, allow_nan=False)
    none = completion(request, reply(None), ("a", "b"), number="7", now=1)
    assert none["choices"][0]["logprobs"] is None


def test_a_stream_is_the_answer_and_its_end():
    from openai.types.chat import ChatCompletionChunk

    pieces = chunks(completion(asked(), reply(), ("a", "b"), number="7", now=1))
    read = [ChatCompletionChunk.model_validate(piece) for piece in pieces]
    assert read[0].choices[0].delta.content == "a" and read[1].choices[0].finish_reason == "stop"


def test_errors_have_openais_shape():
    assert error_body("m", "invalid_request_error", 400)["error"]["message"] == "m"
