"""A training row is what scoring asks later, cut in the middle of the prompt only."""

import pytest

from harness.models.local.rendering import Renderer
from harness.training.rows import tokenise
from tests.harness.training.samples import conversations

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def tokenizer(smollm2):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(smollm2)


def test_prompt_and_answer_are_the_tokens_scoring_reads(tokenizer):
    renderer = Renderer(tokenizer)
    for conversation in conversations():
        row = tokenise(conversation, renderer, 200)
        prompt = renderer.prompt_ids(conversation.prompt)
        answer = list(renderer.completion_ids(conversation.completion))
        assert list(row.ids) == prompt + answer
        assert row.labels == [-100] * len(prompt) + answer
        # a second way: the whole dialogue through the tokenizer's own template
        turns = [{"role": m.role, "content": m.content} for m in conversation.prompt]
        turns.append({"role": "assistant", "content": conversation.completion})
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        assert whole.startswith(tokenizer.decode(row.ids))
        assert tokenizer.decode(row.ids).endswith(conversation.completion + tokenizer.eos_token)


def test_a_long_row_loses_the_middle_of_its_prompt(tokenizer):
    renderer = Renderer(tokenizer)
    conversation = conversations(copies=20)[-1]
    whole, cut = tokenise(conversation, renderer, 500), tokenise(conversation, renderer, 48)
    assert len(whole.ids) > len(cut.ids) == 48
    assert cut.ids[-cut.answer :] == whole.ids[-whole.answer :]
    assert cut.ids[:20] == whole.ids[:20]
    assert cut.ids[-cut.answer - 10 :] == whole.ids[-cut.answer - 10 :]


def test_an_answer_is_never_cut(tokenizer):
    row = tokenise(conversations()[1], Renderer(tokenizer), 4)
    assert row.answer == len(Renderer(tokenizer).completion_ids("refund request"))
    assert len(row.ids) > row.answer
