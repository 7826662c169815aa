"""Labels are read back from any reasonable wrapping, and never guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from harness.tasks.labels import answer_text, read_label

QUEUES = ("card", "card_payment", "refund_request", "sign_in", "json_import", "C++", "C#")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("refund_request", "refund_request"),
        ("refund request", "refund_request"),
        ("  Refund Request.\n", "refund_request"),
        ('"refund request"', "refund_request"),
        ("`refund_request`", "refund_request"),
        ('{"label": "refund request"}', "refund_request"),
        ('{"label": "refund_request", "why": "a card was charged"}', "refund_request"),
        ('```json\n{"label": "refund_request"}\n```', "refund_request"),
        ("```\nrefund_request\n```", "refund_request"),
        ("Label: refund_request", "refund_request"),
        ("The label is refund request, I think.", "refund_request"),
        ("I do not know for sure, but this looks like a refund request.", "refund_request"),
        ("card payment", "card_payment"),
        ("It is card payment.", "card_payment"),
        ("json import", "json_import"),
        ("JSON import", "json_import"),
        ("C++", "C++"),
        ('{"label": "C#"}', "C#"),
    ],
)
def test_wrappings_are_seen_through(answer: str, label: str) -> None:
    assert read_label(answer, QUEUES) == label


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   ",
        "null",
        '{"label": null}',
        '{"label": ["card"], "other": "sign_in"}',
        "card or sign in",
        "This is not a refund request.",
        "It isn't sign in",
        "kein json import",
        "card payment, or rather card",
        "cards",
        "refund",
        "c",
        "I do not know",
        "the words go on " * 40 + "card",
    ],
)
def test_what_names_none_or_several_is_no_answer(answer: str) -> None:
    assert read_label(answer, QUEUES) is None


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ('{"category": "billing", "reason": "not shipping"}', "billing"),
        ('```json\n{"category": "billing", "reason": "not shipping"}\n```', "billing"),
        ('[{"answer": {"value": "Billing", "why": "shipping is not meant"}}]', "billing"),
        ('{"first": "billing", "second": "shipping"}', None),
        ('{"category": "neither", "reason": "not shipping, not billing"}', None),
    ],
)
def test_of_a_json_answer_the_value_that_is_a_label_counts(answer: str, label: str | None) -> None:
    assert read_label(answer, ["billing", "shipping"]) == label


def test_labels_that_differ_in_signs_only_are_not_mixed_up() -> None:
    assert read_label("c++", ("C++", "C#")) is None, "in small letters it could be either"
    assert read_label("a b", ("a_b", "a b")) is None, "both are shown to the model with these words"
    assert read_label("a_b", ("a_b", "a b")) == "a_b"


def test_a_label_without_words_is_not_every_empty_answer() -> None:
    assert read_label("", ("\U0001f44d", "no")) is None
    assert read_label("!!", ("\U0001f44d", "no")) is None
    assert read_label("\U0001f44d", ("\U0001f44d", "no")) == "\U0001f44d"


def test_a_name_within_a_longer_name_counts_only_where_it_stands_alone() -> None:
    labels = ("art", "party_time")
    assert read_label("it is party time", labels) == "party_time"
    assert read_label("art and party time", labels) is None


def test_numbers_may_be_labels() -> None:
    assert read_label('{"label": 3}', ("3", "4")) == "3"
    assert read_label('{"label": true}', ("true", "false")) == "true"


NAMES = st.lists(
    st.from_regex(r"[^\W_]+([_ -][^\W_]+){0,2}", fullmatch=True).filter(lambda s: len(s) < 25),
    min_size=1,
    max_size=5,
    unique_by=lambda s: answer_text(s.replace("-", " ")).casefold(),
)
WRAPPINGS = (
    str,
    answer_text,
    lambda s: f"  {s}\n",
    lambda s: f'"{s}"',
    lambda s: json.dumps({"label": s}),
    lambda s: json.dumps({"label": answer_text(s)}, ensure_ascii=False),
    lambda s: f"```json\n{json.dumps({'label': s})}\n```",
    lambda s: f"{s}.",
)


@given(NAMES, st.sampled_from(WRAPPINGS), st.data())
@example(["json", "label x"], WRAPPINGS[6], None)
def test_any_label_is_read_back(names: list[str], wrap, data) -> None:
    for name in names if data is None else [data.draw(st.sampled_from(names))]:
        assert read_label(wrap(name), names) == name


@given(NAMES, st.sampled_from((str.upper, str.lower, str.title, str.swapcase)), st.data())
def test_case_does_not_matter_where_it_is_reversible(names: list[str], turn, data) -> None:
    name = data.draw(st.sampled_from(names))
    assume(turn(name).casefold() == name.casefold())
    assert read_label(turn(name), names) == name


@given(NAMES.filter(lambda names: len(names) > 1), st.data())
def test_two_labels_in_one_answer_are_never_one(names: list[str], data) -> None:
    one, two = data.draw(st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True))
    found = read_label(f"{one} | {two}", names)
    assert found is None


@given(st.text(max_size=60), NAMES)
def test_nothing_makes_it_fail(answer: str, names: list[str]) -> None:
    assert read_label(answer, names) in {None, *names}


NAMES = ("billing", "login problem", "Ärger")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("It could be billing.\n</think>\n\nlogin problem", "login problem"),
        ('\n\n<think>\nMaybe billing?\n</think>\n\n{"label": "login problem"}', "login problem"),
        ("<thought>billing?</thought>login problem", "login problem"),
        (
            "<|channel|>analysis<|message|>billing?<|end|><|channel|>final<|message|>login problem",
            "login problem",
        ),
        ("<think>It must be billing", None),
        ("billing\n\nThe message is not about a login problem.", "billing"),
        ("billing\n" + "and so on " * 100, "billing"),
        ("login problem<|im_end|></s>", "login problem"),
        ("A\u0308rger", "Ärger"),
    ],
)
def test_thoughts_are_no_answer_and_explanations_after_it_do_no_harm(answer: str, label: str | None) -> None:
    assert read_label(answer, NAMES) == label


@pytest.mark.parametrize(
    "part", ["[", '{"a":', "`", "<think>", "<|im_end|>", "label:", "``` ", '"', "\n", "a-"]
)
def test_a_long_answer_of_one_part_is_no_label(part: str) -> None:
    """Nesting without end is no error, and nothing reads an answer more than a few times."""
    for start in ("", '{"label": ', "```"):
        assert read_label(start + part * 20_000, NAMES) is None
