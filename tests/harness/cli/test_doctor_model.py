"""`harness doctor --model`: one call that was agreed to, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.desk import Command
from tests.support.scripted_server import Reply, ScriptedServer, completion, error, scripted

MODEL = "openai/gateway"
YES = completion('{"label": "yes"}')


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(lambda _number, _body: YES) as running:
        yield running


def told(harness: Command, server: ScriptedServer, *more: str) -> dict[str, Any]:
    said = harness("doctor", "--model", MODEL, "--api-base", server.address, "--yes", "--json", *more)
    assert said.code in (0, 1), said.err
    return {check["what"]: check for check in json.loads(said.out)}


def test_one_call_tells_how_a_model_is_reached_and_what_it_takes(
    harness: Command, server: ScriptedServer
) -> None:
    found = told(harness, server, "--price", f"{MODEL}=1/2")
    assert len(server.requests) == 1
    assert found["address"]["found"] == server.address
    assert "called directly" in found["dialect"]["found"]
    assert found["answer"]["ok"] and found["form of the answer"]["found"] == "a JSON schema holds it"
    assert "served-1" in found["what answered"]["found"] and "ms" in found["latency"]["found"]
    assert found["tokens"]["found"] == "100 input, 7 output"
    assert found["price"]["ok"] and "this call $0.000114" in found["price"]["found"]


def test_what_a_model_refuses_is_left_out_and_said(harness: Command, server: ScriptedServer) -> None:
    refusal = error(400, "response_format is not supported by this model")
    server.script = lambda _number, body: refusal if "response_format" in body else completion("Yes.")
    found = told(harness, server)
    assert found["answer"]["ok"] and found["form of the answer"]["found"] == "the prompt alone holds it"
    assert "at attempt 2" in found["latency"]["found"]


def test_a_parameter_that_is_not_taken_is_named(harness: Command, server: ScriptedServer) -> None:
    refusal = error(400, "Unsupported value: temperature does not support 0 with this model")
    server.script = lambda _number, body: refusal if "temperature" in body else YES
    assert "temperature" in told(harness, server)["not taken"]["found"]


def test_an_unknown_price_is_said_with_the_way_to_state_it(harness: Command, server: ScriptedServer) -> None:
    found = told(harness, server)
    assert not found["price"]["ok"] and f"--price {MODEL}=" in found["price"]["run"]


@pytest.mark.parametrize(
    ("reply", "what", "run"),
    [
        (error(503, "overloaded"), "server-error", "later"),
        (error(429, "slow down"), "rate-limit", "--rpm"),
        (Reply(body={"odd": 1}), "bad-response", "/v1"),
        (completion("maybe"), "'yes' was asked for", "larger model"),
        (completion('{"label": "no"}'), "'yes' was asked for", "larger model"),
    ],
)
def test_a_failure_says_what_to_do(
    harness: Command, server: ScriptedServer, reply: Reply, what: str, run: str
) -> None:
    server.script = lambda _number, _body: reply
    said = harness("doctor", "--model", MODEL, "--api-base", server.address, "--yes")
    assert said.code == 1 and what in said.out and run in said.out and "Traceback" not in said.err


@pytest.mark.parametrize(
    ("reply", "what"), [(error(401, "no"), "refuses access"), (error(404, "no such model"), MODEL)]
)
def test_a_wrong_key_or_name_is_an_error_in_words(
    harness: Command, server: ScriptedServer, reply: Reply, what: str
) -> None:
    server.script = lambda _number, _body: reply
    said = harness("doctor", "--model", MODEL, "--api-base", server.address, "--yes")
    assert said.code == 1 and what in said.err and "Traceback" not in said.err


def test_nothing_is_called_before_somebody_agrees(harness: Command, server: ScriptedServer) -> None:
    said = harness("doctor", "--model", MODEL, "--api-base", server.address)
    assert said.code == 2 and "--yes" in said.err and "One question of the program's own" in said.err
    assert harness("doctor", "--model", "smollm2-135m", "--yes").code == 2
    assert server.requests == []
