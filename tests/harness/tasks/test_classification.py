"""Renderings: who says what, what is shown, and wording that is frozen under its version."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.options import Option
from harness.core.errors import DataError
from harness.core.records import Item, Label
from harness.tasks.classification import PROMPT_VERSION, ClassificationTask, answers_of, wording_version
from harness.tasks.labels import answer_text
from harness.tasks.records import Guide, PromptLimits
from harness.tasks.wording import clip

LABELS = (Label(name="refund_request", definition="money back"), Label(name="other"))
TASK = ClassificationTask(LABELS, PromptLimits())
ITEM = Item(id="1", text="my ticket", target="other")
EXAMPLES = tuple(
    Item(id=text, text=text, target=label) for text, label in (("far", "other"), ("near", "refund_request"))
)


def test_the_wording_is_frozen_under_its_version() -> None:
    """Changed wording moves results: then `PROMPT_VERSION` and this digest change together."""
    first = [TASK.messages(option, ITEM, EXAMPLES, Guide.NAMES) for option in ASKING]
    assert hashlib.sha256(repr(first).encode()).hexdigest()[:16] == "a545cce7929f3edf"
    second = TASK.messages(Option.RETRIEVE, ITEM, EXAMPLES, Guide.DEFINITIONS)
    digest = hashlib.sha256(repr(second).encode()).hexdigest()[:16]
    assert (PROMPT_VERSION, digest) == ("classification-2", "6c9de1e961d5507f")


def test_a_change_of_one_options_wording_keeps_the_others_content_keys() -> None:
    """Answers that were bought with an unchanged prompt are found again."""
    versions = {option: wording_version(option) for option in ASKING}
    assert versions.pop(Option.RETRIEVE) == PROMPT_VERSION
    assert set(versions.values()) == {"classification-1"}


ASKING = (Option.PROMPT, Option.RETRIEVE, Option.TUNE, Option.TUNE_RETRIEVE)


@pytest.mark.parametrize("option", ASKING)
def test_the_ticket_comes_last_and_its_label_nowhere(option: Option) -> None:
    poisoned = Item(
        id="POISON", text="my ticket", target="POISON", cluster="POISON", slices=(("POISON", "POISON"),)
    )
    shown = TASK.messages(option, poisoned, EXAMPLES)
    assert shown[-1].role == "user" and shown[-1].content == "my ticket" and shown[0].role == "system"
    assert "POISON" not in repr(shown)


@pytest.mark.parametrize("option", [Option.FLOOR, Option.LINEAR, Option.ROUTE])
def test_options_without_a_model_send_nothing(option: Option) -> None:
    with pytest.raises(ValueError, match="sends no messages"):
        TASK.messages(option, ITEM)


def test_the_guide_stands_in_the_zero_shot_prompt() -> None:
    (system, _) = TASK.messages(Option.PROMPT, ITEM)
    assert "- refund request: money back\n- other" in system.content


@pytest.mark.parametrize(
    ("guide", "said"),
    [(Guide.DEFINITIONS, "- refund request: money back\n- other"), (Guide.NAMES, "refund request; other")],
)
def test_beside_examples_stands_the_same_guide_or_the_names(guide: Guide, said: str) -> None:
    (system, *_) = TASK.messages(Option.RETRIEVE, ITEM, EXAMPLES, guide)
    assert system.content.endswith(said)


def test_examples_are_turns_in_the_order_given() -> None:
    shown = TASK.messages(Option.RETRIEVE, ITEM, EXAMPLES)
    assert [m.content for m in shown[1:]] == ["far", "other", "near", "refund request", "my ticket"]
    assert [m.role for m in shown[1:]] == ["user", "assistant", "user", "assistant", "user"]


def test_a_tuned_model_is_not_told_the_labels() -> None:
    for option in (Option.TUNE, Option.TUNE_RETRIEVE):
        assert "refund" not in repr(TASK.messages(option, ITEM))


@given(st.text(max_size=300), st.integers(1, 200))
def test_a_clipped_text_keeps_both_ends_within_its_limit(text: str, limit: int) -> None:
    short = clip(text, limit)
    assert len(short) <= max(limit, 0)
    if len(text) <= limit:
        assert short == text
    elif limit >= 12:
        head, tail = short.split("\n[...]\n") if short.count("\n[...]\n") == 1 else (short[:1], short[-1:])
        assert text.startswith(head) and text.endswith(tail) and len(head) >= len(tail)


def test_answers_are_words() -> None:
    assert answer_text(" refund_request ") == "refund request"


def named(*names: str) -> tuple[Label, ...]:
    return tuple(Label(name=name) for name in names)


def test_underscores_are_read_as_blanks() -> None:
    assert answers_of(named("log_in", "pay", "+", "-")) == ("log in", "pay", "+", "-")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("_", "__", "pay"), "blank to a language model: '_', '__'"),
        (("pay", "log_in", "log in"), "'log_in' and 'log in' are both 'log in'"),
    ],
)
def test_labels_that_a_model_cannot_tell_apart_are_named(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError) as caught:
        answers_of(named(*names))
    assert words in str(caught.value)
