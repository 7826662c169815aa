"""Answers that SmolLM2 writes: held to a schema or to a length, alone and together, counted and cut."""

import dataclasses
import json

import pytest
import torch

from advisor.money.usage import CountedBy
from harness.core.records import Failure, FailureKind, FreeText, JsonSchema, Message
from harness.models.base import ChatRequest

pytestmark = pytest.mark.models

SCHEMA = {
    "type": "object",
    "properties": {
        "urgency": {"type": "string", "enum": ["low", "high"]},
        "paid_twice": {"type": "boolean"},
    },
    "required": ["urgency", "paid_twice"],
    "additionalProperties": False,
}
GUIDE = Message(role="system", content="Give urgency and whether it was paid twice, as JSON.")
TEXTS = ("I was charged twice, give it back now!", "I cannot sign in.", "Some day, please tell me the price.")


def asked(text, form):
    return ChatRequest(item_id=text, messages=(GUIDE, Message(role="user", content=text)), form=form)


def test_answers_hold_to_their_schema_and_together_are_what_they_are_alone(chat):
    requests = [asked(text, JsonSchema(schema=SCHEMA, max_tokens=40)) for text in TEXTS]
    chat.forget()
    together = {reply.item_id: reply for reply in chat.answer(requests)}
    assert set(together) == set(TEXTS)
    for request in requests:
        alone, reply = chat.answer_one(request), together[request.item_id]
        found = json.loads(reply.text)
        assert list(found) == ["urgency", "paid_twice"] and found["urgency"] in ("low", "high")
        assert reply.text == alone.text == json.dumps(found) and not reply.cut
        assert reply.choice_logprobs is None and reply.usage.counted_by is CountedBy.TOKENIZER
        # a model may split words otherwise than its tokenizer does
        assert len(chat.renderer._encode(reply.text)) <= reply.usage.output_tokens <= 40
        read = reply.usage.input_tokens + reply.usage.cached_tokens
        assert read == chat.count_tokens(request.messages)


def test_free_text_is_what_generate_writes_and_is_cut_at_its_length(chat):
    request = asked(TEXTS[1], FreeText(max_tokens=12))
    reply = chat.answer_one(request)
    model, ids = chat._model, torch.tensor([chat.renderer.prompt_ids(request.messages)])
    attention = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        whole = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, pad_token_id=2
        )
    model.set_attn_implementation(attention)
    assert reply.text == chat._tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
    assert reply.cut and reply.usage.output_tokens == 12


def test_a_model_that_never_closes_a_brace_is_cut(chat):
    endless = {**SCHEMA, "properties": {"names": {"type": "string", "minLength": 400}}, "required": ["names"]}
    reply = chat.answer_one(asked(TEXTS[0], JsonSchema(schema=endless, max_tokens=10)))
    assert reply.cut and reply.usage.output_tokens == 10
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(reply.text)


def test_prompts_without_room_for_the_answer_are_failures(chat):
    request = asked(TEXTS[0], FreeText(max_tokens=1_000_000))
    short = dataclasses.replace(request, item_id="short", form=FreeText(max_tokens=1))
    outcomes = {outcome.item_id: outcome for outcome in chat.answer([request, short])}
    failure = outcomes[request.item_id]
    assert isinstance(failure, Failure) and failure.kind is FailureKind.TOO_LONG
    assert outcomes["short"].usage.output_tokens == 1
