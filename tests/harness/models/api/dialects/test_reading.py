"""The same recorded bodies through both ways to a model: directly, and as litellm's transport sees them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from advisor.money.usage import Usage
from harness.core.records import Choices, Message
from harness.models.api.calls import Form, LitellmCaller, Route, _litellm_parameters
from harness.models.api.destinations import Destination
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.faults import Fault
from harness.models.api.library import load_litellm
from harness.models.api.posting import DirectCaller
from harness.models.api.transport import WatchedTransport
from harness.models.base import ChatRequest
from tests.harness.models.api.dialects.recorded import ANSWER, RECORDED, Recorded, chat, claude
from tests.support.scripted_server import Reply, in_turn, scripted

NOW = datetime(2026, 11, 27, tzinfo=UTC)
REQUEST = ChatRequest(
    item_id="t1",
    messages=(
        Message(role="system", content="Label the message."),
        Message(role="user", content="My invoice is wrong"),
    ),
    form=Choices(answers=("billing", "refund")),
)


def route(model: str, base: str | None) -> Route:
    where = Destination(provider=model.partition("/")[0], base=base)
    return Route(
        model=model, where=where, api_key="none", key_variable="K", timeout_s=9.0, seed=1, secrets=()
    )


def directly(one: Recorded) -> tuple[ReceivedAnswer | Fault, dict[str, Any]]:
    async def call(base: str) -> ReceivedAnswer | Fault:
        model = one.model if one.model.startswith("openai/") else "openai/m"
        caller = DirectCaller(base, model)
        try:
            return await caller.attempt(REQUEST, route(model, base), Form(schema=True, listed=3), NOW)
        finally:
            await caller.close()

    with scripted(in_turn(Reply(status=one.status, body=one.body))) as server:
        return asyncio.run(call(server.address)), server.requests[0]


class Library:
    """What litellm does with a body that it cannot read: it was on the wire, and then there is an error."""

    def __init__(self, one: Recorded) -> None:
        self._one = one

    async def acompletion(self, **_parameters: object) -> object:
        answer = httpx.MockTransport(lambda _request: httpx.Response(200, json=self._one.body))
        async with httpx.AsyncClient(transport=WatchedTransport(answer)) as client:
            await client.post("https://api.example.com/", json={"temperature": 0, "x": {"properties": {}}})
        raise RuntimeError("litellm does not understand it")


def through_the_wire(one: Recorded) -> ReceivedAnswer | Fault:
    going = route(one.model, "https://api.example.com/")
    return asyncio.run(LitellmCaller(Library(one)).attempt(REQUEST, going, Form(schema=True), NOW))


def through_litellm(one: Recorded) -> tuple[ReceivedAnswer | Fault, dict[str, Any]]:
    litellm = load_litellm()

    async def call(base: str) -> ReceivedAnswer | Fault:
        caller = LitellmCaller(litellm)
        try:
            return await caller.attempt(REQUEST, route(one.model, base), Form(schema=True), NOW)
        finally:
            await caller.close()

    with scripted(in_turn(Reply(status=one.status, body=one.body))) as server:
        return asyncio.run(call(server.address)), server.requests[0]


def counted(usage: Usage | None) -> tuple[int | None, ...]:
    assert usage is not None
    return (
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


def check(result: ReceivedAnswer | Fault, one: Recorded) -> None:
    assert counted(result.usage) == one.tokens
    if one.fault:
        assert isinstance(result, Fault)
        assert (result.kind.value, result.refused) == one.fault
        return
    assert isinstance(result, ReceivedAnswer)
    assert json.loads(result.text) == json.loads(ANSWER)
    assert result.served_by == one.served_by


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_body_means_the_same_on_both_paths(name):
    check(directly(RECORDED[name])[0], RECORDED[name])
    check(through_the_wire(RECORDED[name]), RECORDED[name])


@pytest.mark.parametrize("name", ["claude, a call", "gemini, thinking", "mistral", "cohere"])
def test_litellm_itself_hands_on_what_was_on_the_wire(name):
    check(through_litellm(RECORDED[name])[0], RECORDED[name])


@pytest.mark.parametrize("name", ["bedrock", "bedrock, a call", "bedrock, a guardrail"])
def test_litellm_reaches_converse_and_hands_on_what_was_on_the_wire(name, monkeypatch):
    """At Bedrock's own path; in use, its credentials hold calls to its own hosts."""
    monkeypatch.setenv("AWS_REGION_NAME", "eu-central-1")
    one, litellm = RECORDED[name], load_litellm()
    model = "bedrock/amazon.nova-pro-v1:0"

    async def call(base: str) -> ReceivedAnswer | Fault:
        caller = LitellmCaller(litellm)
        try:
            return await caller.attempt(REQUEST, route(model, base), Form(schema=True), NOW)
        finally:
            await caller.close()

    with scripted(in_turn(Reply(status=one.status, body=one.body))) as server:
        check(asyncio.run(call(server.address.removesuffix("/v1"))), one)
    assert server.paths == ["/model/amazon.nova-pro-v1%3A0/converse"]


def test_responses_are_asked_for_in_their_own_words():
    answer, sent = directly(RECORDED["responses"])
    assert isinstance(answer, ReceivedAnswer) and answer.ignored == ("seed",)
    assert (sent["model"], sent["store"], sent["temperature"]) == ("gpt-5-pro", False, 0)
    assert [turn["role"] for turn in sent["input"]] == ["system", "user"]
    assert sent["text"]["format"]["schema"]["properties"]["label"]["enum"] == ["billing", "refund"]
    assert sent["include"] == ["message.output_text.logprobs"] and sent["top_logprobs"] == 3


def test_what_litellm_leaves_out_is_told():
    answer, sent = through_litellm(RECORDED["claude"])
    assert isinstance(answer, ReceivedAnswer)
    assert "seed" not in sent and answer.ignored == ("seed",)


def test_the_instructions_are_marked_where_a_provider_caches_only_what_is():
    marked = replace(route("anthropic/claude-sonnet-4-5", None), marks_cache=True)
    sent = _litellm_parameters(REQUEST, marked, Form(schema=False))["messages"]
    assert sent[0]["content"] == [
        {"type": "text", "text": "Label the message.", "cache_control": {"type": "ephemeral"}}
    ]
    assert sent[1]["content"] == "My invoice is wrong"
    plain = _litellm_parameters(REQUEST, route("openai/m", None), Form(schema=False))["messages"]
    assert plain[0]["content"] == "Label the message."


def test_of_several_requests_of_a_call_the_last_one_counts():
    class Twice(Library):
        async def acompletion(self, **parameters: object) -> object:
            first = Library(Recorded("x/y", chat("refund")))
            for one in (first, Library(Recorded("x/y", claude({"type": "text", "text": ANSWER})))):
                try:
                    await one.acompletion(**parameters)
                except RuntimeError:
                    continue
            raise RuntimeError

    going = route("x/y", "https://api.example.com/")
    caller = LitellmCaller(Twice(RECORDED["claude"]))
    answer = asyncio.run(caller.attempt(REQUEST, going, Form(schema=False), NOW))
    assert isinstance(answer, ReceivedAnswer) and answer.text == ANSWER
