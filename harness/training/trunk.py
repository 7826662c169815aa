"""Compute the frozen lower layers of a model once a row and keep what they give.

While adapters sit on the upper layers only, the lower ones see the same rows in every epoch and give
the same hidden states. Inside `frozen_trunk` they run once a row; later epochs read the result from
memory. The math is unchanged (rows are right-padded and attention is causal, so a row's states depend
neither on padding nor on its batch).

Applies to decoder-only models whose layers lie in `model.layers` and are called in order, as in the
Llama family; `can_freeze` says whether a model qualifies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MAX_BYTES = 3 * 2**30


def can_freeze(decoder: Any) -> bool:
    """Whether this decoder's layers can be frozen and kept (a plain list of layers, no dropout)."""
    dropout = float(getattr(decoder.config, "attention_dropout", 0.0) or 0.0)
    return hasattr(decoder, "layers") and len(decoder.layers) > 1 and dropout == 0.0


@contextmanager
def frozen_trunk(decoder: Any, depth: int, max_bytes: int = MAX_BYTES) -> Iterator[None]:
    """Within the block, run the `depth` lowest layers of `decoder` once a row.

    Args:
        decoder: the bare decoder, whose forward takes `input_ids` and `attention_mask`.
        max_bytes: memory for kept states; rows beyond it are computed each time.
    """
    if depth <= 0:
        yield
        return
    trunk = _Trunk([decoder.layers[i] for i in range(depth)], max_bytes)
    hook = decoder.register_forward_pre_hook(trunk.see, with_kwargs=True)
    originals = [layer.forward for layer in trunk.layers]
    trunk.layers[0].forward = trunk.forward
    for layer in trunk.layers[1:]:
        layer.forward = _pass_on
    trunk.originals = originals
    try:
        yield
    finally:
        hook.remove()
        for layer in trunk.layers:
            del layer.forward  # uncovers the class's own


def _pass_on(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
    return hidden_states


class _Trunk:
    """The lower layers and what they gave for each row seen."""

    def __init__(self, layers: list[Any], max_bytes: int) -> None:
        self.layers = layers
        self.originals: list[Any] = []
        self._room = max_bytes
        self._kept: dict[bytes, Any] = {}
        self._rows: list[bytes] = []
        self._lengths: list[int] = []

    def see(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note which rows the next pass is about."""
        ids, mask = kwargs.get("input_ids", args[0] if args else None), kwargs.get("attention_mask")
        self._lengths = [ids.shape[1]] * ids.shape[0] if mask is None else mask.sum(dim=1).tolist()
        self._rows = [
            row[:length].cpu().numpy().tobytes() for row, length in zip(ids, self._lengths, strict=True)
        ]

    def forward(self, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        """Hidden states after the last trunk layer, (rows, tokens, width)."""
        import torch

        result = torch.zeros_like(hidden_states)
        missing = [i for i, row in enumerate(self._rows) if row not in self._kept]
        if missing:
            with torch.no_grad():
                fresh = self._compute(hidden_states, missing, args, kwargs)
            for place, i in enumerate(missing):
                result[i] = fresh[place]
                self._keep(self._rows[i], fresh[place, : self._lengths[i]])
        for i in set(range(len(self._rows))) - set(missing):
            result[i, : self._lengths[i]] = self._kept[self._rows[i]]
        return result.detach()

    def _compute(self, hidden: Any, rows: list[int], args: Any, kwargs: Any) -> Any:
        size = hidden.shape[0]
        picked = {name: _pick(value, rows, size) for name, value in kwargs.items()}
        part = hidden[rows]
        for original in self.originals:
            part = original(part, *[_pick(value, rows, size) for value in args], **picked)
        return part

    def _keep(self, row: bytes, states: Any) -> None:
        size = states.numel() * states.element_size()
        if size <= self._room:
            self._kept[row] = states.clone()
            self._room -= size


def _pick(value: Any, rows: list[int], size: int) -> Any:
    """The given rows of a tensor argument; arguments shared by all rows stay whole."""
    import torch

    if isinstance(value, tuple):
        return tuple(_pick(part, rows, size) for part in value)
    if isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[0] == size and size > 1:
        return value[rows]
    return value
