"""Attention for one pass over prompt suffixes and a tree of answers, behind a shared prompt prefix.

A row of the batch is `[suffix, padding, tree]`. Suffix tokens are causal; a tree token sees the whole
suffix of its row and its own ancestors; everything sees the prefix, whose keys and values are held once
for the whole batch and never copied. In a later pass over nodes alone (`Below`) the nodes of all rows
stand in one line without padding, and each sees the recorded suffix of its row.

The parts are computed apart and merged by their log-sum-exp (the split-softmax identity of
FlashAttention, Dao et al. 2022, section 3.1), so that prefix and suffix need no mask and the mask of the
tree stays small.

It is registered with transformers as an attention of its own; `harness.models.local.tree_scoring` checks on
loading that a model's forward pass agrees with its ordinary one. Sliding windows, soft caps and
attention sinks are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

NAME = "tune_or_retrieve_tree"
Parts = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A pass over n tree nodes of r rows, in one line; row i has at most m of them.

    Attributes:
        layers: keys and values of the rows' suffixes by layer, each (r, kv_heads, s, d).
        mask: (r, 1, groups * m, s + m), 0 where a node may look and -inf elsewhere.
        spread: (r * m,) which node of the line stands at each place; 0 at places without one.
        line: (n,) at which place each node of the line stands.
    """

    layers: list[Parts]
    mask: torch.Tensor
    spread: torch.Tensor
    line: torch.Tensor


@dataclass(slots=True, kw_only=True)
class TreePass:
    """What one forward pass tells every layer's attention.

    Attributes:
        suffix: padded length s of the suffix; what follows in a row are its t tree tokens.
        tree_mask: (b, 1, groups * t, s + t), 0 where a tree token may look and -inf elsewhere; None
            when t is 0.
        prefix: keys and values by layer, each (1, kv_heads, p, d); None without a prefix.
        record: filled with this pass's keys and values by layer when not None.
        below: set for a pass over nodes alone; `suffix` is then 0.
    """

    suffix: int
    tree_mask: torch.Tensor | None = None
    prefix: list[Parts] | None = None
    record: list[Parts] | None = None
    below: Below | None = None


def register() -> None:
    """Make the attention known to transformers under `NAME`; again is harmless."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, tree_attention)


def tree_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function as transformers calls it; its `TreePass` comes as the keyword `tree`.

    Shapes: query (b, heads, s + t, d), key and value (b, kv_heads, s + t, d); returns (b, s + t, heads, d).

    Raises:
        NotImplementedError: if the layer needs a sliding window, a soft cap or sinks.
    """
    tree: TreePass = kwargs["tree"]
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise NotImplementedError(f"tree attention without {name}")
    if tree.record is not None:
        tree.record.append((key, value))
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if tree.below is not None:
        own, own_lse = _below(query, key, value, tree.below, module.layer_idx, scale)
    else:
        own, own_lse = _own(query, key, value, tree, scale)
    if tree.prefix is not None:
        past_key, past_value = tree.prefix[module.layer_idx]
        past, past_lse = _prefix(query, past_key, past_value, scale)
        weight = torch.sigmoid(past_lse - own_lse).unsqueeze(-1).to(own.dtype)
        own = torch.lerp(own, past, weight)
    return own.transpose(1, 2), None


def _own(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, tree: TreePass, scale: float) -> Parts:
    """Attention inside the rows: causal over the suffix, masked for the tree."""
    heads, s, t = q.shape[1], tree.suffix, q.shape[2] - tree.suffix
    groups = heads // k.shape[1]
    ks, vs = (x[:, :, :s].repeat_interleave(groups, dim=1) for x in (k, v))
    out, lse = attend(q[:, :, :s], ks, vs, scale, causal=True)
    if t == 0:
        return out, lse
    folded = q[:, :, s:].reshape(q.shape[0], k.shape[1], groups * t, q.shape[3])
    tree_out, tree_lse = attend(folded, k, v, scale, mask=tree.tree_mask)
    shape = (q.shape[0], heads, t)
    return (
        torch.cat([out, tree_out.reshape(*shape, -1)], dim=2),
        torch.cat([lse, tree_lse.reshape(shape)], dim=2),
    )


def _below(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, below: Below, layer: int, scale: float
) -> Parts:
    """Attention of nodes to their row's suffix and to their ancestors."""
    past_k, past_v = below.layers[layer]
    rows, kv, d = past_k.shape[0], k.shape[1], q.shape[3]
    places = len(below.spread) // rows

    def spread(x: torch.Tensor) -> torch.Tensor:
        return x[0].index_select(1, below.spread).reshape(-1, rows, places, d).transpose(0, 1)

    keys, values = torch.cat([past_k, spread(k)], dim=2), torch.cat([past_v, spread(v)], dim=2)
    out, lse = attend(spread(q).reshape(rows, kv, -1, d), keys, values, scale, mask=below.mask)
    out = out.reshape(rows, -1, places, d).transpose(0, 1).reshape(-1, rows * places, d)
    lse = lse.reshape(rows, -1, places).transpose(0, 1).reshape(-1, rows * places)
    return out.index_select(1, below.line).unsqueeze(0), lse.index_select(1, below.line).unsqueeze(0)


def _prefix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> Parts:
    """Attention of all rows to the shared prefix: the batch is folded into the query length."""
    b, heads, n, d = q.shape
    kv = k.shape[1]
    folded = q.reshape(b, kv, -1, d).transpose(0, 1).reshape(1, kv, -1, d)
    out, lse = attend(folded, k, v, scale)
    out = out.reshape(kv, b, heads // kv, n, -1).transpose(0, 1).reshape(b, heads, n, -1)
    return out, lse.reshape(kv, b, heads // kv, n).transpose(0, 1).reshape(b, heads, n)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    *,
    causal: bool = False,
    mask: torch.Tensor | None = None,
) -> Parts:
    """Softmax attention and the log-sum-exp of its scores, (b, h, n, d) and fp32 (b, h, n).

    On a CPU the fused kernel of torch is used, which returns both; elsewhere plain matrix products.
    """
    if q.device.type == "cpu":
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, 0.0, causal, attn_mask=mask, scale=scale
        )
        return out, lse
    scores = (q @ k.transpose(-1, -2)).float() * scale
    if mask is not None:
        scores = scores + mask
    if causal:
        n, m = scores.shape[-2:]
        scores = scores.masked_fill(torch.ones(n, m, dtype=torch.bool, device=q.device).triu(1), -torch.inf)
    lse = scores.logsumexp(-1)
    return torch.exp(scores - lse.unsqueeze(-1)).to(v.dtype) @ v, lse
