"""Answers written token by token against transformers' `generate` in float64; ends, limits, forced tokens."""

import numpy as np
import pytest
import torch

from harness.models.local.tree_scoring import tree_scorer
from harness.models.local.tree_writing import TreeWriter, WrittenAnswer, write_plainly
from tests.harness.models.local.test_tree_scoring import ANSWERS, PROMPT, small
from tests.support.float64 import float64

PROMPTS = [PROMPT, PROMPT[:12], [*PROMPT[:10], 40], [*PROMPT, *PROMPT]]
KINDS = ["Llama", "Qwen2", "Qwen3", "SmolLM3"]


@pytest.fixture(autouse=True)
def wide():
    with float64():
        yield


class Held:
    """Even tokens alone; after 8 must come 10 and 12; 14 ends the answer."""

    def __init__(self):
        self.ended = False

    def allowed(self):
        return np.arange(64) % 2 == 0

    def take(self, token):
        assert token % 2 == 0
        self.ended = token == 14
        return (10, 12) if token == 8 else ()


def by_generate(model, prompt, most, ends):
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        whole = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most, eos_token_id=ends
        )
    return whole[0, len(prompt) :].tolist()


def written(model, prompts, most, ends=(), shared=0, held=None, budget=1000):
    scorer = tree_scorer(model, PROMPT, ANSWERS)
    assert scorer is not None
    prefix = scorer.read_prefix(PROMPT[:shared]) if shared else None
    answers = [WrittenAnswer(held=held() if held else None, most=m) for m in most]
    TreeWriter(model, scorer, ends, budget).write([prompt[shared:] for prompt in prompts], prefix, answers)
    return answers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shared", "budget"), [(0, 1000), (9, 1000), (9, 20), (0, 1)])
def test_a_batch_is_what_generate_writes_one_by_one(kind, shared, budget):
    model = small(kind)
    ends = [2, 7, 11, 21, 33, 47, 60]  # so that answers end at different steps
    expected = [by_generate(model, prompt, 20, ends) for prompt in PROMPTS]
    answers = written(model, PROMPTS, [20] * 4, ends, shared, budget=budget)
    assert [one.tokens for one in answers] == expected
    assert [one.cut for one in answers] == [one.tokens[-1] not in ends for one in answers]


@pytest.mark.parametrize("kind", KINDS)
def test_forced_tokens_change_nothing_but_the_passes(kind):
    model = small(kind)
    answers = written(model, PROMPTS, [40] * 4, held=Held)
    ordinary = small(kind)
    for prompt, one in zip(PROMPTS, answers, strict=True):
        plain = WrittenAnswer(held=Held(), most=40)
        write_plainly(ordinary, prompt, plain, ())
        assert one.tokens == plain.tokens
        assert all(token % 2 == 0 for token in one.tokens)
        eights = [place for place, token in enumerate(one.tokens) if token == 8]
        assert all(one.tokens[at + 1 : at + 3] == [10, 12][: len(one.tokens) - at - 1] for at in eights)
        assert one.passes + 2 * len(eights) >= len(one.tokens)


def test_each_answer_has_its_own_limit_and_says_when_it_was_cut():
    model = small("Llama")
    answers = written(model, PROMPTS, [3, 1, 9, 5])
    assert [len(one.tokens) for one in answers] == [3, 1, 9, 5]
    assert all(one.cut and one.ended for one in answers)


def test_an_answer_is_cut_inside_forced_tokens():
    answer = WrittenAnswer(held=Held(), most=2)
    assert answer.take(8, ()) == [8, 10]
    assert answer.tokens == [8, 10] and answer.cut and answer.ended


def test_an_answer_that_ends_at_its_limit_is_whole():
    answer = WrittenAnswer(held=Held(), most=1)
    answer.take(14, ())
    assert answer.ended and not answer.cut
