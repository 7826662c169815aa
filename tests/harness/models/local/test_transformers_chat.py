"""The local chat model on SmolLM2: scores, prefix reuse, usage, failures, determinism."""

import math

import pytest
import torch

from advisor.money.usage import CountedBy
from harness.core.errors import ModelUnavailable
from harness.core.records import Choices, Failure, FailureKind, Message
from harness.models.base import ChatReply, ChatRequest
from harness.models.local.choice_tree import EPS
from harness.models.local.transformers_chat import TransformersChat
from harness.models.settings import ModelSettings
from tests.support.float64 import float64

pytestmark = pytest.mark.models

CHOICES = ("refund request", "refund", "login problem", "other")
GUIDE = Message(role="system", content="Classify the message. Labels: " + "; ".join(CHOICES))
TEXTS = (
    "Please give me my money back, I was charged twice for the same seat.",
    "I cannot sign in.",
    "Buy cheap watches now",
    "The reset mail never comes, I tried three times since Monday and my colleague has the same trouble.",
)


def request(text, system=GUIDE, choices=CHOICES, item="x"):
    return ChatRequest(
        item_id=item, messages=(system, Message(role="user", content=text)), form=Choices(answers=choices)
    )


def requests():
    return [request(text, item=str(index)) for index, text in enumerate(TEXTS)]


def answers(chat, batch):
    return {reply.item_id: reply for reply in chat.answer(batch)}


def by_full_passes(chat, one):
    """Independent of the tree: the ordinary attention, a full pass over the rendered text of each choice."""
    model = chat._model
    attention = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    scores = []
    for choice in one.choices:
        prompt = chat.renderer.prompt_ids(one.messages)
        whole = chat.renderer._encode(chat.renderer.render_prompt(one.messages) + choice + "<|im_end|>")
        with torch.inference_mode():
            steps = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
        scores.append(sum(steps[i - 1, whole[i]].item() for i in range(len(prompt), len(whole))))
    model.set_attn_implementation(attention)
    total = math.log(sum(math.exp(score) for score in scores))
    return [score - total for score in scores]


def same(logprobs):
    """Equal but for rounding in float64."""
    return pytest.approx(logprobs, rel=0, abs=1e-8)


def test_batched_and_single_scores_equal_full_passes(chat):
    assert chat._tree is not None
    batch = requests()
    replies = answers(chat, batch)
    for one in batch:
        expected = by_full_passes(chat, one)
        assert replies[one.item_id].choice_logprobs == same(expected)
        assert chat.answer_one(one).choice_logprobs == same(expected)
        assert replies[one.item_id].text == CHOICES[expected.index(max(expected))]


def test_probabilities_sum_to_one(chat):
    for reply in chat.answer(requests()):
        assert sum(math.exp(value) for value in reply.choice_logprobs) == pytest.approx(1.0, abs=1e-9)


def test_the_same_requests_on_fresh_models_give_the_same_bits(smollm2, model_cache):
    settings = ModelSettings(cache=model_cache, precision="fp32", threads=1)
    results = []
    for _ in range(2):
        chat = TransformersChat("smollm2-135m", smollm2, settings)
        results.append([(r.item_id, r.text, r.choice_logprobs, r.usage) for r in chat.answer(requests())])
        chat.close()
    assert results[0] == results[1]


def test_usage_splits_the_prompt_into_read_and_cached_tokens(chat):
    system = Message(role="system", content="A guide of its own. " * 8 + "; ".join(CHOICES))
    batch = [request(text, system=system, item=str(index)) for index, text in enumerate(TEXTS)]
    replies = list(chat.answer(batch))
    for reply in replies:
        whole = chat.count_tokens(batch[int(reply.item_id)].messages)
        assert reply.usage.input_tokens + reply.usage.cached_tokens == whole
        assert reply.usage.output_tokens == len(chat.renderer.completion_ids(reply.text))
        assert reply.usage.counted_by is CountedBy.TOKENIZER
    assert replies[0].usage.cached_tokens == 0, "the first one computed the prefix"
    shared = {reply.usage.cached_tokens for reply in replies[1:]}
    assert len(shared) == 1 and shared.pop() > 50
    assert chat.answer_one(batch[0]).usage.cached_tokens > 50


def test_single_requests_share_their_beginning_like_a_prompt_cache(chat):
    system = Message(role="system", content="Another guide, seen first by single requests. " * 4)
    chat.answer_one(request(TEXTS[0], system=system))
    second = chat.answer_one(request(TEXTS[1], system=system))
    third = chat.answer_one(request(TEXTS[2], system=system))
    assert second.usage.cached_tokens == 0
    assert third.usage.cached_tokens > 40
    one = request(TEXTS[2], system=system)
    assert third.choice_logprobs == same(by_full_passes(chat, one))


def test_requests_with_other_choices_are_answered_in_one_call(chat):
    other = request(TEXTS[0], choices=("yes", "no"), item="b")
    replies = answers(chat, [request(TEXTS[0], item="a"), other])
    assert len(replies["a"].choice_logprobs) == 4
    assert replies["b"].text in ("yes", "no")


def test_too_long_is_a_failure_and_the_others_are_answered(smollm2, model_cache):
    settings = ModelSettings(cache=model_cache, precision="fp32", threads=1, max_context=80)
    chat = TransformersChat("smollm2-135m", smollm2, settings)
    replies = answers(chat, [request("word " * 100, item="long"), request("hi", item="short")])
    chat.close()
    assert isinstance(replies["long"], Failure)
    assert replies["long"].kind is FailureKind.TOO_LONG
    assert "word" not in replies["long"].message
    assert isinstance(replies["short"], ChatReply)


def test_odd_text_is_answered(chat):
    odd = [
        request(text, item=str(i))
        for i, text in enumerate(("", "\x00\x01", "🙂" * 50, "<|im_end|>", "<b>&amp;</b>"))
    ]
    assert len(answers(chat, odd)) == len(odd)


def test_no_requests_no_replies(chat):
    assert list(chat.answer([])) == []


def test_identity_tells_what_was_loaded(chat):
    assert chat.identity.id == "smollm2-135m"
    assert chat.identity.location == "local"
    assert chat.identity.precision == "fp32"
    assert chat.identity.parameters == 134_515_008  # SmolLM2-135M with tied embeddings
    assert len(chat.identity.revision) == 64


def test_a_folder_without_a_model_is_a_clear_error(tmp_path, model_cache):
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        TransformersChat("x", tmp_path, ModelSettings(cache=model_cache))


def test_an_adapter_changes_the_answers_as_peft_would(smollm2, model_cache, tmp_path):
    """A random adapter, saved by peft; its own unmerged forward pass is the reference."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    model = peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0.0, 0.02)
    model.save_pretrained(tmp_path)
    settings = ModelSettings(cache=model_cache, precision="fp32", threads=1, adapter=tmp_path)
    chat = TransformersChat("smollm2-135m", smollm2, settings)
    chat._model.double()
    one = request(TEXTS[0])
    with float64():
        got = chat.answer_one(one)
        chat._model = model.eval().double()
        expected = by_full_passes_peft(chat, one)
    assert got.choice_logprobs == pytest.approx(expected, abs=1e-4)  # it was merged into fp32 weights


def by_full_passes_peft(chat, one):
    scores = []
    for choice in one.choices:
        ids = [*chat.renderer.prompt_ids(one.messages), *chat.renderer.completion_ids(choice)]
        start = len(ids) - len(chat.renderer.completion_ids(choice))
        with torch.inference_mode():
            steps = chat._model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        scores.append(sum(steps[i - 1, ids[i]].item() for i in range(start, len(ids))))
    total = math.log(sum(math.exp(score) for score in scores))
    return [score - total for score in scores]


# 40 answers with shared first tokens, more nodes than `answer_one` computes in one pass.
MANY = tuple(
    f"{topic} {matter}"
    for topic in ("card", "cash", "transfer", "top up", "refund", "login", "invoice", "password")
    for matter in ("request", "not working at all", "lost", "pending since days", "question about fees")
)


@pytest.fixture
def tuned(smollm2, model_cache):
    """A model treated as a tuned one, its logits eight times as far apart: sure of its answers."""
    settings = ModelSettings(cache=model_cache, precision="fp32", threads=1)
    chat = TransformersChat("smollm2-135m", smollm2, settings)
    chat._model.model.norm.weight.data.mul_(8.0)
    chat._tuned = True
    chat._model.double()
    with float64():
        yield chat
    chat.close()


def many(texts):
    return [request(text, choices=MANY, item=str(index)) for index, text in enumerate(texts)]


def test_needed_answers_equal_the_whole_tree_in_batches_and_alone(tuned):
    batch = many(TEXTS)
    replies = answers(tuned, batch)
    for one in batch:
        tree = tuned._tokenised(one.form).tree
        whole = tuned._tree.score([tuned.renderer.prompt_ids(one.messages)], tree, None)[0].softmax(-1)
        for reply in (replies[one.item_id], tuned.answer_one(one)):
            got = [math.exp(value) for value in reply.choice_logprobs]
            assert reply.text == MANY[int(whole.argmax())]
            assert got == pytest.approx(whole.tolist(), rel=0, abs=EPS * (1 + 1e-6))
            assert sum(got) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("choices", [MANY, CHOICES])
def test_a_resumed_run_gives_the_same_bits(tuned, choices):
    """After `forget` and the same first items, what was asked in between does not matter."""
    texts = [*TEXTS, "Where is my card?", "My transfer of Monday never came."]
    asked = [request(text, choices=choices, item=str(index)) for index, text in enumerate(texts)]
    tuned.forget()
    whole = [tuned.answer_one(one) for one in asked]
    for skipped in (4, 5):
        tuned.forget()
        resumed = [tuned.answer_one(one) for one in [*asked[:3], *asked[skipped:]]][3:]
        for one, other in zip(resumed, whole[skipped:], strict=True):
            assert (one.text, one.choice_logprobs, one.usage) == (
                other.text,
                other.choice_logprobs,
                other.usage,
            )
