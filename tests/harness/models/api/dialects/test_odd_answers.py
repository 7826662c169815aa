"""Answers as gateways and servers of models are known to send them: on the wire, through a real client."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from harness.models.base import ChatReply
from tests.harness.models.api.test_client import ask, bench, one_failure
from tests.support.scripted_server import Reply, completion

SAID = '{"label": "billing"}'


def piece(content: object, finish: str | None = None, **delta: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}]}


def raw(event: object) -> str:
    return json.dumps(event, ensure_ascii=False)


def called(arguments: str, **more: object) -> dict[str, Any]:
    return {
        "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}, **more}]
    }


def stream(*events: object, between: str = "\n\n", end: str = "data: [DONE]\n\n") -> Reply:
    shown = [one if isinstance(one, str) else json.dumps(one) for one in events]
    text = "".join(f"data: {one}{between}" for one in shown) + end
    return Reply(body=text.encode(), headers={"content-type": "text/event-stream"})


def body(reply: Reply) -> bytes:
    return json.dumps(reply.body).encode()


def calls(*arguments: str) -> Reply:
    made = [{"id": str(n), "function": {"name": "f", "arguments": one}} for n, one in enumerate(arguments)]
    return completion(None, finish="tool_calls", tool_calls=made)


ESCAPED = r'{"choices":[{"delta":{"content":"\u00e9"},"finish_reason":"stop"}]}'
END = "data: [DONE]\r\n\r\n"
CALLED = (called('{"label":'), called(' "billing"}', finish_reason="tool_calls"))
READ = {
    "parts of another name": (completion([{"type": "output_text", "text": SAID}]), SAID),
    "parts without a type": (completion([{"text": SAID}]), SAID),
    "parts with a value": (completion([{"type": "text", "text": {"value": SAID}}]), SAID),
    "a call made twice": (calls(SAID, SAID), SAID),
    "parsed alone": (completion(None, parsed={"label": "billing"}), SAID),
    "digits as a number": (completion(5), "5"),
    "the same twice": (Reply(body=body(completion(SAID)) * 2), SAID),
    "packed without a word": (Reply(body=gzip.compress(body(completion(SAID)))), SAID),
    "in the charset that is stated": (
        Reply(
            body=json.dumps(completion("Größe").body, ensure_ascii=False).encode("latin-1"),
            headers={"content-type": "application/json; charset=iso-8859-1"},
        ),
        "Größe",
    ),
    "a letter in two halves": (stream(piece("x \ud83d"), piece("\ude00", "stop")), "x \U0001f600"),
    "half a letter": (completion("x \ud83d"), "x \ufffd"),
    "escapes split over pieces": (
        stream(r'{"choices":[{"delta":{"content":"\u00e9"},"finish_reason":"stop"}]}'),
        "é",
    ),
    "a line separator in the answer": (
        stream(raw(piece("a\u2028b")), raw(piece("\x85c", "stop"))),
        "a\u2028b\x85c",
    ),
    "lines that end in CRLF": (
        stream(piece(SAID, "stop"), between="\r\n\r\n", end="data: [DONE]\r\n\r\n"),
        SAID,
    ),
    "an event on two lines": (
        stream('{"choices": [{"delta":\ndata: {"content": "billing"}, "finish_reason": "stop"}]}'),
        "billing",
    ),
    "a call in pieces": (
        stream(called('{"label":'), called(' "billing"}', finish_reason="tool_calls")),
        SAID,
    ),
    "parts in pieces": (stream(piece([{"type": "text", "text": SAID}], "stop")), SAID),
    "all at once in a stream": (
        stream({"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]}),
        SAID,
    ),
    "pieces and then all": (
        stream(piece("bil"), {"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]}),
        SAID,
    ),
    "a plain completion in pieces": (
        stream({"choices": [{"text": "bil"}]}, {"choices": [{"text": "ling", "finish_reason": "stop"}]}),
        "billing",
    ),
    "JSON a line": (
        Reply(body="\n".join(map(json.dumps, (piece("bil"), piece("ling", "stop")))).encode()),
        "billing",
    ),
}


@pytest.mark.parametrize(("reply", "said"), READ.values(), ids=READ)
def test_an_answer_in_an_odd_form_is_read(reply: Reply, said: str) -> None:
    with bench(lambda _number, _body: reply) as tried:
        outcome = tried.model.answer_one(ask())
    assert isinstance(outcome, ChatReply), outcome
    assert outcome.text == said


CUT = stream(piece("bil"), '{"choices": [{"de', piece("ling", "stop"))
FAILED = stream(piece("bil"), {"error": {"message": "overloaded", "code": 502}})
FAULTS = {
    "a piece that was cut is not left out": (CUT, "broke off"),
    "an error in a stream": (FAILED, "502): overloaded"),
    "two calls that differ": (calls(SAID, '{"label": "refund"}'), "empty"),
    "two bodies that differ": (Reply(body=body(completion(SAID)) + body(completion("x"))), "no JSON object"),
    "not packed as it says": (
        Reply(body=body(completion(SAID)), headers={"content-encoding": "gzip"}),
        "not packed as its header says",
    ),
}


@pytest.mark.parametrize(("reply", "words"), FAULTS.values(), ids=FAULTS)
def test_an_answer_of_which_a_part_is_lost_is_none(reply: Reply, words: str) -> None:
    with bench(lambda _number, _body: reply, max_retries=1) as tried:
        failure = one_failure(tried.model.answer_one(ask()))
    assert words in failure.message
    assert failure.kind.value in ("bad-response", "server-error")
