"""The head an encoder's training begins with: the best linear one on its vectors as they are.

A head of random weights sends large, useless gradients into the encoder before it knows the labels, and
spoils what its vectors already tell apart (Kumar 2022, 2202.10054: linear probing first, then tuning). The
head is fitted with the training's own loss and a pull towards 0, on vectors scaled to a mean length of 1, so
that the pull means the same for every encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_PULL = 1.0  # of the squared weights against a row's loss
_MOST_STEPS = 100


def fit_head(head: Any, vectors: Any, targets: Sequence[int], smoothing: float) -> None:
    """Fit a linear head to vectors; the same rows give the same head.

    Args:
        head: a `torch.nn.Linear`, whose weights are replaced.
        vectors: one row a text, fp32.
        smoothing: as in the training's loss.
    """
    import torch

    scale = vectors.norm(dim=1).mean().clamp(min=1e-6)
    scaled, truth = vectors / scale, torch.tensor(targets, device=vectors.device)
    weight = torch.zeros_like(head.weight, requires_grad=True)
    bias = torch.zeros_like(head.bias, requires_grad=True)
    steps = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MOST_STEPS,
        line_search_fn="strong_wolfe",
        tolerance_change=1e-6,
        tolerance_grad=1e-5,
    )

    def loss() -> Any:
        steps.zero_grad()
        fit = torch.nn.functional.cross_entropy(scaled @ weight.T + bias, truth, label_smoothing=smoothing)
        value = fit + _PULL * weight.square().sum() / (2 * len(truth))
        value.backward()
        return value

    steps.step(loss)
    with torch.no_grad():
        head.weight.copy_(weight / scale)
        head.bias.copy_(bias)
