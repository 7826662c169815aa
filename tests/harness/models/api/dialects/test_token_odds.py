"""How likely each answer was, from tokens and their alternatives; expected shares are by hand."""

from __future__ import annotations

import math

import pytest

from harness.core.records import Choices
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.dialects.token_odds import answer_odds
from tests.harness.models.api.dialects.recorded import chat


def token(piece: str, **odds: float) -> dict[str, object]:
    """An entry of `logprobs.content`; `odds` are probabilities of pieces, `_` in a name is a quote."""
    listed = {name.replace("_", '"'): share for name, share in odds.items()}
    entry = [
        {"token": name, "bytes": list(name.encode()), "logprob": math.log(share)}
        for name, share in listed.items()
    ]
    own = listed.get(piece, 1.0)
    return {
        "token": piece,
        "bytes": list(piece.encode()),
        "logprob": math.log(own),
        "top_logprobs": entry,
    }


def shares(text: str, entries: list[dict[str, object]], *answers: str) -> list[float]:
    odds = answer_odds(text, entries, answers)
    assert odds is not None
    assert math.isclose(sum(math.exp(value) for value in odds), 1.0)
    return [round(math.exp(value), 3) for value in odds]


OPENING = [token('{"'), token("label"), token('":'), token(' "')]


def test_the_first_token_of_the_label_divides_the_answers():
    entries = [*OPENING, token("bill", bill=0.7, ref=0.2, log=0.1), token("ing"), token('"}')]
    assert shares('{"label": "billing"}', entries, "billing", "refund", "login") == [0.7, 0.2, 0.1]


def test_later_tokens_divide_what_the_first_have_left():
    entries = [*OPENING, token("re", re=0.8, bill=0.2), token("fund", fund=0.5, turn=0.5), token('"}')]
    assert shares('{"label": "refund"}', entries, "billing", "refund", "return") == [0.2, 0.4, 0.4]


def test_a_closing_quote_tells_an_answer_from_one_that_it_begins():
    entries = [*OPENING, token("bill"), token('"', _=0.6, ing=0.4), token("}")]
    assert shares('{"label": "bill"}', entries, "bill", "billing") == [0.6, 0.4]


def test_a_label_that_counts_as_one_token_is_read_whatever_wraps_it():
    """As `harness serve` answers: the label as one token, the likeliest other labels beside it."""
    entries = [token("refund", refund=0.6, re=0.3)]
    assert shares('{"label": "refund"}', entries, "re", "refund", "login", "news") == [0.3, 0.6, 0.05, 0.05]


def test_what_can_begin_no_answer_does_not_count():
    entries = [*OPENING, token("bill", bill=0.3, Hmm=0.4, ref=0.3), token("ing"), token('"}')]
    assert shares('{"label": "billing"}', entries, "billing", "refund") == [0.5, 0.5]


def test_what_is_not_listed_is_shared_by_the_answers_that_nothing_begins():
    entries = [*OPENING, token("bill", bill=0.9), token("ing"), token('"}')]
    assert shares('{"label": "billing"}', entries, "billing", "refund", "login") == [0.9, 0.05, 0.05]


def test_a_label_in_plain_words_is_read_too():
    entries = [token("bill", bill=0.75, ref=0.25), token("ing"), token("\n"), token("because")]
    assert shares("billing\nbecause", entries, "billing", "refund") == [0.75, 0.25]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("billing", []),
        ("neither", [token("neither")]),
        ("billing", [{"token": "billing"}]),  # a token that decides, without a word on how likely it was
        ("billing", [{"token": 7}]),
        ("billing", ["billing"]),
        ("billing", [token("refund")]),
    ],
)
def test_where_tokens_do_not_tell_there_are_no_odds(text, entries):
    assert answer_odds(text, entries, ("billing", "refund")) is None


def test_an_answer_whose_endpoint_lists_alternatives_carries_them():
    entries = [*OPENING, token("bill", bill=0.75, ref=0.25), token("ing"), token('"}')]
    body = chat()
    body["choices"][0]["logprobs"] = {"content": entries}
    answer = read_answer(body, 80, Choices(answers=("refund", "billing")))
    assert isinstance(answer, ReceivedAnswer) and answer.choice_logprobs is not None
    assert [round(math.exp(value), 2) for value in answer.choice_logprobs] == [0.25, 0.75]
