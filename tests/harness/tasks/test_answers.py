"""Free answers: what counts as the same, what is cited, and when the documents are said not to answer."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.answers import abstains, cited_places, is_right, token_f1, without_citations, words

TEXTS = st.text(alphabet=string.ascii_letters + string.digits + " .,-%€äßé'[]", max_size=60)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 July 2026", "01.07.2026"),
        ("July 1st, 2026", "2026-07-01"),
        ("15. März", "March 15"),
        ("€ 1.200", "EUR 1,200"),
        ("1 200 euros", "1200 EUR"),
        ("2,40 %", "2.4 percent"),
        ("two weeks", "2 weeks"),
        ("Zwei Wochen", "2 WOCHEN"),
        ("the team lead", "Team-Lead"),
        ("ﬁve", "5"),
    ],
)
def test_one_thing_in_two_ways_of_writing(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.2 days", "12 days"), ("-5", "5"), ("1 July", "7 January"), ("1 July 2026", "1 July 2027")],
)
def test_two_things_stay_two(one: str, other: str) -> None:
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("answer", "acceptable"),
    [
        ("You may carry over 6 days at most.", ("6", "6 days")),
        ("6", ("6 days", "6")),
        ("Yes, after five days it counts as agreed", ("yes",)),
        ("2 weeks before", ("two weeks",)),
        ("By 31.12.2026 at the latest", ("31 December 2026",)),
        ("They are not paid out", ("not paid out",)),
        ("Ja", ("yes", "ja")),
        ("It began on 6 October 1973", ("1973",)),
    ],
)
def test_right(answer: str, acceptable: tuple[str, ...]) -> None:
    assert is_right(answer, acceptable)


@pytest.mark.parametrize(
    ("answer", "acceptable"),
    [
        ("Statutory 20 you, with your lead at most 6 are carried over", ("6",)),  # which of the two?
        ("No, it counts as agreed", ("yes, it counts as agreed", "counts as agreed", "yes")),
        ("They are not paid out", ("paid out",)),
        ("There is no rule on that in the handbook", ("no",)),
        ("60 days", ("6 days",)),
        ("From 6 October 1973 to 3 May 1974", ("1973",)),
        ("On 6 October 1973, with 12 others", ("1973",)),
        ("Not 6 October 1973", ("1973",)),
        ("On 6 October", ("2000",)),
        ("", ("6",)),
        ("anything", ()),
        ("anything", ("...",)),
    ],
)
def test_not_right(answer: str, acceptable: tuple[str, ...]) -> None:
    assert not is_right(answer, acceptable)


def test_token_f1_by_hand() -> None:
    """'at most 6 days' against '6 days': 2 words of 4 and 2 of 2, so 2 * 2 / (4 + 2)."""
    assert token_f1("at most 6 days", ("6 days",)) == pytest.approx(2 / 3)
    assert token_f1("at most 6 days", ("six days", "at most six days")) == 1.0
    assert token_f1("nothing of that", ("6 days",)) == 0.0


@given(TEXTS)
def test_every_text_that_has_words_is_right_against_itself(text: str) -> None:
    assert is_right(text, (text,)) is bool(words(text))
    assert token_f1(text, (text,)) == float(bool(words(text)))


@given(TEXTS, TEXTS)
def test_token_f1_takes_both_alike_and_lies_within_0_and_1(one: str, other: str) -> None:
    assert 0.0 <= token_f1(one, (other,)) <= 1.0
    assert token_f1(one, (other,)) == token_f1(other, (one,))


@given(TEXTS)
def test_case_and_outer_punctuation_do_not_count(text: str) -> None:
    assert words(text.upper().replace("SS", "ss")) == words(text.replace("ß", "ss")) or "ß" in text
    assert words(f"  {text} ") == words(text)


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        ("Six days [p2].", (2,)),
        ("Six [P3, p1], seven [2]; eight [p3]", (3, 1, 2)),
        ("Six days", ()),
        ("[see 4] and [p]", ()),
    ],
)
def test_citations(answer: str, places: tuple[int, ...]) -> None:
    assert cited_places(answer) == places


def test_what_is_said_is_read_without_thoughts_citations_and_a_lead() -> None:
    assert without_citations("<think>hm [p9]</think>Answer: six days [p2]") == "six days"
    assert without_citations("[p1]") == ""


@pytest.mark.parametrize(
    "answer",
    [
        "Not in the documents.",
        "This is not stated in the passages",
        "The documents do not say it.",
        "I don’t know.",
        "Nicht in den Dokumenten.",
        "Das weiß ich nicht",
        "Je ne sais pas",
        "Niet in de documenten",
    ],
)
def test_abstaining(answer: str) -> None:
    assert abstains(answer)


@pytest.mark.parametrize(
    "answer",
    ["Six days", "No.", "Yes. The rest is not in the documents.", "Keep it in the documents folder", ""],
)
def test_not_abstaining(answer: str) -> None:
    assert not abstains(answer)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(is_right(text, (text[::-1],)), bool)
    assert isinstance(abstains(without_citations(text)), bool)
    assert all(place >= 0 for place in cited_places(text))


def test_counted_things_are_no_dates() -> None:
    """'out' is October in short in Portuguese, 'set' September in Italian: without a year they are words."""
    for text in ("12 out of 20", "5 set", "6 decisions", "4 marks"):
        assert not any(word.startswith("d:") for word in words(text)), text
    assert words("5 May") == words("May 5") == words("5. Mai")
