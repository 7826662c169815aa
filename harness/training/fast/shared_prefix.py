"""Compute what all rows of a batch begin with once, in training too.

A chat template and an instruction put the same tokens in front of every row; in short rows they are most
of it. Here a batch is one line of tokens, the shared prefix first and then the rows without it, and only
attention knows of rows: prefix tokens see the prefix, a row's tokens the prefix and their own row. Gradients
flow through the one copy of the prefix and add up over the rows. The mathematics is unchanged, since
attention is causal: a prefix token never sees what follows it.

Registered with transformers as an attention of its own, used only inside `forward`. `fits` tries it on
two rows rather than guess: sliding windows and other attentions do not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NAME = "tune_or_retrieve_shared_prefix"
LEAST = 8  # tokens; a shorter prefix is not worth the detour
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a line of tokens is to be read: `prefix` of them, then `rows` rows of `length`."""

    prefix: int
    rows: int
    length: int


def common_prefix(rows: Sequence[Sequence[int]], answers: Sequence[int]) -> tuple[int, ...]:
    """What all rows begin with, leaving each at least the token before its answer; () if not worth it.

    Args:
        answers: how many tokens at the end of each row are its answer.
    """
    if len(rows) < 2:
        return ()
    most = min(len(row) - answer - 1 for row, answer in zip(rows, answers, strict=True))
    low, high = (
        min(map(tuple, rows)),
        max(map(tuple, rows)),
    )  # in lexical order the two ends share what all share
    shared = next((i for i in range(min(len(low), len(high))) if low[i] != high[i]), len(low))
    length = min(most, shared)
    return low[:length] if length >= LEAST else ()


def forward(decoder: Any, prefix: Any, rows: Any) -> Any:
    """The decoder's last hidden state, (1, p + b * s, width), from one copy of the prefix.

    Args:
        prefix: token ids (p,) or hidden states (p, width).
        rows: what follows it, right-padded: token ids (b, s) or hidden states (b, s, width).
    """
    import torch

    register()
    layout = Layout(prefix=len(prefix), rows=rows.shape[0], length=rows.shape[1])
    line = torch.cat([prefix, rows.flatten(0, 1)]).unsqueeze(0)
    own = torch.arange(layout.length, device=line.device) + layout.prefix
    positions = torch.cat([torch.arange(layout.prefix, device=line.device), own.repeat(layout.rows)])
    given = {"inputs_embeds": line} if line.is_floating_point() else {"input_ids": line}
    before = decoder.config._attn_implementation
    decoder.config._attn_implementation = NAME
    try:
        return decoder(
            **given, position_ids=positions.unsqueeze(0), use_cache=False, layout=layout
        ).last_hidden_state
    finally:
        decoder.config._attn_implementation = before


def line_of(prefix: int, mask: Any) -> Any:
    """A (b, L) mask over whole rows as one over the line, (1, p + b * (L - p)); False on the prefix."""
    import torch

    rest = mask[:, prefix:].flatten()
    return torch.cat([torch.zeros(prefix, dtype=torch.bool, device=mask.device), rest]).unsqueeze(0)


def fits(decoder: Any, prefix: Sequence[int], rows: Sequence[Sequence[int]]) -> bool:
    """Whether two rows give what ordinary passes over each give."""
    import torch

    device = decoder.embed_tokens.weight.device
    two = [list(row) for row in rows[:2]]
    p, longest = len(prefix), max(len(row) for row in two)
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in two], device=device)
    with torch.no_grad():
        try:
            line = forward(decoder, ids[0, :p], ids[:, p:])[0]
        except (NotImplementedError, TypeError, ValueError, KeyError):
            return False
        rest = line[p:].unflatten(0, (len(two), longest - p))
        for place, row in enumerate(two):
            whole = decoder(input_ids=ids[place : place + 1, : len(row)], use_cache=False).last_hidden_state[
                0
            ]
            got = torch.cat([line[:p], rest[place, : len(row) - p]])
            if (whole - got).abs().max() > _TOLERANCE * whole.abs().max():
                return False
    return True


def register() -> None:
    """Make the attention known to transformers under `NAME`; again is harmless."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, shared_attention)


def shared_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Any, None]:
    """The attention as transformers calls it; how the line is read comes as the keyword `layout`.

    Shapes: query (1, heads, n, d), key and value (1, kv_heads, n, d); returns (1, n, heads, d).

    Raises:
        NotImplementedError: if the layer needs a sliding window, a soft cap or sinks.
    """
    import torch

    layout: Layout = kwargs["layout"]
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise NotImplementedError(f"a shared prefix without {name}")
    attend = torch.nn.functional.scaled_dot_product_attention
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    p = layout.prefix
    first = attend(query[:, :, :p], key[:, :, :p], value[:, :, :p], is_causal=True, scale=scaling)

    def rows(x: Any) -> Any:
        return x[0, :, p:].unflatten(1, (layout.rows, layout.length)).transpose(0, 1)

    def behind(x: Any) -> Any:
        return torch.cat([x[:, :, :p].expand(layout.rows, -1, -1, -1), rows(x)], dim=2)

    mask = torch.ones(layout.length, p + layout.length, dtype=torch.bool, device=query.device).tril(p)
    rest = attend(rows(query), behind(key), behind(value), attn_mask=mask, scale=scaling)
    whole = torch.cat([first, rest.transpose(0, 1).flatten(1, 2).unsqueeze(0)], dim=2)
    return whole.transpose(1, 2), None
