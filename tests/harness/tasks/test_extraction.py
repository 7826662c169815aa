"""Extraction: targets, prompts, answers, scores, rows put together, and the breakdown; numbers by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.options import Option, TaskKind
from harness.core.errors import DataError
from harness.core.records import AnswerSpace, Completion, Item, JsonSchema, Timing
from harness.tasks.extraction import ExtractionTask
from harness.tasks.kinds import task_of
from harness.tasks.measures import Measuring
from harness.tasks.records import Guide, PromptLimits
from harness.tasks.scoring import score

SCHEMA = {
    "type": "object",
    "properties": {
        "product": {"type": "string", "enum": ["Tillo", "Stikka"], "description": "What it is about."},
        "order_id": {"type": "string"},
        "day": {"type": "string", "format": "date"},
        "amount": {"type": "number"},
        "contacts": {"type": "array", "items": {"type": "string"}},
    },
}
TASK = task_of(AnswerSpace(kind=TaskKind.EXTRACTION, schema=SCHEMA))
HOW = Measuring(draws=200, precision=0.9, seed=17)


def item(target, text="A Tillo, order 12-345, 12,50 on 2026-01-02, ask Ann.", name="1"):
    return Item(id=name, text=text, target=target)


def value(target, answer):
    return TASK.score(item(target), answer).values["field F1"]


def test_targets_come_from_an_object_or_from_a_cell_a_field() -> None:
    assert TASK.read_target(['{"amount": 12.0, "product": "Tillo", "contacts": []}']) == {
        "product": "Tillo",
        "amount": 12,
    }
    assert TASK.read_target(["Tillo", " 12-345 ", "", "12.5", ""]) == {
        "product": "Tillo",
        "order_id": "12-345",
        "amount": 12.5,
    }
    assert TASK.read_target(['{"day": "2.1.2026"}']) == {"day": "2026-01-02"}
    assert TASK.read_target(["{}"]) == {} == TASK.read_target([""])


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ('{"product": "Zapp"}', "product is no choice of Tillo, Stikka: 'Zapp'"),
        ('{"mood": "angry"}', "no field 'mood'"),
        ('{"day": "soon"}', "day is no date: 'soon'"),
        ('{"order_id": ["1", "2"]}', "order_id has 2 values and is not repeated"),
        ('{"order_id": "1", "order_id": "2"}', "stands there twice"),
        ('{"order_id": "1"', "no JSON"),
        ("[1]", "no JSON object"),
    ],
)
def test_rows_whose_values_do_not_fit_say_why(cell, fault) -> None:
    with pytest.raises(ValueError, match=r"\w") as error:
        TASK.read_target([cell])
    assert fault in str(error.value)


def test_a_schema_that_cannot_be_used_is_refused_before_any_row_is_read() -> None:
    with pytest.raises(DataError, match="no schema"):
        ExtractionTask({"type": "object", "properties": {}}, PromptLimits())


def test_one_field_named_label_is_read_from_a_cell_and_from_an_object() -> None:
    """A field named like what classification calls its answers is a field like any other."""
    one = ExtractionTask({"properties": {"label": {"type": "string"}}}, PromptLimits())
    assert one.read_target(["billing"]) == {"label": "billing"}
    assert one.read_target(['{"label": "billing"}']) == {"label": "billing"}
    assert one.parse('{"label": "billing"}') == {"label": "billing"}
    assert one.parse("billing") is None
    assert one.score(item({"label": "Billing"}), '{"label": "billing"}').values["field F1"] == 1.0


def test_the_prompt_says_what_each_field_is_and_a_tuned_model_sees_one_line() -> None:
    system, user = TASK.messages(Option.PROMPT, item({}))
    assert "- product (one of Tillo, Stikka): What it is about." in system.content
    assert "- day (date as YYYY-MM-DD)" in system.content
    assert "- contacts (list, each text)" in system.content
    assert user.content == item({}).text
    assert TASK.messages(Option.TUNE, item({}))[0].content == (
        "Give the fields that the message states as JSON."
    )
    names = TASK.messages(Option.RETRIEVE, item({}), guide=Guide.NAMES)[0].content
    assert "What it is about" not in names and "- product (one of Tillo, Stikka)" in names
    with pytest.raises(ValueError, match="sends no messages"):
        TASK.messages(Option.FLOOR, item({}))


def test_examples_are_turns_with_their_json() -> None:
    shown = [item({"amount": 12.0, "product": "Tillo"}, "An older one."), item({}, "Nothing in it.")]
    turns = TASK.messages(Option.RETRIEVE, item({}), shown)[1:-1]
    assert [(turn.role, turn.content) for turn in turns] == [
        ("user", "An older one."),
        ("assistant", '{"product": "Tillo", "amount": 12}'),
        ("user", "Nothing in it."),
        ("assistant", "{}"),
    ]


def test_an_answer_is_held_to_the_canonical_schema() -> None:
    form = TASK.form()
    assert isinstance(form, JsonSchema)
    assert form.schema["additionalProperties"] is False and form.schema["required"] == []
    assert form.max_tokens == 16 + 16 * 6  # five fields, one of them repeated


@pytest.mark.parametrize(
    ("target", "answer", "f1"),
    [
        ({}, "{}", 1.0),  # nothing stated, nothing given
        ({}, '{"product": "Tillo"}', 0.0),  # invented
        ({}, "no idea", 0.0),  # no object, though nothing is stated
        ({}, None, 0.0),  # no answer
        ({"product": "Tillo"}, "{}", 0.0),
        ({"product": "Tillo"}, '{"product": "Tillo", "amount": 3}', 2 / 3),
        ({"product": "Tillo", "amount": 3}, '{"product": "Tillo", "amount": "3,00 €"}', 1.0),
        ({"product": "Tillo", "amount": 3}, '{"product": "Stikka", "amount": 3}', 0.5),
        ({"contacts": ["A", "B"]}, '{"contacts": ["b", "C"]}', 0.5),
        ({"day": "2026-01-02"}, 'Here: {"day": "2.1.2026"}. Bye', 1.0),
        ({"day": "2026-01-02"}, '{"day": "2026-01-02", "mood": "?"}', 2 / 3),
        ({"day": "2026-01-02"}, '{"day": "2026-01-02"', 0.0),  # a brace that never closes
        ({"day": "2026-01-02"}, '{"day": "2026-01-02", "day": "2026-01-03"}', 0.0),
        ({"day": "2026-01-02"}, '<think>{"day": "x"}</think>{"day": "2026-01-02"}', 1.0),
        ({"day": "2026-01-02"}, "{" * 100_000, 0.0),
    ],
)
def test_scores_by_hand(target, answer, f1) -> None:
    assert value(target, answer) == pytest.approx(f1)
    found = TASK.score(item(target), answer)
    assert found.values["all fields right"] == float(f1 == 1.0)


STATED = st.fixed_dictionaries(
    {},
    optional={
        "product": st.sampled_from(["Tillo", "Stikka"]),
        "order_id": st.text(min_size=1).filter(str.strip),
        "amount": st.integers(0, 10**6).map(lambda cents: cents / 100),
        "contacts": st.lists(st.sampled_from(["Ann", "Bo", "Cy"]), min_size=1, max_size=3),
    },
)


@given(STATED, STATED)
def test_the_target_s_own_text_is_right_and_any_other_within_0_and_1(target, other) -> None:
    assert value(target, TASK.target_text(target)) == 1.0
    assert 0.0 <= value(target, TASK.target_text(other)) <= 1.0
    assert value(target, TASK.target_text(other)) == pytest.approx(value(other, TASK.target_text(target)))


@given(st.text())
def test_any_answer_gets_a_score(answer) -> None:
    assert 0.0 <= value({"product": "Tillo"}, answer) <= 1.0


def combined(rows, weights, of=None):
    found = TASK.combine([item(row, name=str(n)) for n, row in enumerate(rows)], weights, of)
    return json.loads(found.text)


def test_rows_are_put_together_field_by_field() -> None:
    rows = [{"product": "Tillo", "amount": 3}, {"product": "Tillo"}, {"product": "Stikka", "amount": 3.0}]
    assert combined(rows, [1, 1, 1]) == {"product": "Tillo", "amount": 3}
    assert combined(rows, [1, 1, 5]) == {"product": "Stikka", "amount": 3}
    assert combined([{"product": "Tillo"}, {}], [1, 1]) == {}  # absent among equals
    assert combined([], []) == {}


def test_of_rows_near_an_item_only_what_stands_in_its_text_counts() -> None:
    near = {
        "order_id": "99-1",
        "amount": 12.5,
        "day": "2026-01-02",
        "product": "Stikka",
        "contacts": ["ANN", "Bo"],
    }
    assert combined([near], [1], item({})) == {
        "amount": 12.5,
        "day": "2026-01-02",
        "product": "Stikka",  # a choice need not be named
        "contacts": ["ANN"],
    }


def scored(pairs):
    rows = [item(target, name=str(n)) for n, (target, _) in enumerate(pairs)]
    given_ = {
        str(n): Completion(item_id=str(n), text=text, timing=Timing(model_s=0.0), cut=cut)
        for n, (_, (text, cut)) in enumerate(pairs)
    }
    return score(rows, given_, TASK)


def test_the_breakdown_by_hand() -> None:
    test = scored(
        [
            ({"product": "Tillo", "amount": 3}, ('{"product": "tillo", "amount": 3}', False)),
            ({"product": "Tillo"}, ('{"product": "Stikka", "order_id": "7"}', False)),
            ({"product": "Stikka"}, ('{"product": "Sti', True)),
            ({}, ("{}", False)),
            ({}, ('{"mood": "x"}', False)),
        ]
    )
    found = TASK.breakdown(test, test, HOW)
    by_name = {one.name: one for one in found.fields}
    product = by_name["product"]
    assert (product.right, product.wrong, product.missing, product.invented, product.exact) == (1, 1, 1, 0, 0)
    assert by_name["amount"].exact == by_name["amount"].right == 1
    assert by_name["order_id"].invented == 1 and by_name["mood"].invented == 1
    assert list(by_name) == ["product", "order_id", "day", "amount", "contacts", "mood"]
    assert [(e.kind, e.item_id, e.stated, e.given) for e in product.examples] == [
        ("wrong", "1", "Tillo", "Stikka"),
        ("missing", "2", "Stikka", ""),
    ]
    assert (found.invalid, found.cut) == (1, 1)
    right, micro = TASK.others(test, HOW)
    assert (right.metric, right.value, right.n) == ("all fields right", 0.4, 5)
    # right 2; given 2 + 2 + 0 + 0 + 1 = 5; stated 2 + 1 + 1 = 4
    assert micro.value == pytest.approx(2 * 2 / 9) and micro.n == 5
    assert found.exact_f1 is not None and found.exact_f1.value == pytest.approx(2 * 1 / 9)


def test_strata_are_how_many_fields_are_stated() -> None:
    assert [TASK.stratum(item(t)) for t in ({}, {"product": "Tillo", "contacts": ["A", "B"]})] == ["0", "2"]


def test_keys_hold_the_schema_and_the_wording() -> None:
    plain = TASK.settings(Option.PROMPT)
    assert plain["schema"] == TASK.form().schema
    other = task_of(AnswerSpace(kind=TaskKind.EXTRACTION, schema={"properties": {"a": {"type": "string"}}}))
    assert other.settings(Option.PROMPT)["prompt"] != plain["prompt"]
    assert TASK.settings(Option.TUNE)["prompt"] != plain["prompt"]
