"""The loss of a batch on the answers' tokens alone, without logits where there is no loss.

A vocabulary of 49,152 makes logits at every position the largest part of a small model's step; an
answer is three to six of a hundred tokens. No attention mask is passed: rows are right-padded and
attention is causal, so padding cannot reach a real token, and the unmasked path is the faster one.

Models that change their logits after the head (soft caps, scales) are left to TRL's own loss; see
`has_plain_head`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.training.fast.frozen_layers import FrozenLayers
from harness.training.fast.last_layer import LastLayer
from harness.training.fast.shared_prefix import forward, line_of

_LOGIT_CHANGES = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


def has_plain_head(model: Any) -> bool:
    """Whether logits are the head's product and nothing else."""
    changed = [getattr(model.config, name, None) for name in _LOGIT_CHANGES]
    plain = all(value in (None, 0, 1, 1.0) for value in changed)
    return plain and getattr(model, "model", None) is not None and hasattr(model, "lm_head")


def answer_loss(
    model: Any,
    inputs: Any,
    trunk: FrozenLayers | None = None,
    last: LastLayer | None = None,
    prefix: Sequence[int] = (),
) -> Any:
    """Mean cross-entropy (nats per answer token), computed in fp32.

    Args:
        model: the causal language model under the adapters, with `model` and `lm_head`.
        inputs: `input_ids`, `labels` and `attention_mask` of right-padded rows.
        trunk: where the lower layers' states are kept, skipped; None runs all layers.
        last: the last layer, shortened; None runs it at all positions.
        prefix: what all rows begin with, to be computed once; a trunk has to know the same.
    """
    import torch

    labels = inputs["labels"]
    wanted = torch.nn.functional.pad(labels[:, 1:] != -100, (0, 1))  # the token before each answer token
    targets = labels[:, 1:][wanted[:, :-1]]
    if prefix:
        wanted = line_of(len(prefix), wanted)
    if last is not None:
        last.wanted = wanted
    hidden = _hidden(model, inputs, trunk, len(prefix))
    read = hidden if last is not None else hidden[wanted]
    return torch.nn.functional.cross_entropy(model.lm_head(read).float(), targets)


def _hidden(model: Any, inputs: Any, trunk: FrozenLayers | None, prefix: int) -> Any:
    ids = inputs["input_ids"]
    if trunk is not None:
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        rows = [row[:length] for row, length in zip(ids.tolist(), lengths, strict=True)]
        return trunk.upper(trunk.states(rows, ids.shape[1]))
    if prefix:
        return forward(model.model, ids[0, :prefix], ids[:, prefix:])
    return model.model(input_ids=ids, use_cache=False).last_hidden_state
