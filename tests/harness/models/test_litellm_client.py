"""The served model against a scripted server on loopback: every outcome, fault and promise.

Pauses are skipped by a clock of the test's own, which sleeping moves; calls are real.
"""

from __future__ import annotations

import asyncio
import contextlib
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

from advisor.cost.usage import Usage
from harness.errors import ModelUnavailable, OverBudget
from harness.models.base import ChatReply, ChatRequest
from harness.models.budget import SpendGuard, per_token
from harness.models.litellm_asking import Outside
from harness.models.litellm_calls import REASONING_ROOM, Form, most_input_tokens
from harness.models.litellm_client import LitellmChat, open_litellm_chat
from harness.models.settings import ModelSettings
from harness.prompts.labels import read_label
from harness.records import Failure, FailureKind, Message
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
        await asyncio.sleep(0)


def ask(name: str = "t1", text: str = TICKET) -> ChatRequest:
    messages = (
        Message(role="system", content="Classify the message into one label."),
        Message(role="user", content=text),
    )
    return ChatRequest(item_id=name, messages=messages, choices=CHOICES)


def asks(count: int) -> list[ChatRequest]:
    return [ask(f"t{n}", f"ticket number {n}") for n in range(count)]


class Bench:
    """A scripted server and a client of it."""

    def __init__(self, server: ScriptedServer, model: LitellmChat, time_: SkippedTime) -> None:
        self.server, self.model, self.time = server, model, time_


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
        model = open_litellm_chat("openai/served", chosen, guard=guard, outside=outside)
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


# --- many at once ---------------------------------------------------------------------------------


def test_every_request_has_exactly_one_outcome_and_no_more_than_allowed_are_in_flight():
    def script(number: int, _body: object) -> Reply:
        if number % 5 == 0:
            return error(400, "bad")
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
        assert time.perf_counter() - began < 5
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
    ("status", "kind"),
    [(400, FailureKind.BAD_REQUEST), (413, FailureKind.TOO_LONG), (422, FailureKind.BAD_REQUEST)],
)
def test_faults_of_the_request_are_not_tried_again(status, kind):
    with bench(in_turn(error(status, "no"))) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, len(b.server.requests)) == (kind, 1, 1)
    assert b.time.slept == []


def test_a_server_error_that_stays_is_tried_three_times_in_all():
    with bench(in_turn(error(500)), max_retries=10) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, len(b.server.requests)) == (FailureKind.SERVER, 3, 3)


def test_a_rate_limit_that_stays_ends_after_the_retries_allowed():
    with bench(in_turn(error(429)), max_retries=3) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, len(b.server.requests)) == (FailureKind.RATE_LIMIT, 4, 4)


def test_no_retries_fails_at_once():
    with bench(in_turn(error(429, retry_after="1"), completion()), max_retries=0) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts, b.time.slept) == (FailureKind.RATE_LIMIT, 1, [])


def test_a_pause_of_an_hour_is_not_waited_for():
    with bench(in_turn(error(429, retry_after="3600"), completion())) as b:
        assert one_failure(b.model.answer_one(ask())).kind is FailureKind.RATE_LIMIT
        assert b.time.slept == []


def test_a_server_that_hangs_is_a_timeout():
    with bench(in_turn(Reply(body={}, delay_s=20.0)), timeout_s=0.3, max_retries=1) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts) == (FailureKind.TIMEOUT, 2)


def test_an_answer_that_drips_in_is_a_timeout_of_the_whole_call():
    drip = Reply(body=completion().body, drip_s=0.1)
    with bench(in_turn(drip), timeout_s=0.5, max_retries=0) as b:
        began = time.perf_counter()
        failure = one_failure(b.model.answer_one(ask()))
        assert time.perf_counter() - began < 3.0
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


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"{not json"),
        Reply(body={"id": "x"}),
        Reply(body={**completion().body, "choices": []}),  # type: ignore[dict-item]
        completion(""),
        completion(None),
    ],
    ids=["malformed", "no choices", "empty choices", "empty text", "no text"],
)
def test_an_unreadable_response_is_a_failure_at_once(reply):
    with bench(in_turn(reply)) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert (failure.kind, failure.attempts) == (FailureKind.BAD_RESPONSE, 1)


def test_a_truncated_answer_is_a_failure_with_its_tokens():
    with bench(in_turn(completion('{"label": "bil', finish="length"))) as b:
        failure = one_failure(b.model.answer_one(ask()))
    assert failure.kind is FailureKind.BAD_RESPONSE
    assert "cut off" in failure.message
    assert failure.usage is not None
    assert failure.usage.output_tokens == 7


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
        assert b.model.answer_mode == "json-schema"
        first, second = (one_reply(b.model.answer_one(ask(n))) for n in ("a", "b"))
        assert b.model.answer_mode == ("plain" if refused == "response_format" else "json-schema")
    assert (first.attempts, second.attempts) == (2, 1)
    assert refused not in b.server.requests[-1]
    if refused == "max_tokens":
        assert "max_completion_tokens" in b.server.requests[-1]


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
    model = open_litellm_chat(
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
        open_litellm_chat(model, ModelSettings(cache=Path("unused")), outside=Outside(environ={}))
    assert variable in str(caught.value)


def test_offline_refuses_what_is_not_on_this_machine():
    for api_base in (None, "https://llm.example.com/v1", "http://10.0.0.5:8000/v1"):
        settings = ModelSettings(cache=Path("unused"), offline=True, api_base=api_base)
        with pytest.raises(ModelUnavailable, match="--offline"):
            open_litellm_chat("openai/served", settings, outside=Outside(environ={"OPENAI_API_KEY": "x"}))
    with bench(in_turn(completion()), offline=True) as b:
        one_reply(b.model.answer_one(ask()))


def test_a_name_litellm_does_not_know_is_refused():
    with pytest.raises(ModelUnavailable, match="no provider"):
        open_litellm_chat("nonsense", ModelSettings(cache=Path("unused")), outside=Outside(environ={}))


def test_a_providers_own_key_is_not_sent_to_a_server_on_this_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-real-one-1234567890")
    with bench(in_turn(completion()), environ={"OPENAI_API_KEY": "sk-the-real-one-1234567890"}) as b:
        b.model.answer_one(ask())
    with bench(in_turn(completion())) as c:
        c.model.answer_one(ask())
    assert b.server.authorisations == ["Bearer none"]
    assert c.server.authorisations == [f"Bearer {KEY}"]


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
    assert guard.reserved_usd == 0


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
    assert guard.spent_usd == guard.assumed_usd > 0


@sizes(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_the_worst_case_is_never_below_a_tokenizers_count(text):
    request = ask("t", text)
    model = open_litellm_chat(
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
