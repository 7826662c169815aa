"""What a hosted model is asked beyond the prompt that was counted here: the schema, and an answer in JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from advisor.options import Option
from harness.bakeoff.results import ArmResult
from harness.core.records import ArmId, Choices, Label, ModelIdentity
from harness.models.api.calls import answer_schema
from harness.money.of_run import counted_usage
from harness.tasks.classification import ClassificationTask
from harness.tasks.extraction import ExtractionTask
from harness.tasks.records import PromptLimits
from tests.support.results import arm_result

LABELS = ("card_arrival", "card_linking", "lost_or_stolen_card")
TASK = ClassificationTask([Label(name=name) for name in LABELS], PromptLimits())


def arm(location: str) -> ArmResult:
    made: ArmResult = arm_result(
        ArmId(option=Option.RETRIEVE, model="m"),
        (0.9, 0.8, 0.95),
        identity=ModelIdentity(id="m", location=location),
    )
    tokens = {"input_tokens": 300.0, "cached_tokens": 100.0, "output_tokens": 4.0}
    return replace(made, cost=replace(made.cost, mean_tokens=tokens))


@pytest.mark.parametrize("location", ["local", "loopback"])
def test_an_arm_that_ran_here_is_counted_with_the_schema_and_a_json_answer(location: str) -> None:
    found = counted_usage((arm(location),), TASK)
    assert found is not None and found.input_tokens is not None and found.output_tokens is not None
    assert found.input_tokens == 400 + round(len(json.dumps(answer_schema(Choices(answers=LABELS)))) / 4)
    assert found.output_tokens > 4


def test_an_arm_that_was_served_has_both_in_its_count() -> None:
    found = counted_usage((arm("remote"),), TASK)
    assert found is not None and (found.input_tokens, found.output_tokens) == (400, 4)


def test_fields_are_counted_with_the_schema_that_holds_them() -> None:
    """What was written here is JSON already, so only the schema comes on top."""
    schema = {"type": "object", "properties": {"order_id": {"type": "string"}}}
    fields = ExtractionTask(schema, PromptLimits())
    found = counted_usage((arm("local"),), fields)
    assert found is not None and found.output_tokens == 4
    assert found.input_tokens == 400 + round(len(json.dumps(answer_schema(fields.form()))) / 4)
