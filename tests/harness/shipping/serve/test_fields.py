"""A model that reads fields behind the server: odd names, odd requests, answers that do not end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.core.records import JsonSchema, ModelIdentity
from harness.models.base import ChatReply, ChatRequest
from harness.shipping.serve.service import Served, Service
from harness.shipping.serve.wire import BadRequest, completion, read_request
from harness.training.tuned_model import TunedTask

NAMES = ("label", "properties", "$ref", "enum")
SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in NAMES}}
ANSWER = json.dumps({"label": "refund", "enum": "é"}, ensure_ascii=False)


@dataclass
class Writing:
    """Writes one answer, and keeps what it was asked."""

    text: str = ANSWER
    cut: bool = False
    asked: list[ChatRequest] = field(default_factory=list)
    identity = ModelIdentity(id="scripted", location="local")

    def answer_one(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        return ChatReply(
            item_id=request.item_id,
            text=self.text,
            choice_logprobs=None,
            usage=Usage(input_tokens=5, output_tokens=7, counted_by=CountedBy.TOKENIZER),
            queue_s=0.0,
            model_s=0.01,
            cut=self.cut,
        )

    def close(self) -> None:
        """Nothing is held."""


def answered(model: Writing, body: dict[str, Any], option: Option = Option.TUNE) -> dict[str, Any]:
    task = TunedTask(
        option=option,
        prompt_version="extraction-1",
        item_chars=2000,
        example_chars=600,
        labels=(),
        train_counts={},
        fields=SCHEMA,
    )
    service = Service({"m": Served(answerer=model, task=task)})
    turns = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    request = read_request(json.dumps(turns | body).encode())
    reply, choices = service.answer(request)
    choice: dict[str, Any] = completion(request, reply, choices, number="1", now=0)["choices"][0]
    return choice


def form(schema: object) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"response_format": {"type": "json_object"}},
        form({"properties": {"label": {"type": "string"}}}),
        form({"properties": {name: {"type": "string"} for name in NAMES}}),
        {"logprobs": True, "top_logprobs": 3},
        {"stream": True},
    ],
    ids=str,
)
def test_the_answer_is_the_bare_object_whatever_its_fields_are_called(body: dict[str, Any]) -> None:
    model = Writing()
    choice = answered(model, body)
    assert choice["message"]["content"] == ANSWER and choice["logprobs"] is None
    (asked,) = model.asked
    assert isinstance(asked.form, JsonSchema) and set(asked.form.schema["properties"]) == set(NAMES)
    assert [turn.role for turn in asked.messages] == ["system", "user"], "asked as it was trained"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            form({"properties": {"colour": {"type": "string"}, "label": {"type": "string"}}}),
            "'colour' is none",
        ),
        (form({"properties": {}}), "has to have properties"),
        (form({"$ref": "https://example.org/s.json"}), "has to have properties"),
        ({"structured_outputs": {"choice": ["a", "b"]}}, "chooses among no labels"),
        (form({"properties": {"label": {"enum": ["a", "b"]}}}), "chooses among no labels"),
    ],
    ids=str,
)
def test_what_it_does_not_read_is_refused_by_name(body: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadRequest, match=fault):
        answered(Writing(), body)


def test_an_answer_that_never_ends_says_that_it_was_cut() -> None:
    open_brace = Writing(text='{"label": "' + "x" * 100_000, cut=True)
    choice = answered(open_brace, {})
    assert choice["finish_reason"] == "length" and choice["message"]["content"] == open_brace.text


def test_a_model_that_reads_a_bare_text_gets_no_prompt_and_a_long_one_loses_its_middle() -> None:
    model = Writing()
    answered(model, {"messages": [{"role": "user", "content": "x" * 100_000}]}, Option.ENCODER)
    (turn,) = model.asked[0].messages
    assert len(turn.content) == 2000 and "[...]" in turn.content
