"""Memory that an encoder's training takes with this trainer, and what to change where it does not fit.

A sum of parts, in GiB, beside the encoder that is open already:

    states       gradient and Adam's two moments of every weight that is trained, fp32: 12 bytes each
    activations  what the layers above the lowest trained one keep of a batch for their gradient, at the
                 longest text that is read; nothing is recomputed

Before the encoder is opened its weights alone are set against the free memory.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.base_models.vram import GIB
from harness.core.artefacts import EncoderRecipe
from harness.training.memory import BAND, MemoryParts, require_room

_STATE_BYTES = 12
_NORM_BYTES = 8  # a norm keeps its input and the sum before it, fp32
_LORA_STATES = 0.02  # of the matrices: more than additions of rank 16 take


@dataclass(frozen=True, kw_only=True)
class EncoderMemory(MemoryParts):
    """The parts, GiB."""

    weights: float = 0.0
    states: float = 0.0
    activations: float = 0.0


def encoder_memory(layers: Any, trained: int, recipe: EncoderRecipe, heads: int) -> EncoderMemory:
    """What a training takes beside the open encoder.

    Args:
        layers: the encoder's layers, from the lowest.
        trained: weights that are trained.
        heads: attention heads of a layer.
    """
    kept = list(layers)[-(recipe.tuned_layers or len(layers)) :]
    a_token = sum(_kept_per_token(layer, recipe, heads) for layer in kept)
    return EncoderMemory(
        states=trained * _STATE_BYTES / GIB,
        activations=recipe.batch_size * recipe.max_tokens * a_token / GIB,
    )


def _kept_per_token(layer: Any, recipe: EncoderRecipe, heads: int) -> int:
    """Bytes: inputs and outputs of the matrices, of the norms, and the attention to every other token.

    The attention's weights are kept in fp32, in the precision that is multiplied in before and after dropout,
    and dropout's mask.
    """
    import torch

    width = 2 if recipe.precision == "bf16" else 4
    matrices = [module for module in layer.modules() if isinstance(module, torch.nn.Linear)]
    norms = [module for module in layer.modules() if isinstance(module, torch.nn.LayerNorm)]
    sides: int = sum(module.in_features + module.out_features for module in matrices)
    normed: int = sum(module.normalized_shape[0] for module in norms)
    attention = heads * recipe.max_tokens * (2 * width + 4 + 1)
    return sides * width + normed * _NORM_BYTES + attention


def require_room_to_open(base: Path, free_gib: float | None) -> None:
    """Refuse an encoder whose weights alone do not fit.

    Raises:
        TrainingError: with what to do instead.
    """
    stored = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    require_room(EncoderMemory(weights=stored / GIB), free_gib, "the plan again with a smaller encoder")


def require_room_to_train(
    session: tuple[Any, int, int], recipe: EncoderRecipe, free_gib: float | None
) -> None:
    """Refuse a training that cannot fit beside the open encoder.

    Args:
        session: the encoder's layers, the number of trained weights, and of attention heads.

    Raises:
        TrainingError: with the mildest change that fits.
    """
    layers, trained, heads = session
    needed = encoder_memory(layers, trained, recipe, heads)
    ways = "the plan again with a smaller encoder"
    if free_gib is not None:
        for words, milder, states in _milder(recipe, trained):
            if encoder_memory(layers, states, milder, heads).total * BAND[1] <= free_gib:
                ways = f"the plan again with {words}"
                break
    require_room(needed, free_gib, ways)


def _milder(recipe: EncoderRecipe, trained: int) -> list[tuple[str, EncoderRecipe, int]]:
    """Changes that add up, in the order in which they cost quality; with the weights then trained."""
    found = []
    for batch in (16, 8, 4):
        if batch < recipe.batch_size:
            recipe = dataclasses.replace(recipe, batch_size=batch)
            found.append((f"encoder.batch_size: {batch}", recipe, trained))
    words = found[-1][0] + ", " if found else ""
    if recipe.tuned == "whole":
        found.append((f"{words}encoder.method: lora", recipe, round(trained * _LORA_STATES)))
    return found
