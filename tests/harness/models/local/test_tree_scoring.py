"""Tree scores against one full pass an answer, on small random models in float64 and on SmolLM2."""

import pytest
import torch
import transformers

from harness.models.local.choice_tree import EPS, choice_tree
from harness.models.local.tree_scoring import PlainScorer, TreeScorer, tree_scorer
from tests.support.float64 import float64

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


@pytest.fixture(autouse=True)
def wide(request):
    if request.node.get_closest_marker("models"):  # real weights, in the formats that are used
        yield
        return
    with float64():
        yield


def small(kind, **changes):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, **changes})
    model = getattr(transformers, f"{kind}ForCausalLM")(config).double().eval()
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
    return torch.tensor(scores)


def assert_same(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-8, rtol=0)


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
    assert_same(got, expected)


def test_a_cut_prefix_is_the_shorter_prefix():
    model = small("Llama")
    expected = by_full_passes(model, PROMPT, ANSWERS)
    scorer = tree_scorer(model, PROMPT, ANSWERS)
    got = scorer.score([PROMPT[4:]], choice_tree(ANSWERS), scorer.read_prefix(PROMPT[:9]).cut(4))[0]
    assert_same(got, expected)


MANY = sorted(
    {(5, 2), (5, 6, 2), (5, 6, 7, 2), (8,), (8, 9, 2)}  # beginnings of others, and one of one token
    | {(10 + i, 3 + i % 4, 2) for i in range(25)}
    | {(11, 40 + i, 50 - i, 2) for i in range(12)}  # one first token
)


def peaked(scale):
    """Logits scaled: at 20 one first token has nearly all, at 0.01 all answers are about alike."""
    model = small("Llama")
    model.lm_head.weight.data.mul_(scale)
    return model


def likeliest(prompt, length=3):
    """What the model writes by itself after a prompt; the same at every scale."""
    model, ids = small("Llama"), list(prompt)
    with torch.inference_mode():
        for _ in range(length):
            ids.append(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax().item())
    return tuple(ids[len(prompt) :])


def with_likeliest(prompts):
    """Many answers, the likeliest continuation of each prompt among them, as for a tuned model."""
    return sorted({*MANY, *(likeliest(prompt) for prompt in prompts)})


PROMPTS = [PROMPT, PROMPT[:12], [*PROMPT[:10], 40], [*PROMPT, *PROMPT], [*PROMPT[:9], 33, 1]]
with float64():
    TUNED = with_likeliest(PROMPTS)


def rows(scored):
    return torch.tensor(scored.logprobs)


@pytest.mark.parametrize(
    "answers",
    [ANSWERS, MANY, TUNED, [(5, 6, 7, 2)], [(5,)]],
    ids=["few", "many", "tuned", "one", "token"],
)
@pytest.mark.parametrize("scale", [0.01, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("shared", [0, 9])
def test_needed_answers_are_within_the_bound_of_full_passes(answers, scale, shared):
    model = peaked(scale)
    prompts = PROMPTS
    exact = torch.stack([by_full_passes(model, prompt, answers) for prompt in prompts])
    scorer = tree_scorer(model, PROMPT, answers)
    prefix = scorer.read_prefix(PROMPT[:shared]) if shared else None
    tree, suffixes = choice_tree(answers), [prompt[shared:] for prompt in prompts]
    batch = scorer.score_needed(suffixes, tree, prefix, budget=100)
    alone = [scorer.score_needed([suffix], tree, prefix) for suffix in suffixes]
    wanted = exact.softmax(-1)
    for got in (rows(batch), torch.cat([rows(one) for one in alone])):
        assert got.argmax(-1).tolist() == exact.argmax(-1).tolist()
        assert (got.softmax(-1) - wanted).abs().max() <= EPS * (1 + 1e-6)
    assert batch.nodes == [one.nodes[0] for one in alone], "batch-mates do not decide what is computed"
    assert_same(rows(batch), torch.cat([rows(one) for one in alone]))
    everything = scorer.score_needed(suffixes, tree, prefix, eps=0.0)
    assert_same(rows(everything), exact)
    assert everything.nodes == [len(tree.tokens)] * len(prompts)


def test_a_sure_model_computes_few_nodes_and_an_unsure_one_all():
    tree = choice_tree(TUNED)
    few, every = (
        tree_scorer(peaked(scale), PROMPT, TUNED).score_needed(PROMPTS, tree, None).nodes
        for scale in (20.0, 0.01)
    )
    assert max(few) < len(tree.tokens) / 2
    assert every == [len(tree.tokens)] * len(PROMPTS)


def test_needed_answers_are_the_same_bits_when_asked_again():
    scorer, tree = tree_scorer(peaked(4.0), PROMPT, MANY), choice_tree(MANY)
    first, again = (scorer.score_needed([PROMPT, PROMPT[:7]], tree, None) for _ in range(2))
    assert first == again


def test_answers_of_one_token_need_no_tree():
    model = small("Llama")
    answers = [(5,), (8,), (9,)]
    expected = by_full_passes(model, PROMPT, answers)
    scorer = tree_scorer(model, PROMPT, answers)
    assert_same(scorer.score([PROMPT], choice_tree(answers), None)[0], expected)


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
    assert_same(expected_again, expected)
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
