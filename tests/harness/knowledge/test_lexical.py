"""BM25 against the formula written out a second time, in plain Python."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from harness.knowledge.lexical import LexicalIndex, tokenise, words_and_beginnings

TEXTS = [
    "my card was declined",
    "card payment declined twice, the card is new",
    "how do I export my invoices",
    "",
    "Rechnung exportieren",
]


def bm25(texts: list[str], query: str, k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Lucene's BM25: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), no (k1 + 1) in the numerator."""
    rows = [text.lower().replace(",", "").split() for text in texts]
    mean = sum(map(len, rows)) / len(rows)
    scores = []
    for row in rows:
        score = 0.0
        for word in query.lower().split():
            df = sum(word in other for other in rows)
            idf = math.log(1 + (len(rows) - df + 0.5) / (df + 0.5))
            tf = row.count(word)
            score += idf * tf / (tf + k1 * (1 - b + b * len(row) / mean))
        scores.append(score)
    return scores


@pytest.mark.parametrize("query", ["card declined", "my card card", "export invoices now", "Rechnung"])
def test_scores_are_those_of_the_formula(query: str) -> None:
    scores = LexicalIndex.build(TEXTS).scores(query)
    expected = [score if score > 0 else -np.inf for score in bm25(TEXTS, query)]
    assert scores == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("query", ["", "!!!", "unheard words"])
def test_rows_that_share_no_word_are_hidden(query: str) -> None:
    assert np.isneginf(LexicalIndex.build(TEXTS).scores(query)).all()


def test_texts_without_words() -> None:
    index = LexicalIndex.build(["", "!?"])
    assert len(index) == 2
    assert np.isneginf(index.scores("card")).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't PAY \u20ac5.50!", ["don", "t", "pay", "5", "50"]),
        ("Stra\u00dfe \ufb01ne \uff21\uff22\uff23", ["strasse", "fine", "abc"]),
        (
            "\u53d1\u7968\u95ee\u9898 abc\u8d26",
            ["\u53d1\u7968", "\u7968\u95ee", "\u95ee\u9898", "abc", "\u8d26"],
        ),
        ("\u0441\u0447\u0451\u0442 \u0644\u0627", ["\u0441\u0447\u0451\u0442", "\u0644\u0627"]),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    assert tokenise(text) == words


def test_saved_and_loaded_it_scores_the_same(tmp_path: Path) -> None:
    index = LexicalIndex.build(TEXTS)
    index.save(tmp_path)
    again = LexicalIndex.load(tmp_path)
    for query in ("card declined", "export", "nothing"):
        assert np.array_equal(index.scores(query), again.scores(query))
    empty = tmp_path / "empty"
    LexicalIndex.build(["?"]).save(empty)
    assert len(LexicalIndex.load(empty)) == 1


def test_words_meet_by_their_beginnings_and_whole_words_count_more(tmp_path: Path) -> None:
    assert words_and_beginnings("Bookings by PO-12345") == [
        *("bookings", "~booki", "by", "~by", "po", "~po", "12345", "~12345")
    ]
    texts = ["all bookings of rooms", "we booked a lift", "rooms are on the first floor", "snow", "rain"]
    assert np.isneginf(LexicalIndex.build(texts).scores("booking")).all()
    index = LexicalIndex.build(texts, words_and_beginnings)
    assert np.isfinite(index.scores("booking")).tolist() == [True, False, False, False, False]
    codes = LexicalIndex.build(["ticket INC100211", "ticket INC100212"], words_and_beginnings)
    assert codes.scores("inc100212")[1] > codes.scores("inc100212")[0]
    index.save(tmp_path)
    again = LexicalIndex.load(tmp_path, words_and_beginnings)
    assert again.scores("booking").tolist() == index.scores("booking").tolist()
