"""Matrix products of an open model in the order of memory that oneDNN multiplies fastest. fp32 on a CPU only.

torch hands an fp32 product to MKL, which lays the weights out anew at every call; oneDNN takes them laid out
once. On an AMD EPYC that is 102 against 73 to 96 GFLOP/s a core in the sizes of SmolLM2 (docs/lab-log.md,
"Where the demo's first minute went"). The sums are taken in another order: results move by rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch

_ROWS = 256  # what a layout is chosen for; other numbers of rows are multiplied as well
_AGREE = 1e-3  # between both products on the probe, as a share of the largest value


class PackedProduct(torch.nn.Module):  # type: ignore[misc]
    """A linear layer whose weight is held in oneDNN's layout alone; cast or moved, an ordinary one again."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The product, and the bias where there is one."""
        if not self._weight.is_mkldnn:
            return torch.nn.functional.linear(rows, self._weight, self._bias)
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return out

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        self._weight = fn(self._weight.to_dense() if self._weight.is_mkldnn else self._weight)
        self._bias = None if self._bias is None else fn(self._bias)
        super()._apply(fn, recurse)
        return self


def pack_products(model: Any) -> None:
    """Replace the linear layers of a model that is only read from now on; as it is where that is of no use.

    The output layer stays: its weight is the embedding's in many models, and is read elsewhere.

    Args:
        model: a language model of transformers, or an encoder of sentence-transformers, on a CPU.
    """
    outputs = getattr(model, "get_output_embeddings", None)
    last = outputs() if outputs is not None else None
    found = [
        (owner, name, layer)
        for owner in model.modules()
        for name, layer in owner.named_children()
        if type(layer) is torch.nn.Linear and layer is not last and layer.weight.dtype == torch.float32
    ]
    if not found or not _packs(found[0][2]):
        return
    for owner, name, layer in found:
        setattr(owner, name, PackedProduct(layer))


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _packs(layer: torch.nn.Linear) -> bool:
    """Whether this build of torch has the products, and they agree with its own on a probe."""
    if not torch.backends.mkldnn.is_available():
        return False
    width = layer.in_features
    probe = torch.arange(2 * width, dtype=torch.float32).reshape(2, width).sin()
    try:
        packed = PackedProduct(layer)(probe)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    ordinary = layer(probe)
    return bool((packed - ordinary).abs().max() <= _AGREE * ordinary.abs().max().clamp(min=1e-6))
