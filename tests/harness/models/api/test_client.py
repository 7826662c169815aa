"""The served model against a scripted server on loopback: every outcome, fault and promise.

Pauses are skipped by a clock of the test's own, which sleeping moves; calls are real.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as sizes
from hypothesis import strategies as st

from advisor.money.usage import Usage
from harness.core.errors import ModelUnavailable, OverBudget, WaitTooLong
from harness.core.records import Choices, Failure, FailureKind, FreeText, JsonSchema, Message
from harness.models.api import asking as litellm_asking
from harness.models.api.asking import Outside
from harness.models.api.budget import SpendGuard, per_token
from harness.models.api.calls import REASONING_ROOM, Form, most_input_tokens
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings
from harness.tasks.labels import read_label
from tests.support.scripted_server import Reply, Script, ScriptedServer, completion, error, in_turn, scripted

CHOICES = ("billing", "login problem", "refund")
TICKET = "My invoice 4711 from Brno shows the wrong VAT number"
KEY = "tor-secret-value-0001"


class SkippedTime:
    """perf_counter, plus all the seconds that were slept without waiting."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def clock(self) -> float:
        return time.perf_counter() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.001 if seconds > 1 else 0)  # what is on the wire meanwhile arrives


def ask(name: str = "t1", text: str = TICKET) -> ChatRequest:
    messages = (
        Message(role="system", content="Classify the message into one label."),
        Message(role="user", content=text),
    )
    return ChatRequest(item_id=name, messages=messages, form=Choices(answers=CHOICES))


def asks(count: int) -> list[ChatRequest]:
    return [ask(f"t{n}", f"ticket number {n}") for n in range(count)]


class Bench:
    """A scripted server and a client of it."""

    def __init__(self, server: ScriptedServer, model: ServedChat, time_: SkippedTime) -> None:
        self.server, self.model, self.time = server, model, time_
        self.began = time_.clock()


@contextlib.contextmanager
def bench(
    script: Script,
    *,
    environ: dict[str, str] | None = None,
    guard: SpendGuard | None = None,
    **settings: object,
) -> Iterator[Bench]:
    skipped = SkippedTime()
    now = datetime(2026, 11, 23, tzinfo=UTC)
    outside = Outside(
        clock=skipped.clock, sleep=skipped.sleep, now=lambda: now, environ=environ or {"TOR_API_KEY": KEY}
    )
    with scripted(script) as server:
        chosen = ModelSettings(cache=Path("unused"), api_base=server.address, **settings)  # type: ignore[arg-type]
        model = open_served_chat("openai/served", chosen, outside=outside)
        model.guard = guard
        try:
            yield Bench(server, model, skipped)
        finally:
            model.close()


def one_failure(outcome: object) -> Failure:
    assert isinstance(outcome, Failure), outcome
    assert "\n" not in outcome.message
    return outcome


def one_reply(outcome: object) -> ChatReply:
    assert isinstance(outcome, ChatReply), outcome
    return outcome


# --- what is sent and what comes back -------------------------------------------------------------


def test_the_request_is_greedy_seeded_bounded_and_held_to_the_choices():
    with bench(in_turn(completion()), seed=23) as b:
        reply = one_reply(b.model.answer_one(ask()))
    sent = b.server.requests[0]
    assert sent["messages"] == [
        {"role": "system", "content": "Classify the message into one label."},
        {"role": "user", "content": TICKET},
    ]
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("served", 0, 23)
    assert 20 < sent["max_tokens"] < 200
    schema = sent["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["label"]["enum"] == list(CHOICES)
    assert read_label(reply.text, CHOICES) == "billing"
    assert (reply.item_id, reply.attempts, reply.choice_logprobs) == ("t1", 1, None)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 7)
    assert b.model.identity.location == "loopback"
    assert b.model.served_by == ("served-1 fp_7",)


def test_examples_answer_in_the_form_that_is_asked_for():
    """Shown words where JSON is asked for, a model copies the words."""
    shown = (
        Message(role="user", content="no login"),
        Message(role="assistant", content='the "login" problem'),
    )
    asked = ask()
    request = dataclasses.replace(asked, messages=(asked.messages[0], *shown, asked.messages[-1]))
    fault = Reply(status=400, body={"detail": [{"loc": ["body", "response_format"], "msg": "unknown type"}]})
    with bench(lambda _n, body: fault if "response_format" in body else completion("billing")) as b:
        b.model.answer_one(request)
        by_schema, plain = (sent["messages"] for sent in b.server.requests)
    assert json.loads(by_schema[2]["content"]) == {"label": 'the "login" problem'}
    assert plain[2]["content"] == 'the "login" problem'
    assert [by_schema[n] for n in (0, 1, 3)] == [plain[n] for n in (0, 1, 3)]


FIELDS = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "level": {"type": "string", "enum": ["low", "high"]},
        "shop": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
    "required": ["order"],
    "additionalProperties": False,
}


def ask_fields() -> ChatRequest:
    shown = (
        Message(role="user", content="order 7"),
        Message(role="assistant", content='{"order": "7"}'),
    )
    asked = ask()
    form = JsonSchema(schema=FIELDS, max_tokens=50)
    return dataclasses.replace(asked, messages=(asked.messages[0], *shown, asked.messages[-1]), form=form)


def test_fields_are_held_to_their_schema_where_null_stands_for_what_is_absent():
    """Strict schemas require every property: one that may be absent may be null."""
    with bench(in_turn(completion('{"order": "8", "level": null, "shop": null}'))) as b:
        reply = one_reply(b.model.answer_one(ask_fields()))
    sent = b.server.requests[0]
    held = sent["response_format"]["json_schema"]
    assert held["strict"] is True
    assert held["schema"]["required"] == ["order", "level", "shop"]
    assert held["schema"]["properties"]["order"] == {"type": "string"}
    assert held["schema"]["properties"]["level"] == {
        "type": ["string", "null"],
        "enum": ["low", "high", None],
    }
    assert held["schema"]["properties"]["shop"]["type"] == ["object", "null"]
    assert held["schema"]["properties"]["shop"]["properties"]["city"] == {"type": "string"}
    assert json.loads(sent["messages"][2]["content"]) == {"order": "7", "level": None, "shop": None}
    assert 50 < sent["max_tokens"] < 150
    assert reply.form == "schema" and not reply.cut


def test_a_cut_answer_of_fields_is_an_answer_and_says_so():
    cut = completion('{"order": "8', finish="length")
    with bench(in_turn(cut)) as b:
        reply = one_reply(b.model.answer_one(ask_fields()))
    assert reply.text == '{"order": "8' and reply.cut and reply.attempts == 1


def test_free_text_is_held_by_its_length_alone():
    request = dataclasses.replace(ask(), form=FreeText(max_tokens=30))
    with bench(in_turn(completion("Billing, I think."))) as b:
        reply = one_reply(b.model.answer_one(request))
    sent = b.server.requests[0]
    assert "response_format" not in sent and sent["max_tokens"] == 30
    assert (reply.text, reply.form) == ("Billing, I think.", "plain")


def test_identity_is_the_same_before_and_after_calls():
    with bench(in_turn(completion())) as b:
        before = b.model.identity
        b.model.answer_one(ask())
        assert b.model.identity == before


def test_the_answer_is_handed_on_as_it_is_whatever_it_says():
    for text in ('{"label": "no such label"}', '{"label": "bil', "I think it is billing.", "  billing\n"):
        with bench(in_turn(completion(text))) as b:
            assert one_reply(b.model.answer_one(ask())).text == text


def test_cached_and_reasoning_tokens_come_in_their_own_buckets():
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    with bench(in_turn(completion(usage=usage))) as b:
        got = one_reply(b.model.answer_one(ask())).usage
    assert (got.input_tokens, got.cached_tokens, got.output_tokens, got.reasoning_tokens) == (36, 64, 10, 20)


def test_missing_usage_stays_unknown():
    with bench(in_turn(completion(usage=None))) as b:
        got = one_reply(b.model.answer_one(ask())).usage
    assert (got.input_tokens, got.cached_tokens, got.output_tokens) == (None, None, None)


def test_nothing_is_answered_from_a_cache():
    with bench(in_turn(completion())) as b:
        for _ in range(3):
            b.model.answer_one(ask())
        assert len(b.server.requests) == 3


def test_what_answered_is_kept_with_the_answer():
    routed = Reply(body={**completion().body, "provider": "DeepInfra"})  # type: ignore[dict-item]
    with bench(in_turn(completion(), routed)) as b:
        said = [one_reply(b.model.answer_one(ask())).served_by for _ in range(2)]
    assert said == ["served-1 fp_7", "DeepInfra served-1 fp_7"]


def test_an_endpoint_of_ones_own_is_called_without_litellm():
    """A process that opens and calls one never imports it."""
    code = """
import sys
from pathlib import Path
from harness.core.records import FreeText, Message
from harness.models.api.client import open_served_chat
from harness.models.base import ChatRequest
from harness.models.settings import ModelSettings
chat = open_served_chat("openai/m", ModelSettings(cache=Path("unused"), api_base=sys.argv[1]))
messages = (Message(role="user", content="hello"),)
print(chat.answer_one(ChatRequest(item_id="1", messages=messages, form=FreeText(max_tokens=5))).text)
chat.close()
assert "litellm" not in sys.modules
"""
    with scripted(in_turn(completion("hello to you"))) as server:
        done = subprocess.run([sys.executable, "-c", code, server.address], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "hello to you"), done.stderr


# --- many at once ---------------------------------------------------------------------------------


def test_every_request_has_exactly_one_outcome_and_no_more_than_allowed_are_in_flight():
    def script(number: int, _body: object) -> Reply:
        if number % 5 == 0:
            return error(413, "bad")
        return Reply(body=completion().body, delay_s=0.02)

    with bench(script, concurrency=4) as b:
        outcomes = list(b.model.answer(asks(40)))
    assert sorted(o.item_id for o in outcomes) == sorted(r.item_id for r in asks(40))
    assert sum(isinstance(o, Failure) for o in outcomes) == 8
    assert b.server.most_in_flight <= 4
    assert b.server.most_in_flight > 1


def test_outcomes_come_as_they_complete():
    def script(_number: int, body: dict) -> Reply:
        slow = body["messages"][-1]["content"] == "ticket number 0"
        return Reply(body=completion().body, delay_s=5.0 if slow else 0.0)

    with bench(script, concurrency=2) as b:
        outcomes = b.model.answer(asks(6))
        first = [next(outcomes).item_id for _ in range(5)]
        outcomes.close()
    assert "t0" not in first
    assert len(set(first)) == 5


def test_a_slot_asks_again_only_once_its_answer_was_taken():
    """Else answers that were paid for would be lost with the process."""
    with bench(in_turn(completion()), concurrency=2) as b:
        outcomes = b.model.answer(asks(6))
        next(outcomes)
        time.sleep(0.3)
        assert len(b.server.requests) == 2
        assert len(list(outcomes)) == 5
        assert len(b.server.requests) == 6


def test_stopping_early_cancels_what_is_in_flight_and_asks_nothing_more():
    def script(number: int, _body: object) -> Reply:
        return Reply(body=completion().body, delay_s=0.0 if number == 0 else 30.0)

    with bench(script, concurrency=3) as b:
        began = time.perf_counter()
        outcomes = b.model.answer(asks(50))
        next(outcomes)
        outcomes.close()
        asked = len(b.server.requests)
        time.sleep(0.1)
        assert len(b.server.requests) <= max(asked, 4)
        assert time.perf_counter() - began < 30.0  # it waits for none of them
        b.server.script = in_turn(completion())
        assert one_reply(b.model.answer_one(ask("later"))).item_id == "later"


def test_no_requests_no_outcomes_and_a_closed_model_refuses():
    with bench(in_turn(completion())) as b:
        assert list(b.model.answer([])) == []
        b.model.close()
        b.model.close()
        with pytest.raises(RuntimeError, match="closed"):
            b.model.answer_one(ask())


def test_closing_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with bench(in_turn(completion())) as b:
        list(b.model.answer(asks(3)))
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith(("calls to", "asyncio_"))]
    assert left == []


# --- retries --------------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_out_as_told_and_the_wait_is_not_model_time():
    with bench(in_turn(error(429, "slow down", retry_after="7"), completion())) as b:
        reply = one_reply(b.model.answer_one(ask()))
    assert reply.attempts == 2
    assert sum(b.time.slept) >= 7.0
    assert reply.queue_s >= 7.0
    assert 0 < reply.model_s < 3.0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_passing_faults_are_tried_again(status):
    with bench(in_turn(error(status), completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 2


@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [(400, FailureKind.BAD_REQUEST, 3), (413, FailureKind.TOO_LONG, 1), (422, FailureKind.BAD_REQUEST, 3)],
)
def test_faults_of_the_request_are_not_waited_for(status, kind, attempts):
    # 400 and 422 may be due to the alternatives asked for, or to the schema: once more without each
    with bench(in_turn(error(status, "no"))) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, len(b.server.requests)) == (kind, attempts, attempts)
    assert b.time.slept == []


@pytest.mark.parametrize(("status", "attempts"), [(502, 3), (500, 4)])
def test_a_server_error_that_stays_is_tried_three_times_and_a_500_once_more_without_the_schema(
    status, attempts
):
    with bench(in_turn(error(status)), max_retries=10) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, len(b.server.requests)) == (
        FailureKind.SERVER, attempts, attempts,
    )  # fmt: skip


def test_a_rate_limit_that_stays_ends_after_the_retries_allowed():
    with bench(in_turn(error(429)), max_retries=3) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, len(b.server.requests)) == (FailureKind.RATE_LIMIT, 4, 4)


@pytest.mark.parametrize("status", [503, 529])
def test_an_overloaded_provider_is_asked_less_at_once_and_as_often_as_is_allowed(status):
    """A 500 is tried three times, as it is often the same each time; too much to do passes."""
    with bench(in_turn(*[error(status, "overloaded")] * 4, completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 5
    with bench(lambda n, _body: error(status) if n < 8 else completion(), concurrency=8) as b:
        assert all(isinstance(outcome, ChatReply) for outcome in b.model.answer(asks(16)))
        assert b.model._asker._slots.limit < 8


def test_a_request_that_is_always_refused_stops_the_run_early():
    with bench(in_turn(error(400, "unknown field"))) as b, pytest.raises(ModelUnavailable) as caught:
        list(b.model.answer(asks(200)))
    assert "refused each of the first" in str(caught.value) and "unknown field" in str(caught.value)
    assert len(b.server.requests) < 80


def test_refused_questions_among_answered_ones_stop_nothing():
    with bench(lambda n, _body: completion() if n == 0 else error(413)) as b:
        assert sum(isinstance(outcome, Failure) for outcome in b.model.answer(asks(40))) == 39


def test_what_failed_for_a_while_is_asked_once_more_at_the_end():
    """A gateway that answers nothing for three questions at first, with all their tries."""
    with bench(lambda n, _body: completion("") if n < 9 else completion(), concurrency=1) as b:
        outcomes = list(b.model.answer(asks(8)))
    assert [one_reply(outcome).attempts for outcome in outcomes] == [1] * 5 + [4] * 3
    assert [outcome.item_id for outcome in outcomes[5:]] == ["t0", "t1", "t2"]
    assert one_reply(outcomes[-1]).usage.input_tokens == 400
    assert len(b.server.requests) == 17


def test_the_second_round_ends_where_it_only_fails():
    """Of 20 the last 9 fail; at one call at a time two more in vain are enough to know."""
    with bench(
        lambda n, _body: completion() if n < 11 else completion(""), concurrency=1, max_retries=1
    ) as b:
        outcomes = list(b.model.answer(asks(20)))
    assert sum(isinstance(outcome, Failure) for outcome in outcomes) == 9
    assert sorted(outcome.attempts for outcome in outcomes) == [1] * 11 + [2] * 7 + [4] * 2
    assert len(b.server.requests) == 11 + 9 * 2 + 2 * 2


@pytest.mark.parametrize(
    ("failing", "settings", "asked"),
    [
        (lambda n: n < 8, {"max_retries": 0}, 8),  # none is to be made again
        (lambda n: n >= 2, {"max_retries": 1}, 2 + 6 * 2),  # most fail: something is wrong for longer
    ],
    ids=["no retries", "most fail"],
)
def test_what_fails_is_not_asked_again_where_that_would_not_help(failing, settings, asked):
    with bench(
        lambda n, _body: completion("") if failing(n) else completion(), concurrency=1, **settings
    ) as b:
        assert sum(isinstance(outcome, Failure) for outcome in b.model.answer(asks(8))) >= 6
    assert len(b.server.requests) == asked


def test_calls_a_minute_are_spread_evenly():
    with bench(in_turn(completion()), concurrency=4, rpm=30) as b:
        assert len(list(b.model.answer(asks(6)))) == 6
    assert b.time.clock() - b.began >= 5 * 2.0 - 0.5


def test_tokens_a_minute_hold_the_next_calls_back():
    """107 tokens a call at 1,070 a minute are 6 s."""
    with bench(in_turn(completion()), concurrency=1, tpm=1070) as b:
        assert len(list(b.model.answer(asks(4)))) == 4
    assert 3 * 6.0 - 0.5 <= sum(b.time.slept) <= 3 * 6.0 + 0.5


def test_no_retries_fails_at_once():
    with bench(in_turn(error(429, retry_after="1"), completion()), max_retries=0) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, b.time.slept) == (FailureKind.RATE_LIMIT, 1, [])


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_of_an_hour_stops_the_run_and_says_until_when(status):
    with bench(in_turn(error(status, "daily limit", retry_after="3600"), completion())) as b:
        with pytest.raises(WaitTooLong) as stopped:
            b.model.answer_one(ask())
        assert b.time.slept == []
    assert "60 min" in str(stopped.value)
    assert "2026-11-23 01:00 UTC" in str(stopped.value)
    assert "daily limit" in str(stopped.value)
    assert stopped.value.exit_code == 3


def test_a_daily_limit_in_the_middle_keeps_what_was_answered_and_asks_little_more():
    def script(number: int, _body: object) -> Reply:
        return completion() if number < 20 else error(429, "daily limit", retry_after="600")

    got = []
    with bench(script, concurrency=4) as b:
        with pytest.raises(WaitTooLong):
            for outcome in b.model.answer(asks(3000)):
                got.append(outcome)
        assert len(b.server.requests) <= 20 + 4
        assert sum(b.time.slept) < 30
        with pytest.raises(WaitTooLong):  # nor is the pause waited for by whoever asks next
            b.model.answer_one(ask())
    assert len(got) == 20
    assert all(isinstance(outcome, ChatReply) for outcome in got)


def test_a_wait_in_another_call_ends_when_the_run_is_stopped():
    def script(number: int, _body: object) -> Reply:
        return error(429, retry_after="600" if number == 3 else "100")

    with bench(script, concurrency=4) as b, pytest.raises(WaitTooLong):
        list(b.model.answer(asks(8)))
    assert len(b.server.requests) <= 5


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "System role not supported"),
        error(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        error(500, "Jinja Exception: System messages are not supported"),
    ],
    ids=["role", "alternate", "template"],
)
def test_where_a_turn_of_the_system_is_refused_the_instructions_stand_before_the_question(refusal):
    with bench(lambda _n, body: refusal if body["messages"][0]["role"] == "system" else completion()) as b:
        replies = [one_reply(b.model.answer_one(ask())) for _ in range(2)]
        assert '"system": false' in json.dumps(b.model.form.deciding)
    said = b.server.requests[-1]["messages"]
    assert said == [{"role": "user", "content": f"Classify the message into one label.\n\n{TICKET}"}]
    assert [reply.attempts for reply in replies] == [2, 1] and len(b.server.requests) == 3


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b": PROCESSING\n\n: PROCESSING\n\n", b" \n\n", b"["])
def test_what_stands_around_an_answer_is_taken_off(before):
    whole = before + json.dumps(completion().body).encode() + (b"]" if before == b"[" else b"")
    with bench(in_turn(Reply(body=whole))) as b:
        assert read_label(one_reply(b.model.answer_one(ask())).text, CHOICES) == "billing"


@pytest.mark.parametrize("body", [b"", b"null", b"upstream connect error"])
def test_a_response_without_an_answer_is_asked_for_again(body):
    with bench(in_turn(Reply(body=body), completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 2


@pytest.mark.parametrize("status", [409, 425, 499])
def test_a_conflict_is_asked_again(status):
    with bench(in_turn(error(status, "please retry"), completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 2


def test_long_headers_are_no_fault():
    with bench(in_turn(Reply(headers={"x-model-info": "a" * 20_000}, body=completion().body))) as b:
        one_reply(b.model.answer_one(ask()))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(body=completion().body, delay_s=60.0), "answered none of 10 questions in a row within 0 s"),
        (
            Reply(status=503, body=b"<html><title>Down for maintenance</title>"),
            "failed at each of the first 10",
        ),
        (Reply(body=b"<html><title>Sign in</title>"), "Sign in"),
    ],
    ids=["never in time", "down", "a page"],
)
def test_an_endpoint_that_answers_nothing_is_not_asked_to_the_last_question(reply, words):
    with (
        bench(in_turn(reply), concurrency=5, max_retries=0, timeout_s=0.3) as b,
        pytest.raises(ModelUnavailable) as caught,
    ):
        list(b.model.answer(asks(200)))
    assert words in str(caught.value) and len(b.server.requests) < 60


def test_a_page_in_place_of_an_error_is_told_by_its_title():
    page = Reply(status=403, body=b"<html><title>Blocked</title><p>x</p>")
    with bench(in_turn(page)) as b, pytest.raises(ModelUnavailable, match=r"\(HTTP 403\): Blocked"):
        b.model.answer_one(ask())


def test_a_wrong_path_is_told_with_what_an_address_looks_like():
    with bench(in_turn(error(404, "page not found"))) as b, pytest.raises(ModelUnavailable) as caught:
        b.model.answer_one(ask())
    assert "page not found" in str(caught.value) and "an address as far as /v1" in str(caught.value)


def test_an_address_may_name_the_call_itself():
    with bench(in_turn(completion())) as b:
        settings = ModelSettings(cache=Path("unused"), api_base=f"{b.server.address}/chat/completions/")
        with contextlib.closing(open_served_chat("openai/served", settings)) as model:
            one_reply(model.answer_one(ask()))
        assert b.server.paths == ["/v1/chat/completions"]


def test_payment_required_is_no_credit():
    with bench(in_turn(error(402, "more credits"))) as b, pytest.raises(ModelUnavailable, match="no credit"):
        b.model.answer_one(ask())


def test_short_pauses_without_end_stop_the_run_too():
    script = in_turn(error(429, retry_after="100"))
    with (
        bench(script, concurrency=1, max_retries=50) as b,
        pytest.raises(WaitTooLong, match="answered nothing"),
    ):
        list(b.model.answer(asks(50)))
    assert sum(b.time.slept) < 700


def test_questions_refused_in_a_row_stop_the_run():
    failures = []
    with (
        bench(in_turn(error(429)), concurrency=1, max_retries=0) as b,
        pytest.raises(WaitTooLong, match="in a row"),
    ):
        for outcome in b.model.answer(asks(500)):
            failures.append(outcome)
    assert 5 <= len(failures) <= 20


def test_a_wait_is_told_at_once_and_then_at_least_every_ten_seconds():
    said: list[tuple[float, str]] = []
    with bench(in_turn(error(429, "slow down", retry_after="60"), completion())) as b:
        b.model.say = lambda line: said.append((sum(b.time.slept), line))
        b.model.answer_one(ask())
    moments = [0.0, *(moment for moment, _ in said), sum(b.time.slept)]
    assert said[0][0] == 0.0
    assert max(after - before for before, after in itertools.pairwise(moments)) <= 10.0
    assert all("slow down" in line and "to go" in line for _, line in said)
    assert len(said) < 15


def test_short_waits_that_add_up_are_told():
    said: list[str] = []
    with bench(in_turn(*[error(429, "slow down", retry_after="8")] * 4, completion())) as b:
        b.model.say = said.append
        one_reply(b.model.answer_one(ask()))
    assert 2 <= len(said) <= 6


def test_a_call_that_is_not_answered_is_told(monkeypatch):
    monkeypatch.setattr(litellm_asking, "SILENCE_S", 0.2)
    monkeypatch.setattr(litellm_asking, "_LOOK_S", 0.05)
    said: list[str] = []
    with bench(in_turn(Reply(body=completion().body, delay_s=0.6))) as b:
        b.model.say = said.append
        one_reply(b.model.answer_one(ask()))
    assert any("no answer for" in line for line in said)


def test_calls_that_are_answered_say_nothing():
    said: list[str] = []
    with bench(in_turn(completion())) as b:
        b.model.say = said.append
        list(b.model.answer(asks(30)))
    assert said == []


@pytest.mark.parametrize(
    "reply",
    [
        error(429, "You exceeded your quota, see your plan and billing details. Retry in 2s.", code=None),
        error(429, "Limit: 3 / min. Add a card at /account/billing", code="rate_limit_exceeded"),
        error(503, "upstream for tenant billing and insufficient_quota is restarting"),
        Reply(
            status=429,
            body={
                "error": {
                    "code": 429,
                    "message": "check your billing details",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}],
                }
            },
        ),
    ],
    ids=["google's words", "a link", "a label", "google's body"],
)
def test_the_word_billing_does_not_mean_that_there_is_no_credit(reply):
    with bench(in_turn(reply, completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 2
    if "2s" in str(reply.body):
        assert sum(b.time.slept) >= 2.0


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no", "code": "insufficient_quota"}},
        {"error": {"message": "no", "type": "insufficient_quota", "code": None}},
        [{"error": {"message": "no", "code": "billing_hard_limit_reached"}}],
        {"message": "no", "type": "exceeded_current_quota_error"},
    ],
)
def test_codes_of_an_empty_account_stop_the_run_wherever_they_stand(body):
    with bench(in_turn(Reply(status=429, body=body))) as b, pytest.raises(ModelUnavailable, match="credit"):
        b.model.answer_one(ask())
    assert len(b.server.requests) == 1


def test_a_server_that_hangs_is_a_timeout():
    with bench(in_turn(Reply(body={}, delay_s=20.0)), timeout_s=0.3, max_retries=1) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts) == (FailureKind.TIMEOUT, 2)


def test_an_answer_that_drips_in_is_a_timeout_of_the_whole_call():
    drip = Reply(body=completion().body, drip_s=0.1)
    with bench(in_turn(drip), timeout_s=0.5, max_retries=0) as b:
        failure = one_failure(b.model.answer_one(ask()))  # each part comes in time
    assert failure.kind is FailureKind.TIMEOUT


def test_a_rate_limit_lowers_how_many_calls_are_in_flight():
    busy = []

    def script(number: int, _body: object) -> Reply:
        if number < 8:
            return error(429, retry_after="1")
        busy.append(b.server.in_flight)
        return Reply(body=completion().body, delay_s=0.05)

    with bench(script, concurrency=8) as b:
        assert all(isinstance(outcome, ChatReply) for outcome in b.model.answer(asks(12)))
    # 8 halved to 4; 4 answers make it 5, 5 more make it 6, and 12 are all there are
    assert 1 < max(busy) <= 6


# --- responses that are no answer -----------------------------------------------------------------


@pytest.mark.parametrize("reply", [Reply(body=b"{not json"), Reply(body={"id": "x"})])
def test_an_unreadable_response_is_a_failure_at_once(reply):
    with bench(in_turn(reply)) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts) == (FailureKind.BAD_RESPONSE, 1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body={**completion().body, "choices": []}),  # type: ignore[dict-item]
        completion(""),
        completion(None),
    ],
    ids=["no choices", "empty text", "no text"],
)
def test_a_response_without_an_answer_is_tried_again_and_every_attempt_counted(reply):
    with bench(in_turn(reply, completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 2
    with bench(in_turn(reply), max_retries=10) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts) == (FailureKind.BAD_RESPONSE, 3)


def test_an_explanation_that_is_cut_off_after_the_answer_is_no_failure():
    with bench(in_turn(completion("billing\n\nThe message is about", finish="length"))) as b:
        assert read_label(one_reply(b.model.answer_one(ask())).text, CHOICES) == "billing"


@pytest.mark.parametrize("text", ["", "<think>\nOkay, the user"])
def test_thinking_that_is_not_reported_is_given_room_once(text):
    with bench(in_turn(completion(text, finish="length"), completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 2
    with bench(in_turn(completion(text, finish="length"))) as b:
        assert one_failure(b.model.answer_one(ask())).attempts == 2


def test_a_truncated_answer_is_a_failure_with_its_tokens():
    with bench(in_turn(completion('{"label": "bil', finish="length"))) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert failure.kind is FailureKind.BAD_RESPONSE
    assert "cut off" in failure.message
    assert failure.usage is not None
    assert failure.usage.output_tokens == 7


@pytest.mark.parametrize(("effort", "room"), [("low", 4096), ("high", 16_384), ("none", 0)])
def test_the_effort_is_sent_with_room_to_think(effort, room):
    with bench(in_turn(completion())) as b:
        b.model.answer_one(ask())
    with bench(in_turn(completion()), effort=effort) as asked:
        asked.model.answer_one(ask())
        decides = dict(asked.model.identity.decides)["form"]
    assert asked.server.requests[0]["reasoning_effort"] == effort
    assert asked.server.requests[0]["max_tokens"] == b.server.requests[0]["max_tokens"] + room
    assert f'"effort": "{effort}"' in decides and "effort" not in b.server.requests[0]


def test_an_answer_says_what_was_to_be_sent_and_was_not():
    def script(_number: int, body: dict) -> Reply:
        for name in ("reasoning_effort", "temperature", "seed"):
            if name in body:
                return error(400, f"Unsupported parameter: '{name}' is not supported with this model.")
        return completion()

    with bench(script, effort="low") as b:
        first, second = one_reply(b.model.answer_one(ask())), one_reply(b.model.answer_one(ask()))
    assert first.left_out == second.left_out == ("temperature", "seed", "effort")
    assert (first.attempts, second.attempts) == (4, 1)


def test_thinking_that_is_shown_and_cut_off_is_given_more_room_and_still_more():
    thought = completion(None, finish="length", reasoning_content="The user asks about")
    with bench(in_turn(thought, thought, completion())) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 3
    first, *rest = [request["max_tokens"] for request in b.server.requests]
    assert [limit - first for limit in rest] == [REASONING_ROOM, 4 * REASONING_ROOM]


def test_an_endpoint_that_lists_alternatives_gives_a_distribution():
    def listed(piece: str, *others: tuple[str, float]) -> dict:
        top = [{"token": name, "logprob": value} for name, value in others]
        return {"token": piece, "logprob": -0.4, "top_logprobs": top}

    said = [listed('{"label": "'), listed("bill", ("bill", -0.4), ("ref", -1.5)), listed('ing"}')]
    reply = completion()
    reply.body["choices"][0]["logprobs"] = {"content": said}  # type: ignore[index]
    with bench(in_turn(reply)) as b:
        odds = one_reply(b.model.answer_one(ask())).choice_logprobs
    assert b.server.requests[0]["logprobs"] is True and b.server.requests[0]["top_logprobs"] == 20
    assert odds is not None and odds[0] > odds[2] > odds[1]  # in the order of the choices


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("'logprobs' is not supported with this model", [20, None]),
        ("top_logprobs must be at most 5", [20, 5]),
    ],
)
def test_alternatives_that_are_refused_are_asked_for_less_or_not(words, asked):
    with bench(in_turn(error(400, words), completion())) as b:
        assert one_reply(b.model.answer_one(ask())).left_out == ()  # they decide no answer
    assert [request.get("top_logprobs") for request in b.server.requests] == asked


def test_alternatives_that_are_refused_without_a_word_are_left_out_before_the_schema():
    def script(_number: int, body: dict) -> Reply:
        return error(400, "invalid argument") if "logprobs" in body else completion()

    with bench(script) as b:
        first, second = one_reply(b.model.answer_one(ask())), one_reply(b.model.answer_one(ask()))
    assert (first.form, first.attempts, second.attempts) == ("schema", 2, 1)


def test_a_limit_that_an_answer_says_is_used_up_lets_no_call_begin():
    used_up = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6s"}
    reply = completion()
    with bench(in_turn(Reply(body=reply.body, headers=used_up), completion()), concurrency=1) as b:
        assert len(list(b.model.answer(asks(3)))) == 3
    assert 5.5 <= sum(b.time.slept) <= 6.5


@pytest.mark.parametrize("left", [{"x-ratelimit-remaining-requests": "7"}, {}])
def test_a_limit_with_something_left_or_unknown_holds_nothing_back(left):
    reply = completion()
    with bench(in_turn(Reply(body=reply.body, headers=left | {"x-ratelimit-reset-requests": "6s"}))) as b:
        list(b.model.answer(asks(3)))
    assert sum(b.time.slept) == 0


def test_a_model_that_thinks_is_given_room_once_and_for_all_and_both_calls_are_counted():
    thought = completion(None, finish="length", reasoning_content="The user asks about")
    with bench(in_turn(thought, completion())) as b:
        reply = one_reply(b.model.answer_one(ask()))
        b.model.answer_one(ask())
    limits = [request["max_tokens"] for request in b.server.requests]
    assert limits[1] == limits[2] == limits[0] + REASONING_ROOM
    assert (reply.attempts, reply.usage.input_tokens, reply.usage.output_tokens) == (2, 200, 14)


@pytest.mark.parametrize(
    "reply", [completion("", finish="content_filter"), completion(None, refusal="I cannot")]
)
def test_a_refusal_is_a_content_filter_failure(reply):
    with bench(in_turn(reply)) as b:
        assert one_failure(b.model.answer_one(ask())).kind is FailureKind.CONTENT_FILTER


def test_a_policy_error_and_a_prompt_too_long_have_their_own_kinds():
    with bench(in_turn(error(400, "flagged", code="content_policy_violation"))) as b:
        assert one_failure(b.model.answer_one(ask())).kind is FailureKind.CONTENT_FILTER
    with bench(in_turn(error(400, "This model's maximum context length is 5 tokens"))) as b:
        assert one_failure(b.model.answer_one(ask())).kind is FailureKind.TOO_LONG


# --- what a provider does not take ----------------------------------------------------------------


@pytest.mark.parametrize("refused", ["response_format", "temperature", "seed", "max_tokens"])
def test_a_refused_parameter_is_left_out_from_then_on(refused):
    def script(_number: int, body: dict) -> Reply:
        return error(400, f"Unsupported parameter: '{refused}'") if refused in body else completion("billing")

    with bench(script) as b:
        assert b.model.form.schema
        first, second = (one_reply(b.model.answer_one(ask(n))) for n in ("a", "b"))
        assert b.model.form.schema == (refused != "response_format")
    assert (first.attempts, second.attempts) == (2, 1)
    assert refused not in b.server.requests[-1]
    if refused == "max_tokens":
        assert "max_completion_tokens" in b.server.requests[-1]


SCHEMA_FAULTS = [
    error(400, "Request contains an invalid argument.", code="INVALID_ARGUMENT"),
    error(400, "Failed to initialize samplers: failed to parse grammar"),
    error(422, "Extra inputs are not permitted"),
    error(500, "Internal error"),
    error(500, "json schema compilation failed"),
    Reply(status=400, body={"detail": [{"loc": ["body", "response_format"], "msg": "unknown type"}]}),
]


@pytest.mark.parametrize("fault", SCHEMA_FAULTS)
def test_a_model_that_fails_with_the_schema_alone_is_asked_plainly_and_says_so(fault):
    said: list[str] = []
    with bench(lambda _n, body: fault if "response_format" in body else completion("billing")) as b:
        b.model.say = said.append
        first, second = (one_reply(b.model.answer_one(ask(n))) for n in ("a", "b"))
        assert not b.model.form.schema
    assert (first.form, second.form, second.attempts) == ("plain", "plain", 1)
    assert len([line for line in said if "schema" in line]) == 1


@pytest.mark.parametrize("fault", SCHEMA_FAULTS)
def test_where_leaving_out_the_schema_does_not_help_the_first_fault_is_told_and_the_schema_stays(fault):
    def script(number: int, body: dict) -> Reply:
        return fault if "response_format" in body else error(400, "the second fault")

    with bench(script) as b:
        failure = one_failure(b.model.answer_one(ask()))
        assert b.model.form.schema
    assert "second" not in failure.message


def test_after_a_few_questions_that_failed_plainly_too_the_schema_is_not_blamed_any_more():
    with bench(in_turn(error(400, "no")), concurrency=1) as b:
        outcomes = list(b.model.answer(asks(9)))  # the tenth refusal in a row stops the run
    assert [one_failure(o).attempts for o in outcomes] == [3, 2, 2, *[1] * 6]


def test_one_question_refused_among_many_that_the_schema_answers_is_asked_plainly_alone():
    def script(_number: int, body: dict) -> Reply:
        odd = body["messages"][-1]["content"] == "ticket number 5" and "response_format" in body
        return error(400, "invalid argument") if odd else completion()

    with bench(script, concurrency=1) as b:
        replies = [one_reply(o) for o in b.model.answer(asks(12))]
        assert b.model.form.schema
    assert [r.item_id for r in replies if r.form == "plain"] == ["t5"]


def test_a_500_among_answers_with_a_schema_is_a_server_error():
    def script(_number: int, body: dict) -> Reply:
        return error(500) if body["messages"][-1]["content"] == "ticket number 5" else completion()

    with bench(script, concurrency=1) as b:
        outcomes = list(b.model.answer(asks(8)))
    (failure,) = (o for o in outcomes if isinstance(o, Failure))
    assert (failure.item_id, failure.attempts) == ("t5", 6)  # three times, and at the end once more
    assert all("response_format" in request for request in b.server.requests)


def test_json_that_could_not_be_generated_now_and_then_is_tried_again_with_the_schema_first():
    def script(number: int, body: dict) -> Reply:
        bad = number % 3 == 2 and "response_format" in body
        return error(400, "Failed to generate JSON.", code="json_validate_failed") if bad else completion()

    with bench(script, concurrency=1) as b:
        replies = [one_reply(o) for o in b.model.answer(asks(12))]
        assert b.model.form.schema
    assert {reply.form for reply in replies} == {"schema"}


def test_json_that_can_never_be_generated_ends_in_plain_answers():
    def script(_number: int, body: dict) -> Reply:
        bad = "response_format" in body
        return (
            error(400, "Failed to generate JSON.", code="json_validate_failed")
            if bad
            else completion("refund")
        )

    with bench(script) as b:
        reply = one_reply(b.model.answer_one(ask()))
        assert not b.model.form.schema
    assert (reply.form, reply.attempts) == ("plain", 4)


def test_a_rate_limit_while_trying_without_the_schema_is_waited_out():
    plain = [error(429, retry_after="1"), completion("billing")]
    with bench(lambda _n, body: error(400, "no") if "response_format" in body else plain.pop(0)) as b:
        assert one_reply(b.model.answer_one(ask())).form == "plain"


def test_calls_in_flight_together_each_adapt():
    def script(_number: int, body: dict) -> Reply:
        return error(400, "response_format: no") if "response_format" in body else completion("billing")

    with bench(script, concurrency=6) as b:
        assert all(isinstance(o, ChatReply) for o in b.model.answer(asks(12)))


# --- wrong key, name, address ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_at_the_first_call(status):
    with bench(in_turn(error(status, f"Incorrect API key provided: {KEY}")), concurrency=2) as b:
        with pytest.raises(ModelUnavailable) as caught:
            list(b.model.answer(asks(500)))
        assert len(b.server.requests) <= 4
    assert "TOR_API_KEY" in str(caught.value)
    assert KEY not in str(caught.value)


def test_an_unknown_model_and_an_empty_account_stop_the_run_too():
    for reply in (error(404, "model not found"), error(429, "quota", code="insufficient_quota")):
        with bench(in_turn(reply)) as b, pytest.raises(ModelUnavailable):
            b.model.answer_one(ask())
        assert len(b.server.requests) == 1


def test_a_key_that_is_refused_once_in_the_middle_costs_one_item():
    with bench(in_turn(completion(), error(401), completion()), concurrency=1) as b:
        outcomes = list(b.model.answer(asks(4)))
    kinds = [o.kind if isinstance(o, Failure) else None for o in outcomes]
    assert kinds == [None, FailureKind.AUTHENTICATION, None, None]


def test_refusals_that_are_not_in_a_row_never_stop_the_run():
    def script(number: int, _body: object) -> Reply:
        return completion() if number % 2 == 0 else error(401)

    with bench(script, concurrency=1) as b:
        assert len(list(b.model.answer(asks(60)))) == 60


def test_a_key_that_runs_out_stops_the_run_after_a_row_of_refusals():
    with bench(in_turn(completion(), error(401)), concurrency=1) as b:
        got = []
        with pytest.raises(ModelUnavailable):
            for outcome in b.model.answer(asks(100)):
                got.append(outcome)
    assert 5 < len(got) < 20


def test_an_address_where_nothing_answers_stops_the_run():
    with bench(in_turn(completion())) as b:
        address = b.server.address
    settings = ModelSettings(cache=Path("unused"), api_base=address, max_retries=1)
    skipped = SkippedTime()
    model = open_served_chat(
        "openai/served", settings, outside=Outside(clock=skipped.clock, sleep=skipped.sleep, environ={})
    )
    with contextlib.closing(model), pytest.raises(ModelUnavailable, match="Nothing answers"):
        list(model.answer(asks(20)))


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai/gpt-6-luna", "OPENAI_API_KEY"),
        ("anthropic/claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("mistral/mistral-small-2603", "MISTRAL_API_KEY"),
    ],
)
def test_a_missing_key_is_named_before_any_call(model, variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ModelUnavailable) as caught:
        open_served_chat(model, ModelSettings(cache=Path("unused")), outside=Outside(environ={}))
    assert variable in str(caught.value)


def test_offline_refuses_what_is_not_on_this_machine():
    for api_base in (None, "https://llm.example.com/v1", "http://10.0.0.5:8000/v1"):
        settings = ModelSettings(cache=Path("unused"), offline=True, api_base=api_base)
        with pytest.raises(ModelUnavailable, match="--offline"):
            open_served_chat("openai/served", settings, outside=Outside(environ={"OPENAI_API_KEY": "x"}))
    with bench(in_turn(completion()), offline=True) as b:
        one_reply(b.model.answer_one(ask()))


def test_a_name_litellm_does_not_know_is_refused():
    with pytest.raises(ModelUnavailable, match="no provider"):
        open_served_chat("nonsense", ModelSettings(cache=Path("unused")), outside=Outside(environ={}))


def test_a_providers_own_key_is_not_sent_to_a_server_on_this_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-real-one-1234567890")
    with bench(in_turn(completion()), environ={"OPENAI_API_KEY": "sk-the-real-one-1234567890"}) as b:
        b.model.answer_one(ask())
    with bench(in_turn(completion())) as c:
        c.model.answer_one(ask())
    assert b.server.authorisations == ["Bearer none"]
    assert c.server.authorisations == [f"Bearer {KEY}"]


def test_a_redirect_to_another_host_gets_neither_ticket_nor_key():
    with scripted(in_turn(completion())) as thief:
        away = Reply(status=307, headers={"location": f"{thief.address}/chat/completions"})
        with bench(in_turn(away)) as b:
            with pytest.raises(ModelUnavailable, match="led away") as caught:
                b.model.answer_one(ask())
            assert thief.requests == []
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "model", ["anthropic/claude-haiku-4-5", "mistral/mistral-small", "gemini/gemini-2.5-flash"]
)
def test_no_kind_of_client_follows_a_redirect_to_another_host(model):
    with scripted(in_turn(completion())) as thief:
        away = Reply(status=307, headers={"location": f"{thief.address}/x"})
        with scripted(in_turn(away)) as server:
            settings = ModelSettings(cache=Path("unused"), api_base=server.address, max_retries=0)
            chat = open_served_chat(model, settings, outside=Outside(environ={"TOR_API_KEY": KEY}))
            with contextlib.closing(chat), pytest.raises(ModelUnavailable, match="led away"):
                chat.answer_one(ask())
        assert len(server.requests) == 1
        assert thief.requests == []


def test_a_redirect_on_the_same_host_is_followed():
    def script(number: int, _body: object) -> Reply:
        if number == 0:
            return Reply(status=307, headers={"location": "/v1/elsewhere"})
        return completion()

    with bench(script) as b:
        assert one_reply(b.model.answer_one(ask())).attempts == 1


def test_an_address_from_a_variable_only_litellm_reads_gets_nothing(monkeypatch):
    with scripted(in_turn(completion())) as other:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-real-1234567890")
        monkeypatch.setenv("ANTHROPIC_API_BASE", other.address)
        outside = Outside(environ={"ANTHROPIC_API_KEY": "sk-ant-real-1234567890"})
        chat = open_served_chat(
            "anthropic/claude-haiku-4-5", ModelSettings(cache=Path("unused")), outside=outside
        )
        with contextlib.closing(chat), pytest.raises(ModelUnavailable, match="led away"):
            chat.answer_one(ask())
        assert other.requests == []


def test_a_body_without_end_is_cut_off_and_an_error_body_is_cut_short():
    long = Reply(body={**completion().body, "padding": "x" * (5 * 1024 * 1024)})  # type: ignore[dict-item]
    with bench(in_turn(long)) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts) == (FailureKind.BAD_RESPONSE, 1)
    assert "longer than" in failure.message
    with bench(in_turn(error(413, "context length " + "x-" * 750_000))) as b:
        assert len(one_failure(b.model.answer_one(ask())).message) < 300


def test_a_body_nested_without_end_is_a_failure():
    for status in (200, 400):
        nested = Reply(status=status, body=b'{"error":' + b"[" * 60_000)
        with bench(in_turn(nested)) as b:
            one_failure(b.model.answer_one(ask()))


def test_a_proxy_in_the_environment_does_not_see_calls_to_this_machine(monkeypatch):
    with scripted(in_turn(completion("from the proxy"))) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.address.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "example.com")
        with bench(in_turn(completion())) as b:
            assert one_reply(b.model.answer_one(ask())).text != "from the proxy"
        assert proxy.requests == []


# --- what must not be printed ---------------------------------------------------------------------


def test_messages_carry_neither_key_nor_ticket(capfd, caplog):
    caplog.set_level("DEBUG")
    said = f"invalid value near '{TICKET}' for key {KEY}"
    script = in_turn(completion(), error(400, said), error(400, f"bad key {KEY} and sk-proj-abcdef123456"))
    with bench(script) as b:
        failures = [
            one_failure(o)
            for o in list(b.model.answer([ask("a"), ask("b"), ask("c")]))
            if isinstance(o, Failure)
        ]
    printed = capfd.readouterr()
    everything = " ".join([*(f.message for f in failures), printed.out, printed.err, caplog.text])
    assert len(failures) == 2
    assert KEY not in everything
    assert "abcdef123456" not in everything
    assert "Brno" not in everything
    assert "Give Feedback" not in everything


# --- budget ---------------------------------------------------------------------------------------


def flat_cost(usage: Usage) -> Decimal | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return Decimal("0.001") * (usage.input_tokens + usage.output_tokens)


def flat_guard(budget: str) -> SpendGuard:
    return SpendGuard(Decimal(budget), per_token(Decimal("0.001"), Decimal("0.001")), flat_cost)


def test_the_run_stops_before_the_budget_and_keeps_what_was_computed():
    # a call costs 0.107; its worst case is below 0.5
    guard = flat_guard("3")
    got = []
    with bench(in_turn(completion()), guard=guard, concurrency=4) as b:
        with pytest.raises(OverBudget):
            for outcome in b.model.answer(asks(500)):
                got.append(outcome)
        assert len(b.server.requests) == len(got)
    assert guard.spent_usd == Decimal("0.107") * len(got)
    assert Decimal("2.4") < guard.spent_usd <= Decimal("3")
    assert guard.tally.reserved == 0


def test_an_unknown_price_makes_no_call():
    guard = SpendGuard(Decimal("3"), per_token(None, None), flat_cost)
    with bench(in_turn(completion()), guard=guard) as b:
        with pytest.raises(OverBudget):
            b.model.answer_one(ask())
        assert b.server.requests == []


def test_refused_calls_cost_nothing_and_lost_ones_their_worst_case():
    guard = flat_guard("100")
    with bench(in_turn(completion(), error(429), completion()), guard=guard) as b:
        b.model.answer_one(ask())
        b.model.answer_one(ask())
    assert guard.spent_usd == Decimal("0.214")
    guard = flat_guard("100")
    with bench(in_turn(Reply(body={}, delay_s=9.0)), guard=guard, timeout_s=0.2, max_retries=0) as b:
        one_failure(b.model.answer_one(ask()))
    assert guard.spent_usd > 0


def test_with_one_fault_in_five_every_question_is_settled_once_and_money_is_what_the_server_counted():
    one_fault_in_five(300)


def one_fault_in_five(count: int) -> None:
    faults = (
        error(429, retry_after="1"),
        error(503),
        completion(None, finish="content_filter"),  # billed, as the next one
        completion(""),
    )
    billed = {"calls": 0}
    drawn = random.Random(5)

    def script(number: int, body: dict[str, object]) -> Reply:
        reply = drawn.choice(faults) if drawn.random() < 0.2 else completion()
        billed["calls"] += reply.status == 200
        return reply

    guard = flat_guard("1000")
    with bench(script, guard=guard, concurrency=8, max_retries=3) as b:
        outcomes = list(b.model.answer(asks(count)))
        sent = len(b.server.requests)
    assert sorted(one.item_id for one in outcomes) == sorted(f"t{n}" for n in range(count))
    assert sum(one.attempts for one in outcomes) == sent > count
    failed = [one for one in outcomes if isinstance(one, Failure)]
    assert failed and {one.kind for one in failed} <= set(FailureKind)
    assert all(
        isinstance(one, ChatReply) and read_label(one.text, CHOICES) for one in outcomes if one not in failed
    )
    assert guard.spent_usd == Decimal("0.107") * billed["calls"]
    tokens = sum(
        one.usage.input_tokens + one.usage.output_tokens for one in outcomes if one.usage is not None
    )
    assert tokens == 107 * billed["calls"], "what is stored with the answers is what is billed"


@sizes(max_examples=60)
@given(st.text(max_size=300))
def test_the_worst_case_is_never_below_a_tokenizers_count(text):
    request = ask("t", text)
    model = open_served_chat(
        "openai/served",
        ModelSettings(cache=Path("unused"), api_base="http://127.0.0.1:9/v1"),
        outside=Outside(environ={}),
    )
    with contextlib.closing(model):
        assert most_input_tokens(request, Form(schema=False)) >= model.count_tokens(request.messages)


def test_token_counts_grow_with_the_text_and_ask_nobody():
    with bench(in_turn(completion())) as b:
        short, long = (b.model.count_tokens(ask("t", text).messages) for text in ("Hi", "Hi there " * 50))
        assert 0 < short < long
        assert b.server.requests == []
