"""Tree scores against one full pass an answer, on small random models and on SmolLM2."""

import pytest
import torch
import transformers

from harness.models.choice_tree import choice_tree
from harness.models.tree_scoring import PlainScorer, TreeScorer, tree_scorer

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}
ANSWERS = [(5, 2), (5, 6, 2), (5, 6, 7, 2), (8, 2), (9, 10, 11, 12, 2), (9, 13, 2)]
PROMPT = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 3, 23, 8, 46, 26]


def small(kind, **changes):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, **changes})
    model = getattr(transformers, f"{kind}ForCausalLM")(config).float().eval()
    for weight in model.parameters():
        weight.data.mul_(3.0)  # spread the distribution, else every answer scores alike
    return model


def by_full_passes(model, prompt, answers):
    """The definition: log-softmax at each step of a full pass over prompt and answer, no cache, no tree."""
    scores = []
    for answer in answers:
        ids = torch.tensor([[*prompt, *answer]])
        with torch.inference_mode():
            steps = model(input_ids=ids).logits[0].double().log_softmax(-1)
        scores.append(sum(steps[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)))
    return torch.tensor(scores, dtype=torch.float32)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Qwen3", "SmolLM3"])
@pytest.mark.parametrize("shared", [0, 1, 9])
def test_a_batch_equals_full_passes_for_each_prompt(kind, shared):
    model = small(kind)
    prompts = [PROMPT, PROMPT[:12], [*PROMPT[:10], 40], [*PROMPT, *PROMPT]]
    expected = torch.stack([by_full_passes(model, prompt, ANSWERS) for prompt in prompts])
    scorer = tree_scorer(model, PROMPT, ANSWERS)
    assert scorer is not None
    prefix = scorer.read_prefix(PROMPT[:shared]) if shared else None
    got = scorer.score([prompt[shared:] for prompt in prompts], choice_tree(ANSWERS), prefix)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_a_cut_prefix_is_the_shorter_prefix():
    model = small("Llama")
    expected = by_full_passes(model, PROMPT, ANSWERS)
    scorer = tree_scorer(model, PROMPT, ANSWERS)
    got = scorer.score([PROMPT[4:]], choice_tree(ANSWERS), scorer.read_prefix(PROMPT[:9]).cut(4))[0]
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_answers_of_one_token_need_no_tree():
    model = small("Llama")
    answers = [(5,), (8,), (9,)]
    expected = by_full_passes(model, PROMPT, answers)
    scorer = tree_scorer(model, PROMPT, answers)
    torch.testing.assert_close(
        scorer.score([PROMPT], choice_tree(answers), None)[0], expected, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("Gemma2", {"sliding_window": 4}),  # soft caps and sliding windows
        ("Mistral", {"sliding_window": 4}),
        ("GPTNeoX", {}),  # the head has another name
    ],
)
def test_models_the_tree_cannot_serve_are_found_and_left_as_they_were(kind, changes):
    model = small(kind, **changes)
    expected = by_full_passes(model, PROMPT, ANSWERS)
    scorer = tree_scorer(model, PROMPT, ANSWERS)
    if scorer is not None:  # then it must agree, whatever the kind
        expected_again = scorer.score([PROMPT], choice_tree(ANSWERS), None)[0]
    else:
        expected_again = PlainScorer(model).score(PROMPT, ANSWERS)
    torch.testing.assert_close(expected_again, expected, atol=1e-3, rtol=0)
    if kind in ("Gemma2", "Mistral"):
        assert scorer is None


def test_a_model_that_changes_its_logits_after_the_head_is_not_served_wrongly():
    model = small("Granite", logits_scaling=8.0)
    assert tree_scorer(model, PROMPT, ANSWERS) is None


@pytest.mark.models
def test_bf16_is_as_near_to_fp32_as_an_ordinary_bf16_pass(smollm2):
    """bf16 keeps 8 bits; the tree may not lose more than twice what one ordinary pass loses, plus 0.2."""
    torch.set_num_threads(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2)
    prompts = [
        tokenizer(text)["input_ids"] for text in ("My invoice is wrong, the answer is", "I cannot log in and")
    ]
    answers = [
        tuple(tokenizer(text)["input_ids"]) for text in (" refund", " refund request", " a login problem")
    ]
    exact = torch.stack([by_full_passes(model, prompt, answers) for prompt in prompts])
    model = model.to(torch.bfloat16)
    ordinary = torch.stack([by_full_passes(model, prompt, answers) for prompt in prompts])
    model.set_attn_implementation("sdpa")
    scorer = tree_scorer(model, prompts[0], answers)
    assert isinstance(scorer, TreeScorer)
    got = scorer.score(prompts, choice_tree(answers), None)
    assert (got - exact).abs().max() <= 2 * (ordinary - exact).abs().max() + 0.2
