"""The served model against a real one: llama.cpp serving SmolLM2-135M over its OpenAI-compatible API."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.records import Choices, Message
from harness.models.api.asking import Outside
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings
from harness.tasks.labels import read_label
from tests.support.llama_server import llama_server

pytestmark = pytest.mark.models
CHOICES = ("billing", "login problem", "refund", "delivery delay")
TEXTS = ("Where is my invoice?", "I cannot sign in", "I want my money back", "My parcel is late")


@pytest.fixture(scope="session")
def llama_address(smollm2: Path) -> Iterator[str]:
    (gguf,) = smollm2.glob("*.gguf")
    with llama_server(gguf) as address:
        yield address


@pytest.fixture
def served(llama_address: str) -> Iterator[ServedChat]:
    settings = ModelSettings(
        cache=Path("unused"), api_base=llama_address, concurrency=2, offline=True, timeout_s=60
    )
    model = open_served_chat("openai/smollm2-135m", settings, outside=Outside(environ={}))
    yield model
    model.close()


def ask(text: str, choices: tuple[str, ...] = CHOICES) -> ChatRequest:
    system = "Classify the message into one label. Labels: " + "; ".join(choices)
    return ChatRequest(
        item_id=text,
        messages=(Message(role="system", content=system), Message(role="user", content=text)),
        form=Choices(answers=choices),
    )


def test_a_small_model_is_held_to_the_choices_and_usage_and_time_are_its_own(served):
    replies = list(served.answer([ask(text) for text in TEXTS]))
    assert sorted(reply.item_id for reply in replies) == sorted(TEXTS)
    for reply in replies:
        assert isinstance(reply, ChatReply), reply
        assert read_label(reply.text, CHOICES) in CHOICES
        assert reply.attempts == 1
        tokens_in = reply.usage.input_tokens + reply.usage.cached_tokens
        # system and user turn of about 40 words in SmolLM2's chat template
        assert 30 < tokens_in < 120
        assert 4 < reply.usage.output_tokens < 60
        assert reply.model_s > 0.01
        assert reply.choice_logprobs is not None
        odds = [math.exp(value) for value in reply.choice_logprobs]
        assert sum(odds) == pytest.approx(1.0)
        # greedy: the answer written is the likeliest, or near it where its first token begins several
        assert odds[CHOICES.index(str(read_label(reply.text, CHOICES)))] > 0.2
    assert served.form.schema
    assert served.served_by


def test_the_only_choice_there_is_is_the_answer_whatever_the_text_says(served):
    # An unconstrained 135M model would not write this word; the schema must have reached the sampler.
    reply = served.answer_one(ask("Where is my invoice?", ("zanzibar-17",)))
    assert read_label(reply.text, ("zanzibar-17",)) == "zanzibar-17"


def test_the_same_question_gets_the_same_answer_and_the_prompt_cache_is_seen(served):
    first, second = (served.answer_one(ask("My parcel is late")) for _ in range(2))
    assert first.text == second.text
    total = [r.usage.input_tokens + r.usage.cached_tokens for r in (first, second)]
    assert total[0] == total[1]
    assert second.usage.cached_tokens > 0
