"""A stream of events, put together to the completion that it would have been."""

from __future__ import annotations

import json

import pytest

from harness.core.records import Choices
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.dialects.streamed import says_something, whole

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def event(delta: dict[str, object], **more: object) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}
    return "data: " + json.dumps({"model": "m-1", "choices": [choice], **more}) + "\n\n"


def test_pieces_become_one_answer_with_its_usage():
    pieces = [
        event({"role": "assistant", "content": ""}),
        event({"content": "bil"}),
        event({"content": "ling"}),
    ]
    last = [
        event({}, finish="stop"),
        f"data: {json.dumps({'choices': [], 'usage': USAGE})}\n\n",
        "data: [DONE]\n\n",
    ]
    body = whole("".join(pieces + last))
    assert body is not None
    answer = read_answer(body, 10, Choices(answers=("billing", "refund")))
    assert isinstance(answer, ReceivedAnswer)
    assert (answer.text, answer.served_by) == ("billing", "m-1")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (9, 2)


def test_the_odds_of_streamed_tokens_are_kept():
    def listed(piece: str, *others: tuple[str, float]) -> dict[str, object]:
        top = [{"token": name, "logprob": value} for name, value in others]
        return {"content": [{"token": piece, "logprob": -0.1, "top_logprobs": top}]}

    def said(piece: str, *others: tuple[str, float]) -> str:
        choice = {"index": 0, "delta": {"content": piece}, "logprobs": listed(piece, *others)}
        return "data: " + json.dumps({"choices": [choice]}) + "\n\n"

    text = said("bill", ("bill", -0.1), ("ref", -2.4)) + said("ing") + event({}, finish="stop")
    body = whole(text)
    assert body is not None
    answer = read_answer(body, 10, Choices(answers=("billing", "refund")))
    assert isinstance(answer, ReceivedAnswer) and answer.choice_logprobs is not None
    assert answer.choice_logprobs[0] > answer.choice_logprobs[1]


def test_a_stream_that_broke_off_is_no_answer():
    body = whole(event({"content": "bil"}))
    assert body is not None
    assert not isinstance(read_answer(body, 10, Choices(answers=("billing", "refund"))), ReceivedAnswer)


@pytest.mark.parametrize("text", ["", "<html>", "{not json", "data: [DONE]\n\n"])
def test_what_is_no_stream_is_nothing(text):
    assert whole(text) is None


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None}, False),
        ({}, False),
        ({"content": "b"}, True),
        ({"reasoning_content": "hm"}, True),
    ],
)
def test_the_first_word_is_told_from_the_piece_that_only_says_who_speaks(delta, said):
    assert says_something(event(delta).encode()) is said
