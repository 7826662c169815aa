"""A prefix that is computed once: what counts as one, and that ordinary passes give the same."""

from __future__ import annotations

import copy

import pytest

from harness.training.fast import LEAST_PREFIX, common_prefix, forward_over_prefix, line_of, prefix_fits

HEAD = tuple(range(5, 5 + LEAST_PREFIX + 2))


@pytest.mark.parametrize(
    ("rows", "answers", "expected"),
    [
        ([(*HEAD, 30, 40), (*HEAD, 31, 41)], [1, 1], HEAD),
        # the token before the answer stays with its row, however far the rows agree
        ([(*HEAD, 40), (*HEAD, 41)], [1, 1], HEAD[:-1]),
        ([(*HEAD[:6], 30, 31, 32, 40), (*HEAD[:6], 33, 34, 35, 41)], [1, 1], ()),  # too short to be worth it
        ([(*HEAD, 30, 40)], [1], ()),  # one row shares nothing
        ([(*HEAD, 30, 40), (99, *HEAD[1:], 30, 40)], [1, 1], ()),
    ],
    ids=["template", "up to the answer", "short", "one row", "nothing shared"],
)
def test_the_prefix_is_what_all_rows_begin_with(rows, answers, expected) -> None:
    assert common_prefix(rows, answers) == expected


@pytest.fixture(scope="module")
def decoder():
    torch = pytest.importorskip("torch")
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(3)
    return LlamaModel(
        LlamaConfig(
            vocab_size=100,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    )


def test_states_and_gradients_are_those_of_ordinary_passes(decoder) -> None:
    import torch

    from tests.support.float64 import float64

    decoder = copy.deepcopy(decoder).double()
    rows = [(*HEAD, 20, 21), (*HEAD, 30, 31, 32, 33), (*HEAD, 40, 41, 42)]
    p, longest = len(HEAD), max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    read = torch.zeros_like(ids, dtype=torch.bool)
    for place, row in enumerate(rows):
        read[place, len(row) - 2 : len(row)] = True

    def gradients(hidden):
        decoder.zero_grad()
        hidden.square().sum().backward()
        return hidden.detach(), [x.grad.clone() for x in decoder.parameters() if x.grad is not None]

    with float64():
        plain, plain_grads = gradients(decoder(input_ids=ids, use_cache=False).last_hidden_state[read])
        short, short_grads = gradients(forward_over_prefix(decoder, ids[0, :p], ids[:, p:])[line_of(p, read)])
    assert plain.dtype == torch.float64
    assert len(plain_grads) == len(short_grads) > 20
    for one, other in zip([plain, *plain_grads], [short, *short_grads], strict=True):
        assert (one - other).abs().max() <= 1e-9 * one.abs().max()
    assert decoder.config._attn_implementation == "sdpa"  # nothing stays changed


def test_a_model_with_another_attention_does_not_pass(decoder) -> None:
    rows = [(*HEAD, 20, 21), (*HEAD, 30, 31, 32)]
    assert prefix_fits(decoder, HEAD, rows)
    looser = copy.deepcopy(decoder)
    for layer in looser.layers:
        layer.self_attn.forward = _other_scale(layer.self_attn)
    assert not prefix_fits(looser, HEAD, rows)


def _other_scale(attention):
    """An attention whose ordinary pass differs from what the registered function is told."""
    own = attention.forward

    def forward(*args, **kwargs):
        if "layout" in kwargs:
            attention.scaling *= 2
            try:
                return own(*args, **kwargs)
            finally:
                attention.scaling /= 2
        return own(*args, **kwargs)

    return forward
