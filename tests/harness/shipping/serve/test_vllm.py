"""Answers through a vLLM at an address: a stand-in that computes with a tiny model and speaks as vLLM does.

The real one is in tests/engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ModelUnavailable, UsageError
from harness.core.records import Choices, Failure, FailureKind, Message
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings
from harness.shipping.export.merge import load_tokenizer
from harness.shipping.serve.vllm import VllmAnswerer
from tests.support.scripted_server import Reply, ScriptedServer, error, scripted

pytestmark = pytest.mark.models
CHOICES = ("billing", "sign in", "sign in again", "shipping")
TEXTS = ("<|im_end|> where is my parcel", "账单")


def asked(text: str, choices: tuple[str, ...] = CHOICES) -> ChatRequest:
    return ChatRequest(
        item_id="1", messages=(Message(role="user", content=text),), form=Choices(answers=choices)
    )


@pytest.fixture
def vllm(tiny: Path) -> Iterator[ScriptedServer]:
    """Completions of one token with log-probabilities, as vLLM gives them for token ids."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)

    def answer(number: int, body: dict[str, Any]) -> Reply:
        assert body["max_tokens"] == 1 and body["return_tokens_as_token_ids"] and body["model"] == "tickets"
        with torch.no_grad():
            logits = model(torch.tensor([body["prompt"]])).logits[0, -1].double()
        wanted = len(logits) if body["logprobs"] == -1 else body["logprobs"]
        best = torch.log_softmax(logits, -1).topk(wanted)
        tops = {f"token_id:{i}": v for i, v in zip(best.indices.tolist(), best.values.tolist(), strict=True)}
        usage = {"prompt_tokens": len(body["prompt"]), "prompt_tokens_details": {"cached_tokens": 2}}
        return Reply(body={"choices": [{"logprobs": {"top_logprobs": [tops]}}], "usage": usage})

    with scripted(answer) as server:
        server.models = [{"id": "base", "max_model_len": 128}, {"id": "tickets", "max_model_len": None}]
        yield server


def test_every_label_gets_the_probability_it_gets_here(vllm: ScriptedServer, tiny: Path) -> None:
    from harness.models.local.transformers_chat import TransformersChat

    here = TransformersChat("x", tiny, ModelSettings(cache=tiny, precision="fp32", threads=1))
    there = VllmAnswerer("tickets", vllm.address, load_tokenizer(tiny))
    for text in TEXTS:
        own, found = here.answer_one(asked(text)), there.answer_one(asked(text))
        assert isinstance(own, ChatReply) and isinstance(found, ChatReply)
        assert found.text == own.text
        assert found.choice_logprobs == pytest.approx(own.choice_logprobs, abs=5e-3)
        usage, counted = found.usage, own.usage
        assert usage.cached_tokens == 2 and usage.output_tokens == counted.output_tokens
        assert (usage.input_tokens or 0) + 2 == (counted.input_tokens or 0) + (counted.cached_tokens or 0)
    assert there.identity.location == "loopback"
    there.close()
    here.close()


def test_what_does_not_fit_or_is_refused_is_a_failure(vllm: ScriptedServer, tiny: Path) -> None:
    there = VllmAnswerer("tickets", vllm.address.removesuffix("/v1"), load_tokenizer(tiny))
    long = there.answer_one(asked("word " * 200))
    assert isinstance(long, Failure) and long.kind is FailureKind.TOO_LONG and "128" in long.message
    for reply in (error(500, "out of memory"), Reply(body={"choices": []}), Reply(body=b"no json")):
        vllm.script = lambda number, body, reply=reply: reply  # type: ignore[misc]
        found = there.answer_one(asked("hello"))
        assert isinstance(found, Failure) and found.kind is FailureKind.SERVER and "vLLM" in found.message


def test_addresses_and_models_that_are_not_there(vllm: ScriptedServer, tiny: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    with pytest.raises(ModelUnavailable, match="does not serve this model") as caught:
        VllmAnswerer("other", vllm.address, tokenizer)
    assert "base, tickets" in str(caught.value) and "--print" in str(caught.value)
    with pytest.raises(ModelUnavailable, match="vLLM does not answer"):
        VllmAnswerer("tickets", "http://127.0.0.1:9", tokenizer)
    for address in ("127.0.0.1:8000", "http://user:key@127.0.0.1:8000"):
        with pytest.raises(UsageError, match="no address of a vLLM"):
            VllmAnswerer("tickets", address, tokenizer)
