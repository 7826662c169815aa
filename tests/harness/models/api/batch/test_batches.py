"""Batches on loopback: handed in once, waited for, taken, over a restart too; what they cost is counted."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff.budget import CallLog
from harness.core.errors import ModelUnavailable, OverBudget, UsageError
from harness.core.records import Choices, Failure, Message
from harness.models.api.asking import Outside
from harness.models.api.batch.chat import BatchedChat, Waiting
from harness.models.api.budget import SpendGuard, per_token
from harness.models.api.client import open_served_chat
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings
from tests.harness.models.api.dialects.recorded import ANSWER, chat, claude, gemini
from tests.support.batch_server import Answerer, BatchServer, batch_server

ENVIRON = {"TOR_API_KEY": "key-of-this-address"}
MODELS = {
    "openai/gpt-4.1": ("/v1", chat()),
    "mistral/mistral-small-latest": ("/v1", chat()),
    "anthropic/claude-sonnet-4-5": ("", claude({"type": "text", "text": ANSWER})),
    "gemini/gemini-2.5-flash": ("/v1beta", gemini({"text": ANSWER})),
}


def asks(count: int) -> list[ChatRequest]:
    system = Message(role="system", content="Label the message.")
    return [
        ChatRequest(
            item_id=f"t{n}",
            messages=(system, Message(role="user", content=f"My invoice {n} is wrong")),
            form=Choices(answers=("billing", "refund")),
        )
        for n in range(count)
    ]


@contextlib.contextmanager
def opened(server: BatchServer, folder: Path, model: str = "openai/gpt-4.1") -> Iterator[BatchedChat]:
    settings = ModelSettings(cache=Path("unused"), api_base=server.address + MODELS[model][0])
    served = open_served_chat(model, settings, outside=Outside(environ=ENVIRON))
    batched = BatchedChat(served, folder, Waiting(sleep=lambda seconds: None, environ=ENVIRON))
    try:
        yield batched
    finally:
        batched.close()


def always(body: dict[str, Any]) -> Answerer:
    return lambda question: (200, body)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_is_handed_in_waited_for_and_taken(model, tmp_path):
    said: list[str] = []
    with (
        batch_server(always(MODELS[model][1]), looks=2) as server,
        opened(server, tmp_path, model) as batched,
    ):
        batched.say = said.append
        outcomes = list(batched.answer(asks(3)))
        assert {outcome.item_id for outcome in outcomes} == {"t0", "t1", "t2"}
        for outcome in outcomes:
            assert isinstance(outcome, ChatReply), outcome
            assert json.loads(outcome.text) == {"label": "billing"} and outcome.form == "schema"
        (questions,) = server.batches.values()
        assert len(questions) == 3 and "key-of-this-address" in " ".join(server.headers.values())
    assert "3 questions was handed in" in said[0] and list(tmp_path.glob("*.json")) == []
    assert batched.identity.in_batches


def test_each_question_is_the_one_that_would_have_been_asked_alone(tmp_path):
    with batch_server(always(claude({"type": "text", "text": ANSWER}))) as server:
        with opened(server, tmp_path, "anthropic/claude-sonnet-4-5") as batched:
            list(batched.answer(asks(1)))
        ((_, body),) = server.batches["b1"]
    assert body["model"] == "claude-sonnet-4-5" and body["output_format"]["type"] == "json_schema"
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}


class Stopped(Exception):
    """The run was killed."""


def test_a_run_that_was_stopped_goes_on_with_the_same_batch(tmp_path):
    with batch_server(always(chat()), looks=3) as server:
        with opened(server, tmp_path) as batched:

            def stop(_seconds: float) -> None:
                raise Stopped

            batched._waiting = dataclasses.replace(batched._waiting, sleep=stop)
            with pytest.raises(Stopped):
                list(batched.answer(asks(4)))
        with opened(server, tmp_path) as batched:
            outcomes = list(batched.answer(asks(6)))  # two more are wanted by now
        sizes = [len(questions) for questions in server.batches.values()]
    assert sizes == [4, 2]
    assert sorted(outcome.item_id for outcome in outcomes) == [f"t{n}" for n in range(6)]


def test_what_was_taken_before_a_stop_is_not_given_twice(tmp_path):
    with batch_server(always(chat())) as server:
        with opened(server, tmp_path) as batched:
            first = next(batched.answer(asks(3)))
        rest = [one for one in asks(3) if one.item_id != first.item_id]
        with opened(server, tmp_path) as batched:
            outcomes = list(batched.answer(rest))
        assert len(server.batches) == 1
    assert {outcome.item_id for outcome in outcomes} == {one.item_id for one in rest}


def test_what_is_refused_for_a_parameter_is_handed_in_again_without(tmp_path):
    def answer(body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if "temperature" in body:
            return 400, {"error": {"message": "Unsupported value: 'temperature'", "param": "temperature"}}
        return 200, chat()

    with batch_server(answer) as server, opened(server, tmp_path) as batched:
        outcomes = list(batched.answer(asks(2)))
        assert [len(questions) for questions in server.batches.values()] == [2, 2]
    for outcome in outcomes:
        assert isinstance(outcome, ChatReply) and outcome.left_out == ("temperature",)


def test_what_a_question_used_before_it_was_handed_in_again_is_counted(tmp_path):
    def answer(body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, chat(None, "length", reasoning="Maybe") if body["max_tokens"] < 4000 else chat()

    with batch_server(answer) as server, opened(server, tmp_path) as batched:
        (reply,) = batched.answer(asks(1))
        assert len(server.batches) == 2
    assert isinstance(reply, ChatReply)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (60, 24)


@pytest.mark.parametrize("model", MODELS)
def test_a_question_that_fails_alone_is_a_failure_of_its_own(model, tmp_path):
    def answer(body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if "invoice 1 " in json.dumps(body):
            return 500, {"error": {"message": "overloaded", "type": "api_error"}}
        return 200, MODELS[model][1]

    with batch_server(answer) as server, opened(server, tmp_path, model) as batched:
        outcomes = {outcome.item_id: outcome for outcome in batched.answer(asks(3))}
    failure = outcomes["t1"]
    assert isinstance(failure, Failure) and failure.kind.value == "server-error"
    assert isinstance(outcomes["t0"], ChatReply) and isinstance(outcomes["t2"], ChatReply)


def test_a_provider_that_is_away_for_a_while_is_waited_for(tmp_path):
    with batch_server(always(chat()), looks=1) as server, opened(server, tmp_path) as batched:

        def away(line: str) -> None:
            server.broken = 2 if "was handed in" in line else server.broken

        batched.say = away
        assert len(list(batched.answer(asks(2)))) == 2


def test_a_batch_that_cannot_be_handed_in_says_so(tmp_path):
    with batch_server(always(chat())) as server, opened(server, tmp_path) as batched:
        server.broken = 9
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            list(batched.answer(asks(2)))
    assert list(tmp_path.glob("*.json")) == []


def guarded(log: CallLog, budget: str) -> SpendGuard:
    worst = per_token(Decimal("0.000001"), Decimal("0.00001"))
    return SpendGuard(Decimal(budget), worst, lambda usage: Decimal("0.0001"), log=(log, "openai/gpt-4.1"))


def test_the_budget_holds_before_anything_is_handed_in(tmp_path):
    log = CallLog(tmp_path / "journal.sqlite")
    with batch_server(always(chat())) as server, opened(server, tmp_path / "batches") as batched:
        batched.guard = guarded(log, "0.0001")
        with pytest.raises(OverBudget):
            list(batched.answer(asks(3)))
        assert server.batches == {}
        batched.guard = guarded(log, "1")
        list(batched.answer(asks(3)))
        assert batched.guard.spent_usd == Decimal("0.0003")
    log.close()


def test_calls_of_a_batch_are_counted_once_over_a_restart(tmp_path):
    log = CallLog(tmp_path / "journal.sqlite")
    with batch_server(always(chat())) as server:
        with opened(server, tmp_path / "batches") as batched:
            batched.guard = guarded(log, "1")
            first = next(batched.answer(asks(3)))
        with opened(server, tmp_path / "batches") as batched:
            batched.guard = guarded(log, "1")
            list(batched.answer([one for one in asks(3) if one.item_id != first.item_id]))
    assert [call.usage is not None for call in log.calls()] == [True] * 3
    log.close()


def test_nothing_is_asked_alone(tmp_path):
    with (
        batch_server(always(chat())) as server,
        opened(server, tmp_path) as batched,
        pytest.raises(UsageError, match="answers in batches"),
    ):
        batched.answer_one(asks(1)[0])


def test_a_provider_without_a_known_interface_is_refused(tmp_path):
    settings = ModelSettings(cache=Path("unused"), api_base="http://127.0.0.1:9/v1")
    served = open_served_chat("hosted_vllm/m", settings, outside=Outside(environ={}))
    with pytest.raises(UsageError, match="No batch interface"):
        BatchedChat(served, tmp_path)
    served.close()
